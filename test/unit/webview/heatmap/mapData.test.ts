import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Rect } from '../../../../src/shared/address';
import { overviewValue } from '../../../../src/shared/attentionMap';
import { absentLevel, levelOf } from '../../../../src/shared/colorScale';
import { isSame } from '../../../../src/shared/tools/isSame';
import { MapData, type MapRef } from '../../../../webview/heatmap/mapData';
import { coverWithTiles } from '../../../../webview/heatmap/tiles';
import { Random } from '../../../random';
import { overviewOf, randomMap, tileOf } from './maps';

const ref: MapRef = { analysisId: 1, layerIdx: 2, headIdx: 3, stage: 'pattern', minus: null, nTokens: 20 };
const edge = 8;

/** A random map with its overview and the tiles that cover it. */
function randomCase(random: Random) {
  const nTokens = 2 + random.below(30);
  const map = randomMap(nTokens, random);
  const overview = overviewOf(map, nTokens, 1 + random.below(4));
  const range = { queryStart: 0, queryEnd: nTokens, keyStart: 0, keyEnd: nTokens };
  const tiles = coverWithTiles(range, nTokens, edge).map(rect => ({ rect, values: tileOf(map, nTokens, rect) }));
  return { nTokens, map, overview, tiles };
}

function shuffled<T>(items: readonly T[], random: Random): T[] {
  const left = [...items];
  return items.map(() => left.splice(random.below(left.length), 1)[0]!);
}

const holds = ({ queryStart, keyStart, nQueries, nKeys }: Rect, i: number, j: number) =>
  i >= queryStart && i < queryStart + nQueries && j >= keyStart && j < keyStart + nKeys;

test('a cell says what is known of it: masked, its exact value, what its block pools, or nothing', () => {
  const random = new Random(21);
  for (let round = 0; round < 40; round++) {
    const { nTokens, map, overview, tiles } = randomCase(random);
    const minus = random.pick([null, 'scores'] as const);
    const data = new MapData({ ...ref, minus, nTokens }, 'linear');
    const arrived = tiles.filter(() => random.next() < 0.5);
    const hasOverview = random.next() < 0.7;
    for (const { rect, values } of arrived) data.addTile(rect, values);
    if (hasOverview) data.setOverview(overview);
    for (let queryIdx = 0; queryIdx < nTokens; queryIdx++) {
      for (let keyIdx = 0; keyIdx < nTokens; keyIdx++) {
        const { blockSize } = overview;
        const block = [queryIdx, keyIdx].map(idx => Math.floor(idx / blockSize)) as [number, number];
        const expected =
          keyIdx > queryIdx
            ? { kind: 'masked' }
            : arrived.some(({ rect }) => holds(rect, queryIdx, keyIdx))
              ? { kind: 'exact', value: map[queryIdx * nTokens + keyIdx] }
              : hasOverview && !minus
                ? { kind: 'pooled', value: overviewValue(overview, ...block), blockSize }
                : { kind: 'absent' };
        assert.deepEqual(data.valueAt({ queryIdx, keyIdx }), expected);
      }
    }
  }
});

for (const minus of [null, 'scores'] as const) {
  test(`the order of arrival does not matter${minus ? ' in a difference' : ''}`, () => {
    const random = new Random(22);
    for (let round = 0; round < 40; round++) {
      const { nTokens, overview, tiles } = randomCase(random);
      const kind = random.pick(['power', 'linear'] as const);
      const arrivals = [
        (data: MapData) => data.setOverview(overview),
        (data: MapData) => data.setScale(kind),
        ...tiles.map(
          ({ rect, values }) =>
            (data: MapData) =>
              data.addTile(rect, values),
        ),
      ];
      const [one, other] = (['power', 'linear'] as const).map(start => {
        const data = new MapData({ ...ref, minus, nTokens }, start);
        for (const arrive of shuffled(arrivals, random)) arrive(data);
        return data;
      });
      assert.deepEqual(
        [one!.max, one!.overviewGrid, one!.exactGrid],
        [other!.max, other!.overviewGrid, other!.exactGrid],
      );
      assert.ok(one!.max > 0 || nTokens <= overview.blockSize + 1);
    }
  });

  test(`arrived cells have the level of their value, others none${minus ? ', in a difference' : ''}`, () => {
    const random = new Random(23);
    for (let round = 0; round < 40; round++) {
      const { nTokens, map, overview, tiles } = randomCase(random);
      const data = new MapData({ ...ref, minus, nTokens }, 'linear');
      data.setOverview(overview);
      const arrived: Rect[] = [];
      for (const { rect, values } of shuffled(tiles, random)) {
        const before = data.max;
        assert.equal(data.addTile(rect, values), data.max !== before);
        arrived.push(rect);
        for (let i = 0; i < nTokens; i++) {
          for (let j = 0; j <= i; j++) {
            const isThere = arrived.some(tile => holds(tile, i, j));
            const expected = isThere ? levelOf(map[i * nTokens + j]!, data.max) : absentLevel;
            assert.equal(data.exactGrid!.levels[i * nTokens + j], expected + 0);
          }
        }
      }
      const strongestFrom = (first: number) =>
        map.reduce((most, value, at) => (at % nTokens < first ? most : Math.max(most, Math.abs(value))), 0);
      // The first key, or block of keys, does not count.
      const strongest = strongestFrom(minus ? 1 : overview.blockSize);
      assert.ok(Math.abs(data.max - strongest) <= (minus ? 1e-6 : overview.scale / 127), `${data.max}, ${strongest}`);
      assert.equal(data.overviewGrid === null, minus !== null);
    }
  });
}

test('the first token does not count for the scale; values stay what they are', () => {
  const overview = { ...overviewOf(Float32Array.of(1, 0, 0.5, -0.25), 2, 1), stage: 'pattern' as const };
  for (const kind of ['power', 'linear'] as const) {
    const data = new MapData({ ...ref, nTokens: 2 }, kind);
    data.setOverview(overview);
    assert.ok(Math.abs(data.max - 0.25) < 0.01);
    const value = data.valueAt({ queryIdx: 0, keyIdx: 0 });
    assert.ok(value.kind === 'pooled' && value.value === 1);
    assert.ok(data.setScale(kind === 'power' ? 'linear' : 'power') && !data.setScale(data.scaleKind));
  }
});

test('only what a softmax made has no sign', () => {
  const isSigned = (stage: MapRef['stage'], minus: MapRef['minus'] = null) =>
    new MapData({ ...ref, stage, minus }, 'power').isSigned;
  assert.ok(!isSigned('pattern'));
  assert.ok(isSigned('pattern', 'scores') && isSigned('scores') && isSigned('mixed_pattern'));
});

test('a map is covered once every tile is there, and never by none', () => {
  const random = new Random(24);
  const { nTokens, tiles } = randomCase(random);
  const data = new MapData({ ...ref, nTokens }, 'linear');
  const rects = tiles.map(({ rect }) => rect);
  assert.ok(!data.covers([]) && !data.hasValues);
  for (const { rect, values } of tiles) {
    assert.ok(!data.covers(rects));
    data.addTile(rect, values);
    assert.ok(data.hasTile(rect) && data.hasValues);
  }
  assert.ok(data.covers(rects));
});

test('maps are the same when everything that names them is', () => {
  const others = { analysisId: 9, layerIdx: 9, headIdx: 9, stage: 'scores', minus: 'scores', nTokens: 9 } as const;
  assert.ok(isSame(ref, { ...ref }) && isSame(null, null));
  assert.ok(!isSame(ref, null) && !isSame(null, ref));
  for (const [key, other] of Object.entries(others)) assert.ok(!isSame(ref, { ...ref, [key]: other }), key);
});
