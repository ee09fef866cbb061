/**
 * Attention rollout (Abnar & Zuidema, "Quantifying Attention Flow in Transformers", ACL 2020, section 3), adapted to
 * signed rows. Pure.
 *
 * There: R_l = (W_l / 2 + I / 2) R_(l-1) with W_l the mean of the layer's heads, rows summing to 1. The last stage of
 * Multi-Token Attention has negative cells and rows that do not sum to 1, so here
 *
 *     W_l[q, k] = sum over heads h of |A_l,h[q, k]|  /  sum over k', h of |A_l,h[q, k']|
 *
 * Magnitudes say how much passes, whatever its sign; the sum of a row is made 1 so that the flow through the layers keeps
 * its mass. A row without any magnitude passes everything through the residual connection. The result is not signed.
 * Only one row (or column) of R is needed, so a vector goes through the layers instead of a matrix.
 */

import type { Direction } from '../shared/relevance';

/**
 * One layer's step.
 * @param weights shape [nTokens], what flows. To ask what tokens attend to, start with 1/n at n queries and go from the
 * last layer to the first; to ask what attends to them, start with 1/n at n keys and go from the first to the last.
 * @param maps the layer's chosen heads, each [query, key]; without any the weights pass unchanged.
 * @returns shape [nTokens]; going `attends`, the sum stays what it was.
 */
export function rolloutStep(
  weights: Float64Array,
  maps: readonly Float32Array[],
  nTokens: number,
  direction: Direction,
): Float64Array {
  if (maps.length === 0) return weights;
  const out = weights.map(weight => weight / 2);
  const row = new Float64Array(nTokens);
  for (let query = 0; query < nTokens; query++) {
    // Nothing can come of a row that nothing flows into; most rows are such in the last layers.
    if (direction === 'attends' && weights[query] === 0) continue;
    const mass = magnitudes(row, maps, nTokens, query);
    if (mass === 0) {
      out[query]! += weights[query]! / 2;
    } else if (direction === 'attends') {
      const share = weights[query]! / 2 / mass;
      for (let key = 0; key <= query; key++) out[key]! += share * row[key]!;
    } else {
      let flow = 0;
      for (let key = 0; key <= query; key++) flow += weights[key]! * row[key]!;
      out[query]! += flow / 2 / mass;
    }
  }
  return out;
}

/** Fills `row` with the heads' magnitudes of one query. @returns their sum. */
function magnitudes(row: Float64Array, maps: readonly Float32Array[], nTokens: number, query: number): number {
  let mass = 0;
  for (let key = 0; key <= query; key++) {
    let sum = 0;
    for (const map of maps) sum += Math.abs(map[query * nTokens + key]!);
    row[key] = sum;
    mass += sum;
  }
  return mass;
}
