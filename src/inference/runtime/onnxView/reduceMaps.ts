/** Strongest keys and overviews of a whole map [head, query, key] in memory. Pure; weights are 0 or more. */

import type { TopKeys } from '../../../shared/analysis';
import { Largest } from '../largest';
import { emptyPooledMap, type PooledMap } from '../overviews';
import { emptyTopKeys } from '../topKeyRows';

/** Keys that each query attends to most, largest first, of equal ones the earlier. */
export function topKeysOf(map: Float32Array, nHeads: number, nTokens: number, topK: number): TopKeys {
  const top = emptyTopKeys(nHeads, nTokens, topK);
  const { k, indices, weights } = top;
  for (let row = 0; row < nHeads * nTokens; row++) {
    const [start, query] = [row * k, row % nTokens];
    const largest = new Largest(indices.subarray(start, start + k), weights.subarray(start, start + k));
    for (let key = 0; key <= query; key++) largest.add(key, map[row * nTokens + key]!);
  }
  return top;
}

/** The largest value of each block of cells. */
export function pooledOf(map: Float32Array, nHeads: number, nTokens: number, blockSize: number): PooledMap {
  const pooled = emptyPooledMap(nHeads, nTokens, blockSize);
  const { size, cells } = pooled;
  for (let row = 0; row < nHeads * nTokens; row++) {
    const [head, query] = [Math.floor(row / nTokens), row % nTokens];
    const to = (head * size + Math.floor(query / blockSize)) * size;
    for (let key = 0; key <= query; key++) {
      const at = to + Math.floor(key / blockSize);
      cells[at] = Math.max(cells[at]!, map[row * nTokens + key]!); // NaN stays
    }
  }
  return pooled;
}
