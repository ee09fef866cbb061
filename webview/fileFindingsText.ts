/** What is found in a whole text, from its ranking and its surprisal. Pure. */

import type { LayerSummary, PanelTokens } from '../src/shared/analysis';
import { isConv, type KernelPart, kernelParts } from '../src/shared/kernels';
import type { Ranking } from '../src/shared/panel/panelAblation';
import type { PanelState } from '../src/shared/panel/panelMessages';
import { wordAt } from '../src/shared/places';
import type { Places } from './places';

/** How much work may be done in the background for a reader who only looks, in milliseconds. */
const unaskedMs = 30_000;
/** A trial computes the layers from its own on, without maps: mta-base needs a third of a run's time. */
const trialShare = 1 / 3;

/** The layer whose convolution changes the predictions most when it is off; null until every convolution was tried. */
export function bestConvolution(
  { effects, status }: Pick<Ranking, 'effects' | 'status'>,
  layers: readonly Pick<LayerSummary, 'kernels'>[],
): { layerIdx: number; bits: number } | null {
  const nConvolutions = layers.flatMap(partsOf).filter(isConv).length;
  let best: { layerIdx: number; bits: number } | null = null;
  let nTried = 0;
  for (const { edit, meanKlBits } of effects) {
    const { part, layerIdx, headIdx } = edit;
    if (part === null || layerIdx === null || headIdx !== null || !isConv(part)) continue;
    nTried += 1;
    if (meanKlBits > (best?.bits ?? 0)) best = { layerIdx, bits: meanKlBits };
  }
  return status === 'running' && nTried < nConvolutions ? null : best;
}

/** What may be tried without being asked: all parts of the model, only its convolutions, or nothing. */
export function unaskedTrials({ model, durationMs }: PanelState): 'all' | 'convolutions' | 'none' {
  const parts = (model?.layers ?? []).flatMap(partsOf);
  const trialMs = (durationMs ?? Number.POSITIVE_INFINITY) * trialShare;
  const isQuick = (count: number) => count > 0 && count * trialMs <= unaskedMs;
  if (isQuick(parts.length)) return 'all';
  return isQuick(parts.filter(isConv).length) ? 'convolutions' : 'none';
}

function partsOf({ kernels }: Pick<LayerSummary, 'kernels'>): KernelPart[] {
  return kernelParts.filter(part => kernels[part]);
}

/** The identifier that cost the model most bits. */
export function leastExpected(
  { labels, surprisalBits }: PanelTokens,
  places: Places,
): { tokenIdx: number; text: string; line: number; bits: number } | null {
  let best: { tokenIdx: number; text: string; line: number; bits: number } | null = null;
  for (let token = 1; surprisalBits && token < labels.length; ) {
    const range = wordAt(places.labels, token);
    token = range.end;
    const line = places.lineOf(range.first);
    const text = places.wordOf(range);
    if (line === null || !/^[\p{L}_$][\p{L}\p{N}\p{M}_$]+$/u.test(text)) continue;
    const bits = surprisalBits.subarray(range.first, range.end).reduce((sum, value) => sum + value, 0);
    if (bits > (best?.bits ?? 0)) best = { tokenIdx: range.first, text, line, bits };
  }
  return best;
}
