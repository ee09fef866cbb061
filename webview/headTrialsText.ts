/** What the panel says of heads that were switched off. Pure. */

import type { HeadAblationEffect } from '../src/shared/headAblation';
import { formatValue, withLocalMark } from '../src/shared/labels';
import { t } from '../src/shared/tools/l10n';
import type { HeadTrials, Trial } from './headTrials';
import { formatPlain } from './labels';

export function trialName({ layerIdx, headIdx }: Trial): string {
  return headIdx === null ? t('all heads of layer {0}', layerIdx) : `L${layerIdx}H${headIdx}`;
}

/**
 * One sentence with what it is to be compared with: all heads of the layer, and the other heads that were tried.
 * @param meanBits surprisal of the model as it is, per token.
 */
export function verdict(trial: Trial, effect: HeadAblationEffect, trials: HeadTrials, meanBits: number): string {
  const said = [
    t(
      'Without {0} the predictions differ by {1} bits per token (KL), and the text costs {2} bits per token, of {3}.',
      trialName(trial),
      formatPlain(effect.meanKlBits),
      formatValue(effect.meanChangeBits),
      withLocalMark(meanBits.toFixed(2)),
    ),
  ];
  const layer = trial.headIdx === null ? null : trials.effectOf({ ...trial, headIdx: null });
  if (layer) {
    said.push(t('All heads of layer {0} off: {1} bits.', trial.layerIdx, formatPlain(layer.meanKlBits)));
  }
  const ranked = trials.ranked();
  const rank = ranked.findIndex(
    ({ trial: other }) => other.layerIdx === trial.layerIdx && other.headIdx === trial.headIdx,
  );
  if (rank >= 0 && ranked.length > 1) said.push(t('Rank {0} of {1} heads tried.', rank + 1, ranked.length));
  return said.join(' ');
}

/** How far the trials are, and how long the rest takes. */
export function sayProgress({ done, total, leftMs }: Pick<HeadTrials, 'done' | 'total' | 'leftMs'>): string {
  const said = t('{0} of {1} tried', done, total);
  if (leftMs === null) return said;
  const seconds = Math.max(1, Math.round(leftMs / 1000));
  return seconds < 90 ? t('{0}, {1} s left', said, seconds) : t('{0}, {1} min left', said, Math.round(seconds / 60));
}

/** Tokens whose surprisal changed most, the largest change first; those that nothing predicts are left out. */
export function largestTokenChanges(changeBits: Float32Array, k: number): number[] {
  return Array.from(changeBits.keys())
    .filter(token => !Number.isNaN(changeBits[token]))
    .sort((a, b) => Math.abs(changeBits[b]!) - Math.abs(changeBits[a]!) || a - b)
    .slice(0, k);
}
