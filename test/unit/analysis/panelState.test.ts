import assert from 'node:assert/strict';
import { test } from 'node:test';
import { begun, nothingInspected, withLayer, withModel } from '../../../src/analysis/panelState';
import { noAblation } from '../../../src/shared/ablation';
import type { LayerResult, ModelSummary } from '../../../src/shared/analysis';
import type { PanelState } from '../../../src/shared/panel/panelMessages';

const model = {
  ...{ nLayers: 2, nHeads: 4 },
  layers: [{ preSoftmaxKernel: null }, { preSoftmaxKernel: [3, 5] }],
} as unknown as ModelSummary;
const requested = { ...noAblation, scope: 'model' } as const;
const done: PanelState = {
  ...nothingInspected,
  ...{ status: 'done', analysisId: 3, model, provider: 'cpu', layersDone: 2, isStale: true, durationMs: 5 },
  ...{ selectedToken: 4, selectionAnchor: 2, question: 'why?' },
  tokens: { labels: ['a'], offsets: Uint32Array.of(0, 1), surprisalBits: null },
  view: { layerIdx: 1, headIdx: 3, stage: 'scores', difference: true },
  ablation: { ...nothingInspected.ablation, requested, isRunning: true, trainedId: 3, canUndo: true, canRedo: true },
};

test('a new run keeps the view and what was asked of the model, and nothing that was computed', () => {
  assert.deepEqual(
    begun(done, { analysisId: 4, documentLabel: 'b.md', question: null, isPinned: false, otherInFront: null }),
    {
      ...nothingInspected,
      ...{ status: 'loading', analysisId: 4, documentLabel: 'b.md', model, provider: 'cpu', view: done.view },
      ablation: { ...nothingInspected.ablation, requested, canUndo: true, canRedo: true },
    },
  );
});

test('a view that the model does not have gives way to the first one', () => {
  assert.deepEqual(withModel(done, model, 'webgpu').view, done.view);
  const smaller = { ...model, nHeads: 3 };
  assert.deepEqual(withModel(done, smaller, 'cpu').view, nothingInspected.view);
});

test('layers count up, and the layer on show follows only while the reader picked none', () => {
  const layer = { layerIdx: 1 } as LayerResult;
  const running = withModel(nothingInspected, model, 'cpu');
  assert.equal(withLayer(running, layer, false).layersDone, 2);
  assert.equal(withLayer(running, layer, false).view.layerIdx, 1);
  assert.equal(withLayer(running, layer, true).view.layerIdx, 0);
});
