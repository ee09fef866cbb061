/**
 * The host's end of the inference process: started on first use, cancelled between layers, killed when it does not,
 * started again after a crash. The fork function is passed in, so that tests bring their own process.
 */

import type { AblationEffect } from '../shared/ablation';
import type { LayerAddress } from '../shared/address';
import type { LayerOverview } from '../shared/analysis';
import type { CellChange, Patch, PatchAddress, StageAddress, Tile, TileAddress } from '../shared/attentionMap';
import type { LogitAttribution } from '../shared/attribution';
import type { HeadAblationArgs, HeadAblationEffect } from '../shared/headAblation';
import type { HeadMeasures } from '../shared/headMeasures';
import type { Continuation, KnockOuts, LogitLens, PatchedParts } from '../shared/interventions';
import type { KernelHistory, KernelWeights } from '../shared/kernels';
import type { OcclusionBaseline } from '../shared/relevance';
import type { ScoredHead } from '../shared/retrievalHeads';
import { Cancelled, Failure } from '../shared/tools/failure';
import { type None, Rpc } from '../shared/tools/rpc';
import {
  type AblateAnswer,
  type AblateArgs,
  type AnalyzeAnswer,
  type AnalyzeArgs,
  type ChangeAnswer,
  type ChangeArgs,
  type ChangesArgs,
  type ContinueArgs,
  type ExplainArgs,
  type InferenceEvents,
  type InferenceRequests,
  type KnockOutsArgs,
  type LensArgs,
  type LoadAnswer,
  type LoadArgs,
  type MeasuresArgs,
  type OccludeArgs,
  type PatchPartsArgs,
  protocolVersion,
  type RankArgs,
  type RelevanceArgs,
  type ScoreHeadsArgs,
  type SearchAnswer,
  type SearchArgs,
  type SearchTextArgs,
  type Slot,
} from './protocol';
import { RestartPolicy } from './restartPolicy';

/** What the client needs of a child process. */
export interface InferenceProcess {
  readonly pid?: number | undefined;
  send(message: unknown): void;
  onMessage(listener: (message: unknown) => void): void;
  onExit(listener: (reason: string) => void): void;
  kill(): void;
}

/** Listeners for the events of the inference process. */
/** All of them: the compiler misses one that is left out. */
const eventNames: Readonly<Record<keyof InferenceEvents, true>> = {
  ...{ tokens: true, layer: true, effects: true, occluded: true, searched: true, continued: true },
  ...{ log: true, provider: true, exhausted: true },
};

export type InferenceListeners = { readonly [Name in keyof InferenceEvents]: (payload: InferenceEvents[Name]) => void };

type Model = Omit<LoadArgs, 'protocolVersion'>;
type Channel = Rpc<InferenceRequests, None, InferenceEvents, None>;

interface Connection {
  readonly process: InferenceProcess;
  readonly rpc: Channel;
  /** Started for a model whose weights stay packed. */
  readonly isPacked: boolean;
  /** Set when we kill it on purpose: the error that pending callers receive. */
  endedBy?: Error;
  /** The models it holds or is loading. */
  readonly loading: Map<Slot, { readonly key: string; readonly answer: Promise<LoadAnswer> }>;
}

/** How long a cancelled run may take to come back before its process is killed; a layer takes far less. */
const cancelGraceMs = 5000;
/** The failure of a request follows the event `exhausted` at once. */
const exhaustedMs = 50;

export class InferenceClient {
  private connection: Connection | undefined;
  private isDisposed = false;
  private readonly models = new Map<Slot, Model>();
  private readonly listeners: Partial<InferenceListeners>[] = [];

  constructor(
    private readonly start: (isPacked: boolean) => InferenceProcess,
    private readonly policy = new RestartPolicy(),
    private readonly graceMs = cancelGraceMs,
    /** Puts failures into the reader's language. */
    private readonly inWords = (failure: Failure): Failure => failure,
  ) {}

  /** Registers listeners for events of this and later processes. */
  listen(listeners: Partial<InferenceListeners>): void {
    this.listeners.push(listeners);
  }

  /** Process id while it runs: for the log and for tests that kill it. */
  get pid(): number | undefined {
    return this.connection?.process.pid;
  }

  /** Starts the process, if none runs, ahead of an expected request. Failures surface on that request. */
  warmUp(): void {
    try {
      this.connect();
    } catch {}
  }

  /**
   * Loads the model into its slot unless the process holds it there already. Another main model gets another process, so
   * that what the C library, ONNX Runtime and a GPU's driver kept of the one before goes; but not while the process holds
   * models of other slots. One whose weights stay packed gets a process that was started for such.
   * @throws Cancelled as soon as `signal` fires, while others may go on waiting for the same model, and when the slot was
   * given another model meanwhile; Failure otherwise.
   */
  load(model: Model, signal?: AbortSignal): Promise<LoadAnswer> {
    const slot = model.slot ?? 'main';
    this.models.set(slot, model);
    const key = JSON.stringify(model);
    let connection = this.connect();
    let loading = connection.loading.get(slot);
    const isOther = loading && loading.key !== key && slot === 'main' && connection.loading.size === 1;
    const isUnfit = connection.loading.size === 0 && connection.isPacked !== isPacked(this.models.get('main'));
    if (isOther || isUnfit) {
      this.end(connection, new Cancelled('Another model was chosen.'));
      connection = this.connect();
      loading = undefined;
    }
    if (loading?.key !== key) {
      const answer = connection.rpc.request('load', { protocolVersion, ...model });
      const begun = { key, answer };
      loading = begun;
      connection.loading.set(slot, begun);
      answer.catch(() => {
        if (connection.loading.get(slot) === begun) connection.loading.delete(slot); // the next use tries again
      });
    }
    const loaded = loading.answer.catch(error => {
      const isCurrent = JSON.stringify(this.models.get(slot)) === key;
      if (!connection.endedBy || !isCurrent || signal?.aborted) throw error;
      return this.load(model, signal);
    });
    return signal ? untilAborted(loaded, signal, () => this.killUnlessAlive(connection)) : loaded;
  }

  /** Lets go of a slot's model; nothing happens where no process runs. */
  async unload(slot: Slot): Promise<void> {
    this.models.delete(slot);
    if (this.connection?.loading.delete(slot)) await this.connection.rpc.request('unload', { slot });
  }

  /**
   * Runs on the model loaded last into the slot.
   * @param isRetry an earlier process died before it began.
   * @throws Cancelled as soon as `signal` fires; Failure otherwise.
   */
  async analyze(args: AnalyzeArgs, signal: AbortSignal, isRetry = false): Promise<AnalyzeAnswer> {
    const connection = this.connect();
    let hasBegun = false;
    const unlisten = connection.rpc.on('tokens', ({ analysisId }) => {
      hasBegun ||= analysisId === args.analysisId;
    });
    try {
      return await connection.rpc.request('analyze', args, signal);
    } catch (error) {
      if (signal.aborted) this.killUnlessAlive(connection);
      // We ended the process and this run only waited there; or it was dead already, which is heard a moment later.
      const isEnded = connection.endedBy !== undefined;
      const wasDead = this.connection !== connection && !hasBegun && !isRetry;
      const model = this.models.get(args.slot ?? 'main');
      if (signal.aborted || !(isEnded || wasDead) || !model) throw error;
      await this.load(model, signal);
      return this.analyze(args, signal, isRetry || !isEnded);
    } finally {
      unlisten();
    }
  }

  overview(args: StageAddress, signal?: AbortSignal): Promise<LayerOverview> {
    return this.connect().rpc.request('overview', args, signal);
  }

  tile(args: TileAddress, signal?: AbortSignal): Promise<Tile> {
    return this.connect().rpc.request('tile', args, signal);
  }

  patch(args: PatchAddress, signal?: AbortSignal): Promise<Patch> {
    return this.connect().rpc.request('patch', args, signal);
  }

  async ablate(args: AblateArgs, signal: AbortSignal): Promise<AblateAnswer> {
    return this.cancellable('ablate', args, signal);
  }

  async rankAblations(args: RankArgs, signal: AbortSignal): Promise<readonly AblationEffect[]> {
    return this.cancellable('rankAblations', args, signal);
  }

  headMeasures(args: MeasuresArgs, signal?: AbortSignal): Promise<readonly HeadMeasures[]> {
    return this.connect().rpc.request('headMeasures', args, signal);
  }

  kernels(args: LayerAddress, signal?: AbortSignal): Promise<readonly KernelWeights[]> {
    return this.connect().rpc.request('kernels', args, signal);
  }

  kernelHistory(args: LayerAddress, signal?: AbortSignal): Promise<KernelHistory | null> {
    return this.connect().rpc.request('kernelHistory', args, signal);
  }

  largestChanges(args: ChangesArgs, signal?: AbortSignal): Promise<readonly CellChange[]> {
    return this.connect().rpc.request('largestChanges', args, signal);
  }

  /** Shape [nTokens]. @throws Failure `no-analysis` */
  relevance(args: RelevanceArgs, signal?: AbortSignal): Promise<Float32Array> {
    return this.connect().rpc.request('relevance', args, signal);
  }

  /** @throws Failure `no-analysis`, `cannot-explain` or `bad-target`; Cancelled as soon as `signal` fires. */
  explain(args: ExplainArgs, signal: AbortSignal): Promise<LogitAttribution> {
    return this.cancellable('explain', args, signal);
  }

  /** @throws as `Engine.change`; Cancelled as soon as `signal` fires. */
  change(args: ChangeArgs, signal: AbortSignal): Promise<ChangeAnswer> {
    return this.cancellable('change', args, signal);
  }

  /** @throws as `Engine.ablateHeads`; Cancelled as soon as `signal` fires. */
  ablateHeads(args: HeadAblationArgs, signal: AbortSignal): Promise<HeadAblationEffect> {
    return this.cancellable('ablateHeads', args, signal);
  }

  /** @throws Failure `bad-example`; Cancelled as soon as `signal` fires. */
  scoreHeads(args: ScoreHeadsArgs, signal: AbortSignal): Promise<readonly ScoredHead[]> {
    return this.cancellable('scoreHeads', args, signal);
  }

  /** @throws Failure `no-analysis`, `viewer`, `remote` or `bad-target`; Cancelled as soon as `signal` fires. */
  lens(args: LensArgs, signal: AbortSignal): Promise<LogitLens> {
    return this.cancellable('lens', args, signal);
  }

  /** @throws as `lens`. */
  knockOuts(args: KnockOutsArgs, signal: AbortSignal): Promise<KnockOuts> {
    return this.cancellable('knockOuts', args, signal);
  }

  /** @throws as `lens`, and Failure `unequal-texts`. */
  patchParts(args: PatchPartsArgs, signal: AbortSignal): Promise<PatchedParts> {
    return this.cancellable('patchParts', args, signal);
  }

  /** Brings a `continued` event per token. @throws Failure `empty`, `no-room`, `viewer` or `remote`; Cancelled. */
  continueText(args: ContinueArgs, signal: AbortSignal): Promise<Continuation> {
    return this.cancellable('continueText', args, signal);
  }

  /** Brings an `occluded` event per span. @throws Cancelled as soon as `signal` fires. */
  occlude(args: OccludeArgs, signal: AbortSignal): Promise<OcclusionBaseline> {
    return this.cancellable('occlude', args, signal);
  }

  /** Resolves when the piece is tokenised, with how many tokens there are so far. */
  readSearchText(args: SearchTextArgs, signal: AbortSignal): Promise<{ readonly nTokens: number }> {
    return this.connect().rpc.request('readSearchText', args, signal);
  }

  /** Brings a `searched` event per window. @throws Cancelled as soon as `signal` fires. */
  searchDocument(args: SearchArgs, signal: AbortSignal): Promise<SearchAnswer> {
    return this.cancellable('searchDocument', args, signal);
  }

  /** Ends the process, because the user asked for it; the next use starts another one, also after too many crashes. */
  restart(): void {
    this.policy.forget();
    if (this.connection) this.end(this.connection, new Cancelled('The inference process was restarted.'));
  }

  /** The process ends with its channel; what hangs in a run is killed. */
  dispose(): void {
    this.isDisposed = true;
    this.connection?.process.kill();
  }

  private async cancellable<
    Name extends
      | 'ablate'
      | 'ablateHeads'
      | 'change'
      | 'rankAblations'
      | 'explain'
      | 'lens'
      | 'knockOuts'
      | 'patchParts'
      | 'continueText'
      | 'occlude'
      | 'scoreHeads'
      | 'searchDocument',
  >(
    name: Name,
    args: Parameters<InferenceRequests[Name]>[0],
    signal: AbortSignal,
  ): Promise<ReturnType<InferenceRequests[Name]>> {
    const connection = this.connect();
    try {
      return (await connection.rpc.request(name, args as never, signal)) as ReturnType<InferenceRequests[Name]>;
    } catch (error) {
      if (signal.aborted) this.killUnlessAlive(connection);
      throw error;
    }
  }

  /** What was cancelled ends with its layer or session; a process that hangs in one answers nothing and is killed. */
  private killUnlessAlive(connection: Connection): void {
    const message = 'The inference process hung and was ended. Inspect again: it is started anew.';
    const end = () => this.end(connection, this.inWords(new Failure('process', message, ['retry', 'showLog'])));
    const timer = setTimeout(end, this.graceMs);
    const stop = () => clearTimeout(timer);
    connection.rpc.request('ping', null).then(stop, stop);
  }

  /** Not a crash: runs that wait in it, and models, move to the next one; the rest hears why. */
  private end(connection: Connection, reason: Error): void {
    connection.endedBy = reason;
    if (this.connection === connection) this.connection = undefined;
    connection.process.kill();
  }

  private connect(): Connection {
    if (this.connection) return this.connection;
    if (this.isDisposed) throw new Cancelled();
    if (!this.policy.mayStart(performance.now())) {
      throw this.inWords(
        new Failure(
          'crashes',
          'The inference process ended unexpectedly 5 times in 3 minutes and is not started again for now. ' +
            'Show the log, try another model or provider, or wait.',
          ['showLog', 'selectModel', 'openSettings'],
        ),
      );
    }
    const packed = isPacked(this.models.get('main'));
    const process = this.start(packed);
    const rpc: Channel = new Rpc(
      { send: message => process.send(message), onMessage: f => process.onMessage(f) },
      {},
      { failure: this.inWords },
    );
    for (const name of Object.keys(eventNames) as (keyof InferenceEvents)[]) {
      rpc.on(name, payload => {
        for (const listeners of this.listeners) listeners[name]?.(payload as never);
      });
    }
    const connection: Connection = { process, rpc, isPacked: packed, loading: new Map() };
    // Once the failure itself has come: the next run, and those that wait here, get a process that has all memory.
    rpc.on('exhausted', () => {
      setTimeout(() => this.end(connection, new Cancelled('The process had used up its memory.')), exhaustedMs);
    });
    // The answer to `load` is out of date once the model's provider failed.
    rpc.on('provider', ({ provider, note }) => {
      for (const [slot, { key, answer }] of connection.loading) {
        const now = answer.then(loaded =>
          loaded.provider === 'remote' ? loaded : { ...loaded, provider, providerNote: note },
        );
        now.catch(() => {}); // reported to the caller of `load`
        connection.loading.set(slot, { key, answer: now });
      }
    });
    this.connection = connection;
    process.onExit(reason => {
      if (this.connection === connection) this.connection = undefined;
      if (!this.isDisposed && !connection.endedBy) this.policy.onCrash(performance.now());
      // The system kills what takes too much memory, V8 and C++ end themselves.
      const advice = /SIGKILL|SIGABRT|code 13[47]/.test(reason)
        ? ' If it happens again, memory may be short: lower the setting mtaInspector.range.maxTokens.'
        : '';
      const message = `The inference process ended unexpectedly (${reason}). Inspect again: it is started anew.${advice}`;
      const ended = new Failure('process', message, ['retry', 'openSettings', 'showLog']);
      rpc.close(connection.endedBy ?? this.inWords(ended));
    });
    return connection;
  }
}

/** Whether a model's weights stay packed, by its path: a GGUF file, or a blob of Ollama's store. */
export function isPacked(
  model: (Pick<Model, 'modelDirectory' | 'quantizedWeights'> & Partial<Pick<Model, 'remote'>>) | undefined,
): boolean {
  if (!model || model.remote || model.quantizedWeights === 'float32') return false;
  return /\.gguf$|[\\/]sha256-[0-9a-f]{64}$/i.test(model.modelDirectory);
}

/** Waits for `work`, which goes on for others, until `signal` fires; then calls `onAbort` and throws Cancelled. */
function untilAborted<T>(work: Promise<T>, signal: AbortSignal, onAbort: () => void): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => {
      onAbort();
      reject(new Cancelled());
    };
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
  });
}
