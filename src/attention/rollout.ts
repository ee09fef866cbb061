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
import { type MapBand, queryEnd, rowOf } from './mapBand';

/** What passes a layer through its residual connection: the start of its step. A layer without heads passes it all. */
export function residualFlow(weights: Float64Array): Float64Array {
  return weights.map(weight => weight / 2);
}

/**
 * Adds what passes through some rows of a layer.
 * @param out begins as `residualFlow(weights)`; once all rows are added it is the layer's step. Shape [nTokens].
 * @param weights what flows, shape [nTokens]. To ask what tokens attend to, start with 1/n at n queries and go from the
 * last layer to the first; to ask what attends to them, start with 1/n at n keys and go from the first to the last.
 * Going `attends`, the sum stays what it was.
 * @param heads the same rows of each of the layer's chosen heads.
 */
export function addRolloutRows(
  out: Float64Array,
  weights: Float64Array,
  heads: readonly MapBand[],
  direction: Direction,
): void {
  const [head] = heads;
  if (!head) return;
  const row = new Float64Array(head.nKeys);
  for (let query = head.queryStart; query < queryEnd(head); query++) {
    // Nothing can come of a row that nothing flows into; most rows are such in the last layers.
    if (direction === 'attends' && weights[query] === 0) continue;
    const mass = magnitudes(row, heads, query);
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
}

/** Fills `row` with the heads' magnitudes of one query. @returns their sum. */
function magnitudes(row: Float64Array, heads: readonly MapBand[], query: number): number {
  row.fill(0, 0, query + 1);
  let mass = 0;
  for (const head of heads) {
    const values = rowOf(head, query);
    for (let key = 0; key <= query; key++) {
      const magnitude = Math.abs(values[key]!);
      row[key]! += magnitude;
      mass += magnitude;
    }
  }
  return mass;
}
