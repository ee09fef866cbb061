import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addRangeWeights, maxOverHeads, meanOverHeads } from '../../../src/attention/aggregate';
import type { TokenRange } from '../../../src/shared/address';
import { type Direction, isApplicable, rangeBetween } from '../../../src/shared/relevance';
import { bandsOf } from '../../bands';

/** 3 tokens; cells above the diagonal are masked and must never count. */
const map = Float32Array.of(1, 99, 99, 0.5, -0.5, 99, 0.25, 0.5, 0.25);

/** Whatever rows come together, the result is the same. */
function rangeWeights(values: Float32Array, nTokens: number, range: TokenRange, direction: Direction): Float32Array {
  const [whole, ...cut] = [nTokens, 1, 2].map(nRows => {
    const weights = new Float64Array(nTokens);
    for (const band of bandsOf(values, nRows)) addRangeWeights(weights, band, range, direction);
    return Float32Array.from(weights);
  });
  for (const other of cut) assert.deepEqual(other, whole);
  return whole!;
}

test('a range of queries: the mean of their rows, masked cells adding nothing', () => {
  assert.deepEqual([...rangeWeights(map, 3, { first: 2, end: 3 }, 'attends')], [0.25, 0.5, 0.25]);
  assert.deepEqual([...rangeWeights(map, 3, { first: 0, end: 2 }, 'attends')], [0.75, -0.25, 0]);
});

test('a range of keys: the mean of their columns', () => {
  assert.deepEqual([...rangeWeights(map, 3, { first: 0, end: 1 }, 'attendedBy')], [1, 0.5, 0.25]);
  assert.deepEqual([...rangeWeights(map, 3, { first: 1, end: 3 }, 'attendedBy')], [0, -0.25, 0.375]);
});

test('one token: it attends to itself with the whole of its row', () => {
  for (const direction of ['attends', 'attendedBy'] as const) {
    assert.deepEqual([...rangeWeights(Float32Array.of(0.9), 1, { first: 0, end: 1 }, direction)], [Math.fround(0.9)]);
  }
});

test('over heads: the mean, and the strongest with its sign; a NaN never hides', () => {
  const rows = [Float32Array.of(1, -3, Number.NaN), Float32Array.of(-2, 1, 5)];
  assert.deepEqual([...meanOverHeads(rows)], [-0.5, -1, Number.NaN]);
  assert.deepEqual([...maxOverHeads(rows)], [-2, -3, Number.NaN]);
  assert.deepEqual([...maxOverHeads(rows.toReversed())], [-2, -3, Number.NaN]);
  assert.throws(() => meanOverHeads([]), RangeError);
  assert.throws(() => maxOverHeads([]), RangeError);
});

test('ranges and what can have a weight for them', () => {
  assert.deepEqual(rangeBetween(5, 2), { first: 2, end: 6 });
  assert.deepEqual(rangeBetween(2, 2), { first: 2, end: 3 });
  const range = { first: 2, end: 4 };
  assert.deepEqual(
    [0, 3, 4].map(idx => isApplicable('attends', range, idx)),
    [true, true, false],
  );
  assert.deepEqual(
    [1, 2, 9].map(idx => isApplicable('attendedBy', range, idx)),
    [false, true, true],
  );
});
