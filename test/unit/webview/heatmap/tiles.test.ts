import assert from 'node:assert/strict';
import { test } from 'node:test';
import { coverWithTiles, LruCache } from '../../../../webview/heatmap/tiles';
import { Random } from '../../../random';

test('tiles cover every visible cell that is not masked, once, and stay inside the map', () => {
  const random = new Random(5);
  for (let round = 0; round < 100; round++) {
    const nTokens = 1 + random.below(60);
    const span = () => {
      const [a, b] = [random.below(nTokens), 1 + random.below(nTokens)];
      return a < b ? [a, b] : [b - 1, a + 1];
    };
    const [[queryStart, queryEnd], [keyStart, keyEnd]] = [span(), span()] as [number, number][] as [
      [number, number],
      [number, number],
    ];
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

test('the cache keeps what was used last and never more than it may', () => {
  const cache = new LruCache<number, string>(3);
  for (const key of [1, 2, 3]) cache.set(key, `value ${key}`);
  assert.equal(cache.get(1), 'value 1');
  cache.set(4, 'value 4');
  assert.equal(cache.get(2), undefined);
  assert.deepEqual(
    [1, 3, 4].map(key => cache.get(key)),
    ['value 1', 'value 3', 'value 4'],
  );
  const random = new Random(1);
  for (let i = 0; i < 1000; i++) {
    cache.set(random.below(10), 'x');
    assert.ok(cache.size <= 3);
  }
  cache.clear();
  assert.equal(cache.size, 0);
});
