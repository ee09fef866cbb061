/**
 * Experiments that say what a model used, not where it looked: they run on the CPU in this process, from what is kept of a
 * run where that was on the CPU too.
 */

import type { TokenRange } from '../../shared/address';
import type { HeadAblationArgs, HeadAblationEffect } from '../../shared/headAblation';
import { Failure } from '../../shared/tools/failure';
import type { Runs } from '../run/runs';
import type { LastingRuntime } from '../runtime/lastingRuntime';
import type { LensRows } from '../runtime/lensRows';
import { ModelRuntime } from '../runtime/modelRuntime';
import { rowsOf } from '../runtime/values';
import { type GeneratedToken, type GenerateOptions, generateTokens } from './generateText';
import { ablateHeads, predictTrained, type TrainedPredictions } from './headAblation';
import { KnockOutRunner, type PredictedRows } from './knockOutRuns';
import { type PatchResult, type PatchTask, patchRuns } from './patchRuns';
import { type Streams, streamBefore, streamsOf, streamsOfRun } from './streams';

export class Experiments {
  private cpu: ModelRuntime | undefined;
  /** Streams of the last run that was on another provider. */
  private last: { readonly analysisId: number; readonly streams: Streams } | undefined;

  /** Of the last run that heads of were switched off. */
  private trained: { readonly analysisId: number; readonly predictions: TrainedPredictions } | undefined;

  constructor(
    private readonly runtime: LastingRuntime,
    private readonly runs: Runs,
    private readonly nThreads: number,
  ) {}

  /**
   * What the stream after each layer predicts at some rows when the output head reads it at once.
   * @param targets of the rows, [rows].
   * @throws Failure `no-analysis`, `viewer` or `remote`; Cancelled once `signal` fires.
   */
  async logitLens({ analysisId, rows, targets, k }: LensArgs, signal?: AbortSignal): Promise<readonly LensRows[]> {
    const runtime = this.localRuntime();
    const streams = await this.streams(analysisId, signal);
    const after = streams.layers.map((_, layerIdx) =>
      rowsOf(streamBefore(streams, layerIdx + 1), rows.first, rows.end),
    );
    return runtime.logitLens(after, targets, k, signal);
  }

  /** Starts knock-outs on a run's tokens. @throws as `logitLens`. */
  async knockOuts(analysisId: number, rows: PredictedRows, signal?: AbortSignal): Promise<KnockOutRunner> {
    return KnockOutRunner.open(this.localRuntime(), await this.streams(analysisId, signal), rows);
  }

  /** What heads do to the predictions of a run, by switching them off. @throws as `logitLens` and `ablateHeads`. */
  async ablateHeads(
    { analysisId, heads, baseline }: HeadAblationArgs,
    signal?: AbortSignal,
  ): Promise<HeadAblationEffect> {
    const runtime = this.localRuntime();
    const streams = await this.streams(analysisId, signal);
    if (this.trained?.analysisId !== analysisId) {
      this.trained = { analysisId, predictions: await predictTrained(runtime, streams) };
    }
    return ablateHeads(runtime, streams, this.trained.predictions, heads, baseline, signal);
  }

  /** Puts parts of one text's run into another's; see `patchRuns`. @throws Failure `viewer` or `remote`. */
  patch(task: PatchTask, signal?: AbortSignal): Promise<PatchResult> {
    return patchRuns(this.localRuntime(), task, signal);
  }

  /** Continues tokens; see `generateTokens`. @throws Failure `viewer` or `remote`. */
  generate(ids: Int32Array, options: GenerateOptions, signal?: AbortSignal): AsyncGenerator<GeneratedToken> {
    return generateTokens(this.localRuntime(), ids, options, signal);
  }

  async release(): Promise<void> {
    await this.cpu?.release();
  }

  private async streams(analysisId: number, signal?: AbortSignal): Promise<Streams> {
    const run = this.runs.finished(analysisId);
    const runtime = this.localRuntime();
    if (runtime === this.runtime.current) return streamsOfRun(run);
    if (run.kernels.size > 0) throw changedKernels();
    if (this.last?.analysisId !== analysisId) {
      this.last = { analysisId, streams: await streamsOf(runtime, run.ids, signal) };
    }
    return this.last.streams;
  }

  /** The model on the CPU of this machine. */
  private localRuntime(): ModelRuntime {
    const { current } = this.runtime;
    const { summary } = current.folder;
    if (summary.viewer) {
      throw new Failure(
        'viewer',
        `Cannot run experiments on "${summary.name}": ONNX files are view-only, nothing in them can be changed or read layer by layer. Pick a model with safetensors weights.`,
        ['selectModel'],
      );
    }
    if (current instanceof ModelRuntime) {
      if (current.provider === 'cpu') return current;
      this.cpu ??= new ModelRuntime(current.folder, 'cpu', this.nThreads);
      return this.cpu;
    }
    throw new Failure(
      'remote',
      `Cannot run experiments on "${summary.name}": its layers run on a server, which takes no changed edges or streams. Pick an installed model.`,
      ['selectModel'],
    );
  }
}

/** What is computed anew is of the model as trained. */
export function changedKernels(): Failure {
  return new Failure('bad-ablation', 'Cannot run this experiment on a model with changed kernels. Restore them first.');
}

export interface LensArgs {
  readonly analysisId: number;
  readonly rows: TokenRange;
  readonly targets: readonly number[];
  /** Likeliest tokens of each layer and row. */
  readonly k: number;
}
