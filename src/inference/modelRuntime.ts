/**
 * The sessions of one model on one execution provider: created on first use, one per layer, run with fed kernels.
 * Knows nothing of documents.
 */

import { planLayer, streamedStages } from '../graph/layerPlan';
import {
  type BlockTaps,
  blockGraph,
  blockRowsGraph,
  embedGraph,
  headStageGraph,
  logitsGraph,
  logProbabilitiesGraph,
  noTaps,
  overviewGraph,
  predictionGraph,
  stageRowsGraph,
  stagesGraph,
} from '../graph/modelGraphs';
import type { ExecutionProvider, LayerOverview, LocalProvider, TopKeys } from '../shared/analysis';
import type { Stage } from '../shared/attentionMap';
import type { KernelWeights } from '../shared/kernels';
import { windowFeeds } from './feeds';
import { kernelFeeds, readKernels } from './kernelFeeds';
import type { ModelFolder } from './modelFolder';
import { Session, type Value, type Values } from './session';

/** Sessions that answer single requests (one stage of one layer); the least recently used goes first. */
const maxDetailSessions = 24;

export class ModelRuntime {
  /** Embedding, blocks and head: what every run needs. */
  private readonly sessions = new Map<string, Promise<Session>>();
  private readonly details = new Map<string, Promise<Session>>();
  private readonly kernels = new Map<number, Promise<readonly KernelWeights[]>>();
  /** Feeds of the latest window's length, one for each sliding window that layers have. */
  private feeds = { nTokens: 0, bySlidingWindow: new Map<number | null, Values>() };

  constructor(
    readonly folder: ModelFolder,
    private readonly localProvider: LocalProvider,
    private readonly nThreads: number,
  ) {}

  get provider(): ExecutionProvider {
    return this.localProvider;
  }

  /** Token ids -> the residual stream before layer 0, [1, T, D]. */
  async embed(ids: Int32Array): Promise<Value> {
    const session = await this.session('embed', () => embedGraph(this.folder.config, this.folder.weights));
    return (await session.run({ ids: int64(Array.from(ids), [1, ids.length]) }))['hidden']!;
  }

  /** The trained weights of a layer's parts, in the order in which they are applied. */
  trainedKernels(layerIdx: number): Promise<readonly KernelWeights[]> {
    return keep(this.kernels, layerIdx, () => readKernels(this.folder, layerIdx));
  }

  /**
   * Runs one block with taps.
   * @param hidden the residual stream before it, [1, T, D].
   * @param kernels weights of all parts of the layer, here and below; the trained ones when absent.
   */
  async block(
    layerIdx: number,
    hidden: Value,
    topK: number,
    blockSize: number,
    kernels?: readonly KernelWeights[],
  ): Promise<BlockResult> {
    const plan = planLayer(this.folder.config, layerIdx);
    const taps: BlockTaps = { overviews: streamedStages(plan), blockSize, topKeys: true };
    const fetched = await this.runBlock(layerIdx, hidden, taps, topK, kernels);
    return {
      hidden: fetched['hidden_out']!,
      topKeys: causalTopKeys(fetched['top_keys.indices']!, fetched['top_keys.weights']!),
      overviews: taps.overviews.map(stage => layerOverview(stage, blockSize, fetched)),
    };
  }

  /** Runs one block without taps: the bare time that the benchmark compares with. */
  async bareBlock(layerIdx: number, hidden: Value, kernels?: readonly KernelWeights[]): Promise<Value> {
    return (await this.runBlock(layerIdx, hidden, noTaps, 1, kernels))['hidden_out']!;
  }

  /** Runs one block and tells rows of one stage in all heads, shape [head, query, key]. */
  async blockRows(
    layerIdx: number,
    stage: Stage,
    queries: readonly [number, number],
    hidden: Value,
  ): Promise<{ readonly hidden: Value; readonly rows: Float32Array }> {
    const graph = () => blockRowsGraph(this.folder.config, layerIdx, stage, this.folder.weights);
    const session = await this.session(`block_rows/${layerIdx}/${stage}`, graph);
    const bounds = { query_start: int64([queries[0]], [1]), query_end: int64([queries[1]], [1]) };
    const fetched = await session.run({ ...(await this.blockFeeds(layerIdx, hidden)), ...bounds });
    return { hidden: fetched['hidden_out']!, rows: fetched['rows']!.data as Float32Array };
  }

  async overview(
    layerIdx: number,
    stage: Stage,
    hidden: Value,
    blockSize: number,
    kernels?: readonly KernelWeights[],
  ): Promise<LayerOverview> {
    const { config, weights } = this.folder;
    const graph = () => overviewGraph(config, layerIdx, stage, blockSize, weights);
    const session = await this.detail(`overview/${layerIdx}/${stage}/${blockSize}`, graph);
    return layerOverview(stage, blockSize, await session.run(await this.blockFeeds(layerIdx, hidden, kernels)));
  }

  /** One head's stage at full precision, shape [query, key]. */
  async headStage(
    layerIdx: number,
    stage: Stage,
    headIdx: number,
    hidden: Value,
    kernels?: readonly KernelWeights[],
  ): Promise<Float32Array> {
    const graph = () => headStageGraph(this.folder.config, layerIdx, stage, this.folder.weights);
    const session = await this.detail(`stage/${layerIdx}/${stage}`, graph);
    const feeds = { ...(await this.blockFeeds(layerIdx, hidden, kernels)), head_idx: int64([headIdx], []) };
    return (await session.run(feeds))['map']!.data as Float32Array;
  }

  /** Rows of one stage in all heads, shape [head, query, key]. */
  async stageRows(
    layerIdx: number,
    stage: Stage,
    queries: readonly [number, number],
    hidden: Value,
    kernels?: readonly KernelWeights[],
  ): Promise<Float32Array> {
    const graph = () => stageRowsGraph(this.folder.config, layerIdx, stage, this.folder.weights);
    const session = await this.detail(`rows/${layerIdx}/${stage}`, graph);
    const bounds = { query_start: int64([queries[0]], [1]), query_end: int64([queries[1]], [1]) };
    return (await session.run({ ...(await this.blockFeeds(layerIdx, hidden, kernels)), ...bounds }))['rows']!
      .data as Float32Array;
  }

  /** Several stages of several heads at full precision: one [head, query, key] per stage, in the order of `stages`. */
  async headStages(
    layerIdx: number,
    stages: readonly Stage[],
    heads: readonly number[],
    hidden: Value,
    kernels?: readonly KernelWeights[],
  ): Promise<Float32Array[]> {
    const graph = () => stagesGraph(this.folder.config, layerIdx, stages, this.folder.weights);
    const session = await this.detail(`stages/${layerIdx}/${stages.join()}`, graph);
    const feeds = { ...(await this.blockFeeds(layerIdx, hidden, kernels)), head_indices: int64(heads, [heads.length]) };
    const fetched = await session.run(feeds);
    return stages.map(stage => fetched[stage]!.data as Float32Array);
  }

  /** Natural log-probabilities of the next token after each position, [1, T, V]. */
  async logProbabilities(hidden: Value): Promise<Value> {
    const { config, weights } = this.folder;
    const session = await this.session('log_probabilities', () => logProbabilitiesGraph(config, weights));
    return (await session.run({ hidden }))['log_probabilities']!;
  }

  /**
   * Natural log-probabilities of `targets` [T], and the k most likely next tokens after each position.
   * @param before what `logProbabilities` gave for another run, to be compared with.
   */
  async predict(hidden: Value, targets: readonly number[], k: number, before?: Value): Promise<Prediction> {
    const { config, weights } = this.folder;
    const kind = before ? 'comparison' : 'prediction';
    const session = await this.session(kind, () => predictionGraph(config, weights, before !== undefined));
    const topK = int64([Math.min(k, config.vocab_size)], [1]);
    const feeds = { hidden, targets: int64(targets, [1, targets.length]), top_k: topK };
    const fetched = await session.run(before ? { ...feeds, before } : feeds);
    return {
      divergence: (fetched['divergence']?.data as Float32Array | undefined) ?? null,
      logProbabilities: fetched['log_probability']!.data as Float32Array,
      topIds: fetched['top.indices']!.data as Int32Array,
      topLogProbabilities: fetched['top.log_probabilities']!.data as Float32Array,
    };
  }

  /** Vocabulary logits [1, T, V]. */
  async logits(hidden: Value): Promise<Value> {
    const session = await this.session('logits', () => logitsGraph(this.folder.config, this.folder.weights));
    return (await session.run({ hidden }))['logits']!;
  }

  async release(): Promise<void> {
    const all = [...this.sessions.values(), ...this.details.values()];
    this.sessions.clear();
    this.details.clear();
    for (const session of await Promise.allSettled(all)) {
      if (session.status === 'fulfilled') await session.value.release();
    }
  }

  private async runBlock(
    layerIdx: number,
    hidden: Value,
    taps: BlockTaps,
    topK: number,
    kernels?: readonly KernelWeights[],
  ): Promise<Values> {
    const { config, weights } = this.folder;
    const kind = taps === noTaps ? 'bare' : `block/${taps.blockSize}`;
    const session = await this.session(`${kind}/${layerIdx}`, () => blockGraph(config, layerIdx, weights, taps));
    const nTokens = hidden.dims[1]!;
    return session.run({
      ...(await this.blockFeeds(layerIdx, hidden, kernels)),
      top_k: int64([Math.min(topK, nTokens)], [1]),
    });
  }

  private async blockFeeds(layerIdx: number, hidden: Value, kernels?: readonly KernelWeights[]): Promise<Values> {
    const nTokens = hidden.dims[1]!;
    const plan = planLayer(this.folder.config, layerIdx);
    if (this.feeds.nTokens !== nTokens) this.feeds = { nTokens, bySlidingWindow: new Map() };
    const { bySlidingWindow } = this.feeds; // another run may take turns with this one
    let values = bySlidingWindow.get(plan.slidingWindow);
    if (!values) {
      values = windowFeeds(this.folder.config, nTokens, undefined, plan.slidingWindow);
      bySlidingWindow.set(plan.slidingWindow, values);
    }
    const fed = kernels ?? (await this.trainedKernels(layerIdx));
    return { ...values, ...kernelFeeds(plan, fed), hidden };
  }

  private session(key: string, graph: () => Uint8Array): Promise<Session> {
    return keep(this.sessions, key, () => this.create(graph()));
  }

  private detail(key: string, graph: () => Uint8Array): Promise<Session> {
    const session = keep(this.details, key, () => this.create(graph()));
    const [oldest] = this.details.keys();
    if (this.details.size > maxDetailSessions && oldest !== undefined) {
      void this.details.get(oldest)?.then(old => old.release());
      this.details.delete(oldest);
    }
    return session;
  }

  private create(graph: Uint8Array): Promise<Session> {
    return Session.create(graph, {
      provider: this.localProvider,
      weightFolder: this.folder.directory,
      nThreads: this.nThreads,
    });
  }
}

export interface BlockResult {
  readonly hidden: Value;
  readonly topKeys: TopKeys;
  readonly overviews: readonly LayerOverview[];
}

export interface Prediction {
  /** KL(before || now) per position in nats, shape [T]; null where nothing was compared. */
  readonly divergence: Float32Array | null;
  readonly logProbabilities: Float32Array;
  readonly topIds: Int32Array;
  readonly topLogProbabilities: Float32Array;
}

/** The value under `key`, made if need be and moved to the end; a failure is not kept. */
function keep<Key, T>(map: Map<Key, Promise<T>>, key: Key, make: () => Promise<T>): Promise<T> {
  const value = map.get(key) ?? make();
  map.delete(key);
  map.set(key, value);
  value.catch(() => map.get(key) === value && map.delete(key));
  return value;
}

/** Marks keys after the query as absent: near the start a query has fewer than k keys. */
function causalTopKeys(indices: Value, weights: Value): TopKeys {
  const k = indices.dims[3]!;
  const nTokens = indices.dims[2]!;
  const keys = Int32Array.from(indices.data as Int32Array);
  for (let row = 0; row < keys.length / k; row++) {
    const query = row % nTokens;
    for (let i = row * k; i < (row + 1) * k; i++) if (keys[i]! > query) keys[i] = -1;
  }
  return { k, indices: keys, weights: weights.data as Float32Array };
}

function layerOverview(stage: Stage, blockSize: number, fetched: Values): LayerOverview {
  const cells = fetched[`overview.${stage}`]!;
  return {
    stage,
    blockSize,
    size: cells.dims[3]!,
    scales: fetched[`overview_scale.${stage}`]!.data as Float32Array,
    cells: cells.data as Int8Array,
  };
}

function int64(values: readonly number[], dims: readonly number[]): Value {
  return { type: 'int64', data: BigInt64Array.from(values, BigInt), dims };
}
