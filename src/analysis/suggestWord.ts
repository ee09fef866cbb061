/** Which word a reader is shown who has not selected one. Pure. */

import type { TokenRange } from '../shared/address';
import { type NamedTokens, readableLabels, textOfTokens, wordAt } from '../shared/places';
import { tokenAt } from '../tokenization/offsets';

/** What is on screen of the document, UTF-16. */
export interface Sight {
  /** Where the cursor is; null where the document has no editor. */
  readonly cursor: number | null;
  readonly visible: readonly { readonly start: number; readonly end: number }[];
}

/**
 * The word at the cursor; else the identifier in view that costs the model most bits, else the one in the whole range that
 * does. A cursor at the very start was not put there, and what nothing predicts has no explanation.
 */
export function suggestWord(
  tokens: NamedTokens,
  surprisalBits: ArrayLike<number>,
  { cursor, visible }: Sight,
): TokenRange | null {
  const labels = readableLabels(tokens);
  const { offsets } = tokens;
  const isPredicted = ({ first }: TokenRange) => first > 0 && !Number.isNaN(surprisalBits[first]);
  if (cursor !== null && cursor > 0) {
    for (const offset of [cursor, cursor - 1]) {
      const token = tokenAt(offsets, offset);
      const word = token < 0 ? null : wordAt(labels, token);
      if (word && isWord.test(textOfTokens(labels, word)) && isPredicted(word)) return word;
    }
  }
  const isInView = ({ first, end }: TokenRange) =>
    visible.some(place => offsets[first]! >= place.start && offsets[end]! <= place.end);
  let [inView, anywhere]: (Candidate | null)[] = [null, null];
  for (let token = 1; token < labels.length; ) {
    const range = wordAt(labels, token);
    token = range.end;
    if (!isIdentifier.test(textOfTokens(labels, range)) || !isPredicted(range)) continue;
    const bits = sum(surprisalBits, range);
    if (bits > (anywhere?.bits ?? 0)) anywhere = { range, bits };
    if (bits > (inView?.bits ?? 0) && isInView(range)) inView = { range, bits };
  }
  return (inView ?? anywhere)?.range ?? null;
}

interface Candidate {
  readonly range: TokenRange;
  readonly bits: number;
}

const isWord = /[\p{L}\p{N}_$]/u;
/** Its first token may begin with signs, as in ".name" and "(name". */
const isIdentifier = /^[^\p{L}\p{N}\p{M}_$]*[\p{L}_$][\p{L}\p{N}\p{M}_$]+$/u;

function sum(values: ArrayLike<number>, { first, end }: TokenRange): number {
  let total = 0;
  for (let i = first; i < end; i++) total += values[i]!;
  return total;
}
