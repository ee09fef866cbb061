/** Continues tokens with a model, one at a time, greedily or by drawing. */

import { logSoftmaxRows } from '../../attention/distributions';
import { mulberry32, type SamplingOptions, sampleToken } from '../../attention/sampling';
import { Largest } from '../runtime/largest';
import type { ModelRuntime } from '../runtime/modelRuntime';
import { Decoder } from './decoder';

export interface GenerateOptions extends SamplingOptions {
  readonly nTokens: number;
  readonly seed: number;
  /** Likeliest tokens reported of each step. */
  readonly topK: number;
}

/** A token that was chosen, and what else was likely, before temperature and top-p. */
export interface GeneratedToken {
  readonly id: number;
  readonly probability: number;
  readonly topIds: Int32Array;
  readonly topProbabilities: Float32Array;
}

/**
 * @param ids that the text begins with, the begin token included.
 * @returns the tokens as they come, at most `nTokens`; the one that ends a text is the last.
 * @throws Cancelled between layers once `signal` fires.
 */
export async function* generateTokens(
  runtime: ModelRuntime,
  ids: Int32Array,
  { nTokens, seed, topK, ...sampling }: GenerateOptions,
  signal?: AbortSignal,
): AsyncGenerator<GeneratedToken> {
  const { eos_token_id: endId } = runtime.folder.config;
  const decoder = new Decoder(runtime, ids.length + nTokens);
  const random = mulberry32(seed);
  let next: readonly number[] = [...ids];
  for (let i = 0; i < nTokens; i++) {
    const logits = await decoder.append(next, signal);
    const id = sampleToken(logits, sampling, sampling.temperature === 0 ? 0 : random());
    const probabilities = logSoftmaxRows(logits, logits.length).map(Math.exp);
    const k = Math.min(topK, logits.length);
    const [topIds, topProbabilities] = [new Int32Array(k), new Float32Array(k)];
    const top = new Largest(topIds, topProbabilities);
    for (const [other, probability] of probabilities.entries()) top.add(other, probability);
    yield { id, probability: probabilities[id]!, topIds, topProbabilities };
    if (id === endId) return;
    next = [id];
  }
}
