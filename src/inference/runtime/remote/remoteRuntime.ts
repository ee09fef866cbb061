/**
 * Runs a model's layers on an inference server, one request each (graph/servedGraphs lists what is served). The residual
 * stream comes back with every layer and is kept here, so the server keeps nothing of a run: any replica answers any
 * request, and one that dies costs a repetition.
 */

import { kernelShapes } from '../../../graph/attentionGraph';
import { planLayer, streamedStages } from '../../../graph/layerPlan';
import { blockSizeFor } from '../../../graph/reductions';
import { servedNames } from '../../../graph/servedGraphs';
import type { LayerOverview } from '../../../shared/analysis';
import type { KernelWeights } from '../../../shared/kernels';
import type { Stage } from '../../../shared/operators';
import { checkIds } from '../../model/checkIds';
import type { ModelFolder } from '../../model/folder';
import type { LayerRows } from '../bands';
import type { BlockOptions, BlockResult, LayerOptions } from '../block';
import { cached } from '../cached';
import { assembleKernels, kernelFeeds } from '../kernelFeeds';
import type { BlockRowsOptions, LayerRuntime, OverviewOptions, StageRowsOptions } from '../layerRuntime';
import type { Prediction } from '../prediction';
import type { Value } from '../session';
import { emptyTopKeys, writeTopKeys } from '../topKeyRows';
import { emptyValue, int64, rowsOf } from '../values';
import { RunAhead } from './runAhead';
import type { Expected, InferCall, Tensors } from './tensors';
import type { Transport } from './transport';

/** Inputs of the graph that serves a layer's maps. */
interface MapsInputs {
  readonly heads: readonly number[];
  readonly queries: readonly [number, number];
  readonly blockSize: number;
  readonly kernels: Readonly<Record<string, Value>>;
}

export class RemoteRuntime implements LayerRuntime {
  readonly provider = 'remote';
  private readonly kernels = new Map<number, Promise<readonly KernelWeights[]>>();
  private readonly runAhead: RunAhead | null;

  /** @param streams whether the server runs all layers upon one request. */
  constructor(
    readonly folder: ModelFolder,
    private readonly model: string,
    private readonly transport: Transport,
    streams: boolean,
  ) {
    this.runAhead = streams ? new RunAhead(transport) : null;
  }

  /** A server looks after its own memory. */
  rowsThatFit(): undefined {}

  async embed(ids: Int32Array): Promise<Value> {
    checkIds(ids, this.folder);
    const inputs = { ids: int64(Array.from(ids), [1, ids.length]) };
    const outputs = { hidden: this.stream(ids.length) };
    const hidden = await this.value({ model: servedNames.embed(this.model), inputs, outputs }, 'hidden');
    this.runAhead?.remember(hidden, inputs.ids);
    return hidden;
  }

  async fetch(value: Value): Promise<Value> {
    return value;
  }

  trainedKernels(layerIdx: number): Promise<readonly KernelWeights[]> {
    return cached(this.kernels, layerIdx, async () => {
      const plan = planLayer(this.folder.config, layerIdx);
      const shapes = kernelShapes(plan);
      if (Object.keys(shapes).length === 0) return [];
      const kernels = Object.fromEntries(Object.entries(shapes).map(([name, dims]) => [name, emptyValue(dims)]));
      const stream = emptyValue([1, 1, this.folder.config.dim]);
      const call = this.mapsCall(layerIdx, stream, { heads: [0], queries: [0, 1], blockSize: 1, kernels });
      const outputs = Object.entries(shapes).map(
        ([name, dims]) => [`trained.${name}`, { type: 'float32', dims }] as const,
      );
      const trained = await this.transport.infer({ ...call, outputs: Object.fromEntries(outputs) });
      return assembleKernels(plan, async name => trained[`trained.${name}`]!.data as Float32Array);
    });
  }

  /** Layers of a run that is known in part are computed whole: the server keeps nothing. */
  async block(layerIdx: number, hidden: Value, options: BlockOptions): Promise<BlockResult> {
    const { blockSize, kernels, signal } = options;
    const nTokens = hidden.dims[1]!;
    const topKeys = emptyTopKeys(this.folder.config.n_heads, nTokens, options.topK);
    const call = await this.blockCall(layerIdx, hidden, { topK: topKeys.k, blockSize, kernels });
    const ahead = kernels ? null : await this.runAhead?.take(layerIdx, hidden, () => this.runCalls(hidden, call));
    const fetched = ahead ?? (await this.transport.infer(call, signal));
    const out = fetched['hidden_out'] as Value;
    this.runAhead?.follow(hidden, out);
    const band = { first: 0, start: 0, end: nTokens };
    writeTopKeys(topKeys, nTokens, band, fetched['top_keys.indices'] as Value, fetched['top_keys.weights'] as Value);
    const stages = streamedStages(planLayer(this.folder.config, layerIdx));
    const overviews = stages.map(stage => overviewOf(stage, blockSize, fetched));
    return { hidden: out, rows: inputAlone(hidden), topKeys, overviews, blockSize, pooled: async () => new Map() };
  }

  async bareBlock(layerIdx: number, hidden: Value, { kernels, signal }: LayerOptions = {}): Promise<Value> {
    const call = await this.blockCall(layerIdx, hidden, { topK: 1, blockSize: blockSizeFor(hidden.dims[1]!), kernels });
    const { hidden_out } = call.outputs;
    return this.value({ ...call, outputs: { hidden_out: hidden_out! } }, 'hidden_out', signal);
  }

  async blockRows(
    layerIdx: number,
    hidden: Value,
    { stage, queries, ...options }: BlockRowsOptions,
  ): Promise<{ readonly hidden: Value; readonly rows: Float32Array }> {
    const heads = Array.from({ length: this.folder.config.n_heads }, (_, head) => head);
    const [out, [rows]] = await Promise.all([
      this.bareBlock(layerIdx, hidden, options),
      this.stageRows(layerIdx, inputAlone(hidden), { stages: [stage], heads, queries, ...options }),
    ]);
    return { hidden: out, rows: rows! };
  }

  async overview(layerIdx: number, { hidden }: LayerRows, options: OverviewOptions): Promise<LayerOverview> {
    const { stage, blockSize, kernels, signal } = options;
    const fed = await this.kernelInputs(layerIdx, kernels);
    const call = this.mapsCall(layerIdx, hidden, { heads: [0], queries: [0, 1], blockSize, kernels: fed });
    const outputs = this.overviewOutputs(stage, hidden.dims[1]!, blockSize);
    return overviewOf(stage, blockSize, await this.transport.infer({ ...call, outputs }, signal));
  }

  async stageRows(layerIdx: number, { hidden }: LayerRows, options: StageRowsOptions): Promise<Float32Array[]> {
    const { stages, heads, queries, signal } = options;
    const kernels = await this.kernelInputs(layerIdx, options.kernels);
    const call = this.mapsCall(layerIdx, hidden, { heads, queries, blockSize: blockSizeFor(hidden.dims[1]!), kernels });
    const [start, end] = queries;
    const outputs = stages.map(
      stage => [stage, { type: 'float32', dims: [1, heads.length, end - start, end] }] as const,
    );
    const fetched = await this.transport.infer({ ...call, outputs: Object.fromEntries(outputs) }, signal);
    return stages.map(stage => fetched[stage]!.data as Float32Array);
  }

  /** The server compares residual streams: log-probabilities of a whole vocabulary never travel. */
  async logProbabilities(hidden: Value): Promise<Value> {
    return hidden;
  }

  async predict(hidden: Value, targets: readonly number[], k: number, before?: Value): Promise<Prediction> {
    const [nTokens, topK] = [targets.length, Math.min(k, this.folder.config.vocab_size)];
    const other = before ?? rowsOf(hidden, 0, 1);
    const floats = (dims: readonly number[]): Expected => ({ type: 'float32', dims });
    const fetched = await this.transport.infer({
      model: servedNames.head(this.model),
      inputs: { hidden, targets: int64(targets, [1, nTokens]), top_k: int64([topK], [1]), before: other },
      outputs: {
        log_probability: floats([1, nTokens]),
        'top.indices': { type: 'int32', dims: [1, nTokens, topK] },
        'top.log_probabilities': floats([1, nTokens, topK]),
        ...(before ? { divergence: floats([1, nTokens]) } : {}),
      },
    });
    return {
      divergence: (fetched['divergence']?.data as Float32Array | undefined) ?? null,
      logProbabilities: fetched['log_probability']!.data as Float32Array,
      topIds: fetched['top.indices']!.data as Int32Array,
      topLogProbabilities: fetched['top.log_probabilities']!.data as Float32Array,
    };
  }

  async logits(hidden: Value): Promise<Value> {
    const nTokens = hidden.dims[1]!;
    const targets = int64(new Array(nTokens).fill(0), [1, nTokens]);
    const inputs = { hidden, targets, top_k: int64([1], [1]), before: rowsOf(hidden, 0, 1) };
    const outputs = { logits: { type: 'float32', dims: [1, nTokens, this.folder.config.vocab_size] } } as const;
    return this.value({ model: servedNames.head(this.model), inputs, outputs }, 'logits');
  }

  async release(): Promise<void> {
    this.runAhead?.stop();
    this.transport.close();
  }

  private mapsCall(
    layerIdx: number,
    hidden: Value,
    { heads, queries, blockSize, kernels }: MapsInputs,
  ): Pick<InferCall, 'model' | 'inputs'> {
    const [query_start, query_end, block_size] = [...queries, blockSize].map(n => int64([n], [1])) as [
      Value,
      Value,
      Value,
    ];
    const head_indices = int64(heads, [heads.length]);
    const inputs = { hidden, ...kernels, head_indices, query_start, query_end, block_size };
    return { model: servedNames.maps(this.model, layerIdx), inputs };
  }

  private async blockCall(
    layerIdx: number,
    hidden: Value,
    { topK, blockSize, kernels }: BlockOptions,
  ): Promise<InferCall> {
    const nTokens = hidden.dims[1]!;
    const inputs = {
      ...{ hidden, top_k: int64([topK], [1]), block_size: int64([blockSize], [1]) },
      ...(await this.kernelInputs(layerIdx, kernels)),
    };
    return {
      model: servedNames.layer(this.model, layerIdx),
      inputs,
      outputs: this.blockOutputs(layerIdx, nTokens, topK, blockSize),
    };
  }

  private blockOutputs(layerIdx: number, nTokens: number, topK: number, blockSize: number): InferCall['outputs'] {
    const dims = [1, this.folder.config.n_heads, nTokens, topK];
    const stages = streamedStages(planLayer(this.folder.config, layerIdx));
    return {
      hidden_out: this.stream(nTokens),
      'top_keys.indices': { type: 'int32', dims },
      'top_keys.weights': { type: 'float32', dims },
      ...Object.assign({}, ...stages.map(stage => this.overviewOutputs(stage, nTokens, blockSize))),
    };
  }

  private overviewOutputs(stage: Stage, nTokens: number, blockSize: number): InferCall['outputs'] {
    const [nHeads, size] = [this.folder.config.n_heads, Math.ceil(nTokens / blockSize)];
    return {
      [`overview.${stage}`]: { type: 'int8', dims: [1, nHeads, size, size] },
      [`overview_scale.${stage}`]: { type: 'float32', dims: [1, nHeads, 1, 1] },
    };
  }

  /** The server's answers when it runs all layers with the options of `first`, the call of layer 0. */
  private runCalls(
    hidden: Value,
    first: InferCall,
  ): { readonly request: InferCall; readonly answers: readonly InferCall[] } {
    const { top_k, block_size } = first.inputs as Record<'top_k' | 'block_size', Value>;
    const [topK, blockSize] = [top_k, block_size].map(({ data }) => Number(data[0])) as [number, number];
    const inputs = { top_k, block_size };
    const answers = Array.from({ length: this.folder.config.n_layers }, (_, layerIdx) => ({
      model: servedNames.layer(this.model, layerIdx),
      inputs: {},
      outputs: this.blockOutputs(layerIdx, hidden.dims[1]!, topK, blockSize),
    }));
    return { request: { model: servedNames.run(this.model), inputs, outputs: {} }, answers };
  }

  private async kernelInputs(layerIdx: number, kernels?: readonly KernelWeights[]): Promise<Record<string, Value>> {
    const fed = kernels ?? (await this.trainedKernels(layerIdx));
    return { ...kernelFeeds(planLayer(this.folder.config, layerIdx), fed) };
  }

  private stream(nTokens: number): Expected {
    return { type: 'float32', dims: [1, nTokens, this.folder.config.dim] };
  }

  private async value(call: InferCall, name: string, signal?: AbortSignal): Promise<Value> {
    return (await this.transport.infer(call, signal))[name] as Value;
  }
}

function overviewOf(stage: Stage, blockSize: number, fetched: Tensors): LayerOverview {
  const cells = fetched[`overview.${stage}`] as Value;
  return {
    stage,
    blockSize,
    size: cells.dims[3]!,
    scales: fetched[`overview_scale.${stage}`]!.data as Float32Array,
    cells: cells.data as Int8Array,
  };
}

/** A layer's input; keys and values, from which a machine that runs it itself goes on, stay on the server. */
function inputAlone(hidden: Value): LayerRows {
  const none = emptyValue([1, 0]);
  return { hidden, keys: none, values: none };
}
