/** From weights per token to the words that have most of them. Pure. */

import type { TokenRange } from '../shared/address';
import { wordAt } from '../shared/places';

/** A word and the sum of its tokens' weights, with its sign. */
export interface WordWeight {
  readonly tokens: TokenRange;
  readonly weight: number;
}

/**
 * The k words of largest magnitude, largest first; what is not a number or at most 2 % of the largest is left out.
 * @param weights shape [nTokens]; @param isCandidate leaves tokens out, such as the selection's own.
 */
export function strongestWords(
  weights: Float32Array,
  labels: readonly string[],
  k: number,
  isCandidate: (tokenIdx: number) => boolean,
): WordWeight[] {
  const words: WordWeight[] = [];
  for (let token = 0; token < weights.length; ) {
    const tokens = wordAt(labels, token);
    let weight = 0;
    for (let i = tokens.first; i < tokens.end; i++) if (isCandidate(i)) weight += weights[i]! || 0;
    if (weight !== 0) words.push({ tokens, weight });
    token = tokens.end;
  }
  words.sort((a, b) => Math.abs(b.weight) - Math.abs(a.weight) || a.tokens.first - b.tokens.first);
  const least = 0.02 * Math.abs(words[0]?.weight ?? 0);
  return words.slice(0, k).filter(({ weight }) => Math.abs(weight) >= least);
}
