/**
 * From the maps of chosen heads to one weight per token. Pure.
 *
 * A map is [query, key], row-major, with masked cells (key after query) 0. Cells may be negative; rows need not sum to 1.
 */

import type { TokenRange } from '../shared/address';
import type { Direction } from '../shared/relevance';
import { type MapBand, queryEnd, rowOf } from './mapBand';

/**
 * Adds what a band of one head's map says about a range of n tokens to `weights`, shape [nTokens], all 0 at first:
 * `attends`: w[k] = 1/n * sum over the range's queries q of map[q, k];
 * `attendedBy`: w[q] = 1/n * sum over the range's keys k of map[q, k]. Masked cells add nothing.
 */
export function addRangeWeights(weights: Float64Array, band: MapBand, range: TokenRange, direction: Direction): void {
  const { first, end } = range;
  const n = end - first;
  const lastQuery = direction === 'attends' ? end : Number.POSITIVE_INFINITY;
  for (let query = Math.max(first, band.queryStart); query < Math.min(lastQuery, queryEnd(band)); query++) {
    const row = rowOf(band, query);
    if (direction === 'attends') {
      for (let key = 0; key <= query; key++) weights[key]! += row[key]! / n;
    } else {
      let sum = 0;
      for (let key = first; key < Math.min(end, query + 1); key++) sum += row[key]!;
      weights[query]! += sum / n;
    }
  }
}

/** Mean over heads, shape [nTokens] as every row. @throws RangeError without a row. */
export function meanOverHeads(rows: readonly Float32Array[]): Float32Array {
  const { length } = firstOf(rows);
  return Float32Array.from({ length }, (_, i) => rows.reduce((sum, row) => sum + row[i]!, 0) / rows.length);
}

/** Of every token the heads' weight of largest magnitude, with its sign; NaN where a head has one, so that none hides. */
export function maxOverHeads(rows: readonly Float32Array[]): Float32Array {
  return Float32Array.from({ length: firstOf(rows).length }, (_, i) =>
    rows.reduce((most, row) => (Math.abs(most) >= Math.abs(row[i]!) || Number.isNaN(most) ? most : row[i]!), 0),
  );
}

function firstOf(rows: readonly Float32Array[]): Float32Array {
  if (!rows[0]) throw new RangeError('no head is chosen');
  return rows[0];
}
