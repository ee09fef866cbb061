/** Maps of a run computed again on demand, and kept as long as there is room: whole ones, rows of all heads, overviews. */

import { planLayer, stagesOf } from '../graph/layerPlan';
import type { LayerOverview } from '../shared/analysis';
import type { Stage } from '../shared/attentionMap';
import type { LayerRuntime } from './layerRuntime';
import type { Run } from './run';

/** Memory for whole maps kept for tiles; at T = 1024 one takes 4 MiB. */
const maxMapBytes = 64 * 1024 * 1024;
/** The same for overviews of all heads; at most 64 KiB a head. */
const maxOverviewBytes = 16 * 1024 * 1024;

/**
 * One head's stage at full precision, shape [query, key].
 *
 * Whoever looks at one stage of a head most often looks at the others too, and most of the work is common to them: while
 * they fit, all stages are computed at once.
 */
export async function wholeMap(
  runtime: LayerRuntime,
  run: Run,
  layerIdx: number,
  headIdx: number,
  stage: Stage,
): Promise<Float32Array> {
  const keyOf = (of: Stage) => `${layerIdx}/${headIdx}/${of}`;
  const known = run.maps.get(keyOf(stage));
  if (known) {
    touch(run.maps, keyOf(stage), known);
    return known;
  }
  const { rows } = run.layers[layerIdx]!;
  const kernels = run.kernels.get(layerIdx);
  const whole = [0, run.nTokens] as const;
  const stages = stagesOf(planLayer(runtime.folder.config, layerIdx));
  const fitsAll = stages.length * run.nTokens ** 2 * Float32Array.BYTES_PER_ELEMENT <= maxMapBytes;
  if (!fitsAll) {
    const [map] = await runtime.stageRows(layerIdx, [stage], [headIdx], whole, rows, kernels);
    touch(run.maps, keyOf(stage), map!);
  } else {
    const maps = await runtime.stageRows(layerIdx, stages, [headIdx], whole, rows, kernels);
    stages.forEach((of, i) => {
      touch(run.maps, keyOf(of), maps[i]!);
    });
  }
  const map = run.maps.get(keyOf(stage))!;
  forget(run.maps, maxMapBytes, ({ byteLength }) => byteLength);
  return map;
}

/** Rows of one stage in all heads, shape [head, query, key] with the keys before the last row's end. Those asked for last are kept: the next patch is most often in them. */
export async function allHeadsRows(
  runtime: LayerRuntime,
  run: Run,
  layerIdx: number,
  stage: Stage,
  queryStart: number,
  nQueries: number,
): Promise<Float32Array> {
  const key = `${layerIdx}/${stage}/${queryStart}+${nQueries}`;
  if (run.rows?.key !== key) {
    const queries = [queryStart, queryStart + nQueries] as const;
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
