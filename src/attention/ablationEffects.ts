/** All single ablations of a model and how much each changes. Pure. */

import type { AblationEffect, KernelEdit } from '../shared/ablation';
import type { LayerSummary } from '../shared/analysis';
import { isConv, kernelParts } from '../shared/kernels';

/**
 * Every part of every layer off as a whole, then, if `withHeads`, every head of every part: the convolutions first and the
 * coarse ones first, so that partial results answer the first question first.
 */
export function singleAblations(layers: readonly LayerSummary[], nHeads: number, withHeads: boolean): KernelEdit[] {
  const all: KernelEdit[] = layers.flatMap(({ layerIdx, kernels }) =>
    kernelParts.filter(part => kernels[part]).map(part => ({ part, layerIdx, headIdx: null, weights: null })),
  );
  const parts = [true, false].flatMap(first => all.filter(({ part }) => isConv(part!) === first));
  if (!withHeads || nHeads === 1) return parts;
  const heads = parts.flatMap(edit => Array.from({ length: nHeads }, (_, headIdx) => ({ ...edit, headIdx })));
  return [...parts, ...heads];
}

/** Largest effect first; what is not a number last. Does not change its input. */
export function rankEffects(effects: readonly AblationEffect[]): AblationEffect[] {
  const order = (effect: AblationEffect) => (Number.isNaN(effect.meanKlBits) ? -1 : effect.meanKlBits);
  return [...effects].sort((a, b) => order(b) - order(a));
}

/** Mean of the entries that are numbers; NaN if none is. */
export function finiteMean(values: ArrayLike<number>): number {
  let [sum, count] = [0, 0];
  for (let i = 0; i < values.length; i++) {
    if (Number.isNaN(values[i])) continue;
    sum += values[i]!;
    count++;
  }
  return count ? sum / count : Number.NaN;
}
