/**
 * What MTA Inspector offers to other extensions, version 1. Copy this file into your extension, or import it as a type.
 *
 * ```ts
 * const extension = vscode.extensions.getExtension<MtaInspectorExports>('mta-inspector.mta-inspector');
 * const api = (await extension?.activate())?.getApi(1);
 * const analysis = await api?.analyze(document, { anchor: document.offsetAt(position) });
 * ```
 *
 * Version 1 only grows: what is here keeps its name and meaning. What would break it becomes version 2 beside it.
 * Layers, heads and tokens are counted from 0; offsets are UTF-16 code units, as `TextDocument.offsetAt` gives them.
 */

import type { CancellationToken, Disposable, Event, TextDocument } from 'vscode';

/** What `activate()` gives. */
export interface MtaInspectorExports {
  /** Versions that `getApi` knows. */
  readonly versions: readonly number[];
  /** @throws RangeError for a version that is not there. */
  getApi(version: 1): MtaInspectorApi;
}

export interface MtaInspectorApi {
  readonly version: 1;
  /** The analysis in the attention view, as far as it has come; undefined before its first layer. */
  readonly shown: Analysis | undefined;
  /** The attention view has one more layer. */
  readonly onDidFinishLayer: Event<{ readonly analysis: Analysis; readonly layer: Layer }>;
  /** The attention view has the last layer and the predictions. */
  readonly onDidFinish: Event<Analysis>;
  /**
   * Runs the model on a text, without touching what the attention view shows. A notebook's cell is a document:
   * `cell.document`. Resolves when the last layer is there. Such analyses are computed one after another, and at most four
   * stay open; another one lets go of the oldest.
   * @throws Error with a `code` (`empty`, `binary`, `no-model`, `process`, …) and a message that a person can be shown;
   * `CancellationError` when cancelled.
   */
  analyze(source: string | TextDocument, options?: AnalyzeOptions, cancellation?: CancellationToken): Promise<Analysis>;
  /**
   * Continues a text token by token, from as many of its last tokens as leave room in the model's context; or answers
   * messages, which the model's own chat template renders, as `apply_chat_template` of `transformers` does: special tokens
   * that a message spells out are those tokens to the model. Writes nothing.
   * @throws as `analyze`; Error with the code `no-room`, or `viewer` or `remote` for a model of an ONNX file or a server; for
   * messages `no-chat-template`, or `bad-chat-template` for one that refuses them or exceeds its time or memory.
   */
  continueText(
    source: string | readonly ChatMessage[],
    options: ContinueOptions,
    cancellation?: CancellationToken,
  ): Promise<Continuation>;
  /**
   * Scores a model's heads by how much they look at the passage that each example's query depends on (QRHead,
   * arXiv 2506.09944), and returns the best ones, the best first; `Analysis.relevance` takes them as `heads`. The examples of a
   * text or document are the words that it repeats: the passage is the line where a word stands first, the query its second
   * occurrence. Two runs for each example. The score says where heads look, not what the model uses.
   * @throws as `analyze`; Error with the code `no-examples` where no word of five letters or more comes again on a later line,
   * or `bad-example` where a passage does not come before its query or both are not in the model's context: a `range`, such as
   * an analysis's `window`, limits a long text.
   */
  chooseHeads(
    source: string | TextDocument | readonly RetrievalExample[],
    options?: ChooseHeadsOptions,
    cancellation?: CancellationToken,
  ): Promise<readonly ScoredHead[]>;
}

/** A text in which a query depends on a passage before it; both are offsets in it, the end exclusive. */
export interface RetrievalExample {
  readonly text: string;
  /** On a line after the passage. */
  readonly query: { readonly start: number; readonly end: number };
  readonly gold: { readonly start: number; readonly end: number };
}

export interface ChooseHeadsOptions {
  /** Heads to choose. Default: an eighth of the model's. */
  readonly count?: number;
  /** Only this part of the text or document. Default: all of it. */
  readonly range?: { readonly start: number; readonly end: number };
  /** Default: the setting `mtaInspector.model`. */
  readonly model?: string;
}

/** A head with the mean over the examples of its attention on the passage, less that without the query; unitless. */
export interface ScoredHead {
  readonly layerIdx: number;
  readonly headIdx: number;
  readonly score: number;
}

/** Of a conversation. */
export interface ChatMessage {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

export interface ContinueOptions {
  readonly nTokens: number;
  /** Logits are divided by it. Default: 0, which takes the likeliest token each time. */
  readonly temperature?: number;
  /** Draws from the likeliest tokens that have this probability together. Default: 1. */
  readonly topP?: number;
  /** Of the draws. Default: 0. */
  readonly seed?: number;
  /** Likeliest tokens of each step that are reported. Default: 5. */
  readonly topK?: number;
  /** Ids of tokens that come first, whatever the model finds likely. They are in the `text` that is returned. Default: none. */
  readonly firstIds?: readonly number[];
  /** Default: the setting `mtaInspector.model`. */
  readonly model?: string;
  /** Called as each token comes. */
  readonly onToken?: (token: ContinuedToken) => void;
}

/** Probabilities are those before temperature and top-p. */
export interface ContinuedToken {
  readonly id: number;
  /** What it adds to the text: nothing where its bytes are the first of a character, all of it where they are the last. */
  readonly text: string;
  readonly probability: number;
  readonly top: readonly { readonly id: number; readonly text: string; readonly probability: number }[];
}

export interface Continuation {
  readonly text: string;
  readonly tokens: readonly ContinuedToken[];
  /**
   * What the chat template made of messages, without the begin token that an analysis puts before a text by itself; null for
   * a text.
   */
  readonly prompt: string | null;
  /** Tokens that the text was continued from. */
  readonly nPromptTokens: number;
  readonly ended: 'length' | 'end-token';
}

export interface AnalyzeOptions {
  /** Only this part of the text. Default: all of it. */
  readonly range?: { readonly start: number; readonly end: number };
  /** Offset that must lie in the window when not everything fits; most of the window lies before it. Default: the end. */
  readonly anchor?: number;
  /** Longest window, in tokens. Default: the setting `mtaInspector.range.maxTokens`; never above the model's context. */
  readonly maxTokens?: number;
  /** A bundled model's name or a model folder's absolute path. Default: the setting `mtaInspector.model`. */
  readonly model?: string;
  /** Strongest keys to keep per query, 1 to 64. Default: 16. */
  readonly topK?: number;
  /** Called as each layer is done, in order. */
  readonly onLayer?: (layer: Layer) => void;
}

/** One window of a text and what the model made of it. `dispose` lets go of an analysis made by `analyze`. */
export interface Analysis extends Disposable {
  readonly model: Model;
  /** The part of the text that was analysed. */
  readonly window: { readonly start: number; readonly end: number; readonly documentLength: number };
  readonly tokens: readonly Token[];
  /** Those that are done, in order. */
  readonly layers: readonly Layer[];
  /** Surprisal of each token in bits, NaN for the first, which nothing predicts. Undefined until the last layer is done. */
  readonly surprisalBits: Float32Array | undefined;
  /** The token that covers an offset of the text; undefined outside the window. */
  tokenAt(offset: number): number | undefined;
  /**
   * Exact values of one query, for the keys 0 to `queryIdx`; later keys are masked and not in the row.
   * @throws Error with the code `no-analysis` once the analysis was let go of or replaced; RangeError for what is not there.
   */
  row(map: MapAddress, queryIdx: number): Promise<Float32Array>;
  /** Exact values of a rectangle, at most 256 × 256 cells, [query, key] row-major; NaN where masked. @throws as `row`. */
  tile(map: MapAddress, rectangle: Rectangle): Promise<Float32Array>;
  /** What a query attends to most, largest magnitude first. @throws as `row`. */
  strongestKeys(map: MapAddress, queryIdx: number, k?: number): Promise<readonly WeightedKey[]>;
  /** One weight per token: how much a range of tokens attends to it, or it to the range. @throws as `row`. */
  relevance(range: TokenRange, options?: RelevanceOptions): Promise<Float32Array>;
  /**
   * What a logit is made of: logit = embedding + all heads + all MLPs + other + remainder. It says what was added to this
   * logit directly, not what the model would do without a part. Row `row` predicts the token after it: for the token t that
   * is selected, row t - 1 predicts it (the usual question) and row t is its own.
   * @throws as `row`; Error with the code `bad-target`, or `cannot-explain` for a model that an ONNX file or a server holds.
   */
  explain(row: number, options?: ExplainOptions): Promise<LogitAttribution>;
  /**
   * The logit lens: what the output head reads in the residual stream after each layer, at rows `first` to `end` - 1. It only
   * correlates: later layers need not read a stream that way.
   * @throws as `row`; Error with the code `bad-target`, or `viewer` or `remote` for a model of an ONNX file or a server.
   */
  lens(rows: TokenRange, options?: LensOptions): Promise<LogitLens>;
  /**
   * What predictions at some rows are when rows may not see keys, for each cut by itself. A row computes its attention as if
   * the forbidden tokens were not there; with Multi-Token Attention no path through a convolution is left. @throws as `lens`.
   */
  knockOut(rows: TokenRange, cuts: readonly EdgeCut[], options?: TargetOptions): Promise<KnockOuts>;
  /**
   * Puts parts of another analysis's run into this one's, or zeros or means, and measures a prediction of this text. Both are of
   * the same model. @throws as `lens`; Error with the code `unequal-texts` where no token corresponds to the row's.
   */
  patch(row: number, options: PatchOptions): Promise<PatchedParts>;
}

export interface TargetOptions {
  /** What each row should predict: the token that came after it, the likeliest, or any id. Default: `actual`. */
  readonly target?: 'actual' | 'predicted' | number;
}

export interface LensOptions extends TargetOptions {
  /** Likeliest tokens of each layer and row. Default: 5. */
  readonly k?: number;
}

export interface LogitLens {
  readonly rows: TokenRange;
  /** One for each row. */
  readonly targets: readonly { readonly id: number; readonly text: string }[];
  /** Likeliest tokens of each layer and row. */
  readonly k: number;
  readonly layers: readonly LensLayer[];
  /** Texts of the tokens in `topIds`. */
  readonly labels: Readonly<Record<number, string>>;
}

/** Arrays have one value for each row; those of the likeliest tokens have shape [row, k]. */
export interface LensLayer {
  readonly surprisalBits: Float32Array;
  /** Of the target: how many tokens are likelier, plus 1. */
  readonly ranks: Int32Array;
  readonly entropyBits: Float32Array;
  /** KL(after the last layer || here). */
  readonly divergenceBits: Float32Array;
  readonly topIds: Int32Array;
  readonly topProbabilities: Float32Array;
}

export interface EdgeCut {
  /** What may not be seen. */
  readonly keys: TokenRange;
  /** Rows that may not see it, none before the keys' end. Default: all rows after them. */
  readonly queries?: TokenRange;
  /** Default: all. */
  readonly layers?: readonly number[];
  /** In place of `layers`. */
  readonly heads?: readonly { readonly layerIdx: number; readonly headIdx: number }[];
}

export interface KnockOuts {
  readonly rows: TokenRange;
  readonly targets: readonly { readonly id: number; readonly text: string }[];
  /** Of the targets as the model is, one for each row. */
  readonly surprisalBits: Float32Array;
  /**
   * One for each cut: the change of log2 p(target) in bits, summed over the rows, below 0 where the prediction needs what was
   * cut; KL(as is || cut), the mean over the rows; and the likeliest token of each row with the edges cut.
   */
  readonly effects: readonly {
    readonly changeBits: number;
    readonly divergenceBits: number;
    readonly likeliest: readonly { readonly id: number; readonly text: string; readonly probability: number }[];
  }[];
}

export interface PatchOptions extends TargetOptions {
  /** The measure is logit(target) - logit(minus). Default: log2 of the target's probability. */
  readonly minus?: number;
  /**
   * What is replaced: the stream before a layer at one position, or at all positions the last stage of a head, its values, its
   * output, or what the feed-forward part adds.
   */
  readonly what: 'residual' | 'pattern' | 'value' | 'head' | 'mlp';
  /** Where the values come from; `mean` is over the tokens up to the row. */
  readonly from: Analysis | 'zero' | 'mean';
  /** Equal tokens correspond, not equal positions: for texts of unequal length. Default: false. */
  readonly align?: boolean;
}

export interface PatchedParts {
  readonly target: { readonly id: number; readonly text: string };
  readonly minus: { readonly id: number; readonly text: string } | null;
  /** The measure of the other analysis; null without one. */
  readonly other: number | null;
  /** The measure of this one as it is. */
  readonly original: number;
  /** [layer][position, head, or 0 for the feed-forward part]. */
  readonly patched: readonly (readonly number[])[];
  /** Whether what was put in differs from what was there. */
  readonly isChanged: readonly (readonly boolean[])[];
  /** All positions or heads of a layer at once, [layer]. */
  readonly together: readonly number[];
}

export interface Model {
  readonly name: string;
  readonly nLayers: number;
  readonly nHeads: number;
  readonly maxSeqlen: number;
  readonly vocabSize: number;
  readonly nParameters: number;
}

/** Token 0 is the begin token where the model has one; it covers no text. */
export interface Token {
  readonly id: number;
  /** Its text; its bytes as <0xNN> where they are no whole characters. */
  readonly label: string;
  /** Where it is in the text. */
  readonly start: number;
  readonly end: number;
}

/**
 * The stages of a head, in the order of computation. Those up to `mixed_scores` are unbounded scores; rows of `pattern` sum to
 * 1, or to less where the model has attention sinks; rows of the later stages need not, and their cells may be negative.
 * `decayed_scores` are lowered by the forget gates of the tokens between (Forgetting Transformer).
 * `differential_pattern` is the difference of two heads' patterns (DiffLlama).
 * `gated_pattern` is the last stage times the gate of the query's row on the head's output.
 */
export type Stage =
  | 'scores'
  | 'capped_scores'
  | 'decayed_scores'
  | 'convolved_scores'
  | 'mixed_scores'
  | 'pattern'
  | 'differential_pattern'
  | 'convolved_pattern'
  | 'mixed_pattern'
  | 'gated_pattern';

export interface Layer {
  readonly layerIdx: number;
  /** Stages that this layer computes; one that is missing equals the one before it. */
  readonly stages: readonly Stage[];
  /** Keys that each query attends to most in the last stage, by magnitude. Shapes [head, query, k]; index -1: no more. */
  readonly topKeys: { readonly k: number; readonly indices: Int32Array; readonly weights: Float32Array };
  readonly durationMs: number;
}

export interface MapAddress {
  readonly layerIdx: number;
  readonly headIdx: number;
  /** Default: the last stage before the gate, the weights that multiply the values. */
  readonly stage?: Stage;
}

export interface Rectangle {
  readonly queryStart: number;
  readonly keyStart: number;
  readonly nQueries: number;
  readonly nKeys: number;
}

export interface WeightedKey {
  readonly keyIdx: number;
  /** Unitless; may be negative. */
  readonly weight: number;
}

/** Tokens `first` to `end` - 1. */
export interface TokenRange {
  readonly first: number;
  readonly end: number;
}

export interface RelevanceOptions {
  /**
   * How several heads become one: their mean, the one of largest magnitude, or attention rollout through their layers.
   * Default: `mean`.
   */
  readonly method?: 'mean' | 'max' | 'rollout';
  /** `attends`: what the range looks at. `attendedBy`: what looks at the range. Default: `attends`. */
  readonly direction?: 'attends' | 'attendedBy';
  /** Default: all heads. */
  readonly heads?: 'all' | readonly { readonly layerIdx: number; readonly headIdx: number }[];
  /**
   * What a cell is: the weight that multiplies the value, the norm of the vector that it adds to the residual stream, or
   * that vector's share of the head's output along it. Default: `weight`.
   */
  readonly quantity?: 'weight' | 'norm' | 'contribution';
  /**
   * Which rows of the range `attends` is of: their own (`reading`), or those before, which predict them (`predicting`).
   * Default: `reading`.
   */
  readonly rows?: 'reading' | 'predicting';
}

export interface ExplainOptions {
  /** The token whose logit is split: the one that came after the row, the likeliest, or any id. Default: `actual`. */
  readonly target?: 'actual' | 'predicted' | number;
  /** Id of a token whose logit is subtracted. Default: the mean of all logits is. */
  readonly minus?: number;
  /** Cells of the row to split over what convolution and head mixing made them of. Default: none. */
  readonly cells?: readonly CellAddress[];
}

/** A cell of a head's last stage, at the row that is explained. */
export interface CellAddress {
  readonly layerIdx: number;
  readonly headIdx: number;
  readonly keyIdx: number;
}

/**
 * What one cell adds to the logit, split over the cells of the softmax's output that convolution and head mixing make it of:
 * `contribution` is the sum of the parts. The softmax and what comes before it are held at their values.
 */
export interface CellSplit extends CellAddress {
  readonly contribution: number;
  readonly parts: readonly {
    /** The source head, and the cell of its map. */
    readonly headIdx: number;
    readonly queryIdx: number;
    readonly keyIdx: number;
    /** Of the kernel's tap, times the weight of the source head in the mix. */
    readonly weight: number;
    readonly pattern: number;
    readonly contribution: number;
  }[];
}

/** Numbers are logits: natural logarithms up to a constant, which the subtraction removes. */
export interface LogitAttribution {
  readonly row: number;
  readonly target: { readonly id: number; readonly text: string };
  readonly minus: { readonly id: number; readonly text: string } | null;
  readonly logit: number;
  readonly embedding: number;
  /** [layer, head] */
  readonly heads: Float64Array;
  /** [layer] */
  readonly mlps: Float64Array;
  /** Biases that no head and no MLP adds. */
  readonly other: number;
  /** Rounding, and what a cap on the logits changes. */
  readonly remainder: number;
  /** Per source token 0 to `row`, over all heads. */
  readonly tokens: Float64Array;
  /** Per head and source token, [layer, head, row + 1]. */
  readonly cells: Float32Array;
  /** What is held at its value, besides attention weights and the final norm. */
  readonly frozen: readonly string[];
  /** Of the cells that were asked for, in their order; absent where none were. */
  readonly splits?: readonly CellSplit[];
}
