/** Texts on a document search: its progress, what was left out, and what its figures mean. Pure. */

import type { DocumentSearchState } from '../src/shared/documentSearch';
import { formatLines, withLocalMark } from '../src/shared/labels';
import { formatHeads } from '../src/shared/relevance';
import { t } from '../src/shared/tools/l10n';
import { withTimeLeft } from './pace';

/** Why a search cannot start where nothing is selected. */
export function nothingToSearch(): string {
  return t('Select a word in the document: the search is for what it depends on.');
}

/** One line on the progress of the search. @param leftMs what is left of it, if that is known. */
export function searchProgress(state: DocumentSearchState | null, leftMs: number | null = null): string {
  if (!state) {
    return t(
      'Asks the selection of the whole document, window after window, however long it is. Select a word or ask a question first.',
    );
  }
  const { status, selection, documentLabel, done, total, nTokens, lineRange, isStale } = state;
  const { first, end, of } = lineRange;
  const isAll = first === 0 && end === of;
  const allLines = of === 1 ? t('its only line') : t('all {0} lines', of);
  const range = isAll ? allLines : t('{0}; the rest was left out', formatLines(first + 1, end, of));
  const what = t('“{0}” in {1}', selection, documentLabel);
  const windows = t('{0} of {1} windows', done, total);
  const stale = isStale ? t(' The text changed since: lines are those of an older version.') : '';
  switch (status) {
    case 'reading':
      return t('{0}: reading, {1} tokens so far …', what, nTokens);
    case 'running':
      return `${withTimeLeft(t('{0}: {1} of {2} tokens, {3}', what, windows, nTokens, range), leftMs)} …`;
    case 'done':
      return t('{0}: {1} windows of {2} tokens, {3}.{4}', what, total, nTokens, range, stale);
    case 'cancelled':
      return t('{0}: cancelled after {1}.{2}', what, windows, stale);
    case 'failed':
      return t('{0}: failed after {1}.{2}', what, windows, stale);
  }
}

/** How the figures came about, and what they do not say. */
export function searchNotes({ measure, modelName, baselineBits }: DocumentSearchState): string[] {
  const how =
    measure.method === 'head'
      ? t('Head {0} of {1}.', formatHeads(measure.heads), modelName)
      : t(
          '{0} of {1} heads of {2}.',
          measure.method === 'max' ? t('Strongest') : t('Mean'),
          measure.heads.length,
          modelName,
        );
  const baseline = !Number.isFinite(baselineBits)
    ? []
    : [t('Without any window the selection costs {0} bits per token.', withLocalMark(baselineBits.toFixed(2)))];
  return [
    t(
      '{0} Every window of the document is put before the selection and up to 48 tokens of the text before it: this is what the model would look at from there, not what it did look at.',
      how,
    ),
    t(
      'Lines of one window compete with each other, not with those of another. The gain compares spans of lines: what each adds to the text before it.',
    ),
    t('The selection itself, where a window holds it, and the rest of its line are not counted.'),
    ...baseline,
  ];
}
