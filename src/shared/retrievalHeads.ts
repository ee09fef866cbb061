/** Heads chosen because they find context, and the examples they are chosen by. */

import type { HeadRef } from './address';

/** UTF-16 offsets, the end exclusive. */
interface Span {
  readonly start: number;
  readonly end: number;
}

/** A text in which the query depends on the gold passage before it. */
export interface RetrievalExample {
  readonly text: string;
  /** Tokens whose predicting rows are looked at. */
  readonly query: Span;
  readonly gold: Span;
}

/** A head and its mean score over examples. */
export interface ScoredHead extends HeadRef {
  readonly score: number;
}

/** Words whose examples are taken of one text, at most. */
const mostWords = 24;

/**
 * Examples that a text holds by itself: words that come a second time, on a later line. The gold passage is the line where
 * a word stands first; the query is its second occurrence but for its first two characters, which say what is to be found.
 * @returns at most `mostWords`, spread evenly over the text.
 */
export function repeatedWords(text: string): RetrievalExample[] {
  const places = new Map<string, number[]>();
  for (const { 0: word, index } of text.matchAll(/[\p{L}_][\p{L}\p{N}_]{4,}/gu)) {
    places.set(word, [...(places.get(word) ?? []), index]);
  }
  const found = [...places].flatMap(([word, [first, second]]) => {
    if (second === undefined) return [];
    const lineEnd = text.indexOf('\n', first);
    if (lineEnd < 0 || second <= lineEnd) return [];
    const gold = { start: text.lastIndexOf('\n', first! - 1) + 1, end: lineEnd };
    return [{ text, gold, query: { start: second + 2, end: second + word.length } }];
  });
  found.sort((a, b) => a.query.start - b.query.start);
  const step = Math.max(1, found.length / mostWords);
  return Array.from({ length: Math.min(found.length, mostWords) }, (_, i) => found[Math.floor(i * step)]!);
}

/** A saved choice of heads. */
export interface RetrievalHeads {
  readonly model: string;
  readonly heads: readonly HeadRef[];
}
