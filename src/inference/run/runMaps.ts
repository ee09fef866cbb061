/**
 * Maps of a run computed again on demand, some rows at a time, and kept as long as there is room: bands of single heads,
 * rows of all heads, overviews.
 */

import type { MapBand } from '../../attention/mapBand';
import type { LayerOverview } from '../../shared/analysis';
import { type Stage, tileSize } from '../../shared/attentionMap';
import { minBandRows, usualBandRows } from '../runtime/bands';
import type { LayerRuntime } from '../runtime/layerRuntime';
import type { Run } from './run';

/** Memory for the bands kept for tiles, and for those worked on at a time; a whole map at T = 4096 takes it all. */
const maxMapBytes = 64 * 1024 * 1024;
/** The same for overviews of all heads; at most 64 KiB a head. */
const maxOverviewBytes = 16 * 1024 * 1024;

/** Rows of some stages of some heads, band after band: [stage][head] each. */
export type HeadBandsOf = (
  layerIdx: number,
  stages: readonly Stage[],
  heads: readonly number[],
  queries: readonly [number, number],
) => AsyncIterable<readonly (readonly MapBand[])[]>;

/** One band of some stages of some heads, [stage][head]. */
export async function headBand(
  runtime: LayerRuntime,
  run: Run,
  layerIdx: number,
  stages: readonly Stage[],
  heads: readonly number[],
  queries: readonly [number, number],
): Promise<MapBand[][]> {
  const { rows } = run.layers[layerIdx]!;
  const fetched = await runtime.stageRows(layerIdx, stages, heads, queries, rows, run.kernels.get(layerIdx));
  const [queryStart, nKeys] = queries;
  return fetched.map(values =>
    heads.map((_, i) => {
      const size = values.length / heads.length;
      return { queryStart, nKeys, values: values.subarray(i * size, (i + 1) * size) };
    }),
  );
}

/** How many rows of so many maps are worked on at a time. */
export function rowsAtOnce(nMaps: number, nTokens: number): number {
  const fitting = Math.floor(maxMapBytes / 4 / nMaps / nTokens / minBandRows) * minBandRows;
  return Math.min(usualBandRows, Math.max(minBandRows, fitting));
}

/**
 * The rows of one head's stage that a row of tiles covers.
 *
 * Whoever looks at one stage of a head most often looks at the others too, and most of the work is common to them: while
 * that leaves room for the other bands of the map, all stages are computed at once.
 */
export async function tileBand(
  runtime: LayerRuntime,
  run: Run,
  layerIdx: number,
  headIdx: number,
  stage: Stage,
  bandIdx: number,
): Promise<MapBand> {
  const keyOf = (of: Stage) => `${layerIdx}/${headIdx}/${of}/${bandIdx}`;
  const known = run.maps.get(keyOf(stage));
  if (known) {
    touch(run.maps, keyOf(stage), known);
    return known;
  }
  const start = bandIdx * tileSize;
  const end = Math.min(start + tileSize, run.nTokens);
  const all = runtime.folder.summary.layers[layerIdx]!.stages;
  const stages = all.length * run.nTokens ** 2 * Float32Array.BYTES_PER_ELEMENT <= maxMapBytes ? all : [stage];
  const bands = await headBand(runtime, run, layerIdx, stages, [headIdx], [start, end]);
  for (const [i, of] of stages.entries()) touch(run.maps, keyOf(of), bands[i]![0]!);
  const band = run.maps.get(keyOf(stage))!;
  touch(run.maps, keyOf(stage), band);
  forget(run.maps, maxMapBytes, ({ values }) => values.byteLength);
  return band;
}

/**
 * Rows of one stage in all heads, shape [head, query, key] with the keys before the last row's end. Those asked for last
 * are kept: the next patch is most often in them.
 */
export async function allHeadsRows(
  runtime: LayerRuntime,
  run: Run,
  layerIdx: number,
  stage: Stage,
  queries: readonly [number, number],
): Promise<Float32Array> {
  const key = `${layerIdx}/${stage}/${queries.join()}`;
  if (run.rows?.key !== key) {
    const heads = Array.from({ length: runtime.folder.config.n_heads }, (_, headIdx) => headIdx);
    const { rows } = run.layers[layerIdx]!;
    const [values] = await runtime.stageRows(layerIdx, [stage], heads, queries, rows, run.kernels.get(layerIdx));
    run.rows = { key, values: values! };
  }
  return run.rows.values;
}

/** The overview of a stage in all heads. */
export async function overviewOf(
  runtime: LayerRuntime,
  run: Run,
  layerIdx: number,
  stage: Stage,
): Promise<LayerOverview> {
  const key = `${layerIdx}/${stage}`;
  const { blockSize, overviews } = run;
  const { rows } = run.layers[layerIdx]!;
  const overview =
    overviews.get(key) ?? (await runtime.overview(layerIdx, stage, rows, blockSize, run.kernels.get(layerIdx)));
  touch(overviews, key, overview);
  forget(overviews, maxOverviewBytes, ({ cells }) => cells.byteLength);
  return overview;
}

/** A Map keeps the order of insertion; what was used last goes to its end. */
function touch<T>(kept: Map<string, T>, key: string, value: T): void {
  kept.delete(key);
  kept.set(key, value);
}

/** Drops what was not used for longest until the rest fits; the last one always stays. */
function forget<T>(kept: Map<string, T>, maxBytes: number, sizeOf: (value: T) => number): void {
  let bytes = [...kept.values()].reduce((sum, value) => sum + sizeOf(value), 0);
  for (const [key, value] of kept) {
    if (bytes <= maxBytes || kept.size === 1) return;
    bytes -= sizeOf(value);
    kept.delete(key);
  }
}
