/** What the panel says of ablations. Pure. */

import { describeAblation } from '../src/shared/ablation';
import { formatBits, formatPlainBits } from '../src/shared/labels';
import type { PanelAblation, Ranking } from '../src/shared/panel/panelAblation';
import { t } from '../src/shared/tools/l10n';
import { formatDuration } from './labels';
import { withTimeLeft } from './pace';

/** What the banner says, a sentence per line. */
export function bannerLines({
  shown,
  requested,
  isRunning,
  failure,
  note,
  trainedId,
  effect,
}: PanelAblation): string[] {
  const lines: string[] = [];
  if (shown.edits.length > 0) {
    const numbers = effect
      ? t(
          ' Mean KL divergence {0} bits, surprisal {1} bits per token ({2}).',
          formatPlainBits(effect.meanKlBits),
          formatBits(effect.meanSurprisalChangeBits),
          formatDuration(effect.durationMs),
        )
      : '';
    lines.push(t('Ablated: {0}.{1}', describeAblation(shown), numbers));
  }
  if (failure) lines.push(failure.message);
  else if (isRunning) lines.push(t('Computing: {0} …', describeRequested(requested)));
  else if (requested.edits.length > 0 && shown.edits.length === 0) {
    const when = trainedId === null ? t('once the analysis is done') : t('with the next analysis');
    lines.push(t('The maps are of the model as trained; {0} will follow {1}.', describeAblation(requested), when));
  }
  if (note) lines.push(note);
  return lines;
}

function describeRequested(requested: PanelAblation['requested']): string {
  return describeAblation(requested) || t('the model as trained');
}

/** How far a ranking is, in a sentence. @param leftMs what is left of it, if that is known. */
export function sayRanking({ status, done, total, failure }: Ranking, leftMs: number | null = null): string {
  const count = total === 0 ? t('none yet') : t('{0} of {1}', done, total);
  switch (status) {
    case 'running':
      return withTimeLeft(t('{0} tried', count), leftMs);
    case 'done':
      return total === 0
        ? t('The model has no convolution and no head mixing: there is nothing to rank.')
        : t('All {0} tried, each by itself, whole model.', total);
    case 'cancelled':
      return t('Cancelled: {0} tried.', count);
    case 'failed':
      return failure?.message ?? t('The ranking failed.');
  }
}
