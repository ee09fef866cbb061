/**
 * Edges that are knocked out: queries that may not see keys.
 *
 * A row computes its attention as if the forbidden tokens were not there. Its own cells at the forbidden keys are 0 in every
 * stage and -inf in the softmax. Of the rows above, which the convolutions of Multi-Token Attention reach, it reads neither
 * their cells at those keys nor the rows of the forbidden tokens themselves. So nothing of a forbidden token, key, value or
 * query, gets into the row within a layer, if all heads are cut; nor does its forget gate, for which the decay is summed
 * over the tokens that are left.
 */

import type { CutHeads } from '../../graph/attentionGraph';
import { type LayerPlan, reachAbove } from '../../graph/layerPlan';
import type { TokenRange } from '../../shared/address';
import type { Band } from './bands';
import type { Value } from './session';

/** Edges of one layer. */
export interface Cut {
  /** Rows that may not see the keys; none of them before the keys' end. */
  readonly queries: TokenRange;
  readonly keys: TokenRange;
  /** Null: all heads. */
  readonly heads: readonly number[] | null;
}

/** Rows that the same cuts are of. */
export interface CutRows extends TokenRange {
  readonly cuts: readonly Cut[];
}

/** Rows [first, end) in parts, within each of which the same edges are cut. */
export function partsOf({ first, end }: TokenRange, cuts: readonly Cut[]): CutRows[] {
  const borders = cuts.flatMap(({ queries }) => [queries.first, queries.end]);
  const inside = borders.filter(border => border > first && border < end);
  const ends = [...new Set([...inside, end])].sort((a, b) => a - b);
  return ends.map((stop, i) => {
    const start = ends[i - 1] ?? first;
    const active = cuts.filter(({ queries }) => queries.first <= start && stop <= queries.end);
    return { first: start, end: stop, cuts: active };
  });
}

/**
 * Which graph a layer needs for some cuts: none of its own where all heads lose whole keys, which neither a convolution
 * reaches nor forget gates count.
 */
export function cutHeads(plan: LayerPlan, cuts: readonly Cut[]): CutHeads | undefined {
  if (cuts.some(({ heads }) => heads !== null)) return 'some heads';
  return cuts.length > 0 && (reachAbove(plan) > 0 || plan.hasForgetGate) ? 'all heads' : undefined;
}

/**
 * Cells that are left in a band whose own rows all have the same cuts.
 * @param allowed bool [1, 1, R, K].
 * @returns bool [1, H, R, K] where heads differ, [1, 1, R, K] otherwise.
 */
export function withoutCuts(allowed: Value, cuts: readonly Cut[], nHeads: number, { first, start, end }: Band): Value {
  const nMasks = cuts.some(({ heads }) => heads !== null) ? nHeads : 1;
  const nRows = end - first;
  const cells = new Uint8Array(nMasks * nRows * end);
  for (let mask = 0; mask < nMasks; mask++) {
    cells.set(allowed.data as Uint8Array, mask * nRows * end);
    for (const { keys, heads } of cuts) {
      if (heads !== null && !heads.includes(mask)) continue;
      for (let row = first; row < end; row++) {
        const at = (mask * nRows + row - first) * end;
        const isOfForbidden = row < start && row >= keys.first && row < keys.end;
        cells.fill(0, at + (isOfForbidden ? 0 : keys.first), at + (isOfForbidden ? end : Math.min(keys.end, end)));
      }
    }
  }
  return { type: 'bool', data: cells, dims: [1, nMasks, nRows, end] };
}
