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

/** Writes what `logitLensGraph` gave for the positions from `first` on. */
export function writeLensRows(to: LensRows, fetched: Values, first: number): void {
  const ranks = fetched['rank']!.data as Int32Array;
  const part = {
    divergence: fetched['divergence']!.data as Float32Array,
    logProbabilities: fetched['log_probability']!.data as Float32Array,
    topIds: fetched['top.indices']!.data as Int32Array,
    topLogProbabilities: fetched['top.log_probabilities']!.data as Float32Array,
  };
  writePrediction(to, part, first, first + ranks.length);
  to.ranks.set(ranks, first);
  to.entropy.set(fetched['entropy']!.data as Float32Array, first);
}
