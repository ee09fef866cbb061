/** The strongest keys per query, put together from bands. Pure. */

import type { TopKeys } from '../../shared/analysis';
import type { Band } from './bands';
import type { Value } from './session';

/** None known yet. @param k at most; never more than there are tokens. */
export function emptyTopKeys(nHeads: number, nTokens: number, topK: number): TopKeys {
  const k = Math.min(topK, nTokens);
  const size = nHeads * nTokens * k;
  return { k, indices: new Int32Array(size).fill(-1), weights: new Float32Array(size) };
}

/**
 * Writes a band's keys, both [1, head, row, k], without those of the rows above it. Keys after the query are absent:
 * near the start a query has fewer than k keys.
 */
export function writeTopKeys(
  to: TopKeys,
  nTokens: number,
  { first, start }: Band,
  indices: Value,
  weights: Value,
): void {
  const [, nHeads, nRows, k] = indices.dims as [number, number, number, number];
  for (let head = 0; head < nHeads; head++) {
    for (let query = start; query < first + nRows; query++) {
      const from = (head * nRows + query - first) * k;
      const at = (head * nTokens + query) * to.k;
      for (let i = 0; i < k; i++) {
        const key = indices.data[from + i] as number;
        to.indices[at + i] = key <= query ? key : -1;
        to.weights[at + i] = weights.data[from + i] as number;
      }
    }
  }
}

/** Takes over the first rows of another run's. */
export function copyTopKeys(from: TopKeys, to: TopKeys, nFrom: number, nTo: number, nRows: number): void {
  const nHeads = to.indices.length / nTo / to.k;
  for (let head = 0; head < nHeads; head++) {
    const rows = [head * nFrom * from.k, (head * nFrom + nRows) * from.k] as const;
    to.indices.set(from.indices.subarray(...rows), head * nTo * to.k);
    to.weights.set(from.weights.subarray(...rows), head * nTo * to.k);
  }
}
