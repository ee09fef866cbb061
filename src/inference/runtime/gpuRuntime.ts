/**
 * A model on a GPU, through WebGPU. The residual stream, keys and values stay in its memory until they are read; of a
 * layer only its outputs are fetched, at once.
 */

import { gpuBlockGraph, gpuFeeds, gpuPredictionGraph, largestBlock } from '../../graph/gpuGraphs';
import { keptKeyDim, type LayerPlan, planLayer, streamedStages } from '../../graph/layerPlan';
import { type BlockTaps, embedGraph, noTaps } from '../../graph/modelGraphs';
import type { LocalProvider } from '../../shared/analysis';
import type { KernelWeights } from '../../shared/kernels';
import { checkIds } from '../model/checkIds';
import type { ModelFolder } from '../model/folder';
import { type Band, bandAt, type LayerRows } from './bands';
import type { BlockOptions, BlockResult, LayerOptions } from './block';
import { cached } from './cached';
import type { FolderSessionOptions } from './folderSession';
import { GpuMemory } from './gpuMemory';
import { GpuWeights } from './gpuWeights';
import { kernelFeeds } from './kernelFeeds';
import { LayerAccumulator } from './layerAccumulator';
import { ModelRuntime } from './modelRuntime';
import { emptyPrediction, type Prediction } from './prediction';
import { Resident, type Session, type Value, type Values } from './session';
import { emptyValue, int64, rowsOf } from './values';

/** A model on a provider of this machine. @param bandRows rows that a layer computes at a time, at most. */
export function openRuntime(
  folder: ModelFolder,
  provider: LocalProvider,
  nThreads: number,
  bandRows?: number,
): ModelRuntime {
  const Runtime = provider === 'webgpu' ? GpuRuntime : ModelRuntime;
  return new Runtime(folder, provider, nThreads, bandRows);
}

/** A layer that the GPU has begun to compute. */
interface Begun {
  readonly hidden: Value;
  readonly rows: LayerRows;
  readonly bands: readonly BandOutputs[];
}

/** The outputs of a band; see `gpuBlockGraph`. */
interface BandOutputs {
  readonly band: Band;
  readonly integers: Value;
  readonly numbers: Value;
  /** Of a layer computed at once. */
  readonly cells: Value | undefined;
}

export class GpuRuntime extends ModelRuntime {
  protected override readonly feedsOf = gpuFeeds;
  private readonly memory = new GpuMemory(this.localProvider);
  private readonly weights = new GpuWeights(this.folder, this.localProvider, this.memory);
  private readonly trainedFeeds = new Map<number, Promise<Values>>();

  /** On the CPU, out of the file: the table's place on the GPU is the output head's. */
  override async embed(ids: Int32Array): Promise<Value> {
    checkIds(ids, this.folder);
    const graph = () => embedGraph(this.folder.config, this.folder.weights);
    const session = await this.session('embed', graph, { provider: 'cpu', laysOut: true, mapsWeights: true });
    return (await session.run({ ids: int64(Array.from(ids), [1, ids.length]) }))['hidden']!;
  }

  override fetch(value: Value): Promise<Value> {
    return this.memory.fetch(value);
  }

  override async block(layerIdx: number, hidden: Value, options: BlockOptions): Promise<BlockResult> {
    const plan = planLayer(this.folder.config, layerIdx);
    const { blockSize } = options;
    const nTokens = hidden.dims[1]!;
    const taps: BlockTaps = { overviews: streamedStages(plan), blockSize, topKeys: true };
    const { hidden: out, rows, bands } = await this.begin(plan, hidden, taps, options);
    const read = bands[0]?.cells
      ? this.readWhole(plan, bands[0], options)
      : this.readBands(plan, bands, nTokens, options);
    return { hidden: out, rows, ...(await read) };
  }

  override async bareBlock(layerIdx: number, input: Value, options: LayerOptions = {}): Promise<Value> {
    const { hidden, rows } = await this.plainBlock(layerIdx, input, options);
    this.memory.free(rows.keys);
    this.memory.free(rows.values);
    return hidden;
  }

  override async release(): Promise<void> {
    await this.memory.release();
    await this.weights.release();
    await super.release();
  }

  /** Quantized weights stay those of each session: the provider multiplies with them as they are. */
  protected override async create(graph: Uint8Array, options: Partial<FolderSessionOptions>): Promise<Session> {
    const isOnCpu = options.provider !== undefined && options.provider !== this.localProvider;
    if (isOnCpu || this.folder.summary.weightsKeptAs === 'packed') return super.create(graph, options);
    const { graph: unweighted, fed } = await this.weights.feed(graph);
    return super.create(unweighted, { ...options, sharedWeights: fed });
  }

  override async plainBlock(
    layerIdx: number,
    hidden: Value,
    options: LayerOptions,
  ): Promise<Pick<BlockResult, 'hidden' | 'rows'>> {
    const plan = planLayer(this.folder.config, layerIdx);
    return this.begin(plan, hidden, noTaps, { topK: 0, blockSize: 1, ...options });
  }

  protected override async blockFeeds(
    plan: LayerPlan,
    { hidden, keys, values }: LayerRows,
    { first, start, end }: Band,
    kernels?: readonly KernelWeights[],
  ): Promise<Values> {
    const nTokens = hidden.dims[1]!;
    const { cos, sin, positions, headDim } = this.rotaryRows(plan, nTokens);
    const table = (data: Float32Array, ...dims: number[]) => this.memory.resident({ type: 'float32', data, dims });
    const past = async (value: Value) => firstRows(first === 0 ? value : await this.memory.resident(value), first);
    return {
      ...(kernels ? kernelFeeds(plan, kernels) : await this.trained(plan)),
      hidden: await this.memory.resident(hidden),
      rotary_cos: await table(cos, cos.length / headDim, headDim),
      rotary_sin: await table(sin, sin.length / headDim, headDim),
      positions: await table(positions, positions.length),
      ...{ first: int64([first], [1]), end: int64([end], [1]), n_above: int64([start - first], [1]) },
      ...{ past_keys: await past(keys), past_values: await past(values) },
    };
  }

  protected override async beginPrediction(
    hidden: Value,
    targets: readonly number[],
    k: number,
    before?: Value,
  ): Promise<() => Promise<Prediction>> {
    const { config, weights } = this.folder;
    const graph = () => gpuPredictionGraph(config, weights, before !== undefined);
    const session = await this.session(before ? 'comparison' : 'prediction', graph, this.memory.options);
    const nTokens = targets.length;
    const { prediction: output } = await session.run({
      hidden: await this.memory.resident(hidden),
      targets: int64(targets, [1, nTokens, 1]),
      ...topFeeds(k, config.vocab_size),
      ...(before ? { before } : {}),
    });
    this.memory.hold(output!);
    return async () => {
      const { data } = await this.fetch(output!);
      this.memory.free(output!);
      const prediction = emptyPrediction(nTokens, k, before !== undefined);
      const width = output!.dims[2]!;
      for (let token = 0; token < nTokens; token++) {
        const row = data.subarray(token * width, (token + 1) * width) as Float32Array;
        prediction.logProbabilities[token] = row[0]!;
        prediction.topIds.set(row.subarray(1, 1 + k), token * k);
        prediction.topLogProbabilities.set(row.subarray(1 + k, 1 + 2 * k), token * k);
        if (prediction.divergence) prediction.divergence[token] = row[1 + 2 * k]!;
      }
      return prediction;
    };
  }

  /** Starts a layer on the GPU without waiting for it. */
  private async begin(plan: LayerPlan, input: Value, taps: BlockTaps, options: BlockOptions): Promise<Begun> {
    const { topK, blockSize, kernels, known, signal } = options;
    this.bandRows = options.bandRows ?? this.bandRows;
    const { layerIdx, nKvHeads, headDim } = plan;
    const { config, weights } = this.folder;
    const hidden = await this.memory.resident(input);
    const nTokens = hidden.dims[1]!;
    const start = known?.nRows ?? 0;
    const bands: BandOutputs[] = [];
    const none = (size: number) => emptyValue([1, 0, nKvHeads, size]);
    let done: { readonly hidden: Value; readonly keys: Value; readonly values: Value } = known
      ? { hidden: known.layer.hidden, keys: known.layer.rows.keys, values: known.layer.rows.values }
      : { hidden: emptyValue([1, 0, plan.dim]), keys: none(keptKeyDim(plan)), values: none(headDim) };
    await this.inBands(start, nTokens, signal, async (from, to) => {
      const band = bandAt(plan, from, to, blockSize);
      const isWhole = band.first === 0 && to === nTokens;
      const graph = () => gpuBlockGraph(config, layerIdx, weights, taps, isWhole);
      const session = await this.blockSession(layerIdx, taps, isWhole ? '/whole' : '', graph, this.memory.options);
      const nCells = taps.overviews.length * plan.nHeads * Math.ceil(nTokens / blockSize) ** 2;
      const fetched = await session.run({
        ...(await this.blockFeeds(plan, { hidden, keys: done.keys, values: done.values }, band, kernels)),
        past_hidden: firstRows(from === 0 ? done.hidden : await this.memory.resident(done.hidden), from),
        ...topFeeds(Math.min(topK, to), to),
        padding: int64([0, -nCells & 3], [2]),
      });
      for (const value of Object.values(fetched)) this.memory.hold(value);
      if (from > start) for (const value of Object.values(done)) this.memory.free(value);
      done = { hidden: fetched['hidden_out']!, keys: fetched['keys']!, values: fetched['values']! };
      const { integers, numbers, cells } = fetched;
      if (integers && numbers) bands.push({ band, integers, numbers, cells });
    });
    const rows = { hidden, keys: done.keys, values: done.values };
    return { hidden: done.hidden, rows, bands };
  }

  /** Of a layer computed at once: nothing is left to do but to fetch it. */
  private async readWhole(plan: LayerPlan, outputs: BandOutputs, { topK, blockSize }: BlockOptions) {
    const { nHeads } = plan;
    const nTokens = outputs.band.end;
    const k = Math.min(topK, nTokens);
    const size = Math.ceil(nTokens / blockSize);
    const stages = streamedStages(plan);
    const taken = await this.memory.takeAll([outputs.integers, outputs.numbers]);
    const [integers, numbers] = taken as [Int32Array, Float32Array];
    const nTop = nHeads * nTokens * k;
    const topKeys = { k, indices: integers.subarray(0, nTop), weights: numbers.subarray(0, nTop) };
    const overviews = stages.map((stage, i) => {
      const perHead = (at: number) => numbers.subarray(at, at + nHeads);
      const sums = perHead(nTop + (stages.length + i) * nHeads);
      const scales = perHead(nTop + i * nHeads).map((scale, head) => (Number.isNaN(sums[head]) ? Number.NaN : scale));
      const start = integers.byteOffset + 4 * nTop + i * nHeads * size * size;
      return { stage, blockSize, size, scales, cells: new Int8Array(integers.buffer, start, nHeads * size * size) };
    });
    const pooled = async () => {
      const cells = (await this.fetch(outputs.cells!)).data as Float32Array;
      const n = nHeads * size * size;
      return new Map(stages.map((stage, i) => [stage, { blockSize, size, cells: cells.subarray(i * n, (i + 1) * n) }]));
    };
    return { topKeys, overviews, blockSize, pooled };
  }

  private async readBands(plan: LayerPlan, bands: readonly BandOutputs[], nTokens: number, options: BlockOptions) {
    const { nHeads } = plan;
    const { topK, blockSize, known } = options;
    const all = new LayerAccumulator(plan, nTokens, blockSize, topK);
    if (known) await all.takeOver(known);
    const taken = await this.memory.takeAll(bands.flatMap(({ integers, numbers }) => [integers, numbers]));
    for (const [i, { band }] of bands.entries()) {
      const [integers, numbers] = taken.slice(2 * i) as [Int32Array, Float32Array];
      const nRows = band.end - band.first;
      const top = [1, nHeads, nRows, Math.min(topK, band.end)];
      const indices: Value = { type: 'int32', data: integers, dims: top };
      const dims = [1, nHeads, Math.ceil(nRows / blockSize), Math.ceil(band.end / blockSize)];
      const [nTop, nCells] = [integers.length, dims[1]! * dims[2]! * dims[3]!];
      all.add(band, indices, { type: 'float32', data: numbers, dims: top }, (_, i) => {
        const data = numbers.subarray(nTop + i * nCells, nTop + (i + 1) * nCells);
        return { type: 'float32', data, dims };
      });
    }
    return all.result();
  }

  private trained(plan: LayerPlan): Promise<Values> {
    return cached(this.trainedFeeds, plan.layerIdx, async () => {
      const feeds = Object.entries(kernelFeeds(plan, await this.trainedKernels(plan.layerIdx)));
      return Object.fromEntries(
        await Promise.all(feeds.map(async ([name, value]) => [name, await this.memory.resident(value)] as const)),
      );
    });
  }
}

/** How many of a row's cells to report, and how many blocks hold them; see `addLargest`. */
function topFeeds(k: number, rowLength: number): Values {
  const nBlocks = Math.min(k, Math.ceil(rowLength / largestBlock));
  return { top_k: int64([k], [1]), top_blocks: int64([nBlocks], [1]) };
}

/** The first rows of [1, row, ...]; an empty tensor needs no memory. */
function firstRows(value: Value, n: number): Value {
  const dims = [1, n, ...value.dims.slice(2)];
  if (n === 0) return emptyValue(dims);
  return value instanceof Resident ? value.as(dims) : rowsOf(value, 0, n);
}
