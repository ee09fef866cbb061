/** Strongest keys of one query, from streamed results or from a row. Pure. */

import type { TopKeys } from '../shared/analysis';

export interface WeightedKey {
  readonly keyIdx: number;
  /** Unitless; may be negative. */
  readonly weight: number;
}

/**
 * Keys one query attends to most, largest magnitude first.
 * @param topKeys of one layer, shapes [head, query, k].
 * @returns at most k entries.
 */
export function keysOfQuery(topKeys: TopKeys, nTokens: number, headIdx: number, queryIdx: number): WeightedKey[] {
  const { k, indices, weights } = topKeys;
  const start = (headIdx * nTokens + queryIdx) * k;
  const keys: WeightedKey[] = [];
  for (let i = start; i < start + k; i++) {
    if ((indices[i] ?? -1) >= 0) keys.push({ keyIdx: indices[i]!, weight: weights[i]! });
  }
  return keys;
}

/**
 * The same from a whole row of values.
 * @param row values for keys 0 .. queryIdx (later ones are masked and ignored).
 */
export function keysOfRow(row: Float32Array, queryIdx: number, k: number): WeightedKey[] {
  return Array.from(row.subarray(0, queryIdx + 1), (weight, keyIdx) => ({ keyIdx, weight }))
    .sort((a, b) => magnitudeOf(b) - magnitudeOf(a) || a.keyIdx - b.keyIdx)
    .slice(0, k);
}

/** What is not a number comes first, so that it is seen. */
function magnitudeOf({ weight }: WeightedKey): number {
  return Number.isNaN(weight) ? Number.MAX_VALUE : Math.abs(weight);
}

/** Shade 0 .. nShades-1 for a magnitude relative to the largest one; -1 for what is too weak to show. */
export function shadeOf(weight: number, largest: number, nShades: number): number {
  const share = Math.abs(weight) / largest;
  if (!(share >= 0.02)) return -1;
  return Math.min(nShades - 1, Math.floor(Math.sqrt(share) * nShades));
}
