/** Closer looks at the runs that are kept: exact maps, kernels, measures and relevance, computed again on demand. */

import { rangeWeights } from '../attention/aggregate';
import { type CellChange, largestChanges, stagesOfPart } from '../attention/largestChanges';
import type { LayerOverview, ModelSummary } from '../shared/analysis';
import { effectiveStage, maxPatchCells, type Patch, type Stage, type Tile } from '../shared/attentionMap';
import { Cancelled } from '../shared/failure';
import type { HeadMeasures } from '../shared/headMeasures';
import { isConv, type KernelWeights } from '../shared/kernels';
import type { LastingRuntime } from './lastingRuntime';
import type { LayerRuntime } from './layerRuntime';
import { measureHeads } from './measureHeads';
import type { ChangesArgs, LayerArgs, OverviewArgs, PatchArgs, RelevanceArgs, TileArgs } from './protocol';
import { checkRange, relevanceOfHeads } from './relevance';
import type { Run } from './run';
import { allHeadsRows, overviewOf, wholeMap } from './runMaps';
import type { Runs } from './runs';

/** Every method throws Failure `no-analysis` for a run that is not kept or has not come to the layer yet. */
export class Details {
  private readonly model: ModelSummary;
  /** Requests run one after the other, so that no session is released while it is in use. */
  private last: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly runtime: LastingRuntime,
    private readonly runs: Runs,
  ) {
    this.model = runtime.folder.summary;
  }

  /** A stage in all heads of a layer. */
  async overview({ analysisId, layerIdx, stage }: OverviewArgs): Promise<LayerOverview> {
    const run = this.runs.withLayer(analysisId, layerIdx);
    const shown = this.shownStage(layerIdx, stage);
    return this.inTurn(runtime => overviewOf(runtime, run, layerIdx, shown));
  }

  /** Exact values of one head. @throws RangeError outside the map. */
  async tile(args: TileArgs): Promise<Tile> {
    const { layerIdx, headIdx, stage, queryStart, keyStart, nQueries, nKeys } = args;
    const run = this.runs.withLayer(args.analysisId, layerIdx);
    const { nTokens } = run;
    if (!isInside(args, nTokens) || !(headIdx < this.model.nHeads)) {
      throw new RangeError(
        `tile ${queryStart}+${nQueries}, ${keyStart}+${nKeys} of head ${headIdx} is outside the map`,
      );
    }
    const map = await this.wholeMap(run, layerIdx, headIdx, this.shownStage(layerIdx, stage));
    const rows = map.subarray(queryStart * nTokens, (queryStart + nQueries) * nTokens);
    const values = columnsOf(rows, nTokens, keyStart, nKeys);
    return { layerIdx, headIdx, stage, queryStart, keyStart, nQueries, nKeys, values };
  }

  /** Exact values of all heads. @throws RangeError outside the map, or for more cells than fit into an answer. */
  async patch(args: PatchArgs): Promise<Patch> {
    const { layerIdx, stage, queryStart, keyStart, nQueries, nKeys } = args;
    const run = this.runs.withLayer(args.analysisId, layerIdx);
    const { nHeads } = this.model;
    if (!isInside(args, run.nTokens) || nHeads * nQueries * nKeys > maxPatchCells) {
      throw new RangeError(`patch ${queryStart}+${nQueries}, ${keyStart}+${nKeys} is outside the map or too large`);
    }
    const shown = this.shownStage(layerIdx, stage);
    const rows = await this.inTurn(runtime => allHeadsRows(runtime, run, layerIdx, shown, queryStart, nQueries));
    const values = columnsOf(rows, queryStart + nQueries, keyStart, nKeys);
    return { nHeads, queryStart, keyStart, nQueries, nKeys, values };
  }

  /** The kernels that a run's layer was computed with. */
  async kernels({ analysisId, layerIdx }: LayerArgs): Promise<readonly KernelWeights[]> {
    const { kernels } = this.runs.withLayer(analysisId, layerIdx);
    return kernels.get(layerIdx) ?? this.runtime.current.trainedKernels(layerIdx);
  }

  /** Where a part changed a head's attention most. @throws RangeError if the layer lacks the part or the head. */
  async largestChanges({ analysisId, layerIdx, headIdx, part, k }: ChangesArgs): Promise<CellChange[]> {
    const run = this.runs.withLayer(analysisId, layerIdx);
    const layer = this.model.layers[layerIdx]!;
    const shape = layer.kernels[part];
    if (!shape || !(headIdx < this.model.nHeads)) throw new RangeError(`layer ${layerIdx} has no ${part} ${headIdx}`);
    const { before, after } = stagesOfPart(part, layer.stages);
    const map = (stage: Stage) => this.wholeMap(run, layerIdx, headIdx, stage);
    const reach = isConv(part) ? { queries: shape.rows, keys: shape.columns } : { queries: 1, keys: 1 };
    return largestChanges(await map(before), await map(after), after, k, reach);
  }

  /** @returns one entry per head. */
  async headMeasures({ analysisId, layerIdx }: LayerArgs): Promise<HeadMeasures[]> {
    const run = this.runs.withLayer(analysisId, layerIdx);
    return this.inTurn(runtime => measureHeads(runtime, run, layerIdx));
  }

  /**
   * One weight per token of the run: how much a range of it attends to the token, or the token to the range.
   * @throws RangeError for a range or heads that are not there; Cancelled between layers once `signal` fires.
   */
  async relevance(args: RelevanceArgs, signal?: AbortSignal): Promise<Float32Array> {
    const { analysisId, heads, method, range, direction } = args;
    const deepest = Math.max(...heads.map(({ layerIdx }) => layerIdx));
    const run = this.runs.withLayer(analysisId, deepest);
    const { nTokens } = run;
    checkRange(range, nTokens);
    if (heads.length === 0 || heads.some(({ headIdx }) => !(headIdx < this.model.nHeads))) {
      throw new RangeError(`heads are ${JSON.stringify(heads)}, the model has ${this.model.nHeads} per layer`);
    }
    if (method === 'head') {
      const [{ layerIdx, headIdx }] = heads as [(typeof heads)[0]];
      const map = await this.wholeMap(run, layerIdx, headIdx, this.shownStage(layerIdx, args.stage));
      return rangeWeights(map, nTokens, range, direction);
    }
    return relevanceOfHeads(args, nTokens, async (layerIdx, headIdxs) => {
      const stage = this.shownStage(layerIdx, 'mixed_pattern');
      const { rows } = run.layers[layerIdx]!;
      const kernels = run.kernels.get(layerIdx);
      const [maps] = await this.inTurn(
        runtime => runtime.stageRows(layerIdx, [stage], headIdxs, [0, nTokens], rows, kernels),
        () => {
          if (signal?.aborted) throw new Cancelled();
          this.runs.withLayer(analysisId, layerIdx); // a newer run may have taken its place
        },
      );
      const size = nTokens * nTokens;
      return headIdxs.map((_, i) => maps!.subarray(i * size, (i + 1) * size));
    });
  }

  private wholeMap(run: Run, layerIdx: number, headIdx: number, stage: Stage): Promise<Float32Array> {
    return this.inTurn(runtime => wholeMap(runtime, run, layerIdx, headIdx, stage));
  }

  private shownStage(layerIdx: number, stage: Stage): Stage {
    return effectiveStage(this.model.layers[layerIdx]!.stages, stage);
  }

  /** @param check throws when the work is no longer wanted by the time its turn has come. */
  private inTurn<T>(work: (runtime: LayerRuntime) => Promise<T>, check = () => {}): Promise<T> {
    const result = this.last.then(() => {
      check();
      return this.runtime.use(work);
    });
    this.last = result.catch(() => {});
    return result;
  }
}

function isInside({ queryStart, keyStart, nQueries, nKeys }: PatchArgs, nTokens: number): boolean {
  const fits = (start: number, count: number) => start >= 0 && count >= 1 && start + count <= nTokens;
  return fits(queryStart, nQueries) && fits(keyStart, nKeys);
}

/** Some columns of rows, shape [nRows, nKeys]. @param rows shape [nRows, nColumns]; columns after those are masked. */
function columnsOf(rows: Float32Array, nColumns: number, keyStart: number, nKeys: number): Float32Array {
  const nRows = rows.length / nColumns;
  const values = new Float32Array(nRows * nKeys);
  for (let row = 0; row < nRows; row++) {
    const end = Math.min(keyStart + nKeys, nColumns);
    values.set(rows.subarray(row * nColumns + keyStart, row * nColumns + Math.max(keyStart, end)), row * nKeys);
  }
  return values;
}
