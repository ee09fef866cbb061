/** What vocabulary logits predict, as the graphs of other models tell it. Pure. */

import { insertLargest } from './largest';
import { emptyPrediction, type Prediction } from './prediction';

/** Natural log-probabilities of rows of logits, shape [row, vocabulary]. */
export function logSoftmaxRows(logits: Float32Array, nVocabulary: number): Float32Array {
  const out = new Float32Array(logits.length);
  for (let start = 0; start < logits.length; start += nVocabulary) {
    const row = logits.subarray(start, start + nVocabulary);
    const max = row.reduce((most, x) => Math.max(most, x), Number.NEGATIVE_INFINITY);
    const logSum = Math.log(row.reduce((sum, x) => sum + Math.exp(x - max), 0)) + max;
    for (let i = 0; i < nVocabulary; i++) out[start + i] = row[i]! - logSum;
  }
  return out;
}

/**
 * @param logits [position, vocabulary]; @param targets the next token of each position.
 * @param before natural log-probabilities of the same shape to be compared with.
 */
export function predictFromLogits(
  logits: Float32Array,
  targets: readonly number[],
  k: number,
  before?: Float32Array,
): Prediction {
  const nVocabulary = logits.length / targets.length;
  const topK = Math.min(k, nVocabulary);
  const prediction = emptyPrediction(targets.length, topK, before !== undefined);
  const { logProbabilities, topIds, topLogProbabilities, divergence } = prediction;
  for (const [position, target] of targets.entries()) {
    const start = position * nVocabulary;
    const row = logSoftmaxRows(logits.subarray(start, start + nVocabulary), nVocabulary);
    logProbabilities[position] = row[target]!;
    let count = 0;
    for (let id = 0; id < nVocabulary; id++)
      count = insertLargest(topIds, topLogProbabilities, position * topK, topK, count, id, row[id]!);
    if (!before || !divergence) continue;
    let nats = 0;
    for (let id = 0; id < nVocabulary; id++) nats += Math.exp(before[start + id]!) * (before[start + id]! - row[id]!);
    divergence[position] = nats;
  }
  return prediction;
}
