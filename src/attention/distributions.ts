/** Softmax, log-softmax and divergence of distributions on the CPU. Pure. */

/** Weights that sum to 1. @param scores natural logarithms up to a constant. */
export function softmax(scores: Float32Array): Float32Array {
  const max = maximum(scores);
  const weights = scores.map(score => Math.exp(score - max));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map(weight => weight / sum);
}

/** Natural log-probabilities of rows of logits. @param logits shape [row, size], as the result. */
export function logSoftmaxRows(logits: Float32Array, size: number): Float32Array {
  const out = new Float32Array(logits.length);
  for (let start = 0; start < logits.length; start += size) {
    const row = logits.subarray(start, start + size);
    const max = maximum(row);
    const logSum = Math.log(row.reduce((sum, x) => sum + Math.exp(x - max), 0)) + max;
    for (let i = 0; i < size; i++) out[start + i] = row[i]! - logSum;
  }
  return out;
}

/** KL(before || now) in nats. Both are natural log-probabilities of the same length; summed over all of it. */
export function klNats(before: Float32Array, now: Float32Array): number {
  let nats = 0;
  for (let i = 0; i < before.length; i++) nats += Math.exp(before[i]!) * (before[i]! - now[i]!);
  return nats;
}

function maximum(values: Float32Array): number {
  return values.reduce((most, x) => Math.max(most, x), Number.NEGATIVE_INFINITY);
}
