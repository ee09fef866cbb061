/** Which token of one window corresponds to which of another. Pure. */

/** Per token of the first window the index of its counterpart in the second, -1 where there is none. */
export type Alignment = Int32Array;

/** Above this many pairs of differing tokens, only what both ends have in common is aligned. */
const maxPairs = 16_000_000;

export function isIdentity(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((label, i) => label === b[i]);
}

/**
 * Tokens of two texts by a longest common subsequence: what was not edited stays aligned, in order.
 * @param a and `b` the tokens' labels; equal labels are equal tokens.
 */
export function alignTexts(a: readonly string[], b: readonly string[]): Alignment {
  const alignment = new Int32Array(a.length).fill(-1);
  let start = 0;
  while (start < a.length && start < b.length && a[start] === b[start]) alignment[start] = start++;
  let [endA, endB] = [a.length, b.length];
  while (endA > start && endB > start && a[endA - 1] === b[endB - 1]) alignment[--endA] = --endB;
  const [rows, columns] = [endA - start, endB - start];
  if (rows === 0 || columns === 0 || rows * columns > maxPairs) return alignment;
  // lengths[i][j]: longest common subsequence of what follows token i of `a` and j of `b`, in the differing middle.
  const width = columns + 1;
  const lengths = new Uint16Array((rows + 1) * width);
  for (let i = rows - 1; i >= 0; i--) {
    for (let j = columns - 1; j >= 0; j--) {
      lengths[i * width + j] =
        a[start + i] === b[start + j]
          ? lengths[(i + 1) * width + j + 1]! + 1
          : Math.max(lengths[(i + 1) * width + j]!, lengths[i * width + j + 1]!);
    }
  }
  for (let i = 0, j = 0; i < rows && j < columns; ) {
    if (a[start + i] === b[start + j]) alignment[start + i++] = start + j++;
    else if (lengths[(i + 1) * width + j]! >= lengths[i * width + j + 1]!) i++;
    else j++;
  }
  return alignment;
}

/**
 * Tokens of the same text cut by two tokenizers: each corresponds to the one in which it begins.
 * @param a and `b` offsets in the text, length nTokens + 1; tokens may be empty (the begin token, parts of a character).
 */
export function alignOffsets(a: ArrayLike<number>, b: ArrayLike<number>): Alignment {
  const [nA, nB] = [a.length - 1, b.length - 1];
  const alignment = new Int32Array(Math.max(0, nA)).fill(-1);
  const isEmpty = (offsets: ArrayLike<number>, i: number) => offsets[i] === offsets[i + 1];
  let j = 0;
  for (let i = 0; i < nA; i++) {
    if (i === 0 && isEmpty(a, 0) && nB > 0 && isEmpty(b, 0)) {
      alignment[0] = 0; // both begin tokens
      continue;
    }
    while (j < nB && b[j + 1]! <= a[i]!) j++;
    if (j < nB && b[j]! <= a[i]! && !isEmpty(b, j)) alignment[i] = j;
  }
  return alignment;
}

/** The other way round: per token of the second window its first counterpart in the first. */
export function inverted(alignment: Alignment, nB: number): Alignment {
  const inverse = new Int32Array(nB).fill(-1);
  for (let i = alignment.length - 1; i >= 0; i--) {
    if (alignment[i]! >= 0) inverse[alignment[i]!] = i;
  }
  return inverse;
}

/** The counterpart of a token, or of the nearest token before it that has one; 0 if none has. */
export function nearestCounterpart(alignment: Alignment, token: number): number {
  for (let i = Math.min(token, alignment.length - 1); i >= 0; i--) {
    if (alignment[i]! >= 0) return alignment[i]!;
  }
  return 0;
}
