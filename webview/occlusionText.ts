/** A check by occluding in words. Pure. */

import type { ContextState } from '../src/shared/context';
import { visibleToken } from './labels';

/** What a check has shown so far, in sentences. */
export function describeCheck(occlusion: NonNullable<ContextState['occlusion']>): string[] {
  const { status, rows, total, baseline, correlation, failure } = occlusion;
  if (total === 0) return ['No line before the selection lies in the window: there is nothing to occlude.'];
  const done = `${rows.length} of ${total} earlier lines occluded`;
  const lines = [
    {
      running: `${done} …`,
      done: `${done}.`,
      cancelled: `Cancelled: ${done}.`,
      failed: `Failed after ${rows.length} of ${total} lines: ${failure?.message ?? ''}`,
    }[status],
  ];
  if (rows.length > 0) {
    const rho = (value: number) => (Number.isNaN(value) ? 'none' : value.toFixed(2).replace('-', '−'));
    lines.push(
      `Rank correlation (Spearman) of relevance with the change of the predictions: ${rho(correlation.divergence)}; ` +
        `with the size of the change of surprisal: ${rho(correlation.surprisal)}.`,
    );
  }
  if (baseline) {
    const { neutralLabel, surprisalBits, topLabel, topProbability } = baseline;
    lines.push(
      `With everything in place: ${formatBits(surprisalBits)} per selected token, ` +
        `predicted next ${visibleToken(topLabel)} (${(topProbability * 100).toFixed(1)} %).`,
      neutralLabel === null
        ? 'Occluded lines are left out, so what follows moves up.'
        : `Every token of an occluded line becomes ${visibleToken(neutralLabel)}.`,
    );
  }
  return lines;
}

function formatBits(bits: number): string {
  return Number.isNaN(bits) ? 'no surprisal' : `${bits.toFixed(2)} bits`;
}
