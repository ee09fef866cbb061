import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LayerSummary } from '../../../src/shared/analysis';
import type { PanelState } from '../../../src/shared/panel/panelMessages';
import {
  defaultLayout,
  isRenewing,
  isSameRange,
  mapRefOf,
  readLayout,
  Store,
  zoomRangeOf,
} from '../../../webview/state';
import { Random } from '../../random';

const rubbish = [
  null,
  undefined,
  5,
  'text',
  [],
  {},
  { zoom: null },
  { zoom: { factor: 'x' } },
  { views: 7 },
  { views: ['map'] },
  { views: { map: 7 } },
  { sections: { lens: 'x' } },
  { sections: null },
  { tab: 1 },
];
for (const saved of rubbish) {
  test(`a layout saved as ${JSON.stringify(saved)} is the default one`, () => {
    assert.deepEqual(readLayout(saved), defaultLayout);
  });
}

/** Any JSON, with the names of a layout more often than by chance. */
function randomJson(random: Random, depth = 0): unknown {
  const names = ['zoom', 'factor', 'centerQuery', 'centerKey', 'scale', 'views', 'sections', '__proto__', 'x'];
  const leaves = [null, true, false, 0, -1, 0.5, 1e308, '', 'text', '1', []];
  const inner = () => randomJson(random, depth + 1);
  const kind = depth > 3 ? 2 : random.below(7);
  if (kind === 0) return Array.from({ length: random.below(4) }, inner);
  if (kind === 1 || depth === 0) return Object.fromEntries(names.slice(random.below(4)).map(name => [name, inner()]));
  if (kind > 3) return { factor: random.pick([...leaves, 1, 2.5]), centerQuery: 0.5, centerKey: 2 };
  return random.pick(leaves);
}

test('whatever was saved, the layout has legal values', () => {
  const random = new Random(31);
  let nKept = 0;
  for (let round = 0; round < 3000; round++) {
    const saved = JSON.parse(JSON.stringify(randomJson(random)));
    const { zoom, scale, views, sections } = readLayout(saved);
    for (const key of ['factor', 'centerQuery', 'centerKey'] as const) assert.ok(Number.isFinite(zoom[key]), key);
    assert.ok(scale === 'power' || scale === 'linear');
    assert.ok(Object.values(views).every(id => typeof id === 'string'));
    assert.ok(Object.values(sections).every(isOpen => typeof isOpen === 'boolean'));
    if (zoom !== defaultLayout.zoom) nKept++;
  }
  assert.ok(nKept > 50, 'too few of the cases hold a legal zoom');
});

test('what fits of a saved layout is kept', () => {
  const zoom = { factor: 3, centerQuery: 0.2, centerKey: 0.1 };
  const saved = {
    tab: 'map',
    zoom,
    scale: 'linear',
    views: { map: 'stages', grid: 3 },
    sections: { lens: false },
    fromTheFuture: 1,
  };
  assert.deepEqual(readLayout(saved), {
    ...defaultLayout,
    tab: 'map',
    zoom,
    scale: 'linear',
    views: { map: 'stages' },
    sections: { lens: false },
  });
  assert.deepEqual(readLayout(JSON.parse(JSON.stringify(readLayout(saved)))), readLayout(saved));
});

test('listeners hear the state now and after every update', () => {
  const store = new Store({ a: 1, b: 2 });
  const heard: number[] = [];
  store.subscribe(({ a, b }) => heard.push(a * 10 + b));
  store.update({ a: 3 });
  store.update({ b: 4 });
  assert.deepEqual(heard, [12, 32, 34]);
});

const layers = (['scores', 'pattern'] as const).map(
  (_, layerIdx): LayerSummary => ({
    layerIdx,
    operators: [],
    stages: layerIdx === 0 ? ['scores', 'pattern'] : ['scores', 'convolved_scores', 'pattern', 'mixed_pattern'],
    preSoftmaxKernel: null,
    postSoftmaxKernel: null,
    kernels: {},
  }),
);
const panel = {
  analysisId: 7,
  layersDone: 2,
  model: { layers },
  tokens: { labels: ['a', 'b', 'c'] },
  view: { layerIdx: 1, headIdx: 3, stage: 'mixed_pattern', difference: true },
} as unknown as PanelState;

test('the shown map is the stage that the layer has, minus the one it was made of where asked', () => {
  const ref = { analysisId: 7, layerIdx: 1, headIdx: 3, stage: 'mixed_pattern', minus: 'pattern', nTokens: 3 };
  assert.deepEqual(mapRefOf(panel), ref);
  assert.deepEqual(mapRefOf({ ...panel, view: { ...panel.view, difference: false } }), { ...ref, minus: null });
  const plain = { ...ref, layerIdx: 0, stage: 'pattern', minus: null };
  assert.deepEqual(mapRefOf({ ...panel, view: { ...panel.view, layerIdx: 0 } }), plain);
});

test('there is no map before its layer is ready', () => {
  for (const layersDone of [0, 1]) assert.equal(mapRefOf({ ...panel, layersDone }), null);
  assert.equal(mapRefOf({ ...panel, view: { ...panel.view, layerIdx: 2 }, layersDone: 3 }), null);
  assert.equal(mapRefOf({ ...panel, tokens: null }), null);
  assert.equal(mapRefOf({ ...panel, model: null }), null);
  assert.equal(mapRefOf(null), null);
});

test('a zoom holds for the same text, model and start, also after an edit; not for another range, model or length', () => {
  const panel = (documentLabel: string, directory: string, start: number, nTokens: number) =>
    zoomRangeOf({
      ...{ documentLabel, model: { directory }, window: { start }, tokens: { labels: Array(nTokens).fill('a') } },
    } as unknown as PanelState)!;
  const range = panel('a.ts', '/m', 0, 512);
  assert.ok(isSameRange(range, panel('a.ts', '/m', 0, 512)) && isSameRange(range, panel('a.ts', '/m', 0, 490)));
  for (const other of [
    panel('b.ts', '/m', 0, 512),
    panel('a.ts', '/n', 0, 512),
    panel('a.ts', '/m', 40, 512),
    panel('a.ts', '/m', 0, 1500),
    panel('a.ts', '/m', 0, 55),
  ]) {
    assert.ok(!isSameRange(range, other), JSON.stringify(other));
  }
  assert.equal(zoomRangeOf({ tokens: null } as unknown as PanelState), null);
  assert.equal(readLayout({ zoomRange: { name: 3 } }).zoomRange, null);
});

test('pages stay while a new run of their document is on its way to the map in view, and only then', () => {
  const panel = (change: object) =>
    ({
      ...{ status: 'running', documentLabel: 'a.ts', tokens: { labels: ['x'] }, layersDone: 2, analysisId: 3 },
      ...{ view: { layerIdx: 1, headIdx: 0, stage: 'pattern' }, model: { layers: [{}, { stages: ['pattern'] }] } },
      ...change,
    }) as unknown as PanelState;
  assert.equal(isRenewing(panel({ status: 'loading', tokens: null, layersDone: 0 }), 'a.ts'), true);
  assert.equal(isRenewing(panel({ layersDone: 1 }), 'a.ts'), true);
  assert.equal(isRenewing(panel({}), 'a.ts'), false);
  for (const status of ['done', 'failed', 'cancelled', 'idle']) {
    assert.equal(isRenewing(panel({ status, tokens: null }), 'a.ts'), false, status);
  }
  assert.equal(isRenewing(panel({ layersDone: 0 }), 'b.ts'), false);
  assert.equal(isRenewing(panel({ layersDone: 0 }), null), false);
  assert.equal(isRenewing(null, 'a.ts'), false);
});
