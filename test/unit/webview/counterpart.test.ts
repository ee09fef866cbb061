import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ModelSummary, PanelTokens } from '../../../src/shared/analysis';
import type { PanelComparison } from '../../../src/shared/panel/comparison';
import { asTrained } from '../../../src/shared/panel/panelAblation';
import type { PanelState } from '../../../src/shared/panel/panelMessages';
import { factsOf, sayComparison } from '../../../webview/components/compareText';
import {
  cellAcross,
  changeOf,
  largestTokenChanges,
  meanSurprisal,
  refsOf,
  sidesOf,
  zoomAcross,
} from '../../../webview/counterpart';

const layer = (stages: ModelSummary['layers'][number]['stages']) => ({
  ...{ layerIdx: 0, operators: [], stages, preSoftmaxKernel: null, postSoftmaxKernel: null, kernels: {} },
});
const model = {
  ...{ name: 'mta', directory: '/mta', nLayers: 1, nHeads: 2 },
  layers: [layer(['scores', 'convolved_scores', 'pattern', 'mixed_pattern'])],
} as unknown as ModelSummary;
const plain = { ...model, name: 'plain', layers: [layer(['scores', 'pattern'])] };
const tokens = (text: string): PanelTokens => {
  const labels = ['', ...text.split('')];
  const offsets = Uint32Array.from([0, ...labels.map((_, i) => i)]);
  return { labels, offsets, surprisalBits: Float32Array.from(labels, (_, i) => (i === 0 ? Number.NaN : i)) };
};
const panel = (change: Partial<PanelState> = {}): PanelState =>
  ({
    ...{ status: 'done', analysisId: 5, tokens: tokens('abc'), model, ablation: asTrained, layersDone: 1 },
    view: { layerIdx: 0, headIdx: 1, stage: 'mixed_pattern', difference: false },
    ...change,
  }) as PanelState;
const comparison = (change: Partial<PanelComparison> = {}): PanelComparison => ({
  ...{ status: 'done', label: 'plain', isOtherModel: true, analysisId: 6, model: plain, provider: 'cpu' },
  ...{ tokens: tokens('abc'), layersDone: 1, failure: null },
  ...change,
});
const off = { part: null, layerIdx: null, headIdx: null, weights: null };

test('without a counterpart the model as trained stands beside an ablated one', () => {
  assert.equal(sidesOf(panel(), null), null);
  const trainedSurprisalBits = Float32Array.of(Number.NaN, 3, 3, 3);
  const effect = {
    klBits: new Float32Array(4),
    meanKlBits: 1,
    trainedSurprisalBits,
    meanSurprisalChangeBits: 1,
    durationMs: 1,
  };
  const ablation = { ...asTrained, shown: { scope: 'model' as const, edits: [off] }, trainedId: 3, effect };
  const sides = sidesOf(panel({ ablation }), null)!;
  assert.deepEqual([sides.rightId, sides.isSame, sides.right.label], [3, true, 'As trained']);
  assert.equal(sides.left.label, 'Ablated');
  assert.equal(meanSurprisal(sides.right.tokens).perToken, 3);
});

test('the same tokens have a difference, of the stages that each model has', () => {
  const sides = sidesOf(panel(), comparison())!;
  const { left, right, difference } = refsOf(panel(), sides, { layerIdx: 0, headIdx: 0 });
  assert.deepEqual([left.stage, right.stage], ['mixed_pattern', 'pattern']);
  assert.deepEqual(difference, {
    ...{ analysisId: 5, layerIdx: 0, headIdx: 1, stage: 'mixed_pattern', minus: 'pattern', nTokens: 4 },
    minusOf: { analysisId: 6, layerIdx: 0, headIdx: 0 },
  });
});

test('other tokens are aligned, and the difference is of those', () => {
  const sides = sidesOf(panel(), comparison({ isOtherModel: false, tokens: tokens('axbc') }))!;
  const { difference } = refsOf(panel(), sides, { layerIdx: 0, headIdx: 0 });
  const other = { analysisId: 6, layerIdx: 0, headIdx: 0, nTokens: 5, across: sides.toRight };
  assert.deepEqual(difference?.minusOf, other);
  assert.deepEqual([...sides.toRight], [0, 1, 3, 4]);
  assert.deepEqual([...changeOf(sides)], [Number.NaN, 0, -1, -1]);
  assert.deepEqual(largestTokenChanges(changeOf(sides), 2), [2, 3]);
  assert.deepEqual(cellAcross({ queryIdx: 3, keyIdx: 2 }, sides.toRight), { queryIdx: 4, keyIdx: 3 });
  assert.equal(cellAcross({ queryIdx: 4, keyIdx: 2 }, sides.toLeft), null);
  assert.match(factsOf(sides).join(' '), /4 of 4 have a counterpart/);
});

test('there are no sides while either run is under way', () => {
  assert.equal(sidesOf(panel({ status: 'running' }), comparison()), null);
  for (const status of ['waiting', 'loading', 'running', 'failed'] as const) {
    const state = comparison({ status, tokens: null });
    assert.equal(sidesOf(panel(), state), null);
    assert.match(sayComparison(panel(), state), /plain/);
  }
});

test('zoom goes across at the same size of cells and back again', () => {
  const alignment = Int32Array.from({ length: 10 }, (_, i) => i + 10);
  const zoom = { factor: 5, centerQuery: 0.55, centerKey: 0.25 };
  const across = zoomAcross(zoom, alignment, 10, 20);
  assert.deepEqual(across, { factor: 10, centerQuery: 0.775, centerKey: 0.625 });
  const whole = { factor: 1, centerQuery: 0.5, centerKey: 0.5 };
  assert.equal(zoomAcross(whole, alignment, 10, 20), whole);
});

test('mean surprisal leaves out what nothing predicts', () => {
  assert.deepEqual(meanSurprisal(tokens('abc')), { perToken: 2, perCharacter: 2 });
});
