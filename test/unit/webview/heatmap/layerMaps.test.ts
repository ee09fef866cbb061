import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';
import { type MapAddress, maxPatchCells, type PatchAddress } from '../../../../src/shared/attentionMap';
import { levelOf, maxLevel } from '../../../../src/shared/colorScale';
import { Failure } from '../../../../src/shared/tools/failure';
import { LayerMaps } from '../../../../webview/heatmap/layerMaps';
import type { MapRef } from '../../../../webview/heatmap/mapData';
import { MapSource } from '../../../../webview/heatmap/mapSource';
import type { PanelHost } from '../../../../webview/host';
import { overviewOf } from './maps';

const nTokens = 600;
const refs: readonly MapRef[] = [4, 5].map(headIdx => ({
  ...{ analysisId: 1, layerIdx: 0, headIdx, stage: 'pattern', minus: null, nTokens },
}));
const nHeads = 6;
const all = { queryStart: 0, queryEnd: nTokens, keyStart: 0, keyEnd: nTokens };
const few = { queryStart: 100, queryEnd: 110, keyStart: 20, keyEnd: 28 };
const valueIn = (headIdx: number, query: number, key: number) => headIdx + query / 1024 + key / 2 ** 20;

class FakeHost {
  readonly asked: { name: string; args: unknown }[] = [];
  failure: Error | null = null;
  readonly holdsExact = () => true;

  readonly request = (async (name: string, args: unknown) => {
    this.asked.push({ name, args });
    if (this.failure) throw this.failure;
    if (name === 'overview') {
      const { headIdx } = args as MapAddress;
      return { ...overviewOf(new Float32Array([1, 0, 1, headIdx]), 2, 1), headIdx, nTokens, blockSize: 300 };
    }
    const { queryStart, keyStart, nQueries, nKeys } = args as PatchAddress;
    const values = Float32Array.from({ length: nHeads * nQueries * nKeys }, (_, at) => {
      const cell = at % (nQueries * nKeys);
      const headIdx = Math.floor(at / (nQueries * nKeys));
      return valueIn(headIdx, queryStart + Math.floor(cell / nKeys), keyStart + (cell % nKeys));
    });
    return { nHeads, queryStart, keyStart, nQueries, nKeys, values };
  }) as PanelHost['request'];

  patches(): unknown[] {
    return this.asked.filter(({ name }) => name === 'patch').map(({ args }) => args);
  }
}

const settle = async () => {
  mock.timers.tick(100);
  for (let i = 0; i < 20; i++) await Promise.resolve();
};

async function started(host = new FakeHost(), sharesScale = false) {
  const maps = new LayerMaps(new MapSource(host), host, () => {});
  maps.show(refs, nHeads, 'linear', sharesScale);
  await settle();
  return { host, maps };
}

beforeEach(() => mock.timers.enable({ apis: ['setTimeout'] }));
afterEach(() => mock.timers.reset());

test('the overview of every head arrives, each on its own scale, and is asked for once', async () => {
  const { host, maps } = await started();
  assert.deepEqual(
    maps.maps.map(({ max }) => max),
    [4, 5],
  );
  assert.deepEqual([...maps.changed].sort(), [0, 1]);
  maps.show(
    refs.map(ref => ({ ...ref })),
    nHeads,
    'linear',
    false,
  );
  await settle();
  assert.equal(host.asked.length, 2);
});

test('a shared scale ends at the strongest cell of all heads', async () => {
  const { maps } = await started(new FakeHost(), true);
  assert.deepEqual(
    maps.maps.map(({ max }) => max),
    [5, 5],
  );
});

test('few cells on screen are asked for exactly, in all heads at once; many are not', async () => {
  const { host, maps } = await started();
  maps.view(all);
  await settle();
  assert.deepEqual(host.patches(), []);
  assert.equal(maps.isExact, false);
  assert.equal(maps.valueAt(0, { queryIdx: 105, keyIdx: 22 }).kind, 'pooled');
  maps.view(few);
  await settle();
  const rect = { queryStart: 100, keyStart: 20, nQueries: 10, nKeys: 8 };
  assert.deepEqual(host.patches(), [{ analysisId: 1, layerIdx: 0, stage: 'pattern', ...rect }]);
  assert.equal(maps.isExact, true);
  assert.ok(10 * 8 * nHeads <= maxPatchCells);
  const want = Math.fround(valueIn(5, 105, 22));
  assert.deepEqual(maps.valueAt(1, { queryIdx: 105, keyIdx: 22 }), { kind: 'exact', value: want });
  assert.equal(maps.valueAt(1, { queryIdx: 110, keyIdx: 22 }).kind, 'pooled', 'beside the patch');
  const { levels, ...part } = maps.patchLevels()!;
  assert.deepEqual(part, rect);
  assert.equal(levels.length, 2 * 80);
  assert.equal(levels[80 + 5 * 8 + 2], Math.min(maxLevel, levelOf(want, 5)), 'the second map is head 5');
});

test('keys after the last query are not asked for: they are masked', async () => {
  const { host, maps } = await started();
  maps.view({ queryStart: 0, queryEnd: 20, keyStart: 10, keyEnd: 90 });
  await settle();
  assert.deepEqual((host.patches()[0] as PatchAddress).nKeys, 10);
  maps.view({ queryStart: 0, queryEnd: 20, keyStart: 40, keyEnd: 90 });
  await settle();
  assert.equal(host.patches().length, 1, 'nothing but masked cells');
  assert.equal(maps.valueAt(0, { queryIdx: 3, keyIdx: 9 }).kind, 'masked');
});

test('a failure is kept for the reader, unless a newer run took over', async () => {
  for (const [code, expected] of [
    ['closed', 'gone'],
    ['no-analysis', undefined],
  ] as const) {
    const host = new FakeHost();
    host.failure = new Failure(code, 'gone');
    const { maps } = await started(host);
    assert.equal(maps.failure?.message, expected);
  }
});
