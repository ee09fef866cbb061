/** From weights per token to lines of the document. Pure. */

import type { TokenRange } from '../shared/address';
import type { LineRelevance } from '../shared/relevance';

/** A line of the document and how much weight its tokens have. */
export interface LineWeight extends LineRelevance {
  /** From 0. */
  readonly lineIdx: number;
  /** It has no text but blanks. */
  readonly isBlank: boolean;
  /** Its tokens of the window. */
  readonly tokens: TokenRange;
  /** Its token of largest magnitude, and that weight with its sign. */
  readonly strongestIdx: number;
  readonly strongestWeight: number;
}

/**
 * The line in which each token starts, -1 for tokens that cover no text (the begin token) and for those at or after
 * `textEnd` (a question appended to the document).
 * @param offsets of tokens, length nTokens + 1; @param lineOf the line of an offset, from 0.
 */
export function linesOfTokens(offsets: Uint32Array, lineOf: (offset: number) => number, textEnd: number): Int32Array {
  return Int32Array.from({ length: Math.max(0, offsets.length - 1) }, (_, token) => {
    const start = offsets[token]!;
    const isBegin = token === 0 && offsets[1] === start;
    return isBegin || start >= textEnd ? -1 : lineOf(start);
  });
}

/** Offsets at which lines start; \r\n, \n and \r end one, as in VS Code. */
export function lineStartsOf(text: string): number[] {
  const starts = [0];
  for (const end of text.matchAll(/\r\n|\r|\n/g)) starts.push(end.index + end[0].length);
  return starts;
}

/** The line of an offset. @param lineStarts as `lineStartsOf` gives them. */
export function lineAt(lineStarts: readonly number[], offset: number): number {
  let [low, high] = [0, lineStarts.length];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (lineStarts[middle]! <= offset) low = middle;
    else high = middle;
  }
  return low;
}

/**
 * Lines of a stretch of a document, from 1, of how many. A line end belongs to its line; behind the last one begins a
 * line only where something follows.
 * @param lineOf the line of an offset, from 0; @param length of the document, UTF-16.
 */
export function lineSpan(
  { start, end }: { readonly start: number; readonly end: number },
  lineOf: (offset: number) => number,
  length: number,
): { readonly first: number; readonly last: number; readonly of: number } {
  const lineBefore = (offset: number) => lineOf(Math.max(0, Math.min(offset, length) - 1)) + 1;
  const of = lineBefore(length);
  const first = Math.min(of, lineOf(Math.min(start, length)) + 1);
  return { first, last: Math.max(first, lineBefore(end)), of };
}

/** Orders lines: those with text by the mean of their magnitudes, the largest first, then blank ones likewise. */
export function byRelevance(a: RankedLine, b: RankedLine): number {
  return Number(a.isBlank) - Number(b.isBlank) || b.meanWeight - a.meanWeight;
}

interface RankedLine {
  readonly meanWeight: number;
  readonly isBlank: boolean;
}

/** The tokens of a line that count, in order: at least one. */
interface TokensOfLine {
  readonly lineIdx: number;
  readonly tokens: TokenRange;
  readonly indices: readonly number[];
  /** Its token of largest magnitude, the first one where all are 0 or NaN. */
  readonly strongestIdx: number;
}

/**
 * Tokens gathered by line, lines in the order of their first token.
 * @param values shape [nTokens]; @param lineOfToken as `linesOfTokens` gives it.
 */
export function tokensByLine(
  values: ArrayLike<number>,
  lineOfToken: Int32Array,
  isCounted: (token: number) => boolean,
): TokensOfLine[] {
  const lines = new Map<number, number[]>();
  for (let token = 0; token < values.length; token++) {
    const lineIdx = lineOfToken[token] ?? -1;
    if (lineIdx < 0 || !isCounted(token)) continue;
    const indices = lines.get(lineIdx);
    if (indices) indices.push(token);
    else lines.set(lineIdx, [token]);
  }
  const magnitude = (token: number) => Math.abs(values[token]!) || 0;
  return [...lines].map(([lineIdx, indices]) => ({
    ...{ lineIdx, indices, tokens: { first: indices[0]!, end: indices.at(-1)! + 1 } },
    strongestIdx: indices.reduce((best, token) => (magnitude(token) > magnitude(best) ? token : best)),
  }));
}

/**
 * Lines in the order of `byRelevance`: a sum grows with the length of the line, and the mean of a blank line is that of
 * its line end alone, on which heads often rest. Magnitudes, so that opposite signs do not cancel; a token whose weight
 * is NaN does not count. Tokens of the selection do not count either: a line is context of something else.
 * @param weights shape [nTokens]; @param lineOfToken as `linesOfTokens` gives it; @param textOf a line, from 0.
 */
export function weightByLine(
  weights: Float32Array,
  lineOfToken: Int32Array,
  selection: TokenRange,
  textOf: (lineIdx: number) => string,
): LineWeight[] {
  return tokensByLine(weights, lineOfToken, token => token < selection.first || token >= selection.end)
    .map(({ lineIdx, tokens, indices, strongestIdx }) => {
      const magnitudes = indices.map(token => Math.abs(weights[token]!)).filter(weight => !Number.isNaN(weight));
      const weight = magnitudes.reduce((sum, magnitude) => sum + magnitude, 0);
      return {
        ...{ lineIdx, tokens, weight, meanWeight: weight / Math.max(1, magnitudes.length) },
        ...{ strongestIdx, strongestWeight: weights[strongestIdx]! || 0, isBlank: !/\S/.test(textOf(lineIdx)) },
      };
    })
    .sort((a, b) => byRelevance(a, b) || a.lineIdx - b.lineIdx);
}

/** A stretch of neighbouring tokens that all count. */
export interface Place {
  readonly tokens: TokenRange;
  /** Largest magnitude in it, with its sign. */
  readonly weight: number;
}

/**
 * The k strongest tokens, neighbours joined, in document order: the places a reader steps through.
 * @param isCandidate leaves tokens out, such as the selection's own.
 */
export function relevantPlaces(weights: Float32Array, k: number, isCandidate: (tokenIdx: number) => boolean): Place[] {
  const strongest = strongestTokens(weights, k, isCandidate).sort((a, b) => a.tokenIdx - b.tokenIdx);
  const places: Place[] = [];
  for (const { tokenIdx, weight } of strongest) {
    const last = places.at(-1);
    if (last?.tokens.end === tokenIdx) {
      const isStronger = Math.abs(weight) > Math.abs(last.weight);
      const tokens = { first: last.tokens.first, end: tokenIdx + 1 };
      places[places.length - 1] = { tokens, weight: isStronger ? weight : last.weight };
    } else places.push({ tokens: { first: tokenIdx, end: tokenIdx + 1 }, weight });
  }
  return places;
}

/** The k weights of largest magnitude, in descending order; what is not a number or at most 2 % of the largest is left out. */
export function strongestTokens(
  weights: Float32Array,
  k: number,
  isCandidate: (tokenIdx: number) => boolean,
): { readonly tokenIdx: number; readonly weight: number }[] {
  const found = Array.from(weights, (weight, tokenIdx) => ({ tokenIdx, weight }))
    .filter(({ tokenIdx, weight }) => weight !== 0 && !Number.isNaN(weight) && isCandidate(tokenIdx))
    .sort((a, b) => Math.abs(b.weight) - Math.abs(a.weight) || a.tokenIdx - b.tokenIdx)
    .slice(0, k);
  const least = 0.02 * Math.abs(found[0]?.weight ?? 0);
  return found.filter(({ weight }) => Math.abs(weight) >= least);
}
