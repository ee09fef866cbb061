/** Which text of a document goes to the model, read without blocking the caller. Pure. */

import type { TextSource } from './textPieces';

/** Least text sent of a longer document, in UTF-16 units: the same for small windows, so that they can move in it. */
const leastReach = 200_000;

/** Characters of the longest tokens in wide use: runs of blanks. */
const longestToken = 128;

/** Length of text that fills a window wherever in the text it lies, in UTF-16 units. @param maxTokens of the window. */
export function textReach(maxTokens: number): number {
  return Math.max(leastReach, maxTokens * longestToken);
}

export interface TextSlice {
  readonly text: string;
  /** Where it starts in the document. */
  readonly start: number;
}

/**
 * The part of a long text around `anchor`, from the start of a line where one is near.
 * @param anchor UTF-16 offset in `source`. @param maxLength see `textReach`.
 */
export function sliceAround(source: TextSource, anchor: number, maxLength: number): TextSlice {
  const { length } = source;
  if (length <= maxLength) return { text: source.slice(0, length), start: 0 };
  const start = Math.min(Math.max(0, anchor - Math.floor(maxLength * 0.75)), length - maxLength);
  const text = source.slice(start, start + maxLength);
  const lineStart = start === 0 ? 0 : text.indexOf('\n') + 1;
  const isNear = lineStart > 0 && lineStart < maxLength / 4;
  return isNear ? { text: text.slice(lineStart), start: start + lineStart } : { text, start };
}

/** The part of a long text that begins at `start`. */
export function sliceFrom(source: TextSource, start: number, maxLength: number): TextSlice {
  if (source.length <= maxLength) return { text: source.slice(0, source.length), start: 0 };
  const inside = Math.min(start, source.length);
  return { text: source.slice(inside, Math.min(source.length, inside + maxLength)), start: inside };
}

/** A part of a source as a source. */
export function partOf(source: TextSource, from: number, to: number): TextSource {
  return { length: to - from, slice: (start, end) => source.slice(from + start, Math.min(to, from + end)) };
}

/** A source with some text behind its end. */
export function withSuffix(source: TextSource, suffix: string): TextSource {
  const { length } = source;
  return {
    length: length + suffix.length,
    slice: (start, end) =>
      (start < length ? source.slice(start, Math.min(end, length)) : '') +
      suffix.slice(Math.max(0, start - length), Math.max(0, end - length)),
  };
}
