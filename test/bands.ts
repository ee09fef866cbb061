/** Whole maps cut into bands of rows, as the engine hands them on. */

import type { MapBand } from '../src/attention/mapBand';

/** @param map [query, key]; what lies after a band's last key is cut off. */
export function bandsOf(map: Float32Array, nRows = Math.sqrt(map.length)): MapBand[] {
  const nTokens = Math.sqrt(map.length);
  const bands: MapBand[] = [];
  for (let queryStart = 0; queryStart < nTokens; queryStart += nRows) {
    const nKeys = Math.min(queryStart + nRows, nTokens);
    const values = new Float32Array((nKeys - queryStart) * nKeys);
    for (let query = queryStart; query < nKeys; query++) {
      values.set(map.subarray(query * nTokens, query * nTokens + nKeys), (query - queryStart) * nKeys);
    }
    bands.push({ queryStart, nKeys, values });
  }
  return bands;
}
