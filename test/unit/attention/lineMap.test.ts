import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LineMap } from '../../../src/attention/lineMap';

const window = (lines: [lineIdx: number, weight: number, bits: number][], gainBits: number) => ({
  rows: {
    lineIdxs: Int32Array.from(lines, ([lineIdx]) => lineIdx),
    nTokens: Int32Array.from(lines, () => 2),
    weights: Float32Array.from(lines, ([, weight]) => weight),
    strongestAt: Uint32Array.from(lines, ([lineIdx]) => lineIdx * 10),
    strongestWeights: Float32Array.from(lines, ([, weight]) => -weight / 2),
    surprisalBits: Float32Array.from(lines, ([, , bits]) => bits),
  },
  gainBits,
});

test('keeps the heaviest lines of all windows, with the gain of theirs', () => {
  const map = new LineMap(0, 100, 3, 10);
  map.add(window([[0, 0.25, 1], [1, 0.5, 2], [2, 0, 3]], 4)); // biome-ignore format: rows
  map.add(window([[60, 0.75, 1], [61, 0.125, 1]], Number.NaN)); // biome-ignore format: rows
  assert.deepEqual(
    map.lines.map(({ lineIdx, weight }) => [lineIdx, weight]),
    [
      [60, 0.75],
      [1, 0.5],
      [0, 0.25],
    ],
  );
  assert.equal(map.lines[1]!.gainBits, 4);
  assert.deepEqual([map.lines[1]!.strongestAt, map.lines[1]!.strongestWeight], [10, -0.25]);
});

test('lines without weight, or whose weight is not a number, are not listed, however much room there is', () => {
  const map = new LineMap(0, 100, 10, 10);
  map.add(window([[0, 0.25, 1], [1, 0, 2], [2, Number.NaN, 3]], 4)); // biome-ignore format: rows
  assert.deepEqual(
    map.lines.map(({ lineIdx }) => lineIdx),
    [0],
  );
});

test('of lines of the same weight the earlier comes first', () => {
  const map = new LineMap(0, 100, 10, 10);
  map.add(window([[9, 0.5, 1]], 1));
  map.add(window([[4, 0.5, 1]], 1));
  assert.deepEqual(
    map.lines.map(({ lineIdx }) => lineIdx),
    [4, 9],
  );
});

test('the profile has the largest relevance and the mean surprisal of each step, and NaN where nothing is mapped', () => {
  const map = new LineMap(0, 100, 3, 10);
  map.add(window([[0, 0.25, 1], [9, 0.5, 2]], -1)); // biome-ignore format: rows
  map.add(window([[99, 0.125, Number.NaN]], 2));
  const { weights, surprisalBits, gainBits } = map.profile;
  assert.deepEqual([weights[0], weights[9]], [0.5, 0.125]);
  assert.ok(weights.subarray(1, 9).every(Number.isNaN) && Number.isNaN(surprisalBits[9]));
  assert.equal(surprisalBits[0], 1.5);
  assert.deepEqual([gainBits[0], gainBits[9]], [-1, 2]);
  assert.equal(new LineMap(5, 7, 3, 400).profile.weights.length, 2);
});
