/**
 * A foreign ONNX decoder behind the interface of a model that runs layer by layer, though it runs whole: what stands for
 * the residual stream is the window's tokens up to the last layer, and the vocabulary logits after it.
 */

import { basename } from 'node:path';
import { logSoftmaxRows } from '../../../attention/distributions';
import type { LayerOverview } from '../../../shared/analysis';
import type { KernelWeights } from '../../../shared/kernels';
import { Failure } from '../../../shared/tools/failure';
import { fromFloat16Bits } from '../../../shared/tools/float16';
import { checkIds } from '../../model/checkIds';
import type { FedInput, FeedType, ModelFolder, OnnxView } from '../../model/folder';
import type { LayerRows } from '../bands';
import type { BlockOptions, BlockResult } from '../block';
import type { BlockRowsOptions, LayerRuntime, OverviewOptions, StageRowsOptions } from '../layerRuntime';
import { predictFromLogits } from '../logits';
import type { RunSize } from '../memory';
import { quantize } from '../overviews';
import { emptyPrediction, type Prediction } from '../prediction';
import { Session, type Value, type Values } from '../session';
import { emptyValue, int64 } from '../values';
import { pooledOf, topKeysOf } from './reduceMaps';

/** What one run gave: maps of all layers, [head, query, key] each, and logits [1, T, V] where the graph has them. */
interface Forward {
  readonly maps: readonly Float32Array[];
  readonly logits: Value | null;
}

type View = ModelFolder & { readonly view: OnnxView };

/** Tolerated rounding of weights after a softmax. */
const roundingSlack = 1e-2;

export class OnnxViewRuntime implements LayerRuntime {
  readonly provider = 'cpu';
  private session: Promise<Session> | undefined;
  /** The last run: closer looks are mostly at that one. */
  private last: { readonly ids: Float32Array; readonly run: Promise<Forward> } | undefined;

  constructor(
    readonly folder: View,
    private readonly nThreads: number,
  ) {}

  /** All maps are in memory at once. @throws Failure `memory` with the numbers where they do not fit. */
  rowsThatFit({ nTokens }: RunSize, budgetBytes: number): undefined {
    const { config, sizeBytes, summary } = this.folder;
    const maps = 4 * config.n_layers * config.n_heads * nTokens ** 2;
    const logits = summary.viewer?.hasPredictions ? 4 * nTokens * config.vocab_size : 0;
    // Both exist in the library and here, until they are handed over.
    const least = sizeBytes + 2 * (maps + logits);
    if (least <= budgetBytes) return;
    throw new Failure(
      'memory',
      `Cannot look at ${nTokens} tokens with "${summary.name}": its maps take about ${Math.ceil(least / 1e6)} MB at ` +
        `once, and the memory budget is ${Math.floor(budgetBytes / 1e6)} MB. Lower mtaInspector.range.maxTokens, or raise ` +
        'mtaInspector.inference.memoryBudgetMb.',
      ['openSettings'],
    );
  }

  async embed(ids: Int32Array): Promise<Value> {
    checkIds(ids, this.folder);
    return { type: 'float32', data: Float32Array.from(ids), dims: [1, ids.length, 1] };
  }

  async trainedKernels(): Promise<readonly KernelWeights[]> {
    return [];
  }

  async block(layerIdx: number, hidden: Value, { topK, blockSize }: BlockOptions): Promise<BlockResult> {
    const map = await this.map(layerIdx, hidden);
    const nTokens = hidden.dims[1]!;
    const pooled = pooledOf(map, this.nHeads, nTokens, blockSize);
    return {
      hidden: await this.bareBlock(layerIdx, hidden),
      rows: { hidden, keys: emptyValue([0]), values: emptyValue([0]) },
      topKeys: topKeysOf(map, this.nHeads, nTokens, topK),
      overviews: [quantize('pattern', pooled)],
      ...{ blockSize, pooled: async () => new Map([['pattern', pooled]]) },
    };
  }

  async fetch(value: Value): Promise<Value> {
    return value;
  }

  async bareBlock(layerIdx: number, hidden: Value): Promise<Value> {
    if (layerIdx < this.folder.config.n_layers - 1) return hidden;
    return (await this.forward(hidden)).logits ?? hidden;
  }

  async blockRows(layerIdx: number, hidden: Value, { queries }: BlockRowsOptions) {
    const heads = Array.from({ length: this.nHeads }, (_, headIdx) => headIdx);
    const rows = rowsOfMap(await this.map(layerIdx, hidden), heads, queries, hidden.dims[1]!);
    return { hidden: await this.bareBlock(layerIdx, hidden), rows };
  }

  async overview(layerIdx: number, { hidden }: LayerRows, { blockSize }: OverviewOptions): Promise<LayerOverview> {
    const map = await this.map(layerIdx, hidden);
    return quantize('pattern', pooledOf(map, this.nHeads, hidden.dims[1]!, blockSize));
  }

  async stageRows(
    layerIdx: number,
    { hidden }: LayerRows,
    { stages, heads, queries }: StageRowsOptions,
  ): Promise<Float32Array[]> {
    const map = await this.map(layerIdx, hidden);
    return stages.map(() => rowsOfMap(map, heads, queries, hidden.dims[1]!));
  }

  async logits(hidden: Value): Promise<Value> {
    if (this.folder.view.logits !== null) return hidden;
    throw noLogits(this.folder.summary.name);
  }

  async logProbabilities(hidden: Value): Promise<Value> {
    const { data, dims } = await this.logits(hidden);
    return { type: 'float32', data: logSoftmaxRows(data as Float32Array, dims[2]!), dims };
  }

  /** Without logits nothing is predicted: no next tokens, and NaN as surprisal. */
  async predict(hidden: Value, targets: readonly number[], k: number, before?: Value): Promise<Prediction> {
    if (this.folder.view.logits === null) {
      const none = emptyPrediction(targets.length, 0, before !== undefined);
      for (const values of [none.logProbabilities, none.divergence]) values?.fill(Number.NaN);
      return none;
    }
    return predictFromLogits(hidden.data as Float32Array, targets, k, before?.data as Float32Array | undefined);
  }

  async release(): Promise<void> {
    const session = await this.session?.catch(() => null);
    await session?.release();
  }

  private get nHeads(): number {
    return this.folder.config.n_heads;
  }

  private async map(layerIdx: number, hidden: Value): Promise<Float32Array> {
    return (await this.forward(hidden)).maps[layerIdx]!;
  }

  /** Runs the graph on a window, unless it was the last one. */
  private forward({ data }: Value): Promise<Forward> {
    const ids = data as Float32Array;
    if (this.last && isSame(this.last.ids, ids)) return this.last.run;
    const last = { ids, run: this.run(ids) };
    this.last = last;
    last.run.catch(() => {
      if (this.last === last) this.last = undefined;
    });
    return last.run;
  }

  private async run(ids: Float32Array): Promise<Forward> {
    const { view, summary } = this.folder;
    const session = await this.open();
    const nTokens = ids.length;
    const feeds = Object.fromEntries(view.inputs.map(({ name, type }) => [name, feed(name, type, ids)]));
    const fetches = [...view.attentions, ...(view.logits === null ? [] : [view.logits])];
    const fetched = await session.run(feeds, fetches).catch(error => {
      throw error instanceof Failure && error.code === 'runtime' ? this.runFailure(nTokens, error) : error;
    });
    const maps = view.attentions.map(name => {
      const values = floatsOf(fetched, name, [1, this.nHeads, nTokens, nTokens], summary.name);
      checkPattern(values, nTokens, name, summary.name);
      return values;
    });
    const { logits } = view;
    const dims = [1, nTokens, this.folder.config.vocab_size];
    return {
      maps,
      logits: logits === null ? null : { type: 'float32', data: floatsOf(fetched, logits, dims, summary.name), dims },
    };
  }

  private runFailure(nTokens: number, { cause }: Failure): Failure {
    const { view, summary, directory } = this.folder;
    const todo = view.isContextKnown
      ? 'Inspect fewer tokens, or pick another model.'
      : `No file says how many tokens it takes, so ${summary.maxSeqlen} are assumed: write {"max_seqlen": N} into ` +
        `${basename(directory)}.json beside it, or inspect fewer tokens.`;
    return new Failure(
      'runtime',
      `Cannot look at ${nTokens} tokens with "${summary.name}": its graph stopped. ${todo} ONNX Runtime says: ${cause}.`,
      ['openSettings', 'showLog'],
    );
  }

  private open(): Promise<Session> {
    this.session ??= Session.create(this.folder.view.path, { provider: 'cpu', nThreads: this.nThreads });
    return this.session;
  }
}

export function noLogits(model: string): Failure {
  return new Failure(
    'no-logits',
    `Cannot score the predictions of "${model}": the ONNX file has no output logits. Export it with logits.`,
    ['selectModel'],
  );
}

function isSame(a: Float32Array, b: Float32Array): boolean {
  return a === b || (a.length === b.length && a.every((value, i) => value === b[i]));
}

function feed(name: FedInput, type: FeedType, ids: Float32Array): Value {
  const numbers = {
    input_ids: () => Array.from(ids),
    attention_mask: () => Array.from(ids, () => 1),
    position_ids: () => Array.from(ids, (_, position) => position),
    token_type_ids: () => Array.from(ids, () => 0),
  }[name]();
  const dims = [1, ids.length];
  if (type === 'int64') return int64(numbers, dims);
  const data = { int32: Int32Array, float32: Float32Array, bool: Uint8Array }[type].from(numbers);
  return { type, data, dims };
}

/** An output as fp32. @throws Failure for another shape than the run asks for. */
function floatsOf(fetched: Values, name: string, expected: readonly number[], model: string): Float32Array {
  const { data, dims } = fetched[name]!;
  if (dims.join() !== expected.join()) {
    throw new Failure(
      'bad-onnx',
      `Cannot look at "${model}": its output ${name} is ${dims.join('×')}, expected ${expected.join('×')}. ` +
        'Export it so, or name other outputs.',
      ['selectModel'],
    );
  }
  if ((data as unknown) instanceof Uint16Array) return Float32Array.from(data as never, fromFloat16Bits);
  return data instanceof Float32Array ? data : Float32Array.from(data as never);
}

/** @throws Failure unless the values can be what a causal softmax gives: weights, none on a later token. */
function checkPattern(values: Float32Array, nTokens: number, name: string, model: string): void {
  const refuse = (why: string) =>
    new Failure(
      'bad-onnx',
      `Cannot look at "${model}": its output ${name} ${why}. Name other outputs, or pick another model.`,
      ['selectModel'],
    );
  for (let i = 0; i < values.length; i++) {
    const [value, key, query] = [values[i]!, i % nTokens, Math.floor(i / nTokens) % nTokens];
    if (value < -roundingSlack || value > 1 + roundingSlack) {
      throw refuse(`holds ${value.toPrecision(3)}, so it is not attention after the softmax`);
    }
    if (key > query && Math.abs(value) > roundingSlack) {
      throw refuse(`attends from token ${query} to token ${key} after it, as encoders do; only decoders are shown`);
    }
  }
}

/** Rows of some heads of a map with the keys before the last row's end, shape [head, query, key]. */
function rowsOfMap(
  map: Float32Array,
  heads: readonly number[],
  [start, end]: readonly [number, number],
  nTokens: number,
): Float32Array {
  const rows = new Float32Array(heads.length * (end - start) * end);
  for (const [i, head] of heads.entries()) {
    for (let query = start; query < end; query++) {
      const from = (head * nTokens + query) * nTokens;
      rows.set(map.subarray(from, from + end), (i * (end - start) + query - start) * end);
    }
  }
  return rows;
}
