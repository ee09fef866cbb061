/**
 * Runs a model on a window of text, layer by layer, and keeps what it takes to look closer afterwards: the residual
 * stream before every layer. Used by the inference process and by the command line alike.
 */

import { setImmediate as nextTurn } from 'node:timers/promises';
import { planLayer, stagesOf } from '../graph/layerPlan';
import { blockSizeFor } from '../graph/reductions';
import type { ExecutionProvider, LayerOverview, ModelSummary, Predictions, WindowTokens } from '../shared/analysis';
import { effectiveStage, maxPatchCells, type Patch, type Stage, type Tile } from '../shared/attentionMap';
import { Cancelled, Failure } from '../shared/failure';
import { chooseWindow, tokenAt, tokenOffsets } from '../tokenization/offsets';
import { type Encoded, Tokenizer } from '../tokenization/tokenizer';
import { chooseProvider } from './chooseProvider';
import { openModelFolder } from './modelFolder';
import { type BlockResult, ModelRuntime, type Prediction } from './modelRuntime';
import type {
  AnalyzeAnswer,
  AnalyzeArgs,
  InferenceEvents,
  LoadArgs,
  OverviewArgs,
  PatchArgs,
  TileArgs,
} from './protocol';
import type { Value } from './session';

/** Receives the events of a run. */
export type Emit = <Name extends keyof InferenceEvents>(name: Name, payload: InferenceEvents[Name]) => void;

/** The last run: what `tile` and `overview` recompute from. */
interface Run {
  readonly analysisId: number;
  readonly nTokens: number;
  readonly blockSize: number;
  /** Before each layer, [1, T, D]; grows while the run goes on. */
  readonly hidden: Value[];
  /** Whole maps at full precision, most recently used last. */
  readonly maps: Map<string, Float32Array>;
  /** Rows of all heads that were asked for last. */
  rows?: { readonly key: string; readonly values: Float32Array };
}

/** Memory for whole maps kept for tiles; at T = 1024 one takes 4 MiB. */
const maxMapBytes = 64 * 1024 * 1024;
/** Next tokens reported per position. */
const nPredictions = 5;

export class Engine {
  private run: Run | undefined;
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
  async analyze(args: AnalyzeArgs, signal?: AbortSignal): Promise<AnalyzeAnswer> {
    const start = performance.now();
    const tokens = this.openWindow(args);
    const nTokens = tokens.ids.length;
    const blockSize = blockSizeFor(nTokens);
    const run: Run = { analysisId: args.analysisId, nTokens, blockSize, hidden: [], maps: new Map() };
    this.run = run;
    let hidden = await this.withFallback(runtime => runtime.embed(tokens.ids));
    let firstLayerMs = 0;
    for (let layerIdx = 0; layerIdx < this.model.nLayers; layerIdx++) {
      await nextTurn(); // lets a cancel in
      if (signal?.aborted) throw new Cancelled();
      const layerStart = performance.now();
      run.hidden.push(hidden);
      const input = hidden;
      const result: BlockResult = await this.withFallback(runtime =>
        runtime.block(layerIdx, input, args.topK, blockSize),
      );
      hidden = result.hidden;
      const { topKeys, overviews } = result;
      const durationMs = performance.now() - layerStart;
      this.emit('layer', { analysisId: args.analysisId, layer: { layerIdx, topKeys, overviews, durationMs } });
      if (layerIdx === 0) firstLayerMs = performance.now() - start;
    }
    await nextTurn();
    if (signal?.aborted) throw new Cancelled();
    const predictions = await this.predict(tokens.ids, hidden);
    return { analysisId: args.analysisId, predictions, durationMs: performance.now() - start, firstLayerMs };
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
    const { logProbabilities, topIds } = await this.runtime.predict(hidden, [...window.subarray(1), 0], 1);
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
    return this.inTurn(() =>
      this.withFallback(runtime => runtime.overview(layerIdx, shown, run.hidden[layerIdx]!, run.blockSize)),
    );
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
    const rows = await this.inTurn(() => this.allHeadsRows(run, layerIdx, shown, queryStart, nQueries));
    const values = new Float32Array(nHeads * nQueries * nKeys);
    for (let row = 0; row < nHeads * nQueries; row++) {
      const start = row * run.nTokens + keyStart;
      values.set(rows.subarray(start, start + nKeys), row * nKeys);
    }
    return { nHeads, queryStart, keyStart, nQueries, nKeys, values };
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
    const targets = [...ids.subarray(1), 0]; // nothing follows the last token; its target is not reported
    const result: Prediction = await this.withFallback(runtime => runtime.predict(hidden, targets, nPredictions));
    const surprisalBits = new Float32Array(ids.length).fill(Number.NaN);
    for (let i = 1; i < ids.length; i++) surprisalBits[i] = -result.logProbabilities[i - 1]! / Math.LN2;
    const labels: Record<number, string> = {};
    for (const id of result.topIds) labels[id] ??= this.tokenizer.label(id);
    return {
      surprisalBits,
      k: result.topIds.length / ids.length,
      topIds: result.topIds,
      topProbabilities: result.topLogProbabilities.map(Math.exp),
      labels,
    };
  }

  private async wholeMap(run: Run, layerIdx: number, headIdx: number, stage: Stage): Promise<Float32Array> {
    const key = `${layerIdx}/${headIdx}/${stage}`;
    const map =
      run.maps.get(key) ??
      (await this.withFallback(runtime => runtime.headStage(layerIdx, stage, headIdx, run.hidden[layerIdx]!)));
    run.maps.delete(key);
    run.maps.set(key, map);
    const [oldest] = run.maps.keys();
    if (run.maps.size > 1 && run.maps.size * map.byteLength > maxMapBytes && oldest) run.maps.delete(oldest);
    return map;
  }

  /** The rows that were asked for last are kept: the next patch is most often in them. */
  private async allHeadsRows(run: Run, layerIdx: number, stage: Stage, queryStart: number, nQueries: number) {
    const key = `${layerIdx}/${stage}/${queryStart}+${nQueries}`;
    if (run.rows?.key !== key) {
      const queries = [queryStart, queryStart + nQueries] as const;
      const values = await this.withFallback(runtime =>
        runtime.stageRows(layerIdx, stage, queries, run.hidden[layerIdx]!),
      );
      run.rows = { key, values };
    }
    return run.rows.values;
  }

  private currentRun(analysisId: number, layerIdx: number): Run {
    const { run } = this;
    if (run?.analysisId !== analysisId || !(layerIdx < run.hidden.length)) {
      throw new Failure('no-analysis', 'The maps asked for are of an older run. Inspect the document again.', [
        'retry',
      ]);
    }
    return run;
  }

  private shownStage(layerIdx: number, stage: Stage): Stage {
    return effectiveStage(stagesOf(planLayer(this.runtime.folder.config, layerIdx)), stage);
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
