/**
 * What a run can take over from the one before it in its slot. Rows never depend on later tokens, so up to the first
 * token that differs all rows of all layers are the same; an edit near the end of a long text costs its own rows only.
 */

import type { KnownRows } from '../runtime/block';
import type { Known } from './known';
import type { Run } from './run';

/** What a run, finished or not, can hand on: its own layers, plus those it inherited for layers it never reached. */
export function handOn(run: Run | undefined): Known {
  const layers = new Map(run?.known.layers);
  for (const [layerIdx, result] of run?.layers.entries() ?? []) layers.set(layerIdx, { ids: run!.ids, result });
  const prediction = run?.prediction ? { ids: run.ids, prediction: run.prediction } : run?.known.prediction;
  return { layers, prediction };
}

/** The first rows of a layer that need not be computed; whole pooled blocks only. */
export function knownRows({ known, ids, blockSize }: Run, layerIdx: number, topK: number): KnownRows | undefined {
  const layer = known.layers.get(layerIdx);
  if (!layer) return undefined;
  const { topKeys } = layer.result;
  const nRows = Math.floor(sharedTokens(layer.ids, ids) / blockSize) * blockSize;
  if (nRows === 0 || layer.result.blockSize !== blockSize || topKeys.k !== Math.min(topK, ids.length)) return undefined;
  return { layer: layer.result, nRows };
}

/** How many predictions need not be made: those whose own token and the next one are the same. */
export function knownPredictions({ known, ids }: Run): number {
  return known.prediction ? Math.max(0, sharedTokens(known.prediction.ids, ids) - 1) : 0;
}

/** How many tokens two windows have in common from their start. */
function sharedTokens(a: Int32Array, b: Int32Array): number {
  const n = Math.min(a.length, b.length);
  let i = 0;
  while (i < n && a[i] === b[i]) i++;
  return i;
}
