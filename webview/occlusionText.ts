/** A check by occluding in words. Pure. */

import { visibleToken, withLocalMark } from '../src/shared/labels';
import type { OcclusionState } from '../src/shared/panel/context';
import type { RankAgreement } from '../src/shared/relevance';
import { t } from '../src/shared/tools/l10n';
import { withTimeLeft } from './pace';

/** How many runs of the model a check has made, and makes in all: one without each line, and one with it hidden. */
export function stepsOfCheck({ rows, total, hidingNote }: OcclusionState): { done: number; total: number } {
  const nHidden = rows.filter(({ lostBits }) => lostBits !== null).length;
  return { done: rows.length + nHidden, total: total * (hidingNote === null ? 2 : 1) };
}

/** What a check has shown so far, in sentences. @param leftMs what is left of it, if that is known. */
export function describeCheck(occlusion: OcclusionState, leftMs: number | null = null): string[] {
  const { status, rows, total, baseline, agreement, hiding, hidingNote, failure } = occlusion;
  if (total === 0) return [t('The window has no line before the selection: there is nothing to occlude.')];
  const done = t('{0} of {1} earlier lines occluded', rows.length, total);
  const lines = [
    {
      running: rows.length === total ? `${done}.` : `${withTimeLeft(done, leftMs)} …`,
      done: `${done}.`,
      cancelled: t('Cancelled: {0}.', done),
      failed: t('Failed after {0} of {1} lines: {2}', rows.length, total, failure?.message ?? ''),
    }[status],
  ];
  if (status === 'running' && total > 0 && rows.length === total) {
    lines.push(`${withTimeLeft(t('Now each line is hidden from the tokens that predict the selection'), leftMs)} …`);
  }
  if (hidingNote !== null) lines.push(t('Lines cannot be hidden: {0}', hidingNote));
  if (rows.length > 0) {
    const rho = (value: number) =>
      Number.isNaN(value) ? t('none') : withLocalMark(value.toFixed(2)).replace('-', '−');
    const ranks = ({ relevanceMean, relevance, nearness }: RankAgreement) =>
      [relevanceMean, relevance, nearness].map(rho) as [string, string, string];
    if (hiding) {
      lines.push(
        t(
          'Ranked by hiding each line from the tokens that predict the selection (knock-out). Rank correlation (Spearman) with the bits lost: {0} for the relevance of these tokens per token, {1} for its sum, {2} for nearness of the line alone.',
          ...ranks(hiding),
        ),
      );
    }
    lines.push(
      t(
        'Rank correlation (Spearman) with the change of the predictions: {0} for relevance per token, {1} for its sum, {2} for nearness of the line alone.',
        ...ranks(agreement.divergence),
      ),
      t(
        'With the signed change of surprisal: {0}, {1} and {2}; with its absolute value: {3}, {4} and {5}. Here relevance is of the tokens before the selected ones, which predict them.',
        ...ranks(agreement.surprisal),
        ...ranks(agreement.surprisalSize),
      ),
    );
  }
  if (baseline) {
    const { neutralLabel, surprisalBits, topLabel, topProbability } = baseline;
    lines.push(
      t(
        'With everything in place: {0} per selected token, predicted next {1} ({2} %).',
        formatBits(surprisalBits),
        visibleToken(topLabel),
        withLocalMark((topProbability * 100).toFixed(1)),
      ),
      neutralLabel === null
        ? t('Occluded lines are left out, so what follows moves up.')
        : t('Every token of an occluded line becomes {0}.', visibleToken(neutralLabel)),
    );
  }
  return lines;
}

function formatBits(bits: number): string {
  return Number.isNaN(bits) ? t('no surprisal') : t('{0} bits', withLocalMark(bits.toFixed(2)));
}
