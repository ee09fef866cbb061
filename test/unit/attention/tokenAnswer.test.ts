import assert from 'node:assert/strict';
import { test } from 'node:test';
import { largestHeads, partsOf, strongestKey, sumByLine } from '../../../src/attention/tokenAnswer';
import type { LogitAttribution } from '../../../src/shared/attribution';

test('tokens are summed by line: earlier lines by magnitude, own line and begin token apart, later tokens left out', () => {
  const lineOf = Int32Array.of(-1, 0, 0, 1, 1, 2, 2);
  const sums = sumByLine([0.5, 1, -3, 0.25, 0.5, 4, 100], 5, lineOf);
  assert.deepEqual(sums.lines, [
    { lineIdx: 0, value: -2, strongestIdx: 2, tokens: { first: 1, end: 3 } },
    { lineIdx: 1, value: 0.75, strongestIdx: 4, tokens: { first: 3, end: 5 } },
  ]);
  assert.equal(sums.ownLine, 4);
  assert.equal(sums.outside, 0.5);
});

test('the first word of a line is predicted by the end of the line before, which is an earlier line', () => {
  const { lines, ownLine } = sumByLine([1, 2, 4], 2, Int32Array.of(0, 0, 0, 1), 3);
  assert.deepEqual([lines.map(({ lineIdx, value }) => [lineIdx, value]), ownLine], [[[0, 7]], 0]);
});

test('lines, own line and the rest add up to all tokens', () => {
  const values = Float64Array.from({ length: 40 }, (_, i) => Math.sin(i * i));
  const lineOf = Int32Array.from(values, (_, i) => (i === 0 ? -1 : Math.floor(i / 7)));
  const { lines, ownLine, outside } = sumByLine(values, 39, lineOf);
  const total = lines.reduce((sum, { value }) => sum + value, ownLine + outside);
  assert.ok(Math.abs(total - values.reduce((sum, value) => sum + value, 0)) < 1e-12);
});

const attribution: LogitAttribution = {
  ...{ row: 2, target: { id: 7, text: 'x' }, minus: null, isCentered: true, logit: 2.5, embedding: 1, other: 0.25 },
  heads: Float64Array.of(0.5, -2, 1, 0),
  mlps: Float64Array.of(1, 0.5),
  ...{ remainder: 0.25, cap: null, tokens: Float64Array.of(0, 0, -0.5), frozen: [] },
  cells: Float32Array.of(0.25, 0.25, 0, -0.5, 0.5, -2, 0, 0.25, 0.75, 0, 0, 0),
};

test('heads come by magnitude, each with the strongest token before the row', () => {
  assert.deepEqual(largestHeads(attribution, 2, 2), [
    { layerIdx: 0, headIdx: 1, value: -2, keyIdx: 0, keyValue: -0.5 },
    { layerIdx: 1, headIdx: 0, value: 1, keyIdx: 1, keyValue: 0.25 },
  ]);
});

test('the parts add up to the logit', () => {
  const { logit, cap, ...parts } = partsOf(attribution);
  assert.equal(cap, null);
  assert.equal(
    Object.values(parts).reduce((sum, value) => sum + value, 0),
    logit,
  );
});

test('a begin token is passed over, and stays out where nothing else is', () => {
  assert.deepEqual(strongestKey([9, 1, -2, 5], 3, 1), { keyIdx: 2, keyValue: -2 });
  assert.deepEqual(strongestKey([9, 5], 1, 1), { keyIdx: 1, keyValue: 5 });
});

test('row 0 sees itself alone', () => assert.deepEqual(strongestKey([3], 0), { keyIdx: 0, keyValue: 3 }));
