/** What is found in a whole text, from its ranking and its surprisal. Pure. */

import type { PanelTokens } from '../src/shared/analysis';
import { isConv } from '../src/shared/kernels';
import type { Ranking } from '../src/shared/panel/panelAblation';
import type { PanelState } from '../src/shared/panel/panelMessages';
import { wordAt } from '../src/shared/places';
import type { Places } from './whyQuestion';

/** What a reader who only looks may be made to wait for, in milliseconds of work in the background. */
const unaskedMs = 30_000;

/** The layer whose convolution changes the predictions most when it is off. */
export function bestConvolution({ effects }: Pick<Ranking, 'effects'>): { layerIdx: number; bits: number } | null {
  let best: { layerIdx: number; bits: number } | null = null;
  for (const { edit, meanKlBits } of effects) {
    const { part, layerIdx, headIdx } = edit;
    if (part === null || layerIdx === null || headIdx !== null || !isConv(part)) continue;
    if (meanKlBits > (best?.bits ?? 0)) best = { layerIdx, bits: meanKlBits };
  }
  return best;
}

/** Whether trying every part of the model takes little enough to be done without being asked. */
export function mayRankUnasked({ model, durationMs }: PanelState): boolean {
  const parts = (model?.layers ?? []).flatMap(({ kernels }) => Object.keys(kernels));
  return parts.length > 0 && parts.length * (durationMs ?? Number.POSITIVE_INFINITY) <= unaskedMs;
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
