/**
 * Which heads find context: scored by labeled examples (QRHead, arXiv 2506.09944), in which a query asks for a passage, the
 * gold one. Pure.
 */

import type { TokenRange } from '../shared/address';
import type { ScoredHead } from '../shared/retrievalHeads';

/** What one head gives each token, [token]. */
export interface ExampleRow {
  /** Mean over the rows of the query. */
  readonly asked: Float32Array;
  /** The same when "N/A" stands in place of the query: what the head gives these tokens anyway. */
  readonly unasked: Float32Array;
}

/**
 * A head's score in one example: sum over the gold tokens k of c[k] = asked[k] - unasked[k]. Tokens whose c is more than two
 * standard deviations below the mean of the passage do not count, as in the authors' code.
 */
export function retrievalScore({ asked, unasked }: ExampleRow, gold: TokenRange): number {
  const calibrated = Array.from(asked.subarray(gold.first, gold.end), (weight, i) => weight - unasked[gold.first + i]!);
  const n = calibrated.length;
  const mean = calibrated.reduce((sum, c) => sum + c, 0) / n;
  const variance = calibrated.reduce((sum, c) => sum + (c - mean) ** 2, 0) / Math.max(1, n - 1);
  const least = mean - 2 * Math.sqrt(variance);
  return calibrated.reduce((sum, c) => sum + (c >= least ? c : 0), 0);
}

/**
 * The heads with the largest mean scores, the largest first; equal ones in the order given.
 * @param n default: an eighth of them.
 */
export function bestHeads(heads: readonly ScoredHead[], n = Math.max(1, Math.round(heads.length / 8))): ScoredHead[] {
  return [...heads].sort((a, b) => b.score - a.score).slice(0, n);
}

/** The mean of n rows, shape [n, key]. */
export function meanOfRows(rows: Float32Array, n: number): Float32Array {
  const nKeys = rows.length / n;
  return Float32Array.from({ length: nKeys }, (_, key) => {
    let sum = 0;
    for (let row = 0; row < n; row++) sum += rows[row * nKeys + key]!;
    return sum / n;
  });
}
