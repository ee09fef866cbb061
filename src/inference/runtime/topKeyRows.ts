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
  const [keys, values] = [indices.data as Int32Array, weights.data as Float32Array];
  const nKept = first + nRows - start;
  const nAtOnce = k === to.k ? nKept : 1; // one call of a copy for each row would take longer than what it copies
  for (let head = 0; head < nHeads; head++) {
    const from = head * nRows + start - first;
    const at = head * nTokens + start;
    for (let row = 0; row < nKept; row += nAtOnce) {
      const range = [(from + row) * k, (from + row + nAtOnce) * k] as const;
      to.indices.set(keys.subarray(...range), (at + row) * to.k);
      to.weights.set(values.subarray(...range), (at + row) * to.k);
    }
    for (let row = 0; row < nKept; row++) {
      const end = (at + row) * to.k + k;
      for (let i = end - k; i < end; i++) if (to.indices[i]! > start + row) to.indices[i] = -1;
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
