/** What an analysis of one window of text consists of, as the inference process sends it and the panel shows it. */

import type { LayerKernels } from './kernels';
import type { Operator, Stage } from './operators';

export type ExecutionProvider = LocalProvider | 'remote';
/** What ONNX Runtime may hold on this machine. */
export type LocalProvider = 'cpu' | 'webgpu' | 'cuda' | 'dml' | 'coreml';
/** As the makers write them. */
export const providerNames: Readonly<Record<ExecutionProvider, string>> = {
  cpu: 'CPU',
  webgpu: 'WebGPU',
  cuda: 'CUDA',
  dml: 'DirectML',
  coreml: 'CoreML',
  remote: 'remote server',
};
export const providerSettings = ['auto', 'cpu', 'webgpu', 'cuda', 'dml', 'coreml'] as const;
export type ProviderSetting = 'auto' | LocalProvider;

/** What one layer of a model contains, as its configuration says. */
export interface LayerSummary {
  readonly layerIdx: number;
  /** What its attention does, in order; empty where only its pattern is known. */
  readonly operators: readonly Operator[];
  /** Stages that differ from the stage before them; a stage that is missing equals its predecessor. */
  readonly stages: readonly Stage[];
  /** [query, key] sizes of the convolution kernels, null where the layer has none. */
  readonly preSoftmaxKernel: readonly [number, number] | null;
  readonly postSoftmaxKernel: readonly [number, number] | null;
  /** Keys a query looks back to, itself included; absent where it looks back to the start. */
  readonly slidingWindow?: number;
  /** Tokens of a chunk: a query sees only the keys of its own one; absent where there are none. */
  readonly attentionChunk?: number;
  /** The learned parts of the layer, with the shape of one head's weights. */
  readonly kernels: LayerKernels;
}

/** What a list of models shows of one, without opening its weights. */
export interface FolderDescription {
  readonly name: string;
  readonly directory: string;
  readonly description: string;
  readonly vocabSize: number;
}

/** How quantized weights are kept in memory: in few bits, as the file has them, or as fp32 (fp16 above 4 GB). */
export const quantizedWeights = ['packed', 'float32'] as const;
export type QuantizedWeights = (typeof quantizedWeights)[number];

export interface ModelSummary {
  readonly name: string;
  readonly directory: string;
  readonly nLayers: number;
  readonly nHeads: number;
  readonly dim: number;
  readonly vocabSize: number;
  readonly maxSeqlen: number;
  readonly nParameters: number;
  readonly layers: readonly LayerSummary[];
  /** Type of quantized weights as their file names it ("Q4_K_M"); absent for others. */
  readonly weightType?: string;
  /** What a file's quantized weights are in memory: packed, where nothing of them is rounded again, or numbers. */
  readonly weightsKeptAs?: 'packed' | 'float32' | 'float16';
  /** Set for a view-only ONNX file: its attention patterns, and whether it exposes predictions. */
  readonly viewer?: { readonly hasPredictions: boolean };
}

/** The part of a document that was analysed. All offsets are UTF-16 offsets into the document. */
export interface AnalysisWindow {
  readonly start: number;
  readonly end: number;
  /** Length of the whole document; the window covers all of it when start is 0 and end is this. */
  readonly documentLength: number;
}

/** The tokens of a window. Token 0 is the begin token (empty range at the window's start) where the model has one. */
export interface WindowTokens {
  readonly ids: Int32Array;
  /** Length nTokens + 1: token i covers [offsets[i], offsets[i + 1]) of the document, UTF-16. A token that holds only
   * a part of a character covers that character's range from its first byte on, so ranges may be empty. */
  readonly offsets: Uint32Array;
  /** Readable form of each token (its text, or its bytes as <0xNN> where they are not whole characters). */
  readonly labels: readonly string[];
}

/** What the panel has of the tokens of a run. */
export interface PanelTokens {
  readonly labels: readonly string[];
  /** UTF-16 document offsets, length nTokens + 1. */
  readonly offsets: Uint32Array;
  /** Bits, NaN for token 0; null until the last layer is done. */
  readonly surprisalBits: Float32Array | null;
}

/** Keys that each query attends to most, signed, largest magnitude first. Shapes [head, query, k], row-major. */
export interface TopKeys {
  readonly k: number;
  /** Index of the key; -1 where a query has fewer than k keys. */
  readonly indices: Int32Array;
  readonly weights: Float32Array;
}

/** What the inference process sends when a layer is ready. */
export interface LayerResult {
  readonly layerIdx: number;
  /** Of the layer's last stage, the weights that multiply the values. */
  readonly topKeys: TopKeys;
  /** The last stage, and the scores before and after the convolution where there is one; others come on request
   * (`overview`), since pooling every stage of every layer would double the time of a run. */
  readonly overviews: readonly LayerOverview[];
  readonly durationMs: number;
}

export interface LayerOverview {
  readonly stage: Stage;
  readonly blockSize: number;
  readonly size: number;
  /** Shape [head]. */
  readonly scales: Float32Array;
  /** Shape [head, size, size]. */
  readonly cells: Int8Array;
}

/** What the model predicts, per position i for token i + 1. */
export interface Predictions {
  /** Surprisal of token i in bits, shape [nTokens]; NaN for token 0, which nothing predicts. */
  readonly surprisalBits: Float32Array;
  readonly k: number;
  /** Most likely next tokens after position i, shape [nTokens, k]. */
  readonly topIds: Int32Array;
  /** Their probabilities, shape [nTokens, k]. */
  readonly topProbabilities: Float32Array;
  /** Readable form of every id that occurs in `topIds`. */
  readonly labels: Readonly<Record<number, string>>;
}
