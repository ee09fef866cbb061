/**
 * `mta-inspect golden DIR`: runs golden cases through the graphs the product uses and compares every stored tensor.
 * Tolerances are relative to max(1, largest magnitude) of the tensor (test/fixtures/golden/README.md).
 */

import { kernelShapes } from '../graph/attentionGraph';
import type { Weight, WeightSource } from '../graph/graphBuilder';
import { planLayer, stagesOf } from '../graph/layerPlan';
import { embedGraph, logitsGraph, tracedAttentionGraph, tracedBlockGraph } from '../graph/modelGraphs';
import { allowedCells } from '../inference/runtime/feeds';
import { Session, type Value, type Values } from '../inference/runtime/session';
import { runTraced, type TracedRun } from '../inference/runtime/tracedBands';
import type { LocalProvider } from '../shared/analysis';
import { weightsStage } from '../shared/operators';
import { Failure } from '../shared/tools/failure';
import { float16Bytes, fromFloat16Bits, toFloat16Bits } from '../shared/tools/float16';
import { type GoldenCase, type GoldenModel, type GoldenTensor, goldenAttention, goldenModel } from './goldenCase';
import { checkToyData } from './toy';

export interface GoldenOptions {
  readonly provider: LocalProvider;
  readonly dtype: 'fp32' | 'fp16';
  /** Rows of a layer that are computed at a time; all at once when absent. */
  readonly nRows?: number | undefined;
}

export interface GoldenResult {
  readonly name: string;
  readonly status: 'passed' | 'failed' | 'not run';
  /** Largest difference relative to max(1, largest magnitude) of its tensor, and the tensor. */
  readonly worst: number;
  readonly worstTensor: string;
  readonly note: string;
}

/** Names in the golden files for our stages. */
const stageNames: Readonly<Record<string, string>> = {
  logits: 'scores',
  conv_pre_out: 'convolved_scores',
  head_pre_out: 'mixed_scores',
  softmax_out: 'pattern',
  conv_post_out: 'convolved_pattern',
  attn: 'attention',
};

/** Golden stages whose masked cells hold numbers that the next mask discards; ours hold 0 there. */
const unmasked = new Set(['logits', 'conv_pre_out', 'head_pre_out', 'conv_post_out']);

function tolerance(kind: 'attention' | 'model', tensor: string, dtype: 'fp32' | 'fp16'): number {
  if (dtype === 'fp32') return kind === 'attention' ? 2e-5 : 5e-5;
  return kind === 'model' || tensor === 'norm_out' ? 1e-2 : 5e-3;
}

export async function runGoldenCase(golden: GoldenCase, options: GoldenOptions): Promise<GoldenResult> {
  switch (golden.kind) {
    case 'attention':
      return compareAll(golden, 'attention', await runAttention(golden, options), options);
    case 'model':
      return compareAll(golden, 'model', await runModel(golden, options), options);
    case 'toy-data': {
      const problem = checkToyData(golden.json);
      return { name: golden.name, status: problem ? 'failed' : 'passed', worst: 0, worstTensor: '-', note: problem };
    }
    default:
      return {
        name: golden.name,
        status: 'not run',
        worst: 0,
        worstTensor: '-',
        note: `kind "${golden.kind}" is another implementation's layer, which this product does not draw`,
      };
  }
}

/** What our graphs computed, by golden name, and which cells are allowed. */
interface Computed {
  readonly values: Values;
  readonly allowed: Uint8Array;
}

async function runAttention(golden: GoldenCase, options: GoldenOptions): Promise<Computed> {
  const model = goldenAttention(golden);
  const { config, layerId, docLengths } = model;
  const x = golden.tensors.get('x')!;
  const graph = tracedAttentionGraph(config, layerId, weightSource(model, options.dtype));
  const fetched = await withSession(graph, options, session =>
    runTraced(session, {
      ...{ config, docLengths, nRows: options.nRows },
      plan: planLayer(config, layerId),
      hidden: { type: 'float32', data: x.data as Float32Array, dims: x.shape },
      kernels: kernelFeeds(model, layerId, options.dtype),
    }),
  );
  return {
    values: goldenNames(model, layerId, fetched, ''),
    allowed: allowedCells(0, x.shape[1]!, docLengths),
  };
}

async function runModel(golden: GoldenCase, options: GoldenOptions): Promise<Computed> {
  const model = goldenModel(golden);
  const { config } = model;
  const tokens = golden.tensors.get('tokens')!;
  const weights = weightSource(model, options.dtype);
  const ids: Value = { type: 'int64', data: BigInt64Array.from(tokens.data as Int32Array, BigInt), dims: tokens.shape };
  const values: Record<string, Value> = {};
  const embed = embedGraph(config, weights);
  let hidden = (await withSession(embed, options, session => session.run({ ids })))['hidden']!;
  for (let layerIdx = 0; layerIdx < config.n_layers; layerIdx++) {
    const graph = tracedBlockGraph(config, layerIdx, weights);
    const run: TracedRun = {
      ...{ config, hidden, nRows: options.nRows },
      plan: planLayer(config, layerIdx),
      kernels: kernelFeeds(model, layerIdx, options.dtype),
    };
    const fetched = await withSession(graph, options, session => runTraced(session, run));
    hidden = fetched['hidden_out']!;
    Object.assign(values, goldenNames(model, layerIdx, fetched, `layers.${layerIdx}.`));
    values[`layers.${layerIdx}.hidden`] = hidden;
  }
  const head = logitsGraph(config, weights);
  values['logits'] = (await withSession(head, options, session => session.run({ hidden })))['logits']!;
  return { values, allowed: allowedCells(0, tokens.shape[1]!) };
}

async function withSession(
  graph: Uint8Array,
  options: GoldenOptions,
  use: (session: Session) => Promise<Values>,
): Promise<Values> {
  const session = await Session.create(graph, { provider: options.provider });
  try {
    return await use(session);
  } finally {
    await session.release();
  }
}

function weightSource(model: GoldenModel, dtype: 'fp32' | 'fp16'): WeightSource {
  return (key): Weight => {
    const weight = model.weights.get(key);
    if (!weight) throw new Failure('bad-golden', `Golden case ${model.config.name} has no weight ${key}.`);
    const { shape, data } = weight;
    if (dtype === 'fp16') return { elementType: 'float16', shape, source: { bytes: float16Bytes(data) } };
    return { elementType: 'float32', shape, source: { bytes: new Uint8Array(data.buffer) } };
  };
}

function kernelFeeds(model: GoldenModel, layerIdx: number, dtype: 'fp32' | 'fp16'): Values {
  const feeds: Record<string, Value> = {};
  for (const [name, dims] of Object.entries(kernelShapes(planLayer(model.config, layerIdx)))) {
    const { data } = model.weights.get(`layers.${layerIdx}.attention.${name}`)!;
    feeds[name] = { type: 'float32', data: dtype === 'fp16' ? data.map(roundToFloat16) : data, dims };
  }
  return feeds;
}

function goldenNames(model: GoldenModel, layerIdx: number, fetched: Values, prefix: string): Record<string, Value> {
  const stages = stagesOf(planLayer(model.config, layerIdx));
  const named: Record<string, Value> = {};
  for (const [golden, ours] of Object.entries(stageNames)) {
    const value = fetched[ours === 'attention' ? weightsStage(stages) : ours];
    if (value) named[prefix + golden] = value;
  }
  if (prefix === '') for (const name of Object.keys(fetched)) if (!(name in named)) named[name] = fetched[name]!;
  return named;
}

function compareAll(
  golden: GoldenCase,
  kind: 'attention' | 'model',
  computed: Computed,
  options: GoldenOptions,
): GoldenResult {
  let worst = -1;
  let worstTensor = '-';
  const problems: string[] = [];
  for (const [name, expected] of golden.tensors) {
    if (expected.role === 'weight' || expected.role === 'input') continue;
    const got = computed.values[name];
    if (!got) {
      problems.push(`${name} was not computed`);
      continue;
    }
    const short = name === 'logits' && kind === 'model' ? 'vocabulary' : name.replace(/^layers\.\d+\./, '');
    const limit = tolerance(kind, short, options.dtype);
    const difference = compare(short, expected, got, computed.allowed, limit);
    if (!(difference.relative <= limit)) problems.push(`${name} differs by ${difference.relative.toExponential(1)}`);
    if (difference.problem) problems.push(`${name}: ${difference.problem}`);
    if (!(difference.relative <= worst)) [worst, worstTensor] = [difference.relative, name];
  }
  const status = problems.length === 0 && worst >= 0 ? 'passed' : 'failed';
  return { name: golden.name, status, worst, worstTensor, note: problems.join('; ') };
}

/** Compares the rows the golden keeps (the last ones), masked cells apart. */
function compare(name: string, expected: GoldenTensor, got: Value, allowed: Uint8Array, limit: number) {
  const data = got.data as Float32Array;
  const isMap = name in stageNames;
  const rowLength = expected.shape.at(-1)!;
  const nStored = expected.shape.at(-2) ?? 1;
  const nRows = got.dims.at(-2) ?? 1;
  let maxAbs = 1;
  for (const x of expected.data) if (Number.isFinite(x)) maxAbs = Math.max(maxAbs, Math.abs(x));
  let largest = 0;
  let problem = got.dims.at(-1) === rowLength ? '' : `shape ${got.dims} instead of ${expected.shape}`;
  for (let row = 0; row * rowLength < expected.data.length; row++) {
    const query = nRows - nStored + (row % nStored);
    const start = (Math.floor(row / nStored) * nRows + query) * rowLength;
    const lead = { first: Number.NEGATIVE_INFINITY, second: Number.NEGATIVE_INFINITY, key: -1 };
    let [top, topKey] = [Number.NEGATIVE_INFINITY, -1];
    for (let key = 0; key < rowLength; key++) {
      const want = expected.data[row * rowLength + key]!;
      const have = data[start + key]!;
      if (isMap && !allowed[query * rowLength + key]) {
        if (have !== 0) problem = `masked cell (${query}, ${key}) is ${have}`;
        if (unmasked.has(name)) continue;
      }
      const difference = Math.abs(have - want);
      if (!(difference <= largest)) largest = difference;
      if (have > top) [top, topKey] = [have, key];
      if (want > lead.first) [lead.second, lead.first, lead.key] = [lead.first, want, key];
      else if (want > lead.second) lead.second = want;
    }
    const isClear = lead.first - lead.second > 2 * limit * maxAbs;
    if (isMap && isClear && lead.key !== topKey)
      problem = `query ${query} looks most at ${topKey} instead of ${lead.key}`;
  }
  return { relative: largest / maxAbs, problem };
}

function roundToFloat16(value: number): number {
  return fromFloat16Bits(toFloat16Bits(value));
}
