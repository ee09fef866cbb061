/** The run on the other side of the compare view, and how its tokens and heads correspond to those shown. Pure. */

import {
  type Alignment,
  alignOffsets,
  alignTexts,
  inverted,
  isIdentity,
  nearestCounterpart,
} from '../src/attention/alignTokens';
import { describeAblation } from '../src/shared/ablation';
import type { Cell } from '../src/shared/address';
import type { ModelSummary, PanelTokens } from '../src/shared/analysis';
import { effectiveStage } from '../src/shared/attentionMap';
import { isPreSoftmax, type Stage } from '../src/shared/operators';
import type { PanelComparison } from '../src/shared/panel/comparison';
import type { PanelState } from '../src/shared/panel/panelMessages';
import { t } from '../src/shared/tools/l10n';
import type { ChangeResult } from './experiments';
import type { MapRef } from './heatmap/mapData';
import type { SavedZoom } from './heatmap/viewport';

/** The two runs. */
export interface Sides {
  readonly left: { readonly label: string; readonly tokens: PanelTokens };
  readonly right: { readonly label: string; readonly tokens: PanelTokens };
  readonly leftId: number;
  readonly rightId: number;
  readonly model: ModelSummary;
  /** Shown token to counterpart, and back; -1 for tokens without one. */
  readonly toRight: Alignment;
  readonly toLeft: Alignment;
  /** Both have the same tokens. */
  readonly isSame: boolean;
}

/** The run of an experiment beside the model as trained. */
export function changedSides(panel: PanelState, { experiment, effect }: ChangeResult): Sides | null {
  const { tokens, model, ablation } = panel;
  const before = ablation.effect?.trainedSurprisalBits ?? tokens?.surprisalBits;
  if (!tokens || !model || !before || ablation.trainedId === null) return null;
  const identity = Int32Array.from(tokens.labels, (_, i) => i);
  const surprisalBits = effect.changeBits.map((change, i) => before[i]! + change);
  return {
    left: { label: experiment.label, tokens: { ...tokens, surprisalBits } },
    right: { label: t('As trained'), tokens: { ...tokens, surprisalBits: before } },
    ...{ leftId: effect.analysisId, rightId: ablation.trainedId, model },
    ...{ toRight: identity, toLeft: identity, isSame: true },
  };
}

/**
 * The finished run that the shown one is compared with: the one the reader chose, else, while something is ablated, the
 * model as trained. Null while there is none.
 */
export function sidesOf(panel: PanelState, comparison: PanelComparison | null): Sides | null {
  const { tokens, model, ablation, status } = panel;
  if (!tokens?.surprisalBits || !model || status !== 'done') return null;
  const ablated = describeAblation(ablation.shown);
  // What is ablated stands in the banner.
  const label = ablated ? t('Ablated') : comparison?.isOtherModel ? model.name : t('As shown');
  const left = { label, tokens };
  if (!comparison) {
    if (!ablated || ablation.trainedId === null) return null;
    const identity = Int32Array.from(tokens.labels, (_, i) => i);
    const surprisalBits = ablation.effect?.trainedSurprisalBits ?? null;
    const right = { label: t('As trained'), tokens: { ...tokens, surprisalBits } };
    const leftId = panel.analysisId;
    return {
      left,
      right,
      leftId,
      rightId: ablation.trainedId,
      model,
      toRight: identity,
      toLeft: identity,
      isSame: true,
    };
  }
  if (comparison.status !== 'done' || !comparison.tokens || !comparison.model) return null;
  const right = { label: comparison.label, tokens: comparison.tokens };
  const isSame = isIdentity(tokens.labels, right.tokens.labels);
  const toRight =
    comparison.isOtherModel && !isSame
      ? alignOffsets(tokens.offsets, right.tokens.offsets)
      : alignTexts(tokens.labels, right.tokens.labels);
  const toLeft = inverted(toRight, right.tokens.labels.length);
  const ids = { leftId: panel.analysisId, rightId: comparison.analysisId };
  return { left, right, ...ids, model: comparison.model, toRight, toLeft, isSame };
}

/** The maps of both sides and, where their cells mean the same, left minus right. */
export function refsOf(
  panel: PanelState,
  sides: Sides,
  rightHead: { readonly layerIdx: number; readonly headIdx: number },
) {
  const { view, model } = panel;
  const stageIn = (of: ModelSummary, layerIdx: number): Stage =>
    effectiveStage(of.layers[layerIdx]!.stages, view.stage);
  const left: MapRef = {
    ...{ analysisId: sides.leftId, layerIdx: view.layerIdx, headIdx: view.headIdx, minus: null },
    ...{ stage: stageIn(model!, view.layerIdx), nTokens: sides.left.tokens.labels.length },
  };
  const right: MapRef = {
    ...{ analysisId: sides.rightId, ...rightHead, minus: null },
    ...{ stage: stageIn(sides.model, rightHead.layerIdx), nTokens: sides.right.tokens.labels.length },
  };
  const isComparable = isPreSoftmax(left.stage) === isPreSoftmax(right.stage);
  const other = { analysisId: right.analysisId, layerIdx: right.layerIdx, headIdx: right.headIdx };
  const minusOf = sides.isSame ? other : { ...other, nTokens: right.nTokens, across: sides.toRight };
  const difference: MapRef | null = isComparable ? { ...left, minus: right.stage, minusOf } : null;
  return { left, right, difference };
}

/** The counterpart of a cell; null where either of its tokens has none. */
export function cellAcross(cell: Cell | null, alignment: Alignment): Cell | null {
  if (!cell) return null;
  const [queryIdx, keyIdx] = [alignment[cell.queryIdx] ?? -1, alignment[cell.keyIdx] ?? -1];
  return queryIdx < 0 || keyIdx < 0 ? null : { queryIdx, keyIdx };
}

/** The same place at the same size of cells in a map of other tokens. */
export function zoomAcross(zoom: SavedZoom, alignment: Alignment, from: number, to: number): SavedZoom {
  const across = (center: number) => {
    const token = Math.min(from - 1, Math.max(0, Math.floor(center * from)));
    const within = center * from - token;
    return (nearestCounterpart(alignment, token) + within) / to;
  };
  const factor = Math.max(1, (zoom.factor * to) / from);
  const isWhole = zoom.factor <= 1;
  return isWhole ? zoom : { factor, centerQuery: across(zoom.centerQuery), centerKey: across(zoom.centerKey) };
}

/** Sums of a run's surprisal, for a line of comparison. */
export function meanSurprisal({ surprisalBits, offsets }: PanelTokens): { perToken: number; perCharacter: number } {
  let [bits, count, length] = [0, 0, 0];
  surprisalBits?.forEach((value, i) => {
    if (Number.isNaN(value)) return;
    bits += value;
    count++;
    length += offsets[i + 1]! - offsets[i]!;
  });
  return { perToken: bits / count, perCharacter: bits / length };
}

/** Surprisal with the change minus that of its counterpart, bits per token of the left side; NaN where there is none. */
export function changeOf({ left, right, toRight }: Sides): Float32Array {
  const [now, before] = [left.tokens.surprisalBits, right.tokens.surprisalBits];
  return Float32Array.from(left.tokens.labels, (_, token) => {
    const other = toRight[token] ?? -1;
    return now && before && other >= 0 ? now[token]! - before[other]! : Number.NaN;
  });
}

/** Tokens whose surprisal changed most, the largest change first; those without a counterpart are left out. */
export function largestTokenChanges(changeBits: Float32Array, k: number): number[] {
  return Array.from(changeBits.keys())
    .filter(token => !Number.isNaN(changeBits[token]))
    .sort((a, b) => Math.abs(changeBits[b]!) - Math.abs(changeBits[a]!) || a - b)
    .slice(0, k);
}
