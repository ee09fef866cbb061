/** Predictions from vocabulary logits, for models whose graphs end with those. Pure. */

import { klNats, logSoftmaxRows } from '../../attention/distributions';
import { Largest } from './largest';
import { emptyPrediction, type Prediction } from './prediction';

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
    const [first, end] = [position * topK, (position + 1) * topK];
    const top = new Largest(topIds.subarray(first, end), topLogProbabilities.subarray(first, end));
    for (let id = 0; id < nVocabulary; id++) top.add(id, row[id]!);
    if (before && divergence) divergence[position] = klNats(before.subarray(start, start + nVocabulary), row);
  }
  return prediction;
}
