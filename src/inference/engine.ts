/**
 * Runs a model on a window of text, layer by layer, and keeps what it takes to look closer afterwards: the residual
 * stream before every layer. Used by the inference process and by the command line alike.
 */

import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { hasLengthDependentPositions } from '../graph/layerPlan';
import { type Ablation, type AblationEffect, checkAblation } from '../shared/ablation';
import type { ExecutionProvider, ModelSummary } from '../shared/analysis';
import type { LogitAttribution } from '../shared/attribution';
import type { SearchedRange } from '../shared/documentSearch';
import type { HeadAblationArgs, HeadAblationEffect } from '../shared/headAblation';
import type {
  Change,
  ChatMessage,
  Continuation,
  ContinuedToken,
  ContinueOptions,
  KnockOuts,
  LogitLens,
  PatchedParts,
} from '../shared/interventions';
import type { OcclusionBaseline } from '../shared/relevance';
import type { ScoredHead } from '../shared/retrievalHeads';
import { sliceAround, type TextSlice, textReach } from '../shared/tools/documentText';
import { Cancelled, Failure } from '../shared/tools/failure';
import { withoutToken } from '../shared/tools/redact';
import { type Encoded, Tokenizer } from '../tokenization/tokenizer';
import { ablateRun, rankAblations } from './experiments/ablationRuns';
import { type Asked, askChange, askKnockOuts, askLens, askPatch, checkTokenId } from './experiments/askExperiments';
import { type Continued, continueIds } from './experiments/continueIds';
import { type ChangedRun, changedKernels, Experiments } from './experiments/experiments';
import { explainLogit } from './experiments/explainLogit';
import { effectOf } from './experiments/headAblation';
import { neutralToken, OcclusionRunner } from './experiments/occlusion';
import { scoreHeads } from './experiments/retrievalHeads';
import { searchRanges, tokenizeProbe } from './experiments/searchRanges';
import { SearchText } from './experiments/searchText';
import { renderChat } from './model/chatTemplate';
import { openModelFolder } from './model/openModelFolder';
import { withinTime } from './model/withinTime';
import type {
  AblateAnswer,
  AblateArgs,
  AnalyzeAnswer,
  AnalyzeArgs,
  ChangeAnswer,
  ChangeArgs,
  ContinueArgs,
  Emit,
  ExplainArgs,
  KnockOutsArgs,
  LensArgs,
  LoadArgs,
  OccludeArgs,
  PatchPartsArgs,
  RankArgs,
  ScoreHeadsArgs,
  SearchAnswer,
  SearchArgs,
  SearchTextArgs,
  Slot,
} from './protocol';
import { Details } from './run/details';
import { nPredictions, predictRun, scoreTokens, toBits, toPredictions } from './run/predictions';
import { checkRange } from './run/relevance';
import { handOn, knownRows } from './run/reuse';
import type { Run } from './run/run';
import { inputOf, newRun } from './run/run';
import { Runs } from './run/runs';
import { openWindow } from './run/textWindow';
import { walkLayers } from './run/walkLayers';
import { Attribution, checkWeightsAreHere } from './runtime/attribution';
import { chooseProvider } from './runtime/chooseProvider';
import { LastingRuntime } from './runtime/lastingRuntime';
import { defaultBudgetBytes } from './runtime/memory';
import { noLogits, OnnxViewRuntime } from './runtime/onnxView/viewRuntime';
import { openRemote } from './runtime/remote/openRemote';

/** How often work in the background looks whether it may go on. */
const pauseMs = 20;

async function openLocal({ modelDirectory, provider, nThreads, quantizedWeights }: Omit<LoadArgs, 'protocolVersion'>) {
  const folder = await openModelFolder(modelDirectory, quantizedWeights);
  const { view } = folder;
  if (!view) {
    const chosen = await chooseProvider(folder, provider, nThreads);
    // The weights are read, and what every run begins with is made, while the text is still on its way. What fails here
    // fails in the run too, and is reported there.
    void chosen.runtime.embed(Int32Array.of(0)).catch(() => {});
    return chosen;
  }
  const note = 'CPU: an ONNX file with attention outputs, view-only.';
  return { runtime: new OnnxViewRuntime({ ...folder, view }, nThreads), note };
}

/** Only where `startProcess` has started the process. */
const collectGarbage = (globalThis as { gc?: () => void }).gc;

export class Engine {
  /** Closer looks at the runs that are kept. */
  readonly details: Details;
  /** What of a run made its predictions. */
  readonly experiments: Experiments;
  readonly model: ModelSummary;
  /** Runs in the foreground; background work pauses meanwhile. */
  private nForeground = 0;
  /** The last text read for a document search. */
  private searched: { readonly textId: number; readonly text: SearchText } | undefined;

  private constructor(
    private readonly runtime: LastingRuntime,
    private readonly runs: Runs,
    private readonly tokenizer: Tokenizer,
    readonly providerNote: string,
    private readonly emit: Emit,
    private readonly attribution: Attribution,
    nThreads: number,
  ) {
    this.model = runtime.folder.summary;
    this.details = new Details(runtime, runs, attribution);
    this.experiments = new Experiments(runtime, runs, nThreads);
  }

  /** @throws Failure naming what is wrong with the folder, or a provider that cannot be used. */
  static async load(args: Omit<LoadArgs, 'protocolVersion'>, emit: Emit): Promise<Engine> {
    try {
      return await Engine.open(args, emit);
    } catch (error) {
      // A served configuration or tokenizer is quoted where it is wrong.
      throw withoutToken(error, args.remote?.token ?? null);
    }
  }

  private static async open(args: Omit<LoadArgs, 'protocolVersion'>, emit: Emit): Promise<Engine> {
    const { runtime, note } = args.remote ? await openRemote(args.remote) : await openLocal(args);
    const { folder } = runtime;
    const tokenizer = new Tokenizer(folder.tokenizerJson, folder.summary.name, withinTime);
    folder.tokenizerJson = undefined;
    const { summary } = folder;
    emit('log', { level: 'info', message: `model ${summary.name} (${summary.nParameters} parameters) on ${note}` });
    const runs = new Runs();
    const lasting = new LastingRuntime(runtime, args.nThreads, emit, other => runs.restore(other));
    return new Engine(lasting, runs, tokenizer, note, emit, new Attribution(folder), args.nThreads);
  }

  get provider(): ExecutionProvider {
    return this.runtime.current.provider;
  }

  /** Emits `tokens`, then `layer` per layer. @throws Failure `empty`; Cancelled between layers once `signal` fires. */
  async analyze(args: AnalyzeArgs, signal?: AbortSignal): Promise<AnalyzeAnswer> {
    const answer = await this.inForeground(() => this.analyzeNow(args, signal));
    // A tenth of the memory of a model with packed weights; its runs take many times as long as collecting does.
    if (this.model.weightsKeptAs === 'packed') collectGarbage?.();
    return answer;
  }

  /** @throws Failure `bad-ablation`, `bad-kernel` or `no-analysis`; Cancelled between layers once `signal` fires. */
  ablate(args: AblateArgs, signal?: AbortSignal): Promise<AblateAnswer> {
    return this.inForeground(() => this.ablateNow(args, signal));
  }

  /** Emits `effects` as they arrive, while no other run is waiting. @throws as `ablate`. */
  async rankAblations({ analysisId, withHeads }: RankArgs, signal?: AbortSignal): Promise<AblationEffect[]> {
    this.checkChangeable();
    const run = this.runs.finished(analysisId);
    const emit = (effects: readonly AblationEffect[], done: number, total: number) =>
      this.emit('effects', { analysisId, effects, done, total });
    return this.runtime.use(runtime => rankAblations(runtime, run, withHeads, emit, this.pause(signal), signal));
  }

  /** Reads a piece of a document to search. */
  readSearchText({ textId, ...piece }: SearchTextArgs): { nTokens: number } {
    if (this.searched?.textId !== textId) this.searched = { textId, text: new SearchText(this.tokenizer) };
    this.searched.text.add(piece);
    return { nTokens: this.searched.text.nTokens };
  }

  /** Emits `searched` per range, while no other run is waiting. @throws Failure `no-text`, `small-window`; Cancelled. */
  async searchDocument({ searchId, textId, ...request }: SearchArgs, signal?: AbortSignal): Promise<SearchAnswer> {
    if (this.searched?.textId !== textId) {
      throw new Failure(
        'no-text',
        'Cannot search the document: the inference process was restarted and no longer has its text. Search again.',
      );
    }
    const text = this.searched.text.tokens();
    const maxTokens = Math.min(request.maxTokens, this.model.maxSeqlen);
    const probe = tokenizeProbe(request.probe, this.tokenizer, maxTokens);
    const emit = (window: SearchedRange) => this.emit('searched', { searchId, ...window });
    const limited = { ...request, maxTokens };
    const baselineBits = await searchRanges(this.runtime.use, text, limited, probe, emit, this.pause(signal), signal);
    return { baselineBits };
  }

  /**
   * Runs the model once per span, without it, and emits what that does to the target's predictions.
   * @throws Failure `no-analysis`; RangeError for a target or span that is not there; Cancelled once `signal` fires.
   */
  async occlude(args: OccludeArgs, signal?: AbortSignal): Promise<OcclusionBaseline> {
    const { analysisId, occlusionId, target, spans, mode } = args;
    const run = this.runs.withLayer(analysisId, 0);
    checkRange(target, run.nTokens);
    const occlusion = {
      ...{ ids: run.ids, kernels: run.kernels, target, mode, neutralId: neutralToken(this.tokenizer) },
      label: this.label,
      check: () => void this.runs.withLayer(analysisId, 0),
    };
    const runner = await OcclusionRunner.open(this.runtime.use, occlusion, signal);
    const { baseline } = runner;
    for (const [spanIdx, span] of spans.entries()) {
      const effect = await runner.effectOf(span, signal);
      this.emit('occluded', { occlusionId, spanIdx, effect, baseline });
    }
    return baseline;
  }

  /**
   * Splits a logit of a finished run over what was added to the residual stream.
   * @throws Failure `no-analysis`, `cannot-explain` or `bad-target`; RangeError for a row that is not there; Cancelled
   * between layers once `signal` fires.
   */
  async explain({ analysisId, ...request }: ExplainArgs, signal?: AbortSignal): Promise<LogitAttribution> {
    const run = this.runs.finished(analysisId);
    return this.runtime.use(runtime => {
      checkWeightsAreHere(runtime, 'split a logit of');
      return explainLogit(runtime, this.attribution, run, request, this.label, signal);
    });
  }

  /**
   * Switches heads of a finished run of the model as trained off, together, in any family.
   * @throws Failure `no-analysis`, `viewer`, `remote`, `bad-ablation` or `too-long`; Cancelled between layers.
   */
  async ablateHeads(args: HeadAblationArgs, signal?: AbortSignal): Promise<HeadAblationEffect> {
    this.trainedRun(args.analysisId);
    await this.pause(signal)();
    return this.experiments.ablateHeads(args, signal);
  }

  /**
   * Runs the model with something changed, on the tokens of a finished run of the model as trained.
   * @throws as `ablateHeads`; Failure `unequal-texts`, `bad-kernel`; RangeError for tokens that are not there.
   */
  async change({ analysisId, baseId, change, keeps }: ChangeArgs, signal?: AbortSignal): Promise<ChangeAnswer> {
    const start = performance.now();
    const base = this.trainedRun(baseId);
    await this.pause(signal)();
    const { prediction, effect } =
      change.kind === 'kernels'
        ? await this.kernelEffect(base, change.ablation, signal)
        : await this.changeRun(base, change, { analysisId, keeps }, signal);
    const predictions = toPredictions(base.ids, prediction, this.label);
    return { ...effect, predictions, durationMs: performance.now() - start };
  }

  private async changeRun(
    base: Run,
    change: Exclude<Change, { readonly kind: 'kernels' }>,
    { analysisId, keeps }: Pick<ChangeArgs, 'analysisId' | 'keeps'>,
    signal?: AbortSignal,
  ): Promise<ChangedRun> {
    const otherIds = change.kind === 'patch' ? this.runs.finished(change.otherId).ids : null;
    const changed = await askChange(this.asked, base, change, { analysisId, k: nPredictions, otherIds }, signal);
    if (keeps && this.runs.holds(base.analysisId)) this.runs.keepChanged(changed.run);
    return changed;
  }

  /** What changed kernels do; their run is not kept. */
  private async kernelEffect(
    base: Run,
    requested: Ablation,
    signal?: AbortSignal,
  ): Promise<Pick<ChangedRun, 'prediction' | 'effect'>> {
    this.checkChangeable();
    const ablation = checkAblation(requested, this.model.layers, this.model.nHeads);
    return this.runtime.use(async runtime => {
      const { prediction } = await ablateRun(runtime, base, ablation, { analysisId: 0, topK: 1 }, signal);
      return { prediction, effect: effectOf(prediction, { own: base.prediction! }) };
    });
  }

  /**
   * How well each head finds context in labeled examples, while no other run is waiting; see attention/retrievalHeads.
   * @throws Failure `bad-example`; Cancelled between layers once `signal` fires.
   */
  scoreHeads({ examples }: ScoreHeadsArgs, signal?: AbortSignal): Promise<ScoredHead[]> {
    const tokenize = (text: string) => this.lastTokens({ text, start: 0 }, this.model.maxSeqlen).tokens;
    return scoreHeads(this.runtime.use, tokenize, examples, this.pause(signal), signal);
  }

  /** @throws Failure `no-analysis`, `viewer`, `remote` or `bad-target`; RangeError for rows that are not there; Cancelled. */
  async lens({ analysisId, ...request }: LensArgs, signal?: AbortSignal): Promise<LogitLens> {
    return askLens(this.asked, this.trainedRun(analysisId), request, signal);
  }

  /** @throws as `lens`; Failure `bad-ablation`; RangeError for edges that are not there. */
  async knockOuts({ analysisId, ...request }: KnockOutsArgs, signal?: AbortSignal): Promise<KnockOuts> {
    const run = this.trainedRun(analysisId);
    await this.pause(signal)();
    return askKnockOuts(this.asked, run, request, signal);
  }

  /** @throws as `lens`; Failure `bad-ablation`, or `unequal-texts` where no token corresponds to the row's. */
  async patchParts({ analysisId, ...question }: PatchPartsArgs, signal?: AbortSignal): Promise<PatchedParts> {
    return askPatch(this.asked, this.trainedRun(analysisId), question, signal);
  }

  /** Emits `continued` per token. @throws Failure `empty`, `viewer`, `remote`, or `no-room` in the context; as `chatPrompt`; Cancelled. */
  async continueText(
    { continuationId, text, messages, ...options }: ContinueArgs,
    signal?: AbortSignal,
  ): Promise<Continuation> {
    const { nTokens, firstIds = [] } = options;
    for (const id of firstIds) checkTokenId(id, this.model.vocabSize);
    const room = this.model.maxSeqlen - nTokens - firstIds.length;
    if (room < 1) {
      throw new Failure(
        'no-room',
        `Cannot write ${nTokens} tokens: the text and what follows it share a context of ${this.model.maxSeqlen} tokens. Write fewer.`,
      );
    }
    const chat = messages && (await this.chatPrompt(messages, room, signal));
    const slice = sliceAround(text, text.length, textReach(this.model.maxSeqlen));
    const ids = chat ? chat.ids : this.promptTokens(slice, room).tokens.ids;
    const onToken = (token: ContinuedToken) => this.emit('continued', { continuationId, token });
    const { text: written, ended } = await this.continueIds(ids, options, onToken, signal);
    return {
      text: written,
      prompt: chat ? this.withoutBeginToken(chat.prompt) : null,
      nPromptTokens: ids.length,
      ended,
    };
  }

  /**
   * What the model's chat template makes of messages, and its tokens as `apply_chat_template` has them: a begin token is one
   * that the template writes. @param room tokens at most.
   * @throws Failure `viewer`, `remote`, `no-chat-template`, `bad-chat-template` or `no-room`; Cancelled.
   */
  async chatPrompt(
    messages: readonly ChatMessage[],
    room: number,
    signal?: AbortSignal,
  ): Promise<{ readonly prompt: string; readonly ids: Int32Array }> {
    this.experiments.checkLocal();
    const { name } = this.model;
    const template = await this.runtime.folder.chatTemplate?.();
    if (!template) {
      throw new Failure(
        'no-chat-template',
        `Model "${name}" has no chat template: neither chat_template.jinja, nor chat_template in tokenizer_config.json, nor tokenizer.chat_template in a GGUF file. Continue the text itself, or pick a model that is trained on conversations.`,
        ['selectModel'],
      );
    }
    const prompt = await renderChat(template, messages, name, signal);
    const { ids } = this.encode(prompt);
    if (ids.length > 0 && ids.length <= room) return { prompt, ids };
    throw new Failure(
      'no-room',
      ids.length === 0
        ? `The chat template of model "${name}" makes nothing of the messages. Change the messages, or continue the text itself.`
        : `Cannot write an answer: the messages take ${ids.length} tokens and the model's context leaves ${room} for them. Shorten them, or write fewer tokens.`,
    );
  }

  /** @param ids of a text, the begin token included; see `continueIds`. */
  continueIds(
    ids: ArrayLike<number>,
    options: ContinueOptions,
    onToken?: (token: ContinuedToken) => void,
    signal?: AbortSignal,
  ): Promise<Continued> {
    return continueIds(this, ids, options, onToken, signal);
  }

  private get asked(): Asked {
    const { experiments, model, label, rotatesByLength } = this;
    const { nLayers, nHeads, vocabSize } = model;
    return { experiments, nLayers, nHeads, vocabSize, label, rotatesByLength };
  }

  /** @throws Failure `no-analysis`, or `bad-ablation` where kernels were changed. */
  private trainedRun(analysisId: number): Run {
    const run = this.runs.finished(analysisId);
    if (run.kernels.size > 0) throw changedKernels();
    return run;
  }

  /** Whether a token of the model's own is put before every window, by which the first token of the text is predicted. */
  get hasBeginToken(): boolean {
    return this.runtime.folder.config.bos_token_id !== null;
  }

  encode(text: string): Encoded {
    return this.tokenizer.encode(text);
  }

  /** `lastTokens` of a text that is to be continued. @throws Failure `viewer`, `remote`, or `empty` where nothing precedes. */
  promptTokens(slice: TextSlice, maxTokens: number): ReturnType<typeof openWindow> {
    this.experiments.checkLocal();
    if (slice.text === '' && !this.hasBeginToken) {
      throw new Failure(
        'empty',
        `Cannot continue from the beginning of a text: nothing precedes that place, and "${this.model.name}" has no begin ` +
          'token. Choose a later place.',
      );
    }
    return this.lastTokens(slice, maxTokens);
  }

  /** The end of a text as a run takes it, after the begin token where the model has one. @throws Failure `empty`. */
  lastTokens({ text, start }: TextSlice, maxTokens: number): ReturnType<typeof openWindow> {
    const end = start + text.length;
    const place = { textStart: start, documentLength: end, anchor: end, maxTokens };
    return openWindow({ analysisId: 0, topK: 1, text, ...place }, this.tokenizer, this.runtime.folder);
  }

  /** A text without the begin token that a run puts before it by itself. */
  private withoutBeginToken(text: string): string {
    const { bos_token_id: id } = this.runtime.folder.config;
    const begin = id === null ? '' : this.label(id);
    return text.startsWith(begin) ? text.slice(begin.length) : text;
  }

  /** The UTF-8 bytes a token stands for. */
  readonly bytesOf = (id: number): Uint8Array => this.tokenizer.bytesOf(id);

  /** Whether the rotation of positions depends on the length of the text: then no row can be computed without those after it. */
  get rotatesByLength(): boolean {
    return hasLengthDependentPositions(this.runtime.folder.config);
  }

  /** The token that ends a text; null where the model has none. */
  get endTokenId(): number | null {
    return this.runtime.folder.config.eos_token_id;
  }

  /** How well the model predicts each of a window's tokens; see `scoreTokens`. Keeps no run. */
  async score(ids: Int32Array): ReturnType<typeof scoreTokens> {
    if (this.model.viewer?.hasPredictions === false) throw noLogits(this.model.name);
    return scoreTokens(this.runtime.current, ids);
  }

  /** Whether a run is kept here, for `details` and the like. */
  holds(analysisId: number): boolean {
    return this.runs.holds(analysisId);
  }

  /** Forgets the runs of a slot. */
  forget(slot: Slot): void {
    this.runs.forget(slot);
  }

  async release(): Promise<void> {
    await this.attribution.release();
    await this.experiments.release();
    await this.runtime.release();
  }

  private async analyzeNow(args: AnalyzeArgs, signal?: AbortSignal): Promise<AnalyzeAnswer> {
    const start = performance.now();
    const { analysisId, topK, slot = 'main' } = args;
    await nextTurn(); // what waited here while its cancel did too is not even tokenised
    if (signal?.aborted) throw new Cancelled();
    const { window, tokens } = openWindow(args, this.tokenizer, this.runtime.folder);
    this.emit('tokens', { analysisId, window, tokens });
    const { ids } = tokens;
    const mayReuse = !hasLengthDependentPositions(this.runtime.folder.config);
    const run = newRun(analysisId, ids, new Map(), handOn(mayReuse ? this.runs.of(slot) : undefined));
    const size = { nTokens: ids.length, topK, nRuns: run.known.layers.size > 0 ? 2 : 1 };
    const budget = args.memoryBudgetMb ? args.memoryBudgetMb * 1e6 : defaultBudgetBytes();
    this.runtime.current.rowsThatFit(size, budget); // before anything is given up for it
    this.runs.keep(slot, run);
    run.embedded = await this.runtime.use(runtime => runtime.embed(ids));
    let firstLayerMs = 0;
    let nReused = ids.length;
    const runLayer = async (layerIdx: number) => {
      const layerStart = performance.now();
      const result = await this.runtime.use(runtime => {
        const known = knownRows(run, layerIdx, topK);
        nReused = Math.min(nReused, known?.nRows ?? 0);
        const bandRows = runtime.rowsThatFit(size, budget);
        const options = { topK, blockSize: run.blockSize, known, signal, bandRows };
        // Not the walk's stream: after a provider failed, it is computed again on another one.
        return runtime.block(layerIdx, inputOf(run, layerIdx), options);
      });
      run.layers.push(result);
      run.known.layers.delete(layerIdx);
      const { topKeys, overviews } = result;
      const durationMs = performance.now() - layerStart;
      this.emit('layer', { analysisId, layer: { layerIdx, topKeys, overviews, durationMs } });
      if (layerIdx === 0) firstLayerMs = performance.now() - start;
      return result.hidden;
    };
    await walkLayers(this.runtime.current, { hidden: run.embedded, signal, runLayer });
    run.output = inputOf(run, this.model.nLayers);
    run.prediction = await this.runtime.use(runtime => predictRun(runtime, run, run.output!));
    const predictions = toPredictions(ids, run.prediction, this.label);
    return { analysisId, predictions, nReused, durationMs: performance.now() - start, firstLayerMs };
  }

  private async ablateNow(args: AblateArgs, signal?: AbortSignal): Promise<AblateAnswer> {
    const start = performance.now();
    this.checkChangeable();
    const base = this.runs.finished(args.baseId);
    const ablation = checkAblation(args.ablation, this.model.layers, this.model.nHeads);
    const ablated = await this.runtime.use(runtime => ablateRun(runtime, base, ablation, args, signal));
    const { run, layers, prediction } = ablated;
    this.runs.keepAblated(run);
    const predictions = toPredictions(run.ids, prediction, this.label);
    const klBits = prediction.divergence!.map(toBits);
    return { layers, predictions, klBits, durationMs: performance.now() - start };
  }

  /** @throws Failure `viewer` if the model is view-only. */
  private checkChangeable(): void {
    if (!this.model.viewer) return;
    throw new Failure(
      'viewer',
      `Cannot ablate "${this.model.name}": ONNX files are view-only. Pick a model with safetensors weights.`,
      ['selectModel'],
    );
  }

  /** A token's text, readable. */
  readonly label = (id: number): string => this.tokenizer.label(id);

  /** For work in the background: resolves when no run is waiting. */
  private pause(signal?: AbortSignal): () => Promise<void> {
    return async () => {
      do await sleep(this.nForeground > 0 ? pauseMs : 0);
      while (this.nForeground > 0 && !signal?.aborted);
    };
  }

  private async inForeground<T>(work: () => Promise<T>): Promise<T> {
    this.nForeground++;
    try {
      return await work();
    } finally {
      this.nForeground--;
    }
  }
}
