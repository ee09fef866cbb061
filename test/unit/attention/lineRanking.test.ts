import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LineRanking } from '../../../src/attention/lineRanking';

const window = (lines: [lineIdx: number, weight: number, bits: number][], gainBits: number) => ({
  rows: {
    lineIdxs: Int32Array.from(lines, ([lineIdx]) => lineIdx),
    isBlank: new Uint8Array(lines.length),
    nTokens: Int32Array.from(lines, () => 2),
    nOwn: Int32Array.from(lines, ([, weight]) => (weight === 0 ? 0 : 2)),
    weights: Float32Array.from(lines, ([, weight]) => weight),
    strongestAt: Uint32Array.from(lines, ([lineIdx]) => lineIdx * 10),
    strongestWeights: Float32Array.from(lines, ([, weight]) => -weight / 2),
    surprisalBits: Float32Array.from(lines, ([, , bits]) => bits),
  },
  gainBits,
});

test('keeps the most relevant lines of all windows, with the gain of their span', () => {
  const ranking = new LineRanking(0, 100, 3, 10);
  ranking.add(window([[0, 0.25, 1], [1, 0.5, 2], [2, 0, 3]], 4)); // biome-ignore format: rows
  ranking.add(window([[60, 0.75, 1], [61, 0.125, 1]], Number.NaN)); // biome-ignore format: rows
  assert.deepEqual(
    ranking.lines.map(({ lineIdx, weight }) => [lineIdx, weight]),
    [
      [60, 0.75],
      [1, 0.5],
      [0, 0.25],
    ],
  );
  assert.equal(ranking.lines[1]!.gainBits, 4);
  assert.deepEqual([ranking.lines[1]!.meanWeight, ranking.lines[1]!.spanLines], [0.25, [0, 2]]);
  assert.deepEqual([ranking.lines[1]!.strongestAt, ranking.lines[1]!.strongestWeight], [10, -0.25]);
});

test('lines without weight, or whose weight is not a number, are not listed, however much room there is', () => {
  const ranking = new LineRanking(0, 100, 10, 10);
  ranking.add(window([[0, 0.25, 1], [1, 0, 2], [2, Number.NaN, 3]], 4)); // biome-ignore format: rows
  assert.deepEqual(
    ranking.lines.map(({ lineIdx }) => lineIdx),
    [0],
  );
});

test('of lines of the same weight the earlier comes first', () => {
  const ranking = new LineRanking(0, 100, 10, 10);
  ranking.add(window([[9, 0.5, 1]], 1));
  ranking.add(window([[4, 0.5, 1]], 1));
  assert.deepEqual(
    ranking.lines.map(({ lineIdx }) => lineIdx),
    [4, 9],
  );
});

test('the profile has the largest relevance and the mean surprisal of each step, and NaN where nothing is searched', () => {
  const ranking = new LineRanking(0, 100, 3, 10);
  ranking.add(window([[0, 0.25, 1], [9, 0.5, 2]], -1)); // biome-ignore format: rows
  ranking.add(window([[99, 0.125, Number.NaN]], 2));
  const { weights, surprisalBits, gainBits } = ranking.profile;
  assert.deepEqual([weights[0], weights[9]], [0.25, 0.0625]);
  assert.ok(weights.subarray(1, 9).every(Number.isNaN) && Number.isNaN(surprisalBits[9]));
  assert.equal(surprisalBits[0], 1.5);
  assert.deepEqual([gainBits[0], gainBits[9]], [-1, 2]);
  assert.equal(new LineRanking(5, 7, 3, 400).profile.weights.length, 2);
});

test('lines are ranked by the mean of their tokens, not by their length; the copy of the selection has no gain', () => {
  const ranking = new LineRanking(0, 10, 3, 10);
  const long = window([[0, 0.9, 1], [1, 0.5, 1], [2, 0, 1]], 3); // biome-ignore format: rows
  ranking.add({ ...long, rows: { ...long.rows, nOwn: Int32Array.of(30, 2, 0) } });
  assert.deepEqual(
    ranking.lines.map(({ lineIdx }) => lineIdx),
    [1, 0],
  );
  assert.deepEqual([...ranking.profile.gainBits.subarray(0, 3)], [3, 3, Number.NaN]);
});

test('a blank line comes after those with text, and counts as 0 in the profile', () => {
  const map = new LineRanking(0, 10, 2, 10);
  const lines = window([[0, 0.1, 1], [1, 0.5, 1], [2, 0.2, 1]], 3); // biome-ignore format: rows
  map.add({ ...lines, rows: { ...lines.rows, isBlank: Uint8Array.of(0, 1, 0) } });
  assert.deepEqual(
    map.lines.map(({ lineIdx }) => lineIdx),
    [2, 0],
    'it takes no room from lines with text either',
  );
  assert.equal(map.profile.weights[1], 0);
});

test('spans are kept by their gain, each with its most relevant line, whatever the weights elsewhere', () => {
  const ranking = new LineRanking(0, 100, 1, 10);
  ranking.add(window([[0, 9, 1], [1, 8, 2]], 0.5)); // biome-ignore format: rows
  ranking.add(window([[60, 0.1, 1], [61, 0.2, 1]], 4)); // biome-ignore format: rows
  ranking.add(window([[90, 5, 1]], Number.NaN));
  assert.deepEqual(
    ranking.spans.map(({ lineIdx, gainBits }) => [lineIdx, gainBits]),
    [
      [61, 4],
      [0, 0.5],
    ],
  );
});
