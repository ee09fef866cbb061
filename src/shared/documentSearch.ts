/**
 * The document search: how relevant each line of a document of any length is for a selection.
 *
 * A model cannot look further back than its context, so the selection is repeated, as a question would be:
 * the document is cut into windows, and behind each the *probe* is placed, the selection with the text right before it.
 * A line's relevance is then the sum of the magnitudes of its tokens' weights, as the selection's tokens attend to them
 * from there. What this means and what it does not:
 *
 * - Every line, also one behind the selection, is measured as if it stood right before the probe: the figures show
 *   what the model *would* look at, not what it looked at. Lines of the current window have exact figures, in `context`.
 * - A row of attention weights is shared out among one window's tokens. Lines of one window compete with each other, not
 *   with those of another: a line can be heavy because its window has nothing better. The *gain* compares spans.
 * - A window is the *earlier* tokens and then the *span* that is reported. The span's gain is the selection's mean surprisal
 *   after (earlier, probe) minus that after (earlier, span, probe), in bits per selected token: what the span adds to what
 *   stands before it. It belongs to the span as a whole, not to each of its lines, and is below 0 where the span harms.
 *   Each window but the first takes a second run for it, of at most half a context and without attention maps.
 * - Where the document itself holds the probe, that copy and the rest of its line are left out of the sums: the probe would
 *   find itself. For the gain the copy is cut out of both texts, which takes one run more for a window that holds it.
 * - Every token that is reported has at least half a context before it, or all of the document before it.
 */

import type { HeadRef } from './address';
import type { RelevanceMethod } from './relevance';
import type { FailureData } from './tools/failure';
import type { TextSource } from './tools/textPieces';

/** Tokens that a search covers at most. */
export const maxSearchTokens = 1 << 20;

/** Rollout needs whole maps of every window and is not offered. */
export const searchMethods = ['head', 'mean', 'max'] as const satisfies readonly RelevanceMethod[];
export type SearchMethod = (typeof searchMethods)[number];

/** What is put behind each window. */
export interface Probe {
  /** The selection with text before it, as in the document; or a question. */
  readonly text: string;
  /** Where `text` starts in the document, UTF-16; a question starts behind its end. */
  readonly start: number;
  /** Where the selection starts in `text`, UTF-16. */
  readonly selectionStart: number;
}

/** Characters of the probe at most: more than its tokens can need. */
const maxLeadLength = 400;
const maxSelectionLength = 8000;

/** The probe of a place in a text. Of a long selection only the end is used. */
export function probeAt(source: TextSource, { start, end }: { readonly start: number; readonly end: number }): Probe {
  const selected = Math.max(start, end - maxSelectionLength);
  const from = Math.max(0, selected - maxLeadLength);
  return { text: source.slice(from, end), start: from, selectionStart: selected - from };
}

/** The method of a search where the current range is measured by another. */
export function searchMethod(method: RelevanceMethod): SearchMethod {
  return method === 'rollout' ? 'mean' : method;
}

/** How lines are weighed. */
export interface SearchMeasure {
  readonly method: SearchMethod;
  /** Exactly one for `head`. */
  readonly heads: readonly HeadRef[];
  /** Rows whose weights are taken: those of the selected tokens themselves, or those before, which predict them. */
  readonly rows?: 'reading' | 'predicting' | undefined;
}

/** Lines of one window's report, or the parts of them that lie in it, in document order; every array has one entry per line. */
export interface SearchRows {
  /** From 0. */
  readonly lineIdxs: Int32Array;
  /** 1 for lines without text but blanks. */
  readonly isBlank: Uint8Array;
  readonly nTokens: Int32Array;
  /** Those of them outside the probe's copy. */
  readonly nOwn: Int32Array;
  /** Sums of magnitudes; the probe's copy counts as 0. */
  readonly weights: Float32Array;
  /** Where the token of largest magnitude starts, UTF-16 in the document, and its weight with its sign. */
  readonly strongestAt: Uint32Array;
  readonly strongestWeights: Float32Array;
  /** Mean surprisal of its tokens in bits. */
  readonly surprisalBits: Float32Array;
}

/** A window that is done. */
export interface SearchedRange {
  readonly rows: SearchRows;
  /** Of the window's span, see above; NaN where nothing predicts the selection, or the span is all copy. */
  readonly gainBits: number;
  readonly done: number;
  readonly total: number;
}

/** One line of the results. */
export interface SearchLine {
  /** From 0. */
  readonly lineIdx: number;
  /** It has no text but blanks. */
  readonly isBlank: boolean;
  /** Sum of the magnitudes of its tokens' weights. */
  readonly weight: number;
  /** Mean of them, over its tokens outside the probe's copy. */
  readonly meanWeight: number;
  readonly strongestAt: number;
  readonly strongestWeight: number;
  readonly surprisalBits: number;
  /** Of its span, whose first and last line are `spanLines`, from 0. */
  readonly gainBits: number;
  readonly spanLines: readonly [first: number, last: number];
}

/** The search in a few hundred steps from its first line to its last; NaN where nothing is searched yet. */
export interface SearchProfile {
  /** Largest mean weight of the lines of each step; blank lines count as 0. */
  readonly weights: Float32Array;
  readonly surprisalBits: Float32Array;
  readonly gainBits: Float32Array;
}

/** A search and its results so far. */
export interface DocumentSearchState {
  readonly status: 'reading' | 'running' | 'done' | 'cancelled' | 'failed';
  /** The document changed since. */
  readonly isStale: boolean;
  readonly documentLabel: string;
  readonly modelName: string;
  /** The selection, shortened. */
  readonly selection: string;
  readonly measure: SearchMeasure;
  readonly nTokens: number;
  /** Lines that are or will be searched, from 0, the end exclusive, and how many the document has. */
  readonly lineRange: { readonly first: number; readonly end: number; readonly of: number };
  readonly done: number;
  readonly total: number;
  /** Those with the largest mean weight so far, with their text. */
  readonly lines: readonly (SearchLine & { readonly text: string })[];
  readonly profile: SearchProfile | null;
  /** Bits per selected token with nothing but the probe. */
  readonly baselineBits: number;
  readonly failure: FailureData | null;
}
