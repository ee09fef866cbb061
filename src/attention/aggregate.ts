/**
 * From the maps of chosen heads to one weight per token. Pure.
 *
 * A map is [query, key], row-major, with masked cells (key after query) 0. Cells may be negative; rows need not sum to 1.
 */

import type { Direction, TokenRange } from '../shared/relevance';

/**
 * One head's weights for a range of n tokens, shape [nTokens]:
 * `attends`: w[k] = 1/n * sum over the range's queries q of map[q, k];
 * `attendedBy`: w[q] = 1/n * sum over the range's keys k of map[q, k]. Masked cells add nothing.
 */
export function rangeWeights(
  map: Float32Array,
  nTokens: number,
  range: TokenRange,
  direction: Direction,
): Float32Array {
  const { first, end } = range;
  const sums = new Float64Array(nTokens);
  if (direction === 'attends') {
    for (let query = first; query < end; query++) {
      for (let key = 0; key <= query; key++) sums[key]! += map[query * nTokens + key]!;
    }
  } else {
    for (let query = first; query < nTokens; query++) {
      for (let key = first; key < Math.min(end, query + 1); key++) sums[query]! += map[query * nTokens + key]!;
    }
  }
  return Float32Array.from(sums, sum => sum / (end - first));
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
