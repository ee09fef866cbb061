/** Relevance of every token of a run to a range of it: exact maps of the chosen heads, reduced to one vector. */

import { maxOverHeads, meanOverHeads, rangeWeights } from '../attention/aggregate';
import { rolloutStep } from '../attention/rollout';
import type { HeadRef, TokenRange } from '../shared/relevance';
import type { RelevanceArgs } from './protocol';

/** Maps [query, key] of the last stage of some heads of one layer. @throws Cancelled between layers. */
export type LayerMaps = (layerIdx: number, headIdxs: readonly number[]) => Promise<readonly Float32Array[]>;

/** `mean`, `max` and `rollout` over `args.heads`, shape [nTokens]. @throws RangeError without a head. */
export async function relevanceOfHeads(args: RelevanceArgs, nTokens: number, maps: LayerMaps): Promise<Float32Array> {
  const { range, direction, method } = args;
  const layers = byLayer(args.heads);
  if (layers.length === 0) throw new RangeError('no head is chosen');
  if (method === 'rollout') {
    let weights = new Float64Array(nTokens).fill(1 / (range.end - range.first), range.first, range.end);
    // What a token attends to is asked from the last layer down, what attends to it from the first one up.
    const order = direction === 'attends' ? layers.toReversed() : layers;
    for (const [layerIdx, headIdxs] of order) {
      weights = rolloutStep(weights, await maps(layerIdx, headIdxs), nTokens, direction) as typeof weights;
    }
    return Float32Array.from(weights);
  }
  const rows: Float32Array[] = [];
  for (const [layerIdx, headIdxs] of layers) {
    for (const map of await maps(layerIdx, headIdxs)) rows.push(rangeWeights(map, nTokens, range, direction));
  }
  return method === 'max' ? maxOverHeads(rows) : meanOverHeads(rows);
}

/** The heads of each layer that has any, in the order of layers. */
export function byLayer(heads: readonly HeadRef[]): [layerIdx: number, headIdxs: number[]][] {
  const layers = new Map<number, number[]>();
  for (const { layerIdx, headIdx } of heads) layers.set(layerIdx, [...(layers.get(layerIdx) ?? []), headIdx]);
  return [...layers].sort(([a], [b]) => a - b);
}

/** @throws RangeError unless the range holds tokens of the run and no others. */
export function checkRange({ first, end }: TokenRange, nTokens: number): void {
  if (!(first >= 0 && first < end && end <= nTokens)) {
    throw new RangeError(`tokens ${first} to ${end} are no range of ${nTokens} tokens`);
  }
}
