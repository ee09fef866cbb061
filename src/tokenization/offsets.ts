/** Token index <-> UTF-16 range in the text, from the tokens' byte lengths. */

import type { TokenRange } from '../shared/address';

/**
 * Where tokens begin and end in `text`, in UTF-16 code units from its start.
 * A border inside a character moves to the character's end: the first of its tokens covers it, the rest are empty.
 * @param byteLengths UTF-8 bytes of each token; together those of `text`, lone surrogates counted as three.
 * @returns length byteLengths.length + 1, ascending, first 0, last text.length.
 */
export function tokenOffsets(text: string, byteLengths: Uint32Array): Uint32Array {
  const offsets = new Uint32Array(byteLengths.length + 1);
  let utf16 = 0;
  let bytes = 0;
  let border = 0;
  for (let token = 0; token < byteLengths.length; token++) {
    border += byteLengths[token]!;
    while (bytes < border) {
      const codePoint = text.codePointAt(utf16)!;
      bytes += codePoint < 0x80 ? 1 : codePoint < 0x800 ? 2 : codePoint < 0x10000 ? 3 : 4;
      utf16 += codePoint < 0x10000 ? 1 : 2;
    }
    offsets[token + 1] = utf16;
  }
  return offsets;
}

/**
 * Which tokens to analyse when not all fit: the anchor's token is at three quarters of the window, so that most of
 * the window is what the model could look back to from there.
 * @param anchorToken index of the token at the anchor.
 */
export function chooseWindow(nTokens: number, anchorToken: number, maxTokens: number): TokenRange {
  if (nTokens <= maxTokens) return { first: 0, end: nTokens };
  const ideal = anchorToken - Math.floor(maxTokens * 0.75);
  const first = Math.min(Math.max(ideal, 0), nTokens - maxTokens);
  return { first, end: first + maxTokens };
}

/**
 * The token that covers an offset, by binary search; empty tokens are passed over.
 * @returns -1 outside the tokens; at their very end, where the cursor stands after typing, the last one.
 */
export function tokenAt(offsets: Uint32Array, offset: number): number {
  const last = offsets.length - 1;
  if (last < 1 || offset < offsets[0]! || offset > offsets[last]!) return -1;
  let low = 0;
  let high = last;
  // offsets[low] <= offset, and everything from high on starts after it (or is the end).
  while (low + 1 < high) {
    const middle = (low + high) >> 1;
    if (offsets[middle]! <= offset) low = middle;
    else high = middle;
  }
  while (low > 0 && offsets[low] === offsets[low + 1]) low--;
  return low;
}
