/**
 * Where one learned part changed a head's attention most in a document. Pure.
 *
 * Before the softmax a change counts by what the softmax would make of it: scores may move by any amount without moving
 * attention, since a constant added to a row does nothing and what is far below the row's maximum stays at zero. So the
 * rows before and after the part both go through a softmax, and the difference of the weights counts. After the softmax
 * it is the difference of the weights themselves.
 */

import { effectiveStage, isPreSoftmax, type Stage, stages } from '../shared/attentionMap';
import type { KernelPart } from '../shared/kernels';

export interface CellChange {
  readonly queryIdx: number;
  readonly keyIdx: number;
  /** The stage's value before and after the part. */
  readonly before: number;
  readonly after: number;
  /** Of the weight, as above. */
  readonly change: number;
}

const stageOfPart: Readonly<Record<KernelPart, Stage>> = {
  pre_softmax_conv: 'convolved_scores',
  pre_softmax_head_mix: 'mixed_scores',
  post_softmax_conv: 'convolved_pattern',
  post_softmax_head_mix: 'mixed_pattern',
};

/** What a part reads and what it makes, among the stages of a layer that has the part. */
export function stagesOfPart(part: KernelPart, available: readonly Stage[]): { before: Stage; after: Stage } {
  const after = stageOfPart[part];
  const before = stages[stages.indexOf(after) - 1]!;
  return { before: effectiveStage(available, before), after };
}

/**
 * The cells with the largest change by magnitude, the largest first, no two of them within one kernel's reach.
 * @param before and `after`: maps [query, key] of the stages around the part.
 * @param reach cells closer than this along both axes to one already found are passed over.
 */
export function largestChanges(
  before: Float32Array,
  after: Float32Array,
  stage: Stage,
  k: number,
  reach: { readonly queries: number; readonly keys: number },
): CellChange[] {
  const nTokens = Math.sqrt(before.length);
  const changes = new Float32Array(before.length);
  for (let query = 0; query < nTokens; query++) {
    const row = (map: Float32Array) => {
      const values = map.subarray(query * nTokens, query * nTokens + query + 1);
      return isPreSoftmax(stage) ? softmax(values) : values;
    };
    const [from, to] = [row(before), row(after)];
    for (let key = 0; key <= query; key++) changes[query * nTokens + key] = to[key]! - from[key]!;
  }
  const found: CellChange[] = [];
  for (const at of strongestFirst(changes)) {
    if (found.length === k) break;
    const [queryIdx, keyIdx] = [Math.floor(at / nTokens), at % nTokens];
    const isNear = found.some(
      cell => Math.abs(cell.queryIdx - queryIdx) < reach.queries && Math.abs(cell.keyIdx - keyIdx) < reach.keys,
    );
    if (!isNear) found.push({ queryIdx, keyIdx, before: before[at]!, after: after[at]!, change: changes[at]! });
  }
  return found;
}

/** Cells that changed at all, by magnitude; those that are not numbers are left out. */
function strongestFirst(changes: Float32Array): number[] {
  const cells: number[] = [];
  changes.forEach((change, at) => {
    if (Math.abs(change) > 1e-6) cells.push(at);
  });
  return cells.sort((a, b) => Math.abs(changes[b]!) - Math.abs(changes[a]!));
}

function softmax(scores: Float32Array): Float32Array {
  const max = scores.reduce((most, score) => Math.max(most, score), Number.NEGATIVE_INFINITY);
  const weights = scores.map(score => Math.exp(score - max));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map(weight => weight / sum);
}
