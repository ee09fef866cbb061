/** What the logit lens of one layer says at every position. */

import { emptyPrediction, type Prediction, writePrediction } from './prediction';
import type { Values } from './session';

export interface LensRows extends Prediction {
  /** Of the target, from 1: how many tokens are likelier, plus 1. [T] */
  readonly ranks: Int32Array;
  /** In nats, [T]. */
  readonly entropy: Float32Array;
  /** KL(after the last layer || here) in nats, [T]. */
  readonly divergence: Float32Array;
}

/** All zeros, for n positions. */
export function emptyLensRows(n: number, k: number): LensRows {
  const divergence = new Float32Array(n);
  return { ...emptyPrediction(n, k, false), divergence, ranks: new Int32Array(n), entropy: new Float32Array(n) };
}

/** Writes what `logitLensGraph` gave for the positions from `first` on. @param last of the last layer, at the same positions. */
export function writeLensRows(to: LensRows, fetched: Values, last: Values, first: number): void {
  const floats = (name: string, values = fetched) => values[name]?.data as Float32Array | undefined;
  const ranks = fetched['rank']!.data as Int32Array;
  const lastEntropy = floats('entropy', last)!;
  const crossEntropy = floats('cross_entropy') ?? lastEntropy;
  const part = {
    // Rounding may leave the difference of two equal distributions a little below 0.
    divergence: crossEntropy.map((value, i) => Math.max(0, value - lastEntropy[i]!)),
    logProbabilities: floats('log_probability')!,
    topIds: fetched['top.indices']!.data as Int32Array,
    topLogProbabilities: floats('top.log_probabilities')!,
  };
  writePrediction(to, part, first, first + ranks.length);
  to.ranks.set(ranks, first);
  to.entropy.set(floats('entropy')!, first);
}
