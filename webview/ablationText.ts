/** What the panel says of ablations. Pure. */

import { describeAblation } from '../src/shared/ablation';
import type { PanelAblation, Ranking } from '../src/shared/panelAblation';
import { formatDuration, formatPlain, formatValue } from './labels';

/** What the banner says, a sentence per line. */
export function bannerLines({ shown, wanted, isRunning, failure, note, trainedId, effect }: PanelAblation): string[] {
  const lines: string[] = [];
  if (shown.edits.length > 0) {
    const numbers = effect
      ? ` Mean KL divergence ${formatPlain(effect.meanKlBits)} bits, surprisal ${formatValue(effect.meanSurprisalChangeBits)} bits per token (${formatDuration(effect.durationMs)}).`
      : '';
    lines.push(`Ablated: ${describeAblation(shown)}.${numbers}`);
  }
  if (failure) lines.push(failure.message);
  else if (isRunning) lines.push(`Computing: ${describeWanted(wanted)} …`);
  else if (wanted.edits.length > 0 && shown.edits.length === 0) {
    const when = trainedId === null ? 'once the analysis is done' : 'with the next analysis';
    lines.push(`The maps are of the model as trained; ${describeAblation(wanted)} will follow ${when}.`);
  }
  if (note) lines.push(note);
  return lines;
}

function describeWanted(wanted: PanelAblation['wanted']): string {
  return describeAblation(wanted) || 'the model as trained';
}

/** How far a ranking is, in a sentence. */
export function sayRanking({ status, done, total, failure }: Ranking): string {
  const count = total === 0 ? 'none yet' : `${done} of ${total}`;
  switch (status) {
    case 'running':
      return `${count} tried`;
    case 'done':
      return total === 0
        ? 'The model has no convolution and no head mixing: there is nothing to rank.'
        : `All ${total} tried, each by itself, whole model.`;
    case 'cancelled':
      return `Cancelled: ${count} tried.`;
    case 'failed':
      return failure?.message ?? 'The ranking failed.';
  }
}
