/**
 * Runs a model on a window of text, layer by layer, and keeps what it takes to look closer afterwards: the residual
 * stream before every layer. Used by the inference process and by the command line alike.
 */

import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { rangeWeights } from '../attention/aggregate';
import { type CellChange, largestChanges, stagesOfPart } from '../attention/largestChanges';
import { planLayer, stagesOf } from '../graph/layerPlan';
import { blockSizeFor } from '../graph/reductions';
import type { AblationEffect } from '../shared/ablation';
import { checkAblation } from '../shared/ablation';
import type { ExecutionProvider, LayerOverview, ModelSummary, Predictions, WindowTokens } from '../shared/analysis';
import { effectiveStage, maxPatchCells, type Patch, type Stage, type Tile } from '../shared/attentionMap';
import { Cancelled, Failure } from '../shared/failure';
import type { HeadMeasures } from '../shared/headMeasures';
import { isConv, type KernelWeights } from '../shared/kernels';
import type { OcclusionBaseline, TokenRange } from '../shared/relevance';
import { chooseWindow, tokenAt, tokenOffsets } from '../tokenization/offsets';
import { type Encoded, Tokenizer } from '../tokenization/tokenizer';
import { ablateRun, rankAblations, targetsOf, toBits } from './ablations';
import { chooseProvider } from './chooseProvider';
import { measureHeads } from './measureHeads';
import { openModelFolder } from './modelFolder';
import { type BlockResult, ModelRuntime, type Prediction } from './modelRuntime';
import { OcclusionRunner } from './occlusion';
import type {
  AblateAnswer,
  AblateArgs,
  AnalyzeAnswer,
  AnalyzeArgs,
  ChangesArgs,
  InferenceEvents,
  LayerArgs,
  LoadArgs,
  OccludeArgs,
  OverviewArgs,
  PatchArgs,
  RankArgs,
  RelevanceArgs,
  Slot,
  TileArgs,
} from './protocol';
import { relevanceOfHeads } from './relevance';
import type { Run } from './run';
import { allHeadsRows, overviewOf, wholeMap } from './runMaps';
import type { Value } from './session';

/** Receives the events of a run. */
export type Emit = <Name extends keyof InferenceEvents>(name: Name, payload: InferenceEvents[Name]) => void;

/** How often work in the background looks whether it may go on. */
const pauseMs = 20;
/** Next tokens reported per position. */
const nPredictions = 5;

export class Engine {
  private readonly runs = new Map<Slot | 'ablated', Run>();
  /** Runs that somebody waits for; what goes on in the background pauses meanwhile. */
  private nForeground = 0;
  /** Single requests run one after the other, so that no session is released while it is in use. */
  private lastDetail: Promise<unknown> = Promise.resolve();

  private constructor(
    private runtime: ModelRuntime,
    private readonly tokenizer: Tokenizer,
    readonly providerNote: string,
    private readonly nThreads: number,
    private readonly emit: Emit,
  ) {}

  /** @throws Failure naming what is wrong with the folder, or a provider that cannot be used. */
  static async load(args: Omit<LoadArgs, 'protocolVersion'>, emit: Emit): Promise<Engine> {
    const folder = await openModelFolder(args.modelDirectory);
    const tokenizer = new Tokenizer(folder.tokenizerJson, folder.summary.name);
    const { config, summary } = folder;
    if (tokenizer.maxId >= config.vocab_size) {
      throw new Failure(
        'bad-tokenizer',
        `Cannot load model "${summary.name}": tokenizer.json has token ids up to ${tokenizer.maxId}, ` +
          `config.json says vocab_size ${config.vocab_size}. Install the model again or pick another one.`,
        ['selectModel', 'showLog'],
      );
    }
    const { runtime, note } = await chooseProvider(folder, args.provider, args.nThreads);
    emit('log', { level: 'info', message: `model ${summary.name} (${summary.nParameters} parameters) on ${note}` });
    return new Engine(runtime, tokenizer, note, args.nThreads, emit);
  }

  get model(): ModelSummary {
    return this.runtime.folder.summary;
  }

  get provider(): ExecutionProvider {
    return this.runtime.provider;
  }

  /** Emits `tokens`, then `layer` per layer. @throws Cancelled between layers once `signal` fires. */
  analyze(args: AnalyzeArgs, signal?: AbortSignal): Promise<AnalyzeAnswer> {
    return this.inForeground(() => this.analyzeNow(args, signal));
  }

  private async analyzeNow(args: AnalyzeArgs, signal?: AbortSignal): Promise<AnalyzeAnswer> {
    const start = performance.now();
    const tokens = this.openWindow(args);
    const nTokens = tokens.ids.length;
    const blockSize = blockSizeFor(nTokens);
    const { analysisId, topK } = args;
    const run: Run = {
      analysisId,
      ids: tokens.ids,
      nTokens,
      blockSize,
      hidden: [],
      kernels: new Map(),
      maps: new Map(),
      overviews: new Map(),
    };
    const slot = args.slot ?? 'main';
    this.runs.set(slot, run);
    if (slot === 'main') this.runs.delete('ablated');
    let hidden = await this.withFallback(runtime => runtime.embed(tokens.ids));
    let firstLayerMs = 0;
    for (let layerIdx = 0; layerIdx < this.model.nLayers; layerIdx++) {
      await nextTurn(); // lets a cancel in
      if (signal?.aborted) throw new Cancelled();
      const layerStart = performance.now();
      run.hidden.push(hidden);
      const input = hidden;
      const result: BlockResult = await this.withFallback(runtime => runtime.block(layerIdx, input, topK, blockSize));
      hidden = result.hidden;
      const { topKeys, overviews } = result;
      const durationMs = performance.now() - layerStart;
      this.emit('layer', { analysisId, layer: { layerIdx, topKeys, overviews, durationMs } });
      if (layerIdx === 0) firstLayerMs = performance.now() - start;
    }
    await nextTurn();
    if (signal?.aborted) throw new Cancelled();
    run.hidden.push(hidden);
    const predictions = await this.predict(tokens.ids, hidden);
    return { analysisId, predictions, durationMs: performance.now() - start, firstLayerMs };
  }

  /** @throws Failure `bad-ablation`, `bad-kernel` or `no-analysis`; Cancelled between layers once `signal` fires. */
  ablate(args: AblateArgs, signal?: AbortSignal): Promise<AblateAnswer> {
    return this.inForeground(() => this.ablateNow(args, signal));
  }

  private async ablateNow(args: AblateArgs, signal?: AbortSignal): Promise<AblateAnswer> {
    const start = performance.now();
    const base = this.finishedRun(args.baseId);
    const ablation = checkAblation(args.ablation, this.model.layers, this.model.nHeads);
    const ablated = await this.withFallback(runtime => ablateRun(runtime, base, ablation, args, nPredictions, signal));
    const { run, layers, prediction } = ablated;
    this.runs.set('ablated', run);
    const klBits = prediction.divergence!.map(toBits);
    return { layers, predictions: this.told(run.ids, prediction), klBits, durationMs: performance.now() - start };
  }

  /** Emits `effects` as they come. @throws as `ablate`. */
  async rankAblations({ analysisId, withHeads }: RankArgs, signal?: AbortSignal): Promise<AblationEffect[]> {
    const run = this.finishedRun(analysisId);
    const emit = (effects: readonly AblationEffect[], done: number, total: number) =>
      this.emit('effects', { analysisId, effects, done, total });
    const pause = async () => {
      do await sleep(this.nForeground > 0 ? pauseMs : 0);
      while (this.nForeground > 0 && !signal?.aborted);
    };
    return this.withFallback(runtime => rankAblations(runtime, run, withHeads, emit, pause, signal));
  }

  /** @returns one entry per head. @throws Failure `no-analysis` */
  async headMeasures({ analysisId, layerIdx }: LayerArgs): Promise<HeadMeasures[]> {
    const run = this.currentRun(analysisId, layerIdx);
    return this.inTurn(() => this.withFallback(runtime => measureHeads(runtime, run, layerIdx)));
  }

  /** The kernels that a run's layer was computed with. @throws Failure `no-analysis` */
  async kernels({ analysisId, layerIdx }: LayerArgs): Promise<readonly KernelWeights[]> {
    return this.currentRun(analysisId, layerIdx).kernels.get(layerIdx) ?? this.runtime.trainedKernels(layerIdx);
  }

  /** Where a part changed a head's attention most. @throws Failure `no-analysis`; RangeError if the layer lacks the part */
  async largestChanges({ analysisId, layerIdx, headIdx, part, k }: ChangesArgs): Promise<CellChange[]> {
    const run = this.currentRun(analysisId, layerIdx);
    const layer = this.model.layers[layerIdx]!;
    const shape = layer.kernels[part];
    if (!shape || !(headIdx < this.model.nHeads)) throw new RangeError(`layer ${layerIdx} has no ${part} ${headIdx}`);
    const { before, after } = stagesOfPart(part, layer.stages);
    const map = (stage: Stage) => this.inTurn(() => this.wholeMap(run, layerIdx, headIdx, stage));
    const reach = isConv(part) ? { queries: shape.rows, keys: shape.columns } : { queries: 1, keys: 1 };
    return largestChanges(await map(before), await map(after), after, k, reach);
  }

  /** Whether a run is kept here, for `tile`, `overview` and the like. */
  holds(analysisId: number): boolean {
    return [...this.runs.values()].some(run => run.analysisId === analysisId);
  }

  /** Forgets the runs of a slot. */
  forget(slot: Slot): void {
    this.runs.delete(slot);
    if (slot === 'main') this.runs.delete('ablated');
  }

  encode(text: string): Encoded {
    return this.tokenizer.encode(text);
  }

  /**
   * How well the model predicts each token from those before it, without any maps.
   * @param ids a window's tokens without the begin token, which is put before them where the model has one.
   * @returns surprisal in bits and whether the token was the likeliest one, shape [ids.length]. Without a begin token
   * nothing predicts the first one; it counts as drawn evenly from the vocabulary.
   */
  async score(ids: Int32Array): Promise<{ bits: Float64Array; isTop1: Uint8Array }> {
    const { config } = this.runtime.folder;
    const nBegin = config.bos_token_id === null ? 0 : 1;
    const window = Int32Array.from([...(config.bos_token_id === null ? [] : [config.bos_token_id]), ...ids]);
    let hidden = await this.runtime.embed(window);
    for (let layerIdx = 0; layerIdx < this.model.nLayers; layerIdx++) {
      hidden = await this.runtime.bareBlock(layerIdx, hidden);
    }
    const { logProbabilities, topIds } = await this.runtime.predict(hidden, targetsOf(window), 1);
    const bits = new Float64Array(ids.length).fill(Math.log2(config.vocab_size));
    const isTop1 = new Uint8Array(ids.length);
    for (let i = 1 - nBegin; i < ids.length; i++) {
      const position = i + nBegin - 1;
      bits[i] = -logProbabilities[position]! / Math.LN2;
      isTop1[i] = topIds[position] === ids[i] ? 1 : 0;
    }
    return { bits, isTop1 };
  }

  async overview({ analysisId, layerIdx, stage }: OverviewArgs): Promise<LayerOverview> {
    const run = this.currentRun(analysisId, layerIdx);
    const shown = this.shownStage(layerIdx, stage);
    return this.inTurn(() => this.withFallback(runtime => overviewOf(runtime, run, layerIdx, shown)));
  }

  async tile(args: TileArgs): Promise<Tile> {
    const { layerIdx, headIdx, stage, queryStart, keyStart, nQueries, nKeys } = args;
    const run = this.currentRun(args.analysisId, layerIdx);
    const isInside = (begin: number, count: number) => begin >= 0 && count >= 1 && begin + count <= run.nTokens;
    if (!isInside(queryStart, nQueries) || !isInside(keyStart, nKeys) || !(headIdx < this.model.nHeads)) {
      throw new RangeError(
        `tile ${queryStart}+${nQueries}, ${keyStart}+${nKeys} of head ${headIdx} is outside the map`,
      );
    }
    const shown = this.shownStage(layerIdx, stage);
    const map = await this.inTurn(() => this.wholeMap(run, layerIdx, headIdx, shown));
    const values = new Float32Array(nQueries * nKeys);
    for (let i = 0; i < nQueries; i++) {
      const rowStart = (queryStart + i) * run.nTokens + keyStart;
      values.set(map.subarray(rowStart, rowStart + nKeys), i * nKeys);
    }
    return { layerIdx, headIdx, stage, queryStart, keyStart, nQueries, nKeys, values };
  }

  async patch(args: PatchArgs): Promise<Patch> {
    const { layerIdx, stage, queryStart, keyStart, nQueries, nKeys } = args;
    const run = this.currentRun(args.analysisId, layerIdx);
    const { nHeads } = this.model;
    const isInside = (begin: number, count: number) => begin >= 0 && count >= 1 && begin + count <= run.nTokens;
    if (!isInside(queryStart, nQueries) || !isInside(keyStart, nKeys) || nHeads * nQueries * nKeys > maxPatchCells) {
      throw new RangeError(`patch ${queryStart}+${nQueries}, ${keyStart}+${nKeys} is outside the map or too large`);
    }
    const shown = this.shownStage(layerIdx, stage);
    const rows = await this.inTurn(() =>
      this.withFallback(runtime => allHeadsRows(runtime, run, layerIdx, shown, queryStart, nQueries)),
    );
    const values = new Float32Array(nHeads * nQueries * nKeys);
    for (let row = 0; row < nHeads * nQueries; row++) {
      const start = row * run.nTokens + keyStart;
      values.set(rows.subarray(start, start + nKeys), row * nKeys);
    }
    return { nHeads, queryStart, keyStart, nQueries, nKeys, values };
  }

  /** One weight per token of the run: how much a range of it attends to the token, or the token to the range. */
  async relevance(args: RelevanceArgs, signal?: AbortSignal): Promise<Float32Array> {
    const { analysisId, heads, method, range, direction } = args;
    const deepest = Math.max(...heads.map(({ layerIdx }) => layerIdx));
    const run = this.currentRun(analysisId, deepest);
    checkRange(range, run.nTokens);
    if (heads.length === 0 || heads.some(({ headIdx }) => !(headIdx < this.model.nHeads))) {
      throw new RangeError(`heads are ${JSON.stringify(heads)}, the model has ${this.model.nHeads} per layer`);
    }
    if (method === 'head') {
      const [{ layerIdx, headIdx }] = heads as [(typeof heads)[0]];
      const stage = this.shownStage(layerIdx, args.stage);
      const map = await this.inTurn(() => this.wholeMap(run, layerIdx, headIdx, stage));
      return rangeWeights(map, run.nTokens, range, direction);
    }
    return relevanceOfHeads(args, run.nTokens, (layerIdx, headIdxs) =>
      this.inTurn(async () => {
        if (signal?.aborted) throw new Cancelled();
        this.currentRun(analysisId, layerIdx);
        const stage = this.shownStage(layerIdx, 'mixed_pattern');
        const [maps] = await this.withFallback(runtime =>
          runtime.headStages(layerIdx, [stage], headIdxs, run.hidden[layerIdx]!, run.kernels.get(layerIdx)),
        );
        const size = run.nTokens * run.nTokens;
        return headIdxs.map((_, i) => maps!.subarray(i * size, (i + 1) * size));
      }),
    );
  }

  /** Runs the model once per span, without it, and emits what that does to the target's predictions. */
  async occlude(args: OccludeArgs, signal?: AbortSignal): Promise<OcclusionBaseline> {
    const { analysisId, occlusionId, target, spans, mode } = args;
    const run = this.currentRun(analysisId, 0);
    checkRange(target, run.nTokens);
    const occlusion = {
      ...{ ids: run.ids, kernels: run.kernels, target, mode, neutralId: this.neutralId() },
      label: (id: number) => this.tokenizer.label(id),
      check: () => void this.currentRun(analysisId, 0),
    };
    const runner = await OcclusionRunner.open(work => this.withFallback(work), occlusion, signal);
    const { baseline } = runner;
    for (const [spanIdx, span] of spans.entries()) {
      const effect = await runner.effectOf(span, signal);
      this.emit('occluded', { occlusionId, spanIdx, effect, baseline });
    }
    return baseline;
  }

  async release(): Promise<void> {
    await this.runtime.release();
  }

  /** Tokenises, chooses the window and emits it. */
  private openWindow(args: AnalyzeArgs): WindowTokens {
    const { text, textStart } = args;
    const { config, summary } = this.runtime.folder;
    const encoded = this.tokenizer.encode(text);
    const textOffsets = tokenOffsets(text, encoded.byteLengths);
    const begin = config.bos_token_id === null ? [] : [config.bos_token_id];
    const room = Math.max(1, Math.min(args.maxTokens, summary.maxSeqlen) - begin.length);
    const anchor = Math.min(Math.max(args.anchor - textStart, 0), text.length);
    const anchorToken = tokenAt(textOffsets, anchor);
    const { first, end } = chooseWindow(encoded.ids.length, anchorToken, room);
    const ids = Int32Array.from([...begin, ...encoded.ids.subarray(first, end)]);
    if (ids.length === 0) {
      throw new Failure('empty', 'There is nothing to inspect: the text is empty. Write something and inspect again.');
    }
    const borders = textOffsets.subarray(first, end + 1);
    const offsets = Uint32Array.from([...begin.map(() => borders[0]!), ...borders], offset => offset + textStart);
    const labels = Array.from(ids, id => this.tokenizer.label(id));
    const tokens = { ids, offsets, labels };
    const window = { start: offsets[0]!, end: offsets.at(-1)!, documentLength: args.documentLength };
    this.emit('tokens', { analysisId: args.analysisId, window, tokens });
    return tokens;
  }

  private async predict(ids: Int32Array, hidden: Value): Promise<Predictions> {
    return this.told(ids, await this.withFallback(runtime => runtime.predict(hidden, targetsOf(ids), nPredictions)));
  }

  /** Predictions as they are told: surprisal in bits, and tokens that can be read. */
  private told(ids: Int32Array, { logProbabilities, topIds, topLogProbabilities }: Prediction): Predictions {
    const surprisalBits = new Float32Array(ids.length).fill(Number.NaN);
    for (let i = 1; i < ids.length; i++) surprisalBits[i] = -toBits(logProbabilities[i - 1]!);
    const labels: Record<number, string> = {};
    for (const id of topIds) labels[id] ??= this.tokenizer.label(id);
    const k = topIds.length / ids.length;
    return { surprisalBits, k, topIds, topProbabilities: topLogProbabilities.map(Math.exp), labels };
  }

  private wholeMap(run: Run, layerIdx: number, headIdx: number, stage: Stage): Promise<Float32Array> {
    return this.withFallback(runtime => wholeMap(runtime, run, layerIdx, headIdx, stage));
  }

  /** The token that stands for an occluded one: a blank where that is one token, else a line's end. */
  private neutralId(): number {
    const [id] = [' ', '\n'].map(text => this.tokenizer.encode(text).ids).find(ids => ids.length === 1) ?? [0];
    return id!;
  }

  private currentRun(analysisId: number, layerIdx: number): Run {
    const run = [...this.runs.values()].find(candidate => candidate.analysisId === analysisId);
    if (!run || !(layerIdx < Math.min(run.hidden.length, this.model.nLayers))) {
      throw new Failure('no-analysis', 'The maps asked for are of an older run. Inspect the document again.', [
        'retry',
      ]);
    }
    return run;
  }

  private finishedRun(analysisId: number): Run {
    const run = this.currentRun(analysisId, this.model.nLayers - 1);
    if (run.hidden.length > this.model.nLayers) return run;
    throw new Failure('no-analysis', 'The analysis is not done yet. Try again when its last layer is there.', [
      'retry',
    ]);
  }

  private shownStage(layerIdx: number, stage: Stage): Stage {
    return effectiveStage(stagesOf(planLayer(this.runtime.folder.config, layerIdx)), stage);
  }

  private async inForeground<T>(work: () => Promise<T>): Promise<T> {
    this.nForeground++;
    try {
      return await work();
    } finally {
      this.nForeground--;
    }
  }

  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.lastDetail.then(work);
    this.lastDetail = result.catch(() => {});
    return result;
  }

  /** Does the work on the CPU, from now on, when the provider fails in the middle of it (a GPU that vanished). */
  private async withFallback<T>(work: (runtime: ModelRuntime) => Promise<T>): Promise<T> {
    const { runtime } = this;
    try {
      return await work(runtime);
    } catch (error) {
      if (runtime.provider === 'cpu' || !(error instanceof Failure)) throw error;
      const note = `The execution provider "${runtime.provider}" failed (${error.message}); the CPU goes on.`;
      this.runtime = new ModelRuntime(runtime.folder, 'cpu', this.nThreads);
      this.emit('provider', { provider: 'cpu', note });
      void runtime.release().catch(() => {});
      return work(this.runtime);
    }
  }
}

function checkRange({ first, end }: TokenRange, nTokens: number): void {
  if (!(first >= 0 && first < end && end <= nTokens)) {
    throw new RangeError(`tokens ${first} to ${end} are no range of ${nTokens} tokens`);
  }
}
