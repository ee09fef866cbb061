import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';
import type { Rect } from '../../../../src/shared/address';
import type { MapAddress, Tile, TileAddress } from '../../../../src/shared/attentionMap';
import { type Stage, stages } from '../../../../src/shared/operators';
import { Cancelled, Failure } from '../../../../src/shared/tools/failure';
import { MapData, type MapRef } from '../../../../webview/heatmap/mapData';
import { MapLoader } from '../../../../webview/heatmap/mapLoader';
import { MapSource } from '../../../../webview/heatmap/mapSource';
import type { PanelHost } from '../../../../webview/host';
import { overviewOf } from './maps';

const ref: MapRef = { analysisId: 1, layerIdx: 0, headIdx: 0, stage: 'pattern', minus: null, nTokens: 600 };
const all = (nTokens: number) => ({ queryStart: 0, queryEnd: nTokens, keyStart: 0, keyEnd: nTokens });

/** A value that tells analysis, head, stage and cell apart. */
function cellOf({ analysisId, headIdx, stage }: MapAddress, queryIdx: number, keyIdx: number): number {
  return analysisId * 100 + headIdx * 10 + stages.indexOf(stage) + queryIdx / 2 ** 12 + keyIdx / 2 ** 24;
}

/** Answers at once, or on request, and rejects what is aborted, as Rpc does. */
class FakeHost {
  readonly asked: { name: string; args: MapAddress }[] = [];
  /** Set to keep requests waiting; `release` lets them go. */
  isHolding = false;
  /** Thrown instead of an answer. */
  failure: Error | null = null;
  private held: (() => void)[] = [];

  constructor(private readonly hasTiles = true) {}
  readonly holdsExact = () => this.hasTiles;

  readonly request = ((name: string, args: MapAddress, signal?: AbortSignal) => {
    this.asked.push({ name, args });
    return new Promise<unknown>((resolve, reject) => {
      if (signal?.aborted) reject(new Cancelled());
      signal?.addEventListener('abort', () => reject(new Cancelled()));
      const settle = () => (this.failure ? reject(this.failure) : resolve(this.answer(name, args)));
      if (this.isHolding) this.held.push(settle);
      else settle();
    });
  }) as PanelHost['request'];

  release(): void {
    this.isHolding = false;
    for (const settle of this.held.splice(0)) settle();
  }

  tilesAsked(): TileAddress[] {
    return this.asked.filter(({ name }) => name === 'tile').map(({ args }) => args as TileAddress);
  }

  private answer(name: string, args: MapAddress): unknown {
    if (name === 'tile') {
      const { queryStart, keyStart, nQueries, nKeys } = args as TileAddress;
      const values = Float32Array.from({ length: nQueries * nKeys }, (_, at) =>
        cellOf(args, queryStart + Math.floor(at / nKeys), keyStart + (at % nKeys)),
      );
      return { ...(args as TileAddress), values } satisfies Tile;
    }
    const values = Float32Array.from({ length: 4 }, (_, at) => (at === 1 ? 0 : args.headIdx + 1));
    return { ...overviewOf(values, 2, 1), ...args, nTokens: 600, blockSize: 300 };
  }
}

/** A loader that has shown `shown`, and what it reported. */
async function started(host: FakeHost, shown: MapRef = ref) {
  const changes: (Rect | undefined)[] = [];
  const source = new MapSource(host);
  const loader = new MapLoader(source, rect => changes.push(rect));
  loader.show(shown, 'linear');
  await settled();
  return { loader, changes, source };
}

const settled = () => new Promise(resolve => setImmediate(resolve));

/** Lets the pause pass after which tiles are asked for. */
async function pause(): Promise<void> {
  mock.timers.tick(1000);
  for (let i = 0; i < 50; i++) await settled();
}

beforeEach(() => mock.timers.enable({ apis: ['setTimeout'] }));
afterEach(() => mock.timers.reset());

test('a map’s overview is asked for once and kept while the analysis lasts', async () => {
  const host = new FakeHost();
  const { loader, changes } = await started(host);
  assert.equal(changes.length, 1);
  assert.deepEqual(loader.map?.valueAt({ queryIdx: 5, keyIdx: 5 }), { kind: 'pooled', value: 1, blockSize: 300 });
  const other = { ...ref, headIdx: 4 };
  for (const shown of [ref, other, ref, other]) {
    loader.show({ ...shown }, 'linear');
    await settled();
  }
  assert.deepEqual(loader.map?.valueAt({ queryIdx: 5, keyIdx: 5 }), { kind: 'pooled', value: 5, blockSize: 300 });
  assert.deepEqual(
    host.asked.map(({ args }) => args.headIdx),
    [0, 4],
  );
  loader.show({ ...other, analysisId: 2 }, 'linear');
  await settled();
  assert.equal(host.asked.length, 3);
});

test('what was asked for a map that is gone changes nothing', async () => {
  const host = new FakeHost();
  host.isHolding = true;
  const { loader, changes } = await started(host);
  loader.show({ ...ref, analysisId: 2, headIdx: 1 }, 'linear');
  host.release();
  await settled();
  assert.equal(changes.length, 1);
  assert.equal(loader.failure, null);
  assert.deepEqual(loader.map?.valueAt({ queryIdx: 0, keyIdx: 0 }), { kind: 'pooled', value: 2, blockSize: 300 });

  host.isHolding = true;
  loader.view(all(600));
  await pause();
  loader.show(null, 'linear');
  host.release();
  await pause();
  assert.deepEqual([loader.map, changes.length], [null, 1]);
});

test('tiles are asked for once the reader rests, and every cell then has its exact value', async () => {
  const host = new FakeHost();
  const { loader, changes } = await started(host);
  for (let queryStart = 0; queryStart < 500; queryStart += 100) loader.view({ ...all(600), queryStart });
  loader.view(all(600));
  assert.deepEqual(host.tilesAsked(), []);
  await pause();
  assert.equal(host.tilesAsked().length, 6);
  assert.ok(loader.map?.covers(loader.needed));
  for (const [queryIdx, keyIdx] of [
    [0, 0],
    [599, 0],
    [599, 599],
    [300, 257],
  ] as const) {
    const value = Math.fround(cellOf(ref, queryIdx, keyIdx));
    assert.deepEqual(loader.map?.valueAt({ queryIdx, keyIdx }), { kind: 'exact', value });
  }
  // The scale of a plain map is that of its overview: tiles are drawn one by one.
  assert.deepEqual(changes.slice(1), loader.needed);
});

test('tiles are asked for one after the other, and no further once the view has moved on', async () => {
  const host = new FakeHost();
  const { loader } = await started(host);
  host.isHolding = true;
  loader.view(all(600));
  await pause();
  assert.equal(host.tilesAsked().length, 1);
  loader.view({ queryStart: 0, queryEnd: 10, keyStart: 0, keyEnd: 10 });
  host.release();
  await pause();
  const [, { queryStart, keyStart } = {}] = host.tilesAsked();
  assert.deepEqual([queryStart, keyStart], [0, 0]);
  assert.ok(loader.map?.hasTile({ queryStart: 0, keyStart: 0, nQueries: 256, nKeys: 256 }));
});

test('tiles beside those on screen come next, so that scrolling to them asks for nothing', async () => {
  const host = new FakeHost();
  const { loader } = await started(host);
  loader.view({ queryStart: 0, queryEnd: 10, keyStart: 0, keyEnd: 10 });
  await pause();
  const places = host.tilesAsked().map(({ queryStart, keyStart }) => `${queryStart},${keyStart}`);
  assert.deepEqual(places, ['0,0', '256,0', '256,256']); // none that is masked, none further away
  assert.equal(loader.map?.hasTile({ queryStart: 256, keyStart: 0, nQueries: 256, nKeys: 256 }), false);
  loader.view({ queryStart: 260, queryEnd: 280, keyStart: 0, keyEnd: 300 });
  await pause();
  const again = host.tilesAsked().slice(3);
  assert.ok(loader.map?.covers(loader.needed));
  assert.deepEqual(
    again.map(({ queryStart }) => queryStart),
    [512, 512, 512],
  ); // the row of tiles after that
});

test('what is on screen comes before what lies beside it', async () => {
  const host = new FakeHost();
  const { loader } = await started(host);
  loader.view({ queryStart: 0, queryEnd: 10, keyStart: 0, keyEnd: 10 });
  host.isHolding = true;
  await pause();
  host.release();
  host.isHolding = true;
  await pause(); // the first tile beside it is on its way
  loader.view({ queryStart: 590, queryEnd: 600, keyStart: 0, keyEnd: 10 });
  await pause();
  host.release();
  await pause();
  assert.ok(loader.map?.covers(loader.needed));
});

test('a tile that was fetched is not asked for again, in this head or when it comes back', async () => {
  const host = new FakeHost();
  const { loader } = await started(host);
  for (const shown of [ref, { ...ref, headIdx: 1 }, ref]) {
    loader.show(shown, 'linear');
    loader.view(all(600));
    await pause();
    loader.view({ ...all(600), queryStart: 300 });
    await pause();
    assert.ok(loader.map?.covers(loader.needed));
  }
  assert.equal(host.tilesAsked().length, 12);
});

test('what is too large for exact values is said to be, and not asked for', async () => {
  const check = async (nTokens: number, minus: Stage | null, hasTiles: boolean, expected: [boolean, number]) => {
    const host = new FakeHost(hasTiles);
    const { loader } = await started(host, { ...ref, minus, nTokens });
    loader.view(all(nTokens));
    assert.deepEqual([loader.isTooLarge, loader.needed.length], expected, `${nTokens} tokens, minus ${minus}`);
  };
  await check(1024, null, true, [false, 10]);
  await check(2048, null, true, [true, 0]);
  await check(2048, 'scores', true, [false, 36]);
  await check(4096, 'scores', true, [true, 0]);
  await check(1024, null, false, [false, 0]);
});

test('a difference is the stage minus the one before it, cell by cell', async () => {
  const host = new FakeHost();
  const { loader, changes } = await started(host, { ...ref, stage: 'mixed_scores', minus: 'scores' });
  loader.view({ queryStart: 0, queryEnd: 10, keyStart: 0, keyEnd: 10 });
  await pause();
  assert.deepEqual(
    host.tilesAsked().map(({ stage }) => stage),
    ['mixed_scores', 'scores'],
  );
  assert.deepEqual(loader.map?.valueAt({ queryIdx: 7, keyIdx: 3 }), { kind: 'exact', value: 4 });
  assert.equal(changes.at(-1), undefined); // Its scale grew, so all of it is drawn.
});

test('a row ends at its own query: exact where there are tiles, pooled where there are none', async () => {
  const signal = new AbortController().signal;
  for (const queryIdx of [0, 7, 599]) {
    const exact = await new MapSource(new FakeHost()).row(ref, queryIdx, signal);
    const values = Float32Array.from({ length: queryIdx + 1 }, (_, keyIdx) => cellOf(ref, queryIdx, keyIdx));
    assert.deepEqual(exact, { queryIdx, values, isExact: true });
    const pooled = await new MapSource(new FakeHost(false)).row(ref, queryIdx, signal);
    assert.deepEqual(pooled, { queryIdx, values: new Float32Array(queryIdx + 1).fill(1), isExact: false });
  }
});

test('a row and a tile that begin at the same cell are not mistaken for each other', async () => {
  const host = new FakeHost();
  const { loader, source } = await started(host);
  await source.row(ref, 256, new AbortController().signal);
  loader.view({ queryStart: 256, queryEnd: 300, keyStart: 0, keyEnd: 10 });
  await pause();
  const value = Math.fround(cellOf(ref, 290, 4));
  assert.deepEqual(loader.map?.valueAt({ queryIdx: 290, keyIdx: 4 }), { kind: 'exact', value });
});

test('a failure is shown until another map is shown; a newer run and a cancellation are none', async () => {
  for (const [failure, code] of [
    [new Failure('out-of-memory', 'Cannot compute the map.'), 'out-of-memory'],
    [new Error('odd'), 'internal'],
    [new Failure('no-analysis', 'There is a newer run.'), undefined],
    [new Cancelled(), undefined],
  ] as const) {
    const host = new FakeHost();
    host.failure = failure;
    const { loader, changes } = await started(host);
    assert.equal(loader.failure?.code, code);
    assert.equal(changes.length, 1);
    loader.view(all(600));
    await pause();
    assert.equal(host.tilesAsked().length, 1, 'tiles after one that failed');
    host.failure = null;
    loader.show({ ...ref, headIdx: 1 }, 'linear');
    assert.equal(loader.failure, null);
  }
});

test('a difference of runs with other tokens is of the tokens that correspond', async () => {
  const n = 300;
  // The other run has a token more at its start, and lacks the counterpart of token 2.
  const across = Int32Array.from({ length: n }, (_, i) => (i === 2 ? -1 : i + 1));
  const cellValue = (analysisId: number, query: number, key: number) => analysisId * 1e6 + query * 1000 + key;
  const asked: Rect[] = [];
  const request = async (_name: string, { analysisId, ...rect }: Rect & { analysisId: number }) => {
    asked.push(rect);
    const { queryStart, keyStart, nQueries, nKeys } = rect;
    const values = Float32Array.from({ length: nQueries * nKeys }, (_, at) =>
      cellValue(analysisId, queryStart + Math.floor(at / nKeys), keyStart + (at % nKeys)),
    );
    return { ...rect, values };
  };
  const source = new MapSource({ request, hasTiles: true } as never);
  const minusOf = { analysisId: 2, layerIdx: 1, headIdx: 1, nTokens: n + 1, across };
  const ref = {
    analysisId: 1,
    layerIdx: 0,
    headIdx: 0,
    stage: 'pattern',
    minus: 'pattern',
    minusOf,
    nTokens: n,
  } as const;
  const rect = { queryStart: 250, keyStart: 0, nQueries: 10, nKeys: 4 };
  const got = await source.values(ref, rect, new AbortController().signal);
  for (let row = 0; row < 10; row++) {
    for (let key = 0; key < 4; key++) {
      const want = key === 2 ? Number.NaN : cellValue(1, 250 + row, key) - cellValue(2, 251 + row, key + 1);
      assert.equal(got[row * 4 + key], want);
    }
  }
  assert.ok(asked.every(({ nQueries, nKeys }) => nQueries <= 256 && nKeys <= 256));
  const map = new MapData(ref, 'linear');
  map.addTile(rect, got);
  assert.deepEqual(map.valueAt({ queryIdx: 250, keyIdx: 2 }), { kind: 'unmatched' });
  assert.equal(map.valueAt({ queryIdx: 250, keyIdx: 1 }).kind, 'exact');
});
