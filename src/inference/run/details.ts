/** Closer looks at the runs that are kept: exact maps, kernels, measures and relevance, computed again on demand. */

import { LargestChanges, stagesOfPart } from '../../attention/largestChanges';
import type { LayerAddress } from '../../shared/address';
import type { LayerOverview, ModelSummary } from '../../shared/analysis';
import {
  type CellChange,
  effectiveStage,
  maxPatchCells,
  type Patch,
  type PatchAddress,
  type StageAddress,
  type Tile,
  type TileAddress,
  tileSize,
} from '../../shared/attentionMap';
import type { HeadMeasures } from '../../shared/headMeasures';
import { isConv, type KernelHistory, type KernelWeights } from '../../shared/kernels';
import { type Stage, weightsStage } from '../../shared/operators';
import type { Quantity } from '../../shared/relevance';
import { Turns } from '../../shared/tools/turns';
import type { ChangesArgs, MeasuresArgs, RelevanceArgs } from '../protocol';
import { type Attribution, fetchRows, hasWeightsHere } from '../runtime/attribution';
import type { LastingRuntime } from '../runtime/lastingRuntime';
import type { LayerRuntime } from '../runtime/layerRuntime';
import { measureHeads } from './measureHeads';
import { checkRange, type HeadRelevance, type LayerBands, relevanceByHead, relevanceOfHeads } from './relevance';
import type { Run } from './run';
import {
  allHeadsRows,
  type HeadBandsOf,
  headBand,
  overviewOf,
  quantityBand,
  type RowsRequest,
  rowsAtOnce,
  tileBand,
} from './runMaps';
import type { Runs } from './runs';

/**
 * Every method throws Failure `no-analysis` for a run that is not kept or has not come to the layer yet, and Cancelled once
 * `signal` fires, at the latest after the band of rows under way.
 */
export class Details {
  private readonly model: ModelSummary;
  /** Requests run one after the other, so that no session is released while it is in use. */
  private readonly turns = new Turns();

  constructor(
    private readonly runtime: LastingRuntime,
    private readonly runs: Runs,
    private readonly attribution: Attribution,
  ) {
    this.model = runtime.folder.summary;
  }

  /** A stage in all heads of a layer. */
  async overview({ analysisId, layerIdx, stage }: StageAddress, signal?: AbortSignal): Promise<LayerOverview> {
    const run = this.runs.withLayer(analysisId, layerIdx);
    const request = { layerIdx, stage: this.effectiveStage(layerIdx, stage) };
    return this.inTurn(run, runtime => overviewOf(runtime, run, request, signal), signal);
  }

  /** Exact values of one head. @throws RangeError outside the map. */
  async tile(args: TileAddress, signal?: AbortSignal): Promise<Tile> {
    const { layerIdx, headIdx, stage, queryStart, keyStart, nQueries, nKeys } = args;
    const run = this.runs.withLayer(args.analysisId, layerIdx);
    const { nTokens } = run;
    if (!isInside(args, nTokens) || !(headIdx < this.model.nHeads)) {
      throw new RangeError(
        `tile ${queryStart}+${nQueries}, ${keyStart}+${nKeys} of head ${headIdx} is outside the map`,
      );
    }
    const place = { layerIdx, headIdx, stage: this.effectiveStage(layerIdx, stage) };
    const values = new Float32Array(nQueries * nKeys);
    for (let first = queryStart; first < queryStart + nQueries; ) {
      const bandIdx = Math.floor(first / tileSize);
      const end = Math.min(queryStart + nQueries, (bandIdx + 1) * tileSize);
      const request = { ...place, bandIdx };
      const band = await this.inTurn(run, runtime => tileBand(runtime, run, request, signal), signal);
      const rows = band.values.subarray((first - band.queryStart) * band.nKeys, (end - band.queryStart) * band.nKeys);
      values.set(columnsOf(rows, band.nKeys, keyStart, nKeys), (first - queryStart) * nKeys);
      first = end;
    }
    return { layerIdx, headIdx, stage, queryStart, keyStart, nQueries, nKeys, values };
  }

  /** Exact values of all heads. @throws RangeError outside the map, or for more cells than fit into an answer. */
  async patch(args: PatchAddress, signal?: AbortSignal): Promise<Patch> {
    const { layerIdx, stage, queryStart, keyStart, nQueries, nKeys } = args;
    const run = this.runs.withLayer(args.analysisId, layerIdx);
    const { nHeads } = this.model;
    if (!isInside(args, run.nTokens) || nHeads * nQueries * nKeys > maxPatchCells) {
      throw new RangeError(`patch ${queryStart}+${nQueries}, ${keyStart}+${nKeys} is outside the map or too large`);
    }
    const place = { layerIdx, stage: this.effectiveStage(layerIdx, stage) };
    const values = new Float32Array(nHeads * nQueries * nKeys);
    const nAtOnce = rowsAtOnce(nHeads, run.nTokens);
    for (let first = queryStart; first < queryStart + nQueries; first += nAtOnce) {
      const end = Math.min(first + nAtOnce, queryStart + nQueries);
      const request = { ...place, queries: [first, end] as const };
      const rows = await this.inTurn(run, runtime => allHeadsRows(runtime, run, request, signal), signal);
      const columns = columnsOf(rows, end, keyStart, nKeys);
      const size = (end - first) * nKeys;
      for (let headIdx = 0; headIdx < nHeads; headIdx++) {
        const at = (headIdx * nQueries + first - queryStart) * nKeys;
        values.set(columns.subarray(headIdx * size, (headIdx + 1) * size), at);
      }
    }
    return { nHeads, queryStart, keyStart, nQueries, nKeys, values };
  }

  /** The kernels that a run's layer was computed with. */
  async kernels({ analysisId, layerIdx }: LayerAddress, signal?: AbortSignal): Promise<readonly KernelWeights[]> {
    const run = this.runs.withLayer(analysisId, layerIdx);
    return run.kernels.get(layerIdx) ?? this.inTurn(run, runtime => runtime.trainedKernels(layerIdx), signal);
  }

  /** How they came to be, where the model's folder has it. */
  async kernelHistory({ analysisId, layerIdx }: LayerAddress, signal?: AbortSignal): Promise<KernelHistory | null> {
    const run = this.runs.withLayer(analysisId, layerIdx);
    return this.inTurn(run, async runtime => (await runtime.kernelHistory?.(layerIdx)) ?? null, signal);
  }

  /** Where a part changed a head's attention most. @throws RangeError if the layer lacks the part or the head. */
  async largestChanges(args: ChangesArgs, signal?: AbortSignal): Promise<CellChange[]> {
    const { analysisId, layerIdx, headIdx, part, k } = args;
    const run = this.runs.withLayer(analysisId, layerIdx);
    const layer = this.model.layers[layerIdx]!;
    const shape = layer.kernels[part];
    if (!shape || !(headIdx < this.model.nHeads)) throw new RangeError(`layer ${layerIdx} has no ${part} ${headIdx}`);
    const { before, after } = stagesOfPart(part, layer.stages);
    const reach = isConv(part) ? { queries: shape.rows, keys: shape.columns } : { queries: 1, keys: 1 };
    const changes = new LargestChanges(after, k, reach);
    const rows = { layerIdx, stages: [before, after], heads: [headIdx], queries: [0, run.nTokens] as const };
    for await (const bands of this.bandsOf(run, signal)(rows)) {
      changes.add(bands[0]![0]!, bands[1]![0]!);
    }
    return changes.found();
  }

  /** @param quantity what the measures of the last stage are of. @returns one entry per head. */
  async headMeasures({ analysisId, layerIdx, quantity }: MeasuresArgs, signal?: AbortSignal): Promise<HeadMeasures[]> {
    const run = this.runs.withLayer(analysisId, layerIdx);
    const copiesOf = () => this.inTurn(run, runtime => this.copiesOf(runtime, run, layerIdx), signal);
    return measureHeads(this.runtime.folder, run, layerIdx, this.bandsOf(run, signal, 0, quantity), copiesOf);
  }

  /**
   * One weight per token of the run: how much a range of it attends to the token, or the token to the range.
   * @throws RangeError for a range or heads that are not there; Cancelled between layers once `signal` fires.
   */
  async relevance(args: RelevanceArgs, signal?: AbortSignal): Promise<Float32Array> {
    const { method, heads } = args;
    const chosen = { ...args, heads: method === 'head' ? heads.slice(0, 1) : heads };
    const { nTokens, bands } = this.rowsOf(args, signal);
    return relevanceOfHeads(chosen, nTokens, bands);
  }

  /** The same of each head by itself, at the last stage of each layer, in the order of layers. @throws as `relevance`. */
  async relevanceByHead(args: Omit<RelevanceArgs, 'method' | 'stage'>, signal?: AbortSignal): Promise<HeadRelevance[]> {
    const { nTokens, bands } = this.rowsOf(args, signal);
    return relevanceByHead(args, nTokens, bands);
  }

  private rowsOf(
    { analysisId, heads, range, quantity = 'weight' }: Omit<RelevanceArgs, 'method' | 'stage'>,
    signal?: AbortSignal,
  ): { readonly nTokens: number; readonly bands: LayerBands } {
    const { layers } = this.model;
    const deepest = Math.max(...heads.map(({ layerIdx }) => layerIdx));
    const run = this.runs.withLayer(analysisId, deepest);
    const { nTokens } = run;
    checkRange(range, nTokens);
    if (heads.length === 0 || heads.some(({ headIdx }) => !(headIdx < this.model.nHeads))) {
      throw new RangeError(`heads are ${JSON.stringify(heads)}, the model has ${this.model.nHeads} per layer`);
    }
    const bandsOf = this.bandsOf(run, signal, deepest, quantity);
    const bands: LayerBands = async function* (layerIdx, headIdxs, queries, stage = 'mixed_pattern') {
      const { stages: all } = layers[layerIdx]!;
      const stages = [quantity === 'weight' ? effectiveStage(all, stage) : weightsStage(all)];
      for await (const [rows] of bandsOf({ layerIdx, stages, heads: headIdxs, queries })) yield rows!;
    };
    return { nTokens, bands };
  }

  /**
   * Computes rows of a run's maps, each band when its turn has come.
   * @param quantity what stands in place of the weights of the last stage.
   * @throws Failure `cannot-explain` where the weights that `quantity` takes are not here; `no-analysis` once a newer run took the run's place; Cancelled once `signal` fires.
   */
  private bandsOf(run: Run, signal?: AbortSignal, deepestLayer = 0, quantity: Quantity = 'weight'): HeadBandsOf {
    const { attribution, model } = this;
    const band = (request: RowsRequest) =>
      this.inTurn(
        run,
        async runtime => {
          this.runs.withLayer(run.analysisId, deepestLayer);
          if (quantity === 'weight') return headBand(runtime, run, request, signal);
          const last = weightsStage(model.layers[request.layerIdx]!.stages);
          const others = { ...request, stages: request.stages.filter(stage => stage !== last) };
          const bands = others.stages.length > 0 ? await headBand(runtime, run, others, signal) : [];
          const moved = await quantityBand(runtime, attribution, run, request, quantity);
          return request.stages.map(stage => (stage === last ? moved : bands[others.stages.indexOf(stage)]!));
        },
        signal,
      );
    return async function* (request) {
      const [start, end] = request.queries;
      const nAtOnce = rowsAtOnce(request.stages.length * request.heads.length, run.nTokens);
      for (let first = start; first < end; first += nAtOnce) {
        yield await band({ ...request, queries: [first, Math.min(first + nAtOnce, end)] });
      }
    };
  }

  private async copiesOf(runtime: LayerRuntime, run: Run, layerIdx: number): Promise<Float32Array | null> {
    if (!hasWeightsHere(runtime)) return null;
    const kernels = run.kernels.get(layerIdx) ?? (await runtime.trainedKernels(layerIdx));
    const rows = await fetchRows(runtime, run.layers[layerIdx]!.rows);
    return this.attribution.copies(layerIdx, rows, run.ids, kernels);
  }

  private effectiveStage(layerIdx: number, stage: Stage): Stage {
    return effectiveStage(this.model.layers[layerIdx]!.stages, stage);
  }

  private inTurn<T>(run: Run, work: (runtime: LayerRuntime) => Promise<T>, signal?: AbortSignal): Promise<T> {
    return this.turns.take(() => (run.runtime ? work(run.runtime) : this.runtime.use(work)), signal);
  }
}

function isInside({ queryStart, keyStart, nQueries, nKeys }: PatchAddress, nTokens: number): boolean {
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
