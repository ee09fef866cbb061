/** Heads of any model switched off: what that does to the predictions of a text. */

import type { HeadRef } from './address';

export const headBaselines = ['mean', 'zero'] as const;
/**
 * What stands in place of a head's output, before the output matrix:
 * - `mean`: its mean over the positions of the text, as the model computes it. What the head says everywhere stays.
 * - `zero`: nothing.
 */
export type HeadBaseline = (typeof headBaselines)[number];

export interface HeadAblationArgs {
  /** A finished run of the model as trained. */
  readonly analysisId: number;
  /** Off together; at least one. */
  readonly heads: readonly HeadRef[];
  readonly baseline: HeadBaseline;
}

export interface HeadAblationEffect {
  /** KL(trained || ablated) of the next token after each position, in bits, [nTokens]. */
  readonly klBits: Float32Array;
  readonly meanKlBits: number;
  /** Surprisal ablated minus surprisal trained, in bits, [nTokens]; NaN where nothing predicts the token. */
  readonly changeBits: Float32Array;
  readonly meanChangeBits: number;
}
