/** The map by distance: columns share out all distances, and a pixel shows the strongest cell that it covers. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { absentLevel } from '../../../../src/shared/colorScale';
import { cellByDistance, distancesOf, paintByDistance, placeOfDistance } from '../../../../webview/heatmap/distance';
import { emptyExactGrid, type LevelGrid, maskedPixel } from '../../../../webview/heatmap/levels';

/** A level for each cell, the diagonal weakest. */
function grid(nTokens: number, levelOf: (query: number, key: number) => number): LevelGrid {
  const levels = Int16Array.from({ length: nTokens ** 2 }, (_, at) => levelOf(Math.floor(at / nTokens), at % nTokens));
  return { size: nTokens, blockSize: 1, levels };
}

for (const [width, nTokens] of [
  [300, 512],
  [40, 512],
  [300, 10],
  [7, 2],
] as const) {
  test(`${width} columns show every distance up to ${nTokens - 1}, from left to right`, () => {
    let next = 0;
    for (let x = 0; x < width; x++) {
      const [first, end] = distancesOf(x, width, nTokens);
      assert.ok(first <= next && first < end, `${x}: ${first} to ${end}, after ${next}`);
      next = Math.max(next, end);
    }
    assert.ok(next >= nTokens - 1, `${next}`);
    assert.equal(placeOfDistance(0, nTokens), 0);
    assert.ok(Math.abs(placeOfDistance(nTokens - 1, nTokens) - 1) < 1e-12);
  });
}

test('a head that looks 5 back is one vertical streak, wherever the queries are', () => {
  const [nTokens, width, height] = [64, 120, 64];
  const levels = paintByDistance(
    null,
    grid(nTokens, (query, key) => (query - key === 5 ? 90 : 0)),
    nTokens,
    width,
    height,
  );
  const streak = new Set<number>();
  for (let at = 0; at < levels.length; at++) if (levels[at] === 90) streak.add(at % width);
  const place = placeOfDistance(5, nTokens) * width;
  assert.ok(streak.size > 0 && [...streak].every(x => Math.abs(x - place) < width / 16), [...streak].join());
  for (let query = 5; query < nTokens; query++) {
    assert.ok(
      [...streak].every(x => levels[query * width + x] === 90),
      `row ${query}`,
    );
  }
});

test('of the cells of a pixel the strongest shows, with its sign; what is before the text is masked', () => {
  const [nTokens, width, height] = [256, 16, 32];
  const exact = grid(nTokens, (query, key) => (key === 3 ? -100 : query - key === 1 ? 20 : 1));
  const levels = paintByDistance(null, exact, nTokens, width, height);
  const last = levels.slice((height - 1) * width);
  assert.equal(last.at(-1), -100);
  assert.equal(levels[width - 1], maskedPixel);
  const cell = cellByDistance([null, exact], nTokens, { x: width - 1, y: height - 1, width, height });
  assert.equal(cell?.keyIdx, 3);
  assert.equal(cellByDistance([null, exact], nTokens, { x: width - 1, y: 0, width, height }), null);
});

test('the overview stands where no exact cell has arrived', () => {
  const nTokens = 8;
  const exact = emptyExactGrid(nTokens);
  exact.levels[7 * nTokens + 7] = 5;
  const overview: LevelGrid = { size: 4, blockSize: 2, levels: new Int16Array(16).fill(70) };
  const levels = paintByDistance(overview, exact, nTokens, 8, 8);
  assert.equal(levels[7 * 8], 5);
  assert.equal(levels[6 * 8], 70);
  assert.ok(
    paintByDistance(null, emptyExactGrid(4), 4, 4, 4).every(level => level === absentLevel || level === maskedPixel),
  );
});
