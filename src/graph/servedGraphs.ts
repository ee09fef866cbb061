/**
 * The graphs that an inference server runs, one model of the server each. They are made for a line between the model
 * and its user: rotary tables and mask come out of the window's length instead of travelling with every request, one
 * graph of a layer answers for every length of window, and whatever belongs to one layer shares its weights.
 *
 *   NAME                  config.json and tokenizer.json, as text
 *   NAME-embed            token ids -> residual stream
 *   NAME-layer-L          residual stream -> residual stream, strongest keys, overviews
 *   NAME-layer-L-maps     residual stream -> exact rows of any stage, overviews of every stage, trained kernels
 *   NAME-head             residual stream -> predictions
 */

import type { Stage } from '../shared/operators';
import { Failure } from '../shared/tools/failure';
import { kernelShapes } from './attentionGraph';
import { GraphBuilder, type WeightSource } from './graphBuilder';
import { hasLengthDependentPositions, keptKeyDim, type LayerPlan, stagesOf, streamedStages } from './layerPlan';
import type { ModelConfig } from './modelConfig';
import { embedGraph, openBlock } from './modelGraphs';
import { addTargets, addTopK, divergence, openHead } from './outputHead';
import { addScales, addTopKeys } from './reductions';
import { rotarySteps } from './rotary';

/** What a server calls a model's parts. */
export const servedNames = {
  texts: (model: string) => model,
  embed: (model: string) => `${model}-embed`,
  layer: (model: string, layerIdx: number) => `${model}-layer-${layerIdx}`,
  maps: (model: string, layerIdx: number) => `${model}-layer-${layerIdx}-maps`,
  head: (model: string) => `${model}-head`,
  /** Embedding and all layers in one stream of answers; only some servers have it. */
  run: (model: string) => `${model}-run`,
} as const;

/** Order of the texts that the model `NAME` serves. */
export const servedTexts = ['config.json', 'tokenizer.json'] as const;

/** A served model's name for a configuration's: letters that every server takes, and never a folder's "." or "..". */
export function servedModelName(name: string): string {
  const safe = name.replaceAll(/[^\w.-]+/g, '-').replace(/^[.-]+/, '');
  return safe.slice(0, longestName) || 'model';
}

/** File systems take 255 bytes, of which the parts' suffixes need some. */
const longestName = 200;

/**
 * All models of a server, made one by one on request.
 * @param texts in the order of `servedTexts`.
 * @throws Failure for a model whose graphs would depend on the window's length.
 */
export function* servedGraphs(
  model: string,
  config: ModelConfig,
  weights: WeightSource,
  texts: readonly string[],
): Generator<{ readonly name: string; readonly graph: Uint8Array }> {
  if (hasLengthDependentPositions(config)) {
    throw new Failure(
      'not-servable',
      `Cannot serve model "${config.name}": its rotary positions depend on the window's length (rope_scaling).`,
    );
  }
  yield { name: servedNames.texts(model), graph: textsGraph(texts) };
  yield { name: servedNames.embed(model), graph: embedGraph(config, weights) };
  for (let layerIdx = 0; layerIdx < config.n_layers; layerIdx++) {
    yield { name: servedNames.layer(model, layerIdx), graph: servedLayerGraph(config, layerIdx, weights) };
    yield { name: servedNames.maps(model, layerIdx), graph: servedMapsGraph(config, layerIdx, weights) };
  }
  yield { name: servedNames.head(model), graph: servedHeadGraph(config, weights) };
}

/** `file_index` int64 [1] -> `text` string [1]. */
function textsGraph(texts: readonly string[]): Uint8Array {
  const g = new GraphBuilder('texts');
  const index = g.input('file_index', 'int64', [1]);
  g.output('text', g.op('Gather', [g.strings(texts), index], { axis: 0 }), 'string', [1]);
  return g.build();
}

/**
 * `hidden` [1, T, D], kernels, `top_k` and `block_size` (int64 [1] each) -> `hidden_out`, `top_keys.indices` and
 * `top_keys.weights` [1, H, T, k], and `overview.<stage>` int8 [1, H, I, I] with `overview_scale.<stage>` [1, H, 1, 1]
 * for each streamed stage.
 */
function servedLayerGraph(config: ModelConfig, layerIdx: number, weights: WeightSource): Uint8Array {
  const { g, plan, values, output } = openServedBlock(config, layerIdx, weights);
  g.output('hidden_out', output, 'float32', [1, 'T', config.dim]);
  const { indices, weights: topWeights } = addTopKeys(g, values.attention, g.input('top_k', 'int64', [1]));
  g.output('top_keys.indices', indices, 'int32', [1, plan.nHeads, 'T', 'k']);
  g.output('top_keys.weights', topWeights, 'float32', [1, plan.nHeads, 'T', 'k']);
  const blockSize = g.input('block_size', 'int64', [1]);
  for (const stage of streamedStages(plan)) addOverview(g, plan, stage, values.stages[stage]!, blockSize);
  return g.build();
}

/**
 * `hidden`, kernels, `head_indices` int64 [n], `query_start`, `query_end` and `block_size` (int64 [1] each) -> every
 * stage as `<stage>` [1, n, Q, query_end] and pooled as in `servedLayerGraph`, and the trained kernels as `trained.<name>`.
 */
function servedMapsGraph(config: ModelConfig, layerIdx: number, weights: WeightSource): Uint8Array {
  const { g, plan, values } = openServedBlock(config, layerIdx, weights);
  const heads = g.input('head_indices', 'int64', ['n']);
  const [start, end] = ['query_start', 'query_end'].map(name => g.input(name, 'int64', [1])) as [string, string];
  const blockSize = g.input('block_size', 'int64', [1]);
  for (const stage of stagesOf(plan)) {
    const value = values.stages[stage]!;
    const rows = g.op('Slice', [g.op('Gather', [value, heads], { axis: 1 }), start, end, g.ints([2])]);
    g.output(stage, g.op('Slice', [rows, g.ints([0]), end, g.ints([3])]), 'float32', [1, 'n', 'Q', 'K']);
    addOverview(g, plan, stage, value, blockSize);
  }
  for (const [name, shape] of Object.entries(kernelShapes(plan))) {
    const key = `layers.${layerIdx}.attention.${name}`;
    g.output(`trained.${name}`, g.weight(key, weights(key)), 'float32', shape);
  }
  return g.build();
}

/**
 * `hidden` [1, T, D], `targets` int64 [1, T], `top_k` int64 [1] and `before`, another residual stream [1, N, D] with
 * N <= T -> `log_probability` [1, T] of the targets, `top.indices` and `top.log_probabilities` [1, T, k], `logits`
 * [1, T, V], and `divergence` [1, N]: KL(before || now) in nats.
 */
function servedHeadGraph(config: ModelConfig, weights: WeightSource): Uint8Array {
  const { g, logits, logitsOf } = openHead(config, weights);
  g.output('logits', logits, 'float32', [1, 'T', config.vocab_size]);
  const now = g.op('LogSoftmax', [logits], { axis: -1 });
  addTargets(g, now, 1);
  addTopK(g, now, 1);
  const stream = g.input('before', 'float32', [1, 'N', config.dim]);
  const before = g.op('LogSoftmax', [logitsOf(stream)], { axis: -1 });
  const nRows = g.op('Shape', [stream], { start: 1, end: 2 });
  const compared = g.op('Slice', [now, g.ints([0]), nRows, g.ints([1])]);
  g.output('divergence', divergence(g, before, compared), 'float32', [1, 'N']);
  return g.build();
}

function openServedBlock(config: ModelConfig, layerIdx: number, weights: WeightSource) {
  return openBlock(config, layerIdx, weights, (g, plan, hidden) => {
    const nTokens = g.op('Squeeze', [g.op('Shape', [hidden], { start: 1, end: 2 })]);
    const positions = g.op('Range', [g.op('Squeeze', [g.ints([0])]), nTokens, g.op('Squeeze', [g.ints([1])])]);
    const [queries, keys] = [1, 0].map(axis => g.op('Unsqueeze', [positions, g.ints([axis])])) as [string, string];

    let allowed = g.op('LessOrEqual', [keys, queries]);
    if (plan.slidingWindow !== null) {
      const isNear = g.op('Less', [g.op('Sub', [queries, keys]), g.ints([plan.slidingWindow])]);
      allowed = g.op('And', [allowed, isNear]);
    }
    if (plan.attentionChunk !== null) {
      const chunkOf = (position: string) => g.op('Div', [position, g.ints([plan.attentionChunk!])]);
      allowed = g.op('And', [allowed, g.op('Equal', [chunkOf(queries), chunkOf(keys)])]);
    }
    return {
      ...servedRotary(g, plan, queries, config.max_seqlen),
      allowed: g.op('Unsqueeze', [allowed, g.ints([0, 1])]),
      // A server computes the whole window in one band.
      pastKeys: g.floats([], [1, 0, plan.nKvHeads, keptKeyDim(plan)]),
      pastValues: g.floats([], [1, 0, plan.nKvHeads, plan.headDim]),
      nAbove: g.ints([0]),
    };
  });
}

/** Rotary tables [T, d] of positions [T, 1]; of a layer that rotates nothing, factors of its queries or unused ones. */
function servedRotary(
  g: GraphBuilder,
  { headDim, rotary, queryScaling }: LayerPlan,
  positions: string,
  longest: number,
) {
  if (queryScaling) {
    const next = g.op('Div', [g.op('Add', [positions, g.ints([1])]), g.ints([queryScaling.span])]);
    const logarithm = g.op('Log', [g.op('Add', [g.cast(next, 'float32'), g.scalar(1)])]);
    const scales = g.op('Add', [g.op('Mul', [logarithm, g.scalar(queryScaling.strength)]), g.scalar(1)]);
    return { cos: scales, sin: scales };
  }
  if (!rotary) return { cos: positions, sin: positions };
  const { angles, amplitudes } = rotarySteps(headDim, rotary, longest);
  const products = g.op('Mul', [g.cast(positions, 'float32'), g.floats(angles, [1, headDim])]);
  const isScaled = amplitudes.some(amplitude => amplitude !== 1);
  const scaled = (value: string) => (isScaled ? g.op('Mul', [value, g.floats(amplitudes, [1, headDim])]) : value);
  return { cos: scaled(g.op('Cos', [products])), sin: scaled(g.op('Sin', [products])) };
}

/**
 * As `addOverview` of reductions, for a block size that is an input: the map is filled up with zeros, which never have
 * the largest magnitude, and folded.
 */
function addOverview(g: GraphBuilder, plan: LayerPlan, stage: Stage, map: string, blockSize: string): void {
  const one = g.ints([1]);
  const nTokens = g.op('Shape', [map], { start: 3, end: 4 });
  const nBlocks = g.op('Div', [g.op('Sub', [g.op('Add', [nTokens, blockSize]), one]), blockSize]);
  const edge = g.op('Mul', [nBlocks, blockSize]);
  const missing = g.op('Sub', [edge, nTokens]);
  const pads = g.op('Concat', [g.ints([0, 0, 0, 0, 0, 0]), missing, missing], { axis: 0 });
  const filled = g.op('Pad', [map, pads]);
  const pool = (operation: 'ReduceMax' | 'ReduceMin') => {
    const fold = (value: string, ...rest: string[]) => {
      const shape = g.op('Concat', [g.ints([-1]), blockSize, ...rest], { axis: 0 });
      return g.op(operation, [g.op('Reshape', [value, shape]), one], { keepdims: 0 });
    };
    const shape = g.op('Concat', [g.ints([1, plan.nHeads]), nBlocks, nBlocks], { axis: 0 });
    return g.op('Reshape', [fold(fold(filled, edge)), shape]);
  };
  const [highest, lowest] = [pool('ReduceMax'), pool('ReduceMin')];
  const isPositive = g.op('GreaterOrEqual', [highest, g.op('Neg', [lowest])]);
  const pooled = g.op('Where', [isPositive, highest, lowest]);
  const { scales, divisor } = addScales(g, pooled);
  const steps = g.op('Round', [g.op('Mul', [g.op('Div', [pooled, divisor]), g.scalar(127)])]);
  g.output(`overview.${stage}`, g.cast(steps, 'int8'), 'int8', [1, plan.nHeads, 'I', 'I']);
  g.output(`overview_scale.${stage}`, scales, 'float32', [1, plan.nHeads, 1, 1]);
}
