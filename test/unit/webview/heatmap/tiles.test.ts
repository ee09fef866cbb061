import assert from 'node:assert/strict';
import { test } from 'node:test';
import { coverWithTiles } from '../../../../webview/heatmap/tiles';
import { Random } from '../../../random';

test('tiles cover every visible cell that is not masked, once, and stay inside the map', () => {
  const random = new Random(5);
  for (let round = 0; round < 100; round++) {
    const nTokens = 1 + random.below(60);
    const span = (): [number, number] => {
      const [a, b] = [random.below(nTokens), 1 + random.below(nTokens)];
      return a < b ? [a, b] : [b - 1, a + 1];
    };
    const [queryStart, queryEnd] = span();
    const [keyStart, keyEnd] = span();
    const tiles = coverWithTiles({ queryStart, queryEnd, keyStart, keyEnd }, nTokens, 8);
    const count = new Map<number, number>();
    for (const tile of tiles) {
      assert.ok(tile.queryStart + tile.nQueries <= nTokens && tile.keyStart + tile.nKeys <= nTokens);
      for (let i = tile.queryStart; i < tile.queryStart + tile.nQueries; i++) {
        for (let j = tile.keyStart; j < tile.keyStart + tile.nKeys; j++) {
          count.set(i * nTokens + j, (count.get(i * nTokens + j) ?? 0) + 1);
        }
      }
    }
    for (let i = queryStart; i < queryEnd; i++) {
      for (let j = keyStart; j < Math.min(keyEnd, i + 1); j++) assert.equal(count.get(i * nTokens + j), 1);
    }
  }
});

test('no tile is wholly masked or beside what is seen, and the nearest to the middle comes first', () => {
  const random = new Random(6);
  for (let round = 0; round < 100; round++) {
    const nTokens = 20 + random.below(60);
    const [queryStart, keyStart] = [random.below(nTokens - 10), random.below(nTokens - 10)];
    const range = { queryStart, queryEnd: queryStart + 10, keyStart, keyEnd: keyStart + 10 };
    let before = 0;
    for (const tile of coverWithTiles(range, nTokens, 8)) {
      const [queryEnd, keyEnd] = [tile.queryStart + tile.nQueries, tile.keyStart + tile.nKeys];
      assert.ok(tile.keyStart < queryEnd);
      assert.ok(tile.queryStart < range.queryEnd && queryEnd > queryStart);
      assert.ok(tile.keyStart < range.keyEnd && keyEnd > keyStart);
      const [dQuery, dKey] = [
        (tile.queryStart + queryEnd) / 2 - queryStart - 5,
        (tile.keyStart + keyEnd) / 2 - keyStart - 5,
      ];
      const distance = Math.hypot(dQuery, dKey);
      assert.ok(distance >= before - 1e-9);
      before = distance;
    }
  }
});
