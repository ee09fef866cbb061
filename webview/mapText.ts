/** What is said of a document map: how far it is, what was left out, and what its figures are. Pure. */

import type { DocumentMapState } from '../src/shared/documentMap';
import { formatHeads } from '../src/shared/relevance';

/** One line on how far the map is. */
export function mapProgress(state: DocumentMapState | null): string {
  if (!state) {
    return 'Asks the selection of the whole document, window after window, however long it is. Select a word or ask a question first.';
  }
  const { status, selection, documentLabel, done, total, nTokens, lineRange, isStale } = state;
  const { first, end, of } = lineRange;
  const isAll = first === 0 && end === of;
  const range = isAll ? `all ${of} lines` : `lines ${first + 1}–${end} of ${of}; the rest was left out`;
  const what = `“${selection}” in ${documentLabel}`;
  const windows = `${done} of ${total} windows`;
  const stale = isStale ? ' The text changed since: lines are those of an older version.' : '';
  switch (status) {
    case 'reading':
      return `${what}: reading, ${nTokens} tokens so far …`;
    case 'running':
      return `${what}: ${windows} of ${nTokens} tokens, ${range} …`;
    case 'done':
      return `${what}: ${total} windows of ${nTokens} tokens, ${range}.${stale}`;
    case 'cancelled':
      return `${what}: cancelled after ${windows}.${stale}`;
    case 'failed':
      return `${what}: failed after ${windows}.${stale}`;
  }
}

/** How the figures came about, and what they do not say. */
export function mapNotes({ measure, modelName, baselineBits }: DocumentMapState): string[] {
  const how =
    measure.method === 'head'
      ? `Head ${formatHeads(measure.heads)} of ${modelName}.`
      : `${measure.method === 'max' ? 'Strongest' : 'Mean'} of ${measure.heads.length} heads of ${modelName}.`;
  const baseline = Number.isNaN(baselineBits)
    ? []
    : [`Without any window the selection costs ${baselineBits.toFixed(2)} bits per token.`];
  return [
    `${how} Every window of the document is put before the selection and up to 48 tokens of the text before it: this is what the model would look at from there, not what it did look at.`,
    'Lines of one window compete with each other, not with those of another. The gain compares windows.',
    'The selection itself, where a window holds it, and the rest of its line are not counted.',
    ...baseline,
  ];
}
