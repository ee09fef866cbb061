/**
 * The sessions of one model on one execution provider: created on first use, one per layer, run with fed kernels.
 * Knows nothing of documents.
 */

import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { kernelShapes } from '../graph/attentionGraph';
import { planLayer, streamedStages } from '../graph/layerPlan';
import {
  type BlockTaps,
  blockGraph,
  embedGraph,
  headStageGraph,
  logitsGraph,
  noTaps,
  overviewGraph,
  predictionGraph,
  stageRowsGraph,
} from '../graph/modelGraphs';
import type { ExecutionProvider, LayerOverview, TopKeys } from '../shared/analysis';
import type { Stage } from '../shared/attentionMap';
import { decodeFloats } from '../shared/float16';
import { windowFeeds } from './feeds';
import type { ModelFolder } from './modelFolder';
import { Session, type Value, type Values } from './session';

/** Sessions that answer single requests (one stage of one layer); the least recently used goes first. */
const maxDetailSessions = 8;

export class ModelRuntime {
  /** Embedding, blocks and head: what every run needs. */
  private readonly sessions = new Map<string, Promise<Session>>();
  private readonly details = new Map<string, Promise<Session>>();
  private readonly kernels = new Map<number, Promise<Values>>();
  private feeds: { nTokens: number; values: Values } | undefined;

  constructor(
    readonly folder: ModelFolder,
    readonly provider: ExecutionProvider,
    private readonly nThreads: number,
  ) {}

  /** Token ids -> the residual stream before layer 0, [1, T, D]. */
  async embed(ids: Int32Array): Promise<Value> {
    const session = await this.session('embed', () => embedGraph(this.folder.config, this.folder.weights));
    return (await session.run({ ids: int64(Array.from(ids), [1, ids.length]) }))['hidden']!;
  }

  /** Runs one block with taps. @param hidden the residual stream before it, [1, T, D]. */
  async block(layerIdx: number, hidden: Value, topK: number, blockSize: number): Promise<BlockResult> {
    const plan = planLayer(this.folder.config, layerIdx);
    const taps: BlockTaps = { overviews: streamedStages(plan), blockSize, topKeys: true };
    const fetched = await this.runBlock(layerIdx, hidden, taps, topK);
    return {
      hidden: fetched['hidden_out']!,
      topKeys: causalTopKeys(fetched['top_keys.indices']!, fetched['top_keys.weights']!),
      overviews: taps.overviews.map(stage => layerOverview(stage, blockSize, fetched)),
    };
  }

  /** Runs one block without taps: the bare time that the benchmark compares with. */
  async bareBlock(layerIdx: number, hidden: Value): Promise<Value> {
    return (await this.runBlock(layerIdx, hidden, noTaps, 1))['hidden_out']!;
  }

  async overview(layerIdx: number, stage: Stage, hidden: Value, blockSize: number): Promise<LayerOverview> {
    const { config, weights } = this.folder;
    const graph = () => overviewGraph(config, layerIdx, stage, blockSize, weights);
    const session = await this.detail(`overview/${layerIdx}/${stage}/${blockSize}`, graph);
    return layerOverview(stage, blockSize, await session.run(await this.blockFeeds(layerIdx, hidden)));
  }

  /** One head's stage at full precision, shape [query, key]. */
  async headStage(layerIdx: number, stage: Stage, headIdx: number, hidden: Value): Promise<Float32Array> {
    const graph = () => headStageGraph(this.folder.config, layerIdx, stage, this.folder.weights);
    const session = await this.detail(`stage/${layerIdx}/${stage}`, graph);
    const feeds = { ...(await this.blockFeeds(layerIdx, hidden)), head_idx: int64([headIdx], []) };
    return (await session.run(feeds))['map']!.data as Float32Array;
  }

  /** Rows of one stage in all heads, shape [head, query, key]. */
  async stageRows(
    layerIdx: number,
    stage: Stage,
    queries: readonly [number, number],
    hidden: Value,
  ): Promise<Float32Array> {
    const graph = () => stageRowsGraph(this.folder.config, layerIdx, stage, this.folder.weights);
    const session = await this.detail(`rows/${layerIdx}/${stage}`, graph);
    const bounds = { query_start: int64([queries[0]], [1]), query_end: int64([queries[1]], [1]) };
    return (await session.run({ ...(await this.blockFeeds(layerIdx, hidden)), ...bounds }))['rows']!
      .data as Float32Array;
  }

  /** Natural log-probabilities of `targets` [T], and the k most likely next tokens after each position. */
  async predict(hidden: Value, targets: readonly number[], k: number): Promise<Prediction> {
    const session = await this.session('prediction', () => predictionGraph(this.folder.config, this.folder.weights));
    const topK = int64([Math.min(k, this.folder.config.vocab_size)], [1]);
    const fetched = await session.run({ hidden, targets: int64(targets, [1, targets.length]), top_k: topK });
    return {
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

  private async runBlock(layerIdx: number, hidden: Value, taps: BlockTaps, topK: number): Promise<Values> {
    const { config, weights } = this.folder;
    const kind = taps === noTaps ? 'bare' : `block/${taps.blockSize}`;
    const session = await this.session(`${kind}/${layerIdx}`, () => blockGraph(config, layerIdx, weights, taps));
    const nTokens = hidden.dims[1]!;
    return session.run({
      ...(await this.blockFeeds(layerIdx, hidden)),
      top_k: int64([Math.min(topK, nTokens)], [1]),
    });
  }

  private async blockFeeds(layerIdx: number, hidden: Value): Promise<Values> {
    const nTokens = hidden.dims[1]!;
    if (this.feeds?.nTokens !== nTokens) {
      this.feeds = { nTokens, values: windowFeeds(this.folder.config, nTokens) };
    }
    const kernels = await keep(this.kernels, layerIdx, () => readKernels(this.folder, layerIdx));
    return { ...this.feeds.values, ...kernels, hidden };
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
      provider: this.provider,
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

/** The trained kernels of a layer, as feeds. */
async function readKernels(folder: ModelFolder, layerIdx: number): Promise<Values> {
  const feeds: Record<string, Value> = {};
  for (const [name, dims] of Object.entries(kernelShapes(planLayer(folder.config, layerIdx)))) {
    const { elementType, source } = folder.weights(`layers.${layerIdx}.attention.${name}`);
    if (!('file' in source)) throw new TypeError('the kernels of a model folder lie in its files');
    const bytes = new Uint8Array(source.length);
    const file = await open(join(folder.directory, source.file));
    try {
      await file.read(bytes, 0, source.length, source.offset);
    } finally {
      await file.close();
    }
    const dtype = { float32: 'F32', float16: 'F16', bfloat16: 'BF16' }[elementType as 'float32'];
    feeds[name] = { type: 'float32', data: decodeFloats(dtype, bytes), dims };
  }
  return feeds;
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
