/** Output of the prediction head for every position. */

export interface Prediction {
  /** KL(before || now) per position in nats, shape [T]; null where nothing was compared. */
  readonly divergence: Float32Array | null;
  readonly logProbabilities: Float32Array;
  /** Shape [T, k]. */
  readonly topIds: Int32Array;
  readonly topLogProbabilities: Float32Array;
}

/** All zeros, for n positions. */
export function emptyPrediction(n: number, k: number, compares: boolean): Prediction {
  return {
    divergence: compares ? new Float32Array(n) : null,
    logProbabilities: new Float32Array(n),
    topIds: new Int32Array(n * k),
    topLogProbabilities: new Float32Array(n * k),
  };
}

/** Writes the first of `from` into the positions [first, end). */
export function writePrediction(to: Prediction, from: Prediction, first: number, end: number): void {
  const k = to.topIds.length / to.logProbabilities.length;
  const n = end - first;
  if (from.divergence) to.divergence?.set(from.divergence.subarray(0, n), first);
  to.logProbabilities.set(from.logProbabilities.subarray(0, n), first);
  to.topIds.set(from.topIds.subarray(0, n * k), first * k);
  to.topLogProbabilities.set(from.topLogProbabilities.subarray(0, n * k), first * k);
}
