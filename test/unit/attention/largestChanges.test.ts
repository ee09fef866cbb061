import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LargestChanges, type Reach, stagesOfPart } from '../../../src/attention/largestChanges';
import { type Stage, stages } from '../../../src/shared/operators';
import { bandsOf } from '../../bands';
import { Random } from '../../random';

/** A map of four tokens from its rows up to the diagonal. */
function map(...rows: number[][]): Float32Array {
  const values = new Float32Array(rows.length ** 2);
  for (const [query, row] of rows.entries()) values.set(row, query * rows.length);
  return values;
}

/** Two rows at a time. */
function largestChanges(before: Float32Array, after: Float32Array, stage: Stage, k: number, within: Reach) {
  const changes = new LargestChanges(stage, k, within);
  const bands = bandsOf(after, 2);
  for (const [i, band] of bandsOf(before, 2).entries()) changes.add(band, bands[i]!);
  return changes.found();
}

const reach = { queries: 1, keys: 1 };
const cells = (changes: ReturnType<typeof largestChanges>) =>
  changes.map(({ queryIdx, keyIdx, change }) => [queryIdx, keyIdx, Math.round(change * 1000) / 1000]);

test('after the softmax the difference of the weights counts', () => {
  const before = map([1], [0.5, 0.5], [0.2, 0.2, 0.6]);
  const after = map([1], [0.4, 0.5], [0.2, -0.3, 0.8]);
  assert.deepEqual(cells(largestChanges(before, after, 'convolved_pattern', 5, reach)), [
    [2, 1, -0.5],
    [2, 2, 0.2],
    [1, 0, -0.1],
  ]);
});

test('before it, what the softmax would make of it: a constant on a row is no change', () => {
  const before = map([0], [1, 1], [-50, 0, 0]);
  const after = map([9], [4, 4], [-90, 0, 1]);
  const changes = largestChanges(before, after, 'convolved_scores', 5, reach);
  const weight = 1 / (1 + Math.exp(-1)) - 0.5;
  const keys = changes.map(({ queryIdx, keyIdx }) => `${queryIdx},${keyIdx}`);
  assert.deepEqual(keys.sort(), ['2,1', '2,2']);
  assert.ok(changes.every(({ change }) => Math.abs(Math.abs(change) - weight) < 1e-6));
  const last = changes.find(({ keyIdx }) => keyIdx === 2)!;
  assert.deepEqual([last.before, last.after], [0, 1]);
});

test('cells within one reach of a stronger one are passed over', () => {
  const before = map([0], [0, 0], [0, 0, 0], [0, 0, 0, 0]);
  const after = map([0], [0, 0], [0, 1, 0.9], [0.5, 0.8, 0, 0]);
  const found = largestChanges(before, after, 'mixed_pattern', 5, { queries: 2, keys: 2 });
  assert.deepEqual(cells(found), [[2, 1, 1]]);
  assert.equal(largestChanges(before, after, 'mixed_pattern', 2, reach).length, 2);
});

test('one token, no change, and values that are not numbers', () => {
  assert.deepEqual(largestChanges(map([3]), map([5]), 'mixed_scores', 5, reach), []);
  const broken = largestChanges(map([1], [1, 0]), map([1], [Number.NaN, 0.5]), 'mixed_pattern', 5, reach);
  assert.deepEqual(cells(broken), [[1, 1, 0.5]]);
});

test('candidates that are dropped on the way change nothing', () => {
  const random = new Random(3);
  const before = new Float32Array(600 ** 2);
  const after = random.floats(600 ** 2);
  const found = largestChanges(before, after, 'mixed_pattern', 4, { queries: 6, keys: 11 });
  const expected: number[][] = [];
  const order = Array.from(after.keys(), at => ({
    query: Math.floor(at / 600),
    key: at % 600,
    x: Math.abs(after[at]!),
  }))
    .filter(({ query, key }) => key <= query)
    .sort((a, b) => b.x - a.x);
  for (const { query, key } of order) {
    if (expected.length === 4) break;
    if (!expected.some(([i, j]) => Math.abs(i! - query) < 6 && Math.abs(j! - key) < 11)) expected.push([query, key]);
  }
  assert.deepEqual(
    found.map(({ queryIdx, keyIdx }) => [queryIdx, keyIdx]),
    expected,
  );
});

test('a part reads the stage before it that the layer has', () => {
  assert.deepEqual(stagesOfPart('pre_softmax_conv', stages), { before: 'decayed_scores', after: 'convolved_scores' });
  assert.deepEqual(stagesOfPart('pre_softmax_head_mix', stages), { before: 'convolved_scores', after: 'mixed_scores' });
  const plain = ['scores', 'mixed_scores', 'pattern', 'mixed_pattern'] as const;
  assert.deepEqual(stagesOfPart('pre_softmax_head_mix', plain), { before: 'scores', after: 'mixed_scores' });
  assert.deepEqual(stagesOfPart('post_softmax_head_mix', plain), { before: 'pattern', after: 'mixed_pattern' });
});
