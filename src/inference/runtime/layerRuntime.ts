/**
 * The contract of whatever runs a model layer by layer: on this machine (`ModelRuntime`, `GpuRuntime`), on a server
 * (`RemoteRuntime`), or a whole ONNX file at once (`OnnxViewRuntime`). Engine, runs and closer looks depend on this
 * alone, so every feature works with any of them.
 */

import type { ExecutionProvider, LayerOverview } from '../../shared/analysis';
import type { KernelHistory, KernelWeights } from '../../shared/kernels';
import type { Stage } from '../../shared/operators';
import type { ModelFolder } from '../model/folder';
import type { LayerRows } from './bands';
import type { BlockOptions, BlockResult, LayerOptions } from './block';
import type { Cut } from './knockOut';
import type { RunSize } from './memory';
import type { Prediction } from './prediction';
import type { Value } from './session';

export interface OverviewOptions extends LayerOptions {
  readonly stage: Stage;
  /** Cells pooled along each axis. */
  readonly blockSize: number;
}

export interface StageRowsOptions extends LayerOptions {
  readonly stages: readonly Stage[];
  /** Edges knocked out, by runtimes on the CPU of this machine. */
  readonly cuts?: readonly Cut[] | undefined;
  readonly heads: readonly number[];
  /** Rows [start, end). */
  readonly queries: readonly [start: number, end: number];
}

export interface BlockRowsOptions extends LayerOptions {
  readonly stage: Stage;
  /** Rows [start, end). */
  readonly queries: readonly [start: number, end: number];
}

/** Methods with a `signal` throw Cancelled soon after it fires: between bands, or once the server's answer is dropped. */
export interface LayerRuntime {
  readonly folder: ModelFolder;
  readonly provider: ExecutionProvider;

  /**
   * Rows of a band that keep a run within the budget; undefined where the runtime has no bands.
   * @throws Failure `memory` with the numbers when no band is small enough.
   */
  rowsThatFit(size: RunSize, budgetBytes: number): number | undefined;

  /** Token ids -> the residual stream before layer 0, [1, T, D]. */
  embed(ids: Int32Array): Promise<Value>;

  /** The same tensor where its data can be read. */
  fetch(value: Value): Promise<Value>;

  /** The trained weights of a layer's parts, in the order in which they are applied. */
  trainedKernels(layerIdx: number): Promise<readonly KernelWeights[]>;
  /** The parts as they were in training; null where the model brings no such file. @throws Failure */
  kernelHistory?(layerIdx: number): Promise<KernelHistory | null>;

  /** Runs one layer with its strongest keys and overviews. @param hidden the residual stream before it, [1, T, D]. */
  block(layerIdx: number, hidden: Value, options: BlockOptions): Promise<BlockResult>;

  /** Runs one layer. @returns the residual stream after it, [1, T, D]. */
  bareBlock(layerIdx: number, hidden: Value, options?: LayerOptions): Promise<Value>;

  /** Runs one layer. @returns also rows of one stage in all heads, shape [head, query, key]; see `stageRows`. */
  blockRows(
    layerIdx: number,
    hidden: Value,
    options: BlockRowsOptions,
  ): Promise<{ readonly hidden: Value; readonly rows: Float32Array }>;

  /** The overview of a stage in all heads. */
  overview(layerIdx: number, rows: LayerRows, options: OverviewOptions): Promise<LayerOverview>;

  /**
   * Rows of several stages of several heads at full precision.
   * @returns per stage, in the order of `stages`, shape [head, query, key] with the keys before the last row's end; later
   * ones are masked.
   */
  stageRows(layerIdx: number, rows: LayerRows, options: StageRowsOptions): Promise<Float32Array[]>;

  /** What `predict` compares another run with: natural log-probabilities [1, T, V], or what a server needs for them. */
  logProbabilities(hidden: Value): Promise<Value>;

  /**
   * Natural log-probabilities of `targets` [T], and the k most likely next tokens after each position.
   * @param before the result of `logProbabilities` for the run to compare with.
   */
  predict(hidden: Value, targets: readonly number[], k: number, before?: Value): Promise<Prediction>;

  /** As `predict`, with the `logProbabilities` that it takes the tokens from; absent where they would have to be sent. */
  predictAndKeep?(
    hidden: Value,
    targets: readonly number[],
    k: number,
  ): Promise<{ readonly prediction: Prediction; readonly logProbabilities: Value }>;

  /** Vocabulary logits [1, T, V]. */
  logits(hidden: Value): Promise<Value>;

  release(): Promise<void>;
}
