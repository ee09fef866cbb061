/** Relevance of every token of a run to a range of it: exact rows of the chosen heads, reduced to one vector. */

import { addRangeWeights, maxOverHeads, meanOverHeads } from '../../attention/aggregate';
import type { MapBand } from '../../attention/mapBand';
import { addRolloutRows, residualFlow } from '../../attention/rollout';
import type { HeadRef, TokenRange } from '../../shared/address';
import type { Stage } from '../../shared/operators';
import type { RelevanceArgs } from '../protocol';

/** Rows of one stage (the last one where none is named) of some heads of one layer, band after band: one per head each. */
export type LayerBands = (
  layerIdx: number,
  headIdxs: readonly number[],
  queries: readonly [number, number],
  stage?: Stage,
) => AsyncIterable<readonly MapBand[]>;

/**
 * One weight per token, shape [nTokens].
 * @throws RangeError without a head; whatever `bands` throws.
 */
export async function relevanceOfHeads(
  { heads, range, direction, method, stage }: Pick<RelevanceArgs, 'heads' | 'range' | 'direction' | 'method' | 'stage'>,
  nTokens: number,
  bands: LayerBands,
): Promise<Float32Array> {
  const layers = byLayer(heads);
  if (layers.length === 0) throw new RangeError('no head is chosen');
  const attends = direction === 'attends';
  if (method === 'rollout') {
    let weights = new Float64Array(nTokens).fill(1 / (range.end - range.first), range.first, range.end);
    // What a token attends to is followed from the last layer down, what attends to it from the first one up.
    for (const [layerIdx, headIdxs] of attends ? layers.toReversed() : layers) {
      const out = residualFlow(weights) as typeof weights;
      // Nothing flows into rows after the range this way, or into those before it the other way.
      const queries = attends ? ([0, range.end] as const) : ([range.first, nTokens] as const);
      for await (const rows of bands(layerIdx, headIdxs, queries)) addRolloutRows(out, weights, rows, direction);
      weights = out;
    }
    return Float32Array.from(weights);
  }
  const shown = method === 'head' ? stage : undefined;
  const rows = (await relevanceByHead({ heads, range, direction, stage: shown }, nTokens, bands)).map(
    row => row.weights,
  );
  return method === 'max' ? maxOverHeads(rows) : meanOverHeads(rows);
}

/** A head's part of a relevance. */
export interface HeadRelevance extends HeadRef {
  /** Shape [nTokens]. */
  readonly weights: Float32Array;
}

/**
 * The weights of each head by itself, in the order of layers.
 * @param stage the last one of each layer where none is named.
 */
export async function relevanceByHead(
  {
    heads,
    range,
    direction,
    stage,
  }: Pick<RelevanceArgs, 'heads' | 'range' | 'direction'> & { stage?: Stage | undefined },
  nTokens: number,
  bands: LayerBands,
): Promise<HeadRelevance[]> {
  const found: HeadRelevance[] = [];
  const queries = [range.first, direction === 'attends' ? range.end : nTokens] as const;
  for (const [layerIdx, headIdxs] of byLayer(heads)) {
    const sums = headIdxs.map(() => new Float64Array(nTokens));
    for await (const rows of bands(layerIdx, headIdxs, queries, stage)) {
      for (const [i, band] of rows.entries()) addRangeWeights(sums[i]!, band, range, direction);
    }
    found.push(...sums.map((sum, i) => ({ layerIdx, headIdx: headIdxs[i]!, weights: Float32Array.from(sum) })));
  }
  return found;
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
    throw new RangeError(`tokens ${first} to ${end} are not a range of ${nTokens} tokens`);
  }
}
