/**
 * Maps of a run computed again on demand, some rows at a time, and kept as long as there is room: bands of single heads,
 * rows of all heads, overviews.
 */

import type { MapBand } from '../../attention/mapBand';
import type { LayerOverview } from '../../shared/analysis';
import { tileSize } from '../../shared/attentionMap';
import type { Stage } from '../../shared/operators';
import type { Quantity } from '../../shared/relevance';
import { type Attribution, checkWeightsAreHere, fetchRows } from '../runtime/attribution';
import { minBandRows, usualBandRows } from '../runtime/bands';
import type { LayerRuntime } from '../runtime/layerRuntime';
import { emptyPooledMap, poolRows, quantize } from '../runtime/overviews';
import { maxMapBytes } from './mapCaches';
import type { Run } from './run';

/** Rows of some stages of some heads of a layer. */
export interface RowsRequest {
  readonly layerIdx: number;
  readonly stages: readonly Stage[];
  readonly heads: readonly number[];
  /** Rows [start, end). */
  readonly queries: readonly [start: number, end: number];
}

/** Computes the rows band after band, [stage][head] each. */
export type HeadBandsOf = (request: RowsRequest) => AsyncIterable<readonly (readonly MapBand[])[]>;

/** One band, [stage][head]. */
export async function headBand(
  runtime: LayerRuntime,
  run: Run,
  { layerIdx, ...rows }: RowsRequest,
  signal?: AbortSignal,
): Promise<MapBand[][]> {
  const layer = run.layers[layerIdx]!;
  const kernels = run.kernels.get(layerIdx);
  const cuts = run.cuts?.get(layerIdx);
  const fetched = await runtime.stageRows(layerIdx, layer.rows, { ...rows, kernels, cuts, signal });
  const { heads } = rows;
  const [queryStart, nKeys] = rows.queries;
  return fetched.map(values =>
    heads.map((_, i) => {
      const size = values.length / heads.length;
      return { queryStart, nKeys, values: values.subarray(i * size, (i + 1) * size) };
    }),
  );
}

/** As `headBand`, what the weights of the last stage move in place of them: one band per head. */
export async function quantityBand(
  runtime: LayerRuntime,
  attribution: Attribution,
  run: Run,
  { layerIdx, heads, queries }: Omit<RowsRequest, 'stages'>,
  quantity: Exclude<Quantity, 'weight'>,
): Promise<MapBand[]> {
  checkWeightsAreHere(runtime, quantity === 'norm' ? 'compute norm-based weights of' : 'compute contributions of');
  const rows = await fetchRows(runtime, run.layers[layerIdx]!.rows);
  const kernels = run.kernels.get(layerIdx) ?? (await runtime.trainedKernels(layerIdx));
  const values = await attribution.contributions(layerIdx, rows, quantity, queries, kernels);
  const [queryStart, nKeys] = queries;
  const size = (nKeys - queryStart) * nKeys;
  return heads.map(headIdx => {
    return { queryStart, nKeys, values: values.subarray(headIdx * size, (headIdx + 1) * size) };
  });
}

/** Rows to compute at a time for a number of maps. */
export function rowsAtOnce(nMaps: number, nTokens: number): number {
  const fitting = Math.floor(maxMapBytes / 4 / nMaps / nTokens / minBandRows) * minBandRows;
  return Math.min(usualBandRows, Math.max(minBandRows, fitting));
}

/** The rows of one head's stage that a row of tiles covers. */
export interface TileBandRequest {
  readonly layerIdx: number;
  readonly headIdx: number;
  readonly stage: Stage;
  /** Which row of tiles, from 0. */
  readonly bandIdx: number;
}

/**
 * The band from the run's cache, or computed.
 *
 * A person who looks at one stage of a head often looks at the others next, and most of the work is common to them: all
 * stages are computed at once while they leave room for the map's other bands.
 */
export async function tileBand(
  runtime: LayerRuntime,
  run: Run,
  { layerIdx, headIdx, stage, bandIdx }: TileBandRequest,
  signal?: AbortSignal,
): Promise<MapBand> {
  const keyOf = (of: Stage) => `${layerIdx}/${headIdx}/${of}/${bandIdx}`;
  const known = run.maps.get(keyOf(stage));
  if (known) return known;
  const start = bandIdx * tileSize;
  const end = Math.min(start + tileSize, run.nTokens);
  const all = runtime.folder.summary.layers[layerIdx]!.stages;
  const fits = all.length * run.nTokens ** 2 * Float32Array.BYTES_PER_ELEMENT <= maxMapBytes;
  // The requested one last, so that it is kept longest.
  const stages = fits ? [...all.filter(other => other !== stage), stage] : [stage];
  const bands = await headBand(runtime, run, { layerIdx, stages, heads: [headIdx], queries: [start, end] }, signal);
  for (const [i, of] of stages.entries()) run.maps.set(keyOf(of), bands[i]![0]!);
  return bands.at(-1)![0]!;
}

/**
 * Rows of one stage in all heads, shape [head, query, key] with the keys before the last row's end. The last ones are
 * kept: the next patch is most often in them.
 */
export async function allHeadsRows(
  runtime: LayerRuntime,
  run: Run,
  { layerIdx, stage, queries }: Omit<RowsRequest, 'stages' | 'heads'> & { readonly stage: Stage },
  signal?: AbortSignal,
): Promise<Float32Array> {
  const key = `${layerIdx}/${stage}/${queries.join()}`;
  if (run.rows?.key !== key) {
    const heads = Array.from({ length: runtime.folder.config.n_heads }, (_, headIdx) => headIdx);
    const changes = { kernels: run.kernels.get(layerIdx), cuts: run.cuts?.get(layerIdx) };
    const options = { stages: [stage], heads, queries, ...changes, signal };
    const [values] = await runtime.stageRows(layerIdx, run.layers[layerIdx]!.rows, options);
    run.rows = { key, values: values! };
  }
  return run.rows.values;
}

/** The overview of a stage in all heads, from the run's cache, or computed. */
export async function overviewOf(
  runtime: LayerRuntime,
  run: Run,
  { layerIdx, stage }: { readonly layerIdx: number; readonly stage: Stage },
  signal?: AbortSignal,
): Promise<LayerOverview> {
  const key = `${layerIdx}/${stage}`;
  const { blockSize, overviews } = run;
  const known = overviews.get(key);
  if (known) return known;
  const options = { stage, blockSize, kernels: run.kernels.get(layerIdx), signal };
  const overview = run.cuts?.has(layerIdx)
    ? await overviewOfRows(runtime, run, { layerIdx, stage }, signal)
    : await runtime.overview(layerIdx, run.layers[layerIdx]!.rows, options);
  overviews.set(key, overview);
  return overview;
}

/** The same from its rows: what is cut there may begin inside a pooled block. */
async function overviewOfRows(
  runtime: LayerRuntime,
  run: Run,
  { layerIdx, stage }: { readonly layerIdx: number; readonly stage: Stage },
  signal?: AbortSignal,
): Promise<LayerOverview> {
  const { nTokens, blockSize } = run;
  const heads = Array.from({ length: runtime.folder.config.n_heads }, (_, headIdx) => headIdx);
  const map = emptyPooledMap(heads.length, nTokens, blockSize);
  const nAtOnce = rowsAtOnce(heads.length, nTokens);
  for (let start = 0; start < nTokens; start += nAtOnce) {
    const queries = [start, Math.min(start + nAtOnce, nTokens)] as const;
    const [bands] = await headBand(runtime, run, { layerIdx, stages: [stage], heads, queries }, signal);
    for (const [head, band] of bands!.entries()) poolRows(map, head, band);
  }
  return quantize(stage, map);
}
