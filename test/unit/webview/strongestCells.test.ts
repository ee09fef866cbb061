/** The strongest cells of a map are found tile by tile, whatever the tiles, without first token, diagonal and mask. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { coverWithTiles } from '../../../webview/heatmap/tiles';
import { StrongestCells } from '../../../webview/strongestCells';
import { Random } from '../../random';
import { tileOf } from './heatmap/maps';

test('as sorting all cells would, for any tiles', () => {
  const random = new Random(9);
  for (let round = 0; round < 30; round++) {
    const nTokens = 1 + random.below(40);
    const map = random.floats(nTokens * nTokens);
    if (round % 3 === 0) map[random.below(map.length)] = Number.NaN;
    if (round % 4 === 0) map[random.below(map.length)] = Number.POSITIVE_INFINITY;
    const all = [];
    for (let queryIdx = 0; queryIdx < nTokens; queryIdx++) {
      for (let keyIdx = 1; keyIdx < queryIdx; keyIdx++) {
        const value = map[queryIdx * nTokens + keyIdx]!;
        if (Number.isFinite(value) && value !== 0) all.push({ queryIdx, keyIdx, value });
      }
    }
    all.sort((a, b) => Math.abs(b.value) - Math.abs(a.value));
    const strongest = new StrongestCells(20);
    const whole = { queryStart: 0, queryEnd: nTokens, keyStart: 0, keyEnd: nTokens };
    for (const rect of coverWithTiles(whole, nTokens, 7)) strongest.add(rect, tileOf(map, nTokens, rect));
    assert.deepEqual(strongest.cells, all.slice(0, 20));
  }
});

test('a head that looks only at the first token and at itself has no places', () => {
  const strongest = new StrongestCells(3);
  strongest.add({ queryStart: 0, keyStart: 0, nQueries: 3, nKeys: 3 }, Float32Array.of(1, 0, 0, 0.5, 0.5, 0, 1, 0, 1));
  assert.deepEqual(strongest.cells, []);
});
