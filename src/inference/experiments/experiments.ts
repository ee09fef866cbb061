/**
 * Experiments that say what a model used, not where it looked: they run on the CPU in this process, from what is kept of a
 * run where that was on the CPU too.
 */

import type { TokenRange } from '../../shared/address';
import type { HeadAblationArgs, HeadAblationEffect } from '../../shared/headAblation';
import { Failure } from '../../shared/tools/failure';
import { changedRun, type Run } from '../run/run';
import type { Runs } from '../run/runs';
import type { LastingRuntime } from '../runtime/lastingRuntime';
import type { LensRows } from '../runtime/lensRows';
import { ModelRuntime } from '../runtime/modelRuntime';
import type { Prediction } from '../runtime/prediction';
import { rowsOf } from '../runtime/values';
import { predictAgainst } from './ablationRuns';
import { type LayerChanges, runChanged } from './changedRun';
import { type GeneratedToken, type GenerateOptions, generateTokens } from './generateText';
import { ablateHeads, effectOf, predictTrained, type TrainedPredictions } from './headAblation';
import { KnockOutRunner, type PredictedRows } from './knockOutRuns';
import { type PatchResult, type PatchTask, patchRuns } from './patchRuns';
import { type Streams, streamBefore, streamsOf, streamsOfRun } from './streams';

export class Experiments {
  private cpu: ModelRuntime | undefined;
  /** Streams of the last run that was on another provider. */
  private last: Streams | undefined;

  /** Of the last run that something was changed in. */
  private trained: TrainedPredictions | undefined;

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
    const { known } = streams;
    return runtime.logitLens(after, targets, { k, known: known && rowsOf(known, rows.first, rows.end), signal });
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
    const trained = await this.trainedOf(runtime, streams, analysisId);
    return ablateHeads(runtime, streams, trained, heads, baseline, signal);
  }

  /**
   * Runs the model with something changed.
   * @param toChanges from the streams of the text as the model is.
   * @returns the run, which keeps what its maps are computed from, and what it predicts. @throws as `logitLens`.
   */
  async change(
    { analysisId, baseId, k }: { readonly analysisId: number; readonly baseId: number; readonly k: number },
    toChanges: (runtime: ModelRuntime, streams: Streams) => Promise<LayerChanges>,
    signal?: AbortSignal,
  ): Promise<ChangedRun> {
    const runtime = this.localRuntime();
    const streams = await this.streams(baseId, signal);
    const trained = await this.trainedOf(runtime, streams, baseId);
    const changes = await toChanges(runtime, streams);
    const { ids, layers, output } = await runChanged(runtime, streams, changes, signal);
    const prediction = await predictAgainst(runtime, trained.run, output, k);
    const cuts = new Map([...changes].flatMap(([layerIdx, change]) => (change.cuts ? [[layerIdx, change.cuts]] : [])));
    return {
      run: changedRun(analysisId, ids, layers, output, { cuts, runtime }),
      ...{ prediction, effect: effectOf(prediction, trained) },
    };
  }

  /** Streams of any text. @throws as `logitLens`. */
  streamsOf(ids: Int32Array, signal?: AbortSignal): Promise<Streams> {
    return streamsOf(this.localRuntime(), ids, signal);
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

  private async trainedOf(runtime: ModelRuntime, streams: Streams, analysisId: number): Promise<TrainedPredictions> {
    // A run's id may be that of an earlier run of another text.
    const { analysisId: id, ids } = this.trained?.run ?? {};
    if (!this.trained || id !== analysisId || ids !== streams.ids) {
      this.trained = await predictTrained(runtime, streams, analysisId);
    }
    return this.trained;
  }

  private async streams(analysisId: number, signal?: AbortSignal): Promise<Streams> {
    const run = this.runs.finished(analysisId);
    const runtime = this.localRuntime();
    if (runtime === this.runtime.current) return streamsOfRun(run);
    if (run.kernels.size > 0) throw changedKernels();
    if (this.last?.ids !== run.ids) this.last = await streamsOf(runtime, run.ids, signal);
    return this.last;
  }

  /** @throws Failure `viewer` or `remote` where nothing of the model can be run here. */
  checkLocal(): void {
    this.localRuntime();
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

export interface ChangedRun {
  readonly run: Run;
  /** With the divergence from the model as it is. */
  readonly prediction: Prediction;
  readonly effect: HeadAblationEffect;
}

export interface LensArgs {
  readonly analysisId: number;
  readonly rows: TokenRange;
  readonly targets: readonly number[];
  /** Likeliest tokens of each layer and row. */
  readonly k: number;
}
