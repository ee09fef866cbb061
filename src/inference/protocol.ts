/** Messages between the extension host and the inference process; types only. Carried by shared/rpc. */

import type { Ablation, AblationEffect } from '../shared/ablation';
import type { HeadRef, LayerAddress, PartAddress, TokenRange } from '../shared/address';
import type {
  AnalysisWindow,
  ExecutionProvider,
  FolderDescription,
  LayerOverview,
  LayerResult,
  ModelSummary,
  Predictions,
  ProviderSetting,
  QuantizedWeights,
  WindowTokens,
} from '../shared/analysis';
import type { CellChange, Patch, PatchAddress, StageAddress, Tile, TileAddress } from '../shared/attentionMap';
import type { CellAddress, ExplainTarget, LogitAttribution } from '../shared/attribution';
import type { Probe, SearchedRange, SearchMeasure } from '../shared/documentSearch';
import type { FoundModel, ModelFacts } from '../shared/foundModels';
import type { HeadAblationArgs, HeadAblationEffect } from '../shared/headAblation';
import type { HeadMeasures } from '../shared/headMeasures';
import type {
  Change,
  ChatMessage,
  Continuation,
  ContinuedToken,
  ContinueOptions,
  EdgeCut,
  KnockOuts,
  LogitLens,
  PatchedParts,
  PatchQuestion,
} from '../shared/interventions';
import type { KernelHistory, KernelWeights } from '../shared/kernels';
import type { Stage } from '../shared/operators';
import type {
  Direction,
  OcclusionBaseline,
  OcclusionEffect,
  OcclusionMode,
  Quantity,
  RelevanceMethod,
} from '../shared/relevance';
import type { RemoteOptions } from '../shared/remote';
import type { RetrievalExample, ScoredHead } from '../shared/retrievalHeads';

export const protocolVersion = 1;

/** A place for one model and its runs; a run in one slot leaves the other alone. */
export type Slot = 'main' | 'compare' | `api-${number}`;

export interface LoadArgs {
  readonly protocolVersion: number;
  /** Default: main. Slots that name the same model and options share it. */
  readonly slot?: Slot;
  readonly modelDirectory: string;
  readonly provider: ProviderSetting;
  /** Threads for CPU work; 0 lets the runtime choose. */
  readonly nThreads: number;
  /** How quantized weights are kept in memory. Default: packed. */
  readonly quantizedWeights?: QuantizedWeights | undefined;
  /** A server that runs the layers; folder, provider and threads are then ignored. */
  readonly remote?: RemoteOptions;
}

export interface LoadAnswer {
  readonly model: ModelSummary;
  /** What runs, and why nothing faster does (one sentence, shown on request). */
  readonly provider: ExecutionProvider;
  readonly providerNote: string;
}

export interface AnalyzeArgs {
  /** Chosen by the host, unique per run; every event and later request about the run names it. */
  readonly analysisId: number;
  /** Default: main. */
  readonly slot?: Slot;
  /** The part of the document around the anchor; at most a few hundred thousand characters. */
  readonly text: string;
  /** Where `text` starts in the document, UTF-16. */
  readonly textStart: number;
  readonly documentLength: number;
  /** UTF-16 offset in the document that the window must contain when not everything fits. */
  readonly anchor: number;
  /**
   * UTF-16 offset in the document where the last window began: this one begins there too while the anchor has half a
   * window before it, or wherever the anchor is when `isPinned`.
   */
  readonly windowStart?: number | undefined;
  readonly isPinned?: boolean;
  /** Longest window in tokens, begin token included; never above the model's max_seqlen. */
  readonly maxTokens: number;
  /** Keys per query to report. */
  readonly topK: number;
  /** What the inference process may take; 0 or absent: half of the machine's memory. */
  readonly memoryBudgetMb?: number;
}

export interface AnalyzeAnswer {
  readonly analysisId: number;
  readonly predictions: Predictions;
  /** Rows reused from the slot's previous run. */
  readonly nReused: number;
  /** Whole run, and its part up to the first layer's result, as measured inside the process. */
  readonly durationMs: number;
  readonly firstLayerMs: number;
}

export interface ChangeArgs {
  /** Of the new run; it replaces the one of the experiment before. */
  readonly analysisId: number;
  /** The finished run of the model as trained that it departs from. */
  readonly baseId: number;
  readonly change: Change;
  /** Whether maps of the new run will be requested. */
  readonly keeps: boolean;
}

export interface ChangeAnswer extends HeadAblationEffect {
  readonly predictions: Predictions;
  readonly durationMs: number;
}

export interface AblateArgs {
  /** Of the new run; it replaces the ablated run before. */
  readonly analysisId: number;
  /** The finished run of the trained model that it departs from. */
  readonly baseId: number;
  readonly ablation: Ablation;
  readonly topK: number;
}

export interface AblateAnswer {
  /** Layers whose maps may differ from the trained model's, in order; the others are as in the run it departs from. */
  readonly layers: readonly LayerResult[];
  readonly predictions: Predictions;
  /** KL(trained || ablated) of the next token after each position, in bits, shape [nTokens]. */
  readonly klBits: Float32Array;
  readonly durationMs: number;
}

export interface RankArgs {
  readonly analysisId: number;
  /** Every head by itself too, not only whole parts of layers. */
  readonly withHeads: boolean;
}

export interface ChangesArgs extends PartAddress {
  /** Cells to name, at most. */
  readonly k: number;
}

export interface MeasuresArgs extends LayerAddress {
  /** What the measures of the last stage are of; its weights by default. */
  readonly quantity?: Quantity | undefined;
}

export interface RelevanceArgs {
  readonly analysisId: number;
  readonly range: TokenRange;
  readonly direction: Direction;
  readonly method: RelevanceMethod;
  /** Exactly one head for `head`. */
  readonly heads: readonly HeadRef[];
  /** Of `head`; the others take the last stage. */
  readonly stage: Stage;
  /** What the cells of the last stage are; its weights by default, of `stage` where the method is `head`. */
  readonly quantity?: Quantity | undefined;
}

export interface ScoreHeadsArgs {
  /** Whose model's heads are scored. */
  readonly slot?: Slot;
  readonly examples: readonly RetrievalExample[];
}

export interface OccludeArgs {
  readonly analysisId: number;
  /** Names the request in its events. */
  readonly occlusionId: number;
  /** The tokens whose predictions are watched. */
  readonly target: TokenRange;
  /** Occluded one after the other; each lies before the target. */
  readonly spans: readonly TokenRange[];
  readonly mode: OcclusionMode;
}

export interface ExplainArgs {
  /** A finished run. */
  readonly analysisId: number;
  /** Whose output makes the logit: it predicts the token after it. */
  readonly row: number;
  readonly target: ExplainTarget;
  /** Id of a token whose logit is subtracted; otherwise the mean of all logits is. */
  readonly minus?: number | undefined;
  /** Cells to split further, see `CellSplit`. */
  readonly cells?: readonly CellAddress[] | undefined;
}

export interface LensArgs {
  /** A finished run. */
  readonly analysisId: number;
  readonly rows: TokenRange;
  readonly target: ExplainTarget;
  /** Likeliest tokens of each layer and row. */
  readonly k: number;
}

export interface KnockOutsArgs {
  /** A finished run. */
  readonly analysisId: number;
  /** Whose predictions are looked at. */
  readonly rows: TokenRange;
  readonly target: ExplainTarget;
  /** Each is knocked out by itself. */
  readonly cuts: readonly EdgeCut[];
}

export interface PatchPartsArgs extends PatchQuestion {
  /** A finished run, whose parts are replaced. */
  readonly analysisId: number;
}

export interface ContinueArgs extends ContinueOptions {
  /** Names the request in its events. */
  readonly continuationId: number;
  readonly slot?: Slot;
  /** The text to continue: as many of its last tokens as leave room in the model's context. */
  readonly text: string;
  /** In place of the text: a conversation, rendered by the model's chat template, whose answer is written. */
  readonly messages?: readonly ChatMessage[] | undefined;
}

/** A piece of a document to search; another `textId` drops the pieces of the last one. */
export interface SearchTextArgs {
  readonly textId: number;
  /** In the document, UTF-16. Pieces may come in any order; together they are one stretch of it. */
  readonly start: number;
  /** Line that the piece starts in, from 0. */
  readonly firstLine: number;
  readonly text: string;
}

export interface SearchArgs extends SearchMeasure {
  /** Names the request in its events. */
  readonly searchId: number;
  /** All of its pieces were read. */
  readonly textId: number;
  readonly probe: Probe;
  /** Of `head`; the others take the last stage. */
  readonly stage: Stage;
  readonly maxTokens: number;
}

/** Requests the inference process answers. */
/** Requests about a model folder before it is loaded. */
export interface FolderRequests {
  /** Opens it whole, headers of weights included. */
  summarizeFolder(args: FolderArgs): ModelSummary;
  /** Reads its configuration alone. */
  describeFolder(args: FolderArgs): FolderDescription;
  /** Whether messages can be rendered for it. */
  hasChatTemplate(args: FolderArgs): boolean;
  /** Lists what other programs have put on this machine; opens none. */
  findModels(args: FolderArgs): readonly FoundModel[];
  /** Opens it as `summarizeFolder` does; a reason where it cannot be opened. */
  modelFacts(args: FolderArgs): ModelFacts;
  /** What a configuration says of a model that is not on this machine. */
  configFacts(args: ConfigArgs): ModelFacts;
}

interface ConfigArgs {
  /** config.json, as it came. */
  readonly config: unknown;
  /** Of the weights. */
  readonly sizeBytes: number;
}

interface FolderArgs {
  /** Of the folder; of the home folder for all stores. */
  readonly path: string;
}

export interface InferenceRequests extends FolderRequests {
  /** Answers as soon as the process is free: between layers. */
  ping(args: null): null;
  load(args: LoadArgs): LoadAnswer;
  /** Lets go of a slot's model and runs. */
  unload(args: { readonly slot: Slot }): void;
  /** Emits `tokens`, then `layer` per layer, then answers. Cancelled between layers. */
  analyze(args: AnalyzeArgs): AnalyzeAnswer;
  /** The overview of a stage that the layer's result did not bring, all heads; recomputed like `tile`. */
  overview(args: StageAddress): LayerOverview;
  /** Exact values, recomputed from the kept residual stream. Fails with `no-analysis` once a newer run replaced it. */
  tile(args: TileAddress): Tile;
  /** A rectangle of all heads at once, recomputed like `tile`. */
  patch(args: PatchAddress): Patch;
  /** Runs the model with changed kernels on the window of a finished run, from the first changed layer on. */
  ablate(args: AblateArgs): AblateAnswer;
  /** Tries all single ablations, emits `effects` as they come, answers with all of them. Cancelled between layers. */
  rankAblations(args: RankArgs): readonly AblationEffect[];
  /** Measures of every head of a layer, from exact maps. Shape [head]. */
  headMeasures(args: MeasuresArgs): readonly HeadMeasures[];
  /** The kernels that a run's layer was computed with. */
  kernels(args: LayerAddress): readonly KernelWeights[];
  /** Those of earlier training steps; null where the model's folder has none. */
  kernelHistory(args: LayerAddress): KernelHistory | null;
  /** Where one part changed a head's attention most; see attention/largestChanges. */
  largestChanges(args: ChangesArgs): readonly CellChange[];
  /** One weight per token, shape [nTokens]. */
  relevance(args: RelevanceArgs): Float32Array;
  /** Splits a logit over what was added to the residual stream. Cancelled between layers. */
  explain(args: ExplainArgs): LogitAttribution;
  /** Runs the model with something changed on the tokens of a finished run. Cancelled between layers. */
  change(args: ChangeArgs): ChangeAnswer;
  /** Switches heads off in any family. Cancelled between layers. */
  ablateHeads(args: HeadAblationArgs): HeadAblationEffect;
  /** Scores every head by labeled examples, in the order of layers. Cancelled between layers. */
  scoreHeads(args: ScoreHeadsArgs): readonly ScoredHead[];
  /** What the stream after each layer predicts at some rows. Cancelled between parts. */
  lens(args: LensArgs): LogitLens;
  /** What predictions are when rows may not see keys. Cancelled between layers. */
  knockOuts(args: KnockOutsArgs): KnockOuts;
  /** Replaces parts of a run by those of another text, zeros or means. Cancelled between layers. */
  patchParts(args: PatchPartsArgs): PatchedParts;
  /** Continues a text; emits `continued` per token. Cancelled between layers. */
  continueText(args: ContinueArgs): Continuation;
  /** Emits `occluded` per span, then answers with what they are compared with. Cancelled between layers. */
  occlude(args: OccludeArgs): OcclusionBaseline;
  /** Reads a piece of a document to search; answers how many tokens all pieces have so far. */
  readSearchText(args: SearchTextArgs): { readonly nTokens: number };
  /**
   * Searches the text that was read, see shared/documentSearch. Emits `searched` per range while no run is waiting, the
   * windows nearest to the selection first. Fails with `no-text` where another text took its place. Cancelled between layers.
   */
  searchDocument(args: SearchArgs): SearchAnswer;
}

export interface SearchAnswer {
  /** Bits per selected token with nothing before the probe; NaN where nothing predicts it. */
  readonly baselineBits: number;
}

export interface SearchedEvent extends SearchedRange {
  readonly searchId: number;
}

export interface TokensEvent {
  readonly analysisId: number;
  readonly window: AnalysisWindow;
  readonly tokens: WindowTokens;
}

export interface LayerEvent {
  readonly analysisId: number;
  readonly layer: LayerResult;
}

/** Effects measured since the last event of the same ranking. */
export interface EffectsEvent {
  readonly analysisId: number;
  readonly effects: readonly AblationEffect[];
  readonly done: number;
  readonly total: number;
}

export interface OccludedEvent {
  readonly occlusionId: number;
  readonly spanIdx: number;
  readonly effect: OcclusionEffect;
  readonly baseline: OcclusionBaseline;
}

export interface ContinuedEvent {
  readonly continuationId: number;
  readonly token: ContinuedToken;
}

/** Events the inference process sends. */
export interface InferenceEvents {
  tokens: TokensEvent;
  layer: LayerEvent;
  effects: EffectsEvent;
  occluded: OccludedEvent;
  searched: SearchedEvent;
  continued: ContinuedEvent;
  /** For the log: never document text. */
  log: { readonly level: 'debug' | 'info' | 'warn' | 'error'; readonly message: string };
  /** The provider changed in mid-run (a GPU vanished): what runs now and why. */
  provider: { readonly provider: ExecutionProvider; readonly note: string };
  /** A request failed because memory was used up; what is left in this process may not do for the next one. */
  exhausted: null;
}

/** Sends an event. */
export type Emit = <Name extends keyof InferenceEvents>(name: Name, payload: InferenceEvents[Name]) => void;
