/** How the next token is chosen from the logits. Pure. */

import { logSoftmaxRows } from './distributions';

export interface SamplingOptions {
  /** Logits are divided by it; 0 takes the likeliest token. */
  readonly temperature: number;
  /** Only the likeliest tokens that have this probability together are drawn from; 1: all. */
  readonly topP: number;
}

/** The likeliest token; of equal ones the one with the smallest id. */
export function likeliestToken(logits: Float32Array): number {
  let best = 0;
  for (let id = 1; id < logits.length; id++) if (logits[id]! > logits[best]!) best = id;
  return best;
}

/**
 * Draws the next token: tokens in falling order of probability, of equal ones the smaller id first, take up the line from 0
 * to the sum of those that `topP` leaves; the one at `random` times that sum is it.
 * @param logits [vocabulary]
 * @param random in [0, 1); unused at temperature 0.
 */
export function sampleToken(logits: Float32Array, { temperature, topP }: SamplingOptions, random: number): number {
  if (temperature === 0) return likeliestToken(logits);
  const largest = logits[likeliestToken(logits)]!;
  const scaled = logits.map(logit => (logit - largest) / temperature);
  const probabilities = logSoftmaxRows(scaled, logits.length).map(Math.exp);
  const ids = Array.from(probabilities.keys()).sort((a, b) => probabilities[b]! - probabilities[a]! || a - b);
  let [nLeft, sum] = [0, 0];
  while (nLeft < ids.length && (nLeft === 0 || sum < topP)) sum += probabilities[ids[nLeft++]!]!;
  let at = random * sum;
  for (const id of ids.slice(0, nLeft)) {
    at -= probabilities[id]!;
    if (at < 0) return id;
  }
  return ids[nLeft - 1]!;
}

/**
 * The generator mulberry32: 32 bits of state, the same numbers in [0, 1) for the same seed everywhere.
 * Source: Tommy Ettinger, public domain.
 */
export function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let bits = Math.imul(state ^ (state >>> 15), state | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  };
}
