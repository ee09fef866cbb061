/** An opened model folder: its configuration, and where its weights are. */

import type { WeightSource } from '../../graph/graphBuilder';
import { planLayer, summarizeLayer } from '../../graph/layerPlan';
import type { ModelConfig } from '../../graph/modelConfig';
import { expectedWeights } from '../../graph/modelGraphs';
import type { ModelSummary } from '../../shared/analysis';
import { plainLine, shorten } from '../../shared/tools/plainText';
import type { ChatTemplate } from './chatTemplate';

export interface ModelFolder {
  readonly directory: string;
  /** What names of weight files are relative to: the folder itself, links resolved, or what a snapshot's links lead into. */
  readonly weightFolder: string;
  readonly config: ModelConfig;
  /** config.json as it stands, for what the engine does not use (metrics, training). */
  readonly configJson: Readonly<Record<string, unknown>>;
  /** Undefined once an engine has read it: it has megabytes, and the tokenizer holds its own. */
  tokenizerJson: unknown;
  readonly weights: WeightSource;
  /**
   * Contents of those of the weight files named that exist in memory only (most folders have none), or of all named where
   * `readsAll`.
   */
  readonly inMemory: (
    readsAll: boolean,
    files: ReadonlySet<string>,
  ) => Promise<ReadonlyMap<string, Uint8Array<ArrayBuffer>>>;
  /** Takes contents back that nothing uses any more, to fill them anew: the next layer's are as long. */
  readonly takeBack?: (contents: ReadonlyMap<string, Uint8Array<ArrayBuffer>>) => void;
  readonly summary: ModelSummary;
  /** Read when it is asked for; absent or null for a model without one. @throws Failure `bad-chat-template`. */
  readonly chatTemplate?: () => Promise<ChatTemplate | null>;
  /** Set for a view-only ONNX file; `config` then holds its sizes alone. */
  readonly view?: OnnxView;
  /** Size of all weights, as sessions read them. */
  readonly sizeBytes: number;
}

/** Models larger than this run from the mapped file; smaller ones are quicker with weights prepared in memory. */
export const mappedFromBytes = 256 * 1024 * 1024;

/** How the graph of a view-only ONNX file is fed and read. */
export interface OnnxView {
  readonly path: string;
  readonly inputs: readonly { readonly name: FedInput; readonly type: FeedType }[];
  /** Output of each layer's attention, [1, head, query, key]. */
  readonly attentions: readonly string[];
  /** Output of vocabulary logits, [1, token, vocabulary]. */
  readonly logits: string | null;
  /** Whether a file says how many tokens it takes; otherwise the context is assumed. */
  readonly isContextKnown: boolean;
}

/** Inputs that a viewer knows how to fill. */
export const fedInputs = ['input_ids', 'attention_mask', 'position_ids', 'token_type_ids'] as const;
export type FedInput = (typeof fedInputs)[number];
export type FeedType = 'int64' | 'int32' | 'float32' | 'bool';

/** @param fallbackName for a configuration that has none. */
export function summarize(config: ModelConfig, directory: string, fallbackName: string): ModelSummary {
  const sizes = [...expectedWeights(config).values()].map(shape => shape.reduce((product, n) => product * n, 1));
  return {
    // Written wherever the model is named; the maker of the folder chose it.
    name: plainLine(shorten(config.name === 'unnamed' ? fallbackName : config.name, 200)),
    directory,
    nLayers: config.n_layers,
    nHeads: config.n_heads,
    dim: config.dim,
    vocabSize: config.vocab_size,
    maxSeqlen: config.max_seqlen,
    nParameters: sizes.reduce((sum, n) => sum + n, 0),
    layers: Array.from({ length: config.n_layers }, (_, layerIdx) => summarizeLayer(planLayer(config, layerIdx))),
  };
}
