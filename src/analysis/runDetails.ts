/** Closer looks at runs that are there: overviews, exact values, kernels, measures, relevance. */

import { poolOverview } from '../attention/thumbnails';
import { keysOfQuery, keysOfRow, type WeightedKey } from '../attention/topKeys';
import { failures } from '../errors';
import type { InferenceClient } from '../inference/client';
import type { ExplainArgs, KnockOutsArgs, LensArgs, PatchPartsArgs } from '../inference/protocol';
import type { LayerAddress, PartAddress, TokenRange } from '../shared/address';
import type { LayerOverview, LayerResult, ModelSummary, Predictions } from '../shared/analysis';
import {
  type CellChange,
  effectiveStage,
  type HeadOverview,
  type MapAddress,
  type Patch,
  type PatchAddress,
  type Tile,
  type TileAddress,
} from '../shared/attentionMap';
import type { LogitAttribution } from '../shared/attribution';
import type { HeadAblationArgs, HeadAblationEffect } from '../shared/headAblation';
import type { HeadMeasures } from '../shared/headMeasures';
import type { KnockOuts, LogitLens, PatchedParts } from '../shared/interventions';
import type { KernelHistory, KernelWeights } from '../shared/kernels';
import { weightsStage } from '../shared/operators';
import type { AnswerHead } from '../shared/panel/answer';
import type { ThumbnailAddress, Thumbnails } from '../shared/panel/panelMessages';
import { chosenHeads, type RelevanceOptions } from '../shared/relevance';

/** A run as far as it has come. */
export interface KnownRun {
  readonly model: ModelSummary;
  readonly nTokens: number;
  /** Those that are done. */
  readonly layers: readonly LayerResult[];
  /** Once all are. */
  readonly predictions: Predictions | undefined;
}

/** Cells named per kernel. */
const nChanges = 12;

/** Every method throws Failure `no-analysis` for a run that is not known, or a layer that is not done. */
export class RunDetails {
  constructor(
    private readonly client: InferenceClient,
    private readonly runOf: (analysisId: number) => KnownRun | undefined,
  ) {}

  /** Overview of one head's stage; streamed ones at once, others recomputed. */
  async overview(address: MapAddress, signal?: AbortSignal): Promise<HeadOverview> {
    const { nTokens } = this.ready(address).run;
    return headOverview(await this.layerOverview(address, signal), address, nTokens);
  }

  /** The same of all heads of the layer. */
  async layerOverview(address: MapAddress, signal?: AbortSignal): Promise<LayerOverview> {
    const { run, layer } = this.ready(address);
    const { analysisId, layerIdx } = address;
    const stage = effectiveStage(run.model.layers[layerIdx]!.stages, address.stage);
    const streamed = layer.overviews.find(candidate => candidate.stage === stage);
    return streamed ?? this.client.overview({ analysisId, layerIdx, stage }, signal);
  }

  /** Exact values of one head. */
  async tile(address: TileAddress, signal?: AbortSignal): Promise<Tile> {
    this.ready(address);
    return this.client.tile(address, signal);
  }

  /** Exact values in all heads. */
  async patch(address: PatchAddress, signal?: AbortSignal): Promise<Patch> {
    this.ready({ ...address, headIdx: 0 });
    return this.client.patch(address, signal);
  }

  /** The learned parts that a layer was computed with. */
  async kernels({ analysisId, layerIdx }: LayerAddress, signal?: AbortSignal): Promise<readonly KernelWeights[]> {
    this.ready({ analysisId, layerIdx, headIdx: 0 });
    return this.client.kernels({ analysisId, layerIdx }, signal);
  }

  /** The same in earlier training steps, where the model brings them. */
  async kernelHistory({ analysisId, layerIdx }: LayerAddress, signal?: AbortSignal): Promise<KernelHistory | null> {
    this.ready({ analysisId, layerIdx, headIdx: 0 });
    return this.client.kernelHistory({ analysisId, layerIdx }, signal);
  }

  /** Where a part changed a head's attention most. */
  async largestChanges(address: PartAddress, signal?: AbortSignal): Promise<readonly CellChange[]> {
    this.ready(address);
    return this.client.largestChanges({ ...address, k: nChanges }, signal);
  }

  /** One entry per head. */
  async headMeasures({ analysisId, layerIdx }: LayerAddress, signal?: AbortSignal): Promise<readonly HeadMeasures[]> {
    this.ready({ analysisId, layerIdx, headIdx: 0 });
    return this.client.headMeasures({ analysisId, layerIdx }, signal);
  }

  /** Pictures of some heads' last stage. */
  thumbnails({ analysisId, layerIdx, headStart, nHeads }: ThumbnailAddress): Thumbnails {
    const { layer } = this.ready({ analysisId, layerIdx, headIdx: headStart + nHeads - 1 });
    return poolOverview(layer.overviews.at(-1)!, headStart, nHeads);
  }

  /** What the model predicts everywhere, once the run is done. */
  predictions(analysisId: number): Predictions {
    const predictions = this.runOf(analysisId)?.predictions;
    if (!predictions) throw failures.noAnalysis();
    return predictions;
  }

  /** What a token attends to most: at most k keys, largest magnitude first; none for a token outside the window. */
  async strongestKeys(address: MapAddress, queryIdx: number, k: number): Promise<WeightedKey[]> {
    const { run, layer } = this.ready(address);
    const { analysisId, layerIdx, headIdx, stage } = address;
    const { nTokens } = run;
    if (queryIdx >= nTokens) return [];
    const { stages } = run.model.layers[layerIdx]!;
    if (effectiveStage(stages, stage) === weightsStage(stages)) {
      return keysOfQuery(layer.topKeys, nTokens, headIdx, queryIdx).slice(0, k);
    }
    const row = { queryStart: queryIdx, keyStart: 0, nQueries: 1, nKeys: nTokens };
    const { values } = await this.client.tile({ analysisId, layerIdx, headIdx, stage, ...row });
    return keysOfRow(values, queryIdx, k);
  }

  /**
   * One weight per token: how much a range attends to it, or it to the range.
   * @param map the head and stage that the method `head` asks; its layer is what the choice `layer` means.
   */
  async relevance(
    { method, direction, heads: choice, quantity }: RelevanceOptions,
    range: TokenRange,
    map: MapAddress,
    signal?: AbortSignal,
  ): Promise<Float32Array> {
    const { analysisId, layerIdx, headIdx, stage } = map;
    const { nLayers, nHeads } = this.known(analysisId).model;
    const heads = method === 'head' ? [{ layerIdx, headIdx }] : chosenHeads(choice, layerIdx, nLayers, nHeads);
    for (const head of heads) this.ready({ analysisId, ...head });
    const measured = quantity === undefined ? {} : { quantity };
    return this.client.relevance({ analysisId, range, direction, method, heads, stage, ...measured }, signal);
  }

  /** Splits a logit of a run over what was added to the residual stream. */
  async explain(args: ExplainArgs, signal = new AbortController().signal): Promise<LogitAttribution> {
    this.known(args.analysisId);
    return this.client.explain(args, signal);
  }

  /** What switching heads off does to the predictions. */
  async ablateHeads(args: HeadAblationArgs, signal = new AbortController().signal): Promise<HeadAblationEffect> {
    this.known(args.analysisId);
    return this.client.ablateHeads(args, signal);
  }

  /** What the stream after each layer predicts at some rows. */
  async lens(args: LensArgs, signal = new AbortController().signal): Promise<LogitLens> {
    this.known(args.analysisId);
    return this.client.lens(args, signal);
  }

  /** What predictions are when rows may not see keys. */
  async knockOuts(args: KnockOutsArgs, signal = new AbortController().signal): Promise<KnockOuts> {
    this.known(args.analysisId);
    return this.client.knockOuts(args, signal);
  }

  /** The strongest key of every head before a row, of its last stage. */
  strongestOfHeads(analysisId: number, row: number): AnswerHead[] {
    const { layers, nTokens, model } = this.known(analysisId);
    return layers.flatMap(({ layerIdx, topKeys }) =>
      Array.from({ length: model.nHeads }, (_, headIdx) => {
        const keys = keysOfQuery(topKeys, nTokens, headIdx, row).filter(({ keyIdx }) => keyIdx < row && keyIdx > 0);
        const { keyIdx, weight } = keys[0] ?? { keyIdx: row, weight: 0 };
        return { layerIdx, headIdx, value: weight, keyIdx, keyValue: weight };
      }),
    );
  }

  /** Replaces parts of a run by those of another text, zeros or means. */
  async patchParts(args: PatchPartsArgs, signal = new AbortController().signal): Promise<PatchedParts> {
    this.known(args.analysisId);
    return this.client.patchParts(args, signal);
  }

  private known(analysisId: number): KnownRun {
    const run = this.runOf(analysisId);
    if (!run) throw failures.noAnalysis();
    return run;
  }

  private ready({ analysisId, layerIdx, headIdx }: Omit<MapAddress, 'stage'>): { run: KnownRun; layer: LayerResult } {
    const run = this.known(analysisId);
    const layer = run.layers[layerIdx];
    if (!layer || !(headIdx < run.model.nHeads)) throw failures.noAnalysis();
    return { run, layer };
  }
}

/** One head's part of a layer's overview. */
function headOverview(layer: LayerOverview, address: MapAddress, nTokens: number): HeadOverview {
  const { layerIdx, headIdx, stage } = address;
  const { size, blockSize, scales, cells } = layer;
  const start = headIdx * size * size;
  return {
    ...{ layerIdx, headIdx, stage, nTokens, blockSize, size, scale: scales[headIdx]! },
    cells: cells.slice(start, start + size * size),
  };
}
