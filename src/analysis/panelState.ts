/** How the state that the panel shows changes with a run. Pure. */

import type { ExecutionProvider, LayerResult, ModelSummary } from '../shared/analysis';
import { asTrained } from '../shared/panel/panelAblation';
import type { PanelState, View } from '../shared/panel/panelMessages';
import { defaultLayer } from './defaultView';

const noView: View = { layerIdx: 0, headIdx: 0, stage: 'mixed_pattern', difference: false };

/** Before the first run. */
export const nothingInspected: PanelState = {
  status: 'idle',
  analysisId: 0,
  documentLabel: null,
  model: null,
  provider: null,
  window: null,
  windowLines: null,
  rangeReason: null,
  isPinned: false,
  tokens: null,
  layersDone: 0,
  isStale: false,
  failure: null,
  view: noView,
  ablation: asTrained,
  selectedToken: null,
  selectionAnchor: null,
  suggestion: null,
  question: null,
  otherInFront: null,
  durationMs: null,
};

/** A run begins: the requests and the view stay, results go. */
export function begun(
  { model, provider, view, ablation: { requested, canUndo, canRedo } }: PanelState,
  run: Pick<PanelState, 'analysisId' | 'documentLabel' | 'question' | 'isPinned' | 'otherInFront'>,
): PanelState {
  const ablation = { ...asTrained, requested, canUndo, canRedo };
  return { ...nothingInspected, ...run, status: 'loading', model, provider, view, ablation };
}

/** The model is there: a view that it does not have gives way to the first one. */
export function withModel(state: PanelState, model: ModelSummary, provider: ExecutionProvider): PanelState {
  const { view } = state;
  const isInside = view.layerIdx < model.nLayers && view.headIdx < model.nHeads;
  return { ...state, status: 'running', model, provider, view: isInside ? view : noView };
}

/** A layer is done. @param hasPicked whether the reader chose a layer: then it stays. */
export function withLayer(state: PanelState, { layerIdx }: LayerResult, hasPicked: boolean): PanelState {
  const { view, model } = state;
  const layersDone = layerIdx + 1;
  const shown = hasPicked ? view.layerIdx : defaultLayer(model?.layers ?? [], layersDone);
  return { ...state, layersDone, view: { ...view, layerIdx: shown } };
}
