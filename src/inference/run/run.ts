/** What is kept of a run: enough to compute any layer of it again. */

import type { LRUCache } from 'lru-cache';
import type { MapBand } from '../../attention/mapBand';
import { blockSizeFor } from '../../graph/reductions';
import type { LayerOverview } from '../../shared/analysis';
import type { KernelWeights } from '../../shared/kernels';
import type { LayerRows } from '../runtime/bands';
import type { BlockResult } from '../runtime/block';
import type { Cut } from '../runtime/knockOut';
import type { LayerRuntime } from '../runtime/layerRuntime';
import type { Prediction } from '../runtime/prediction';
import type { Value } from '../runtime/session';
import { emptyTopKeys } from '../runtime/topKeyRows';
import type { Known } from './known';
import { emptyMaps, emptyOverviews } from './mapCaches';
import { walkLayers } from './walkLayers';

export interface Run {
  readonly analysisId: number;
  readonly ids: Int32Array;
  readonly nTokens: number;
  readonly blockSize: number;
  /** The residual stream before the first layer, [1, T, D], once that is there. */
  embedded?: Value;
  /** What each layer that is done was computed from and gave. */
  readonly layers: BlockResult[];
  /** The residual stream after the last layer, [1, T, D], once that is done. */
  output?: Value;
  /** What the last layer's stream predicts, once that is done. */
  prediction?: Prediction;
  /** What need not be computed again, of earlier runs of the same slot. */
  readonly known: Known;
  /** Layers computed with other weights than the trained ones. */
  readonly kernels: ReadonlyMap<number, readonly KernelWeights[]>;
  /** Edges knocked out of layers. */
  readonly cuts?: ReadonlyMap<number, readonly Cut[]>;
  /** What computed it and computes its maps, where that is not what runs the model. */
  readonly runtime?: LayerRuntime;
  /** Bands of single heads at full precision. */
  readonly maps: LRUCache<string, MapBand>;
  /** Of all heads. */
  readonly overviews: LRUCache<string, LayerOverview>;
  /** The last requested rows of all heads. */
  rows?: { readonly key: string; readonly values: Float32Array };
  /** Log-probabilities of the next token, [1, T, V], where they are few or another run was compared with this one. */
  logProbabilities?: Value;
}

/** A run that departs from another one on the same tokens, finished. @param layers before the last one's output. */
export function changedRun(
  analysisId: number,
  ids: Int32Array,
  layers: readonly LayerRows[],
  output: Value,
  changes: Pick<Run, 'cuts' | 'runtime'>,
): Run {
  const run: Run = { ...newRun(analysisId, ids), ...changes, output };
  const noMaps = { overviews: [], blockSize: run.blockSize, pooled: async () => new Map() };
  const topKeys = emptyTopKeys(0, ids.length, 0);
  run.layers.push(...layers.map((rows, i) => ({ rows, hidden: layers[i + 1]?.hidden ?? output, topKeys, ...noMaps })));
  return run;
}

/** The residual stream before a layer, as far as the run has come: [1, T, D]. */
export function inputOf(run: Run, layerIdx: number): Value {
  return run.layers[layerIdx]?.rows.hidden ?? run.output ?? run.layers.at(-1)?.hidden ?? run.embedded!;
}

/** Computes what is kept of a run again, on another runtime, from its tokens. */
export async function restoreRun(runtime: LayerRuntime, run: Run): Promise<void> {
  run.known.layers.clear();
  run.embedded = await runtime.embed(run.ids);
  const done = [...run.layers];
  const last = await walkLayers(runtime, {
    ...{ hidden: run.embedded, kernels: run.kernels },
    runLayer: async (layerIdx, hidden, options) => {
      const before = done[layerIdx];
      if (!before) return hidden;
      const taps = { topK: before.topKeys.k, blockSize: run.blockSize };
      const layer = await runtime.block(layerIdx, hidden, { ...taps, ...options });
      run.layers[layerIdx] = layer;
      return layer.hidden;
    },
  });
  if (run.output) run.output = last;
}

/**
 * A run of which nothing is computed yet.
 * @param kernels of layers that run with other weights than the trained ones.
 * @param known of earlier runs.
 */
export function newRun(
  analysisId: number,
  ids: Int32Array,
  kernels: Run['kernels'] = new Map(),
  known: Known = { layers: new Map(), prediction: undefined },
): Run {
  const nTokens = ids.length;
  const blockSize = blockSizeFor(nTokens);
  const caches = { maps: emptyMaps(), overviews: emptyOverviews() };
  return { analysisId, ids, nTokens, blockSize, kernels, known, layers: [], ...caches };
}
