/**
 * The graphs of a model: embedding, each block, output head, and one stage of one head at full precision.
 * The residual stream `hidden` [1, T, D] passes between them, so any layer can be run again by itself.
 */

import { isSigned, type Stage } from '../shared/operators';
import {
  type AttentionFeeds,
  type AttentionValues,
  addAttention,
  addNorm,
  type CutHeads,
  kernelShapes,
  type PatchedPart,
  withoutRowsAbove,
} from './attentionGraph';
import { fedConvolution } from './convolution';
import { addFeedForward } from './feedForward';
import { GraphBuilder, type WeightSource } from './graphBuilder';
import { keptKeyDim, type LayerPlan, type NormPlan, normOf, planLayer, stagesOf } from './layerPlan';
import type { ModelConfig } from './modelConfig';
import { addRank, addTargets, addTopK, divergence, openHead, weightedSum } from './outputHead';
import { addPooling, addTopKeys, largest } from './reductions';

/** Outputs of a block's graph besides the residual stream. */
export interface BlockTaps {
  /** Stages to pool into overviews. */
  readonly overviews: readonly Stage[];
  readonly blockSize: number;
  /** Report the strongest keys per query; adds the input `top_k`. */
  readonly topKeys: boolean;
}

/** For bare runs, as the benchmark compares with. */
export const noTaps: BlockTaps = { overviews: [], blockSize: 1, topKeys: false };

/** `ids` int64 [B, T] -> `hidden` [B, T, D]. */
export function embedGraph(config: ModelConfig, weights: WeightSource): Uint8Array {
  const g = new GraphBuilder('embed');
  const ids = g.input('ids', 'int64', ['B', 'T']);
  let rows = g.rows('tok_embeddings.weight', weights('tok_embeddings.weight'), ids);
  if (config.embedding_scale !== 1) rows = g.op('Mul', [rows, g.scalar(config.embedding_scale)]);
  if (config.positions === 'learned') {
    const nTokens = g.op('Squeeze', [g.op('Shape', [ids], { start: 1, end: 2 })]);
    const [start, one] = [g.op('Squeeze', [g.ints([config.position_offset])]), g.op('Squeeze', [g.ints([1])])];
    const positions = g.op('Range', [start, g.op('Add', [start, nTokens]), one]);
    const key = 'position_embeddings.weight';
    rows = g.op('Add', [rows, g.rows(key, weights(key), positions)]);
  }
  g.output('hidden', rows, 'float32', ['B', 'T', config.dim]);
  return g.build();
}

/**
 * One block on a band of rows: `hidden` [B, R, D], keys and values of the rows before, rotary tables, mask and kernels
 * -> `hidden_out` [B, N, D], `keys` and `values` [B, R, n_kv, d] of the rows, and the taps.
 */
export function blockGraph(
  config: ModelConfig,
  layerIdx: number,
  weights: WeightSource,
  taps: BlockTaps,
  form = fedConvolution,
  feedsOf: FeedsOf = attentionFeeds,
): Uint8Array {
  const { g, plan, values, output } = openBlock(config, layerIdx, weights, feedsOf, form);
  g.output('hidden_out', output, 'float32', ['B', 'N', config.dim]);
  addKeptOutputs(g, plan, values);
  for (const stage of taps.overviews) addPooledOutput(g, plan, values, stage, taps.blockSize);
  if (taps.topKeys) {
    const { indices, weights: topWeights } = addTopKeys(g, values.attention, g.input('top_k', 'int64', [1]));
    g.output('top_keys.indices', indices, 'int32', ['B', plan.nHeads, 'R', 'k']);
    g.output('top_keys.weights', topWeights, 'float32', ['B', plan.nHeads, 'R', 'k']);
  }
  return g.build();
}

/** As `blockGraph`, but only the rows' `keys` and `values`. */
export function keptRowsGraph(config: ModelConfig, layerIdx: number, weights: WeightSource): Uint8Array {
  const { g, plan, values } = openBlock(config, layerIdx, weights);
  addKeptOutputs(g, plan, values);
  return g.build();
}

/** As `blockGraph`, but only `pooled.<stage>`. */
export function pooledGraph(
  config: ModelConfig,
  layerIdx: number,
  stage: Stage,
  blockSize: number,
  weights: WeightSource,
  feedsOf: FeedsOf = attentionFeeds,
): Uint8Array {
  const { g, plan, values } = openBlock(config, layerIdx, weights, feedsOf);
  addPooledOutput(g, plan, values, stage, blockSize);
  return g.build();
}

/** As `blockGraph`, but only some stages of the heads `head_indices` (int64 [n] input): each [B, n, N, K], masked cells 0. */
export function stagesGraph(
  config: ModelConfig,
  layerIdx: number,
  stages: readonly Stage[],
  weights: WeightSource,
  feedsOf: FeedsOf = attentionFeeds,
): Uint8Array {
  const { g, plan, feeds, values } = openBlock(config, layerIdx, weights, feedsOf);
  const heads = g.input('head_indices', 'int64', ['n']);
  for (const stage of stages) {
    const maps = g.op('Gather', [values.stages[stage]!, heads], { axis: 1 });
    g.output(stage, withoutRowsAbove(g, plan, feeds, maps, 2), 'float32', ['B', 'n', 'N', 'K']);
  }
  return g.build();
}

/** Everything a golden vector of the whole model may ask of one block, for a band of rows. */
export function tracedBlockGraph(config: ModelConfig, layerIdx: number, weights: WeightSource): Uint8Array {
  const { g, plan, feeds, values, output } = openBlock(config, layerIdx, weights);
  g.output('hidden_out', output, 'float32', ['B', 'N', config.dim]);
  addKeptOutputs(g, plan, values);
  addStageOutputs(g, plan, feeds, values);
  return g.build();
}

/** The attention layer alone, fed with its normalised input `hidden` [B, R, D]; every intermediate is an output. */
export function tracedAttentionGraph(config: ModelConfig, layerIdx: number, weights: WeightSource): Uint8Array {
  const plan = planLayer(config, layerIdx);
  const g = new GraphBuilder(`attention_${layerIdx}`);
  const x = g.input('hidden', 'float32', ['B', 'R', plan.dim]);
  const feeds = attentionFeeds(g, plan);
  const values = addAttention(g, plan, x, feeds, attentionWeight(g, layerIdx, weights));
  addKeptOutputs(g, plan, values);
  addStageOutputs(g, plan, feeds, values);
  const { q, k, v, weightedValues, normalized, gateLogit, heads, y } = values;
  const perHead = (rows: string) => ['B', plan.nHeads, rows, plan.headDim];
  g.output('q', withoutRowsAbove(g, plan, feeds, q, 2), 'float32', perHead('N'));
  g.output('k', k, 'float32', perHead('K'));
  g.output('v', v, 'float32', perHead('K'));
  g.output('attn_v', weightedValues, 'float32', perHead('N'));
  g.output('norm_out', normalized, 'float32', ['B', 'N', plan.nHeads, plan.headDim]);
  if (gateLogit) g.output('gate_logit', gateLogit, 'float32', ['B', 'N', plan.nHeads, 'G']);
  g.output('wo_in', heads, 'float32', ['B', 'N', plan.nHeads * plan.headDim]);
  g.output('y', y, 'float32', ['B', 'N', plan.dim]);
  return g.build();
}

/** `hidden` -> vocabulary `logits` [B, T, V]. */
export function logitsGraph(config: ModelConfig, weights: WeightSource): Uint8Array {
  const { g, logits } = openHead(config, weights);
  g.output('logits', logits, 'float32', ['B', 'T', config.vocab_size]);
  return g.build();
}

/**
 * `hidden` and `targets` (int64 [1, T], the next token of each position) -> `log_probability` [1, T] of the targets
 * (natural logarithm), and the `top_k` most likely next tokens: `top.indices`, `top.log_probabilities` [1, T, K].
 * @param kind `comparison` adds the input `before`, log-probabilities [1, T, V] of another run, and the output `divergence`
 * [1, T]: KL(before || now) in nats; `kept` adds the output `log_probabilities` [1, T, V].
 */
export function predictionGraph(
  config: ModelConfig,
  weights: WeightSource,
  kind: 'prediction' | 'comparison' | 'kept' = 'prediction',
): Uint8Array {
  const { g, logits } = openHead(config, weights);
  const logProbabilities = g.op('LogSoftmax', [logits], { axis: -1 });
  addTargets(g, logProbabilities, 'B');
  addTopK(g, logProbabilities, 'B');
  if (kind === 'kept') g.output('log_probabilities', logProbabilities, 'float32', ['B', 'T', config.vocab_size]);
  if (kind === 'comparison') {
    const before = g.input('before', 'float32', ['B', 'T', config.vocab_size]);
    g.output('divergence', divergence(g, before, logProbabilities), 'float32', ['B', 'T']);
  }
  return g.build();
}

/**
 * What a residual stream predicts when the output head reads it at once: the logit lens. As `predictionGraph`, with `rank`
 * [1, T] of the targets, from 1, and `entropy` [1, T] in nats.
 * @param kind `last` for the stream after the last layer, which also gives its `probabilities` [1, T, V]; `known` for the
 * same from its log-probabilities, which take the place of `hidden`; `inner` for those before it, which take its
 * probabilities and give `cross_entropy` [1, T] in nats: KL(last || here) is that minus the last entropy.
 */
export function logitLensGraph(
  config: ModelConfig,
  weights: WeightSource,
  kind: 'inner' | 'last' | 'known',
): Uint8Array {
  const shape = ['B', 'T', config.vocab_size];
  const { g, logits } = kind === 'known' ? knownLogits(shape) : openHead(config, weights);
  const { values, indices } = largest(g, logits, g.input('top_k', 'int64', [1]));
  const first = (value: string) => g.op('Slice', [value, g.ints([0]), g.ints([1]), g.ints([-1])]);
  // Below the largest logit: sums of them lose nothing to rounding. And a softmax costs less than its logarithm and
  // exponentials, in two steps over the whole vocabulary.
  const below = g.op('Sub', [logits, first(values)]);
  const probabilities = g.op('Softmax', [below], { axis: -1 });
  /** Minus the log-probability of the likeliest token, [B, T, 1]. */
  const normalizer = g.op('Neg', [
    g.op('Log', [g.op('GatherElements', [probabilities, first(indices)], { axis: -1 })]),
  ]);
  const targets = g.op('Unsqueeze', [g.input('targets', 'int64', ['B', 'T']), g.ints([-1])]);
  const target = g.op('GatherElements', [below, targets], { axis: -1 });
  const perToken = (value: string) => g.op('Squeeze', [value, g.ints([-1])]);
  const crossEntropyOf = (p: string) => perToken(g.op('Sub', [normalizer, weightedSum(g, p, below)]));
  g.output('log_probability', perToken(g.op('Sub', [target, normalizer])), 'float32', ['B', 'T']);
  g.output('top.indices', g.cast(indices, 'int32'), 'int32', ['B', 'T', 'k']);
  const topBelow = g.op('Sub', [values, first(values)]);
  g.output('top.log_probabilities', g.op('Sub', [topBelow, normalizer]), 'float32', ['B', 'T', 'k']);
  addRank(g, below, target);
  g.output('entropy', crossEntropyOf(probabilities), 'float32', ['B', 'T']);
  if (kind === 'inner') {
    const last = g.input('probabilities', 'float32', shape);
    g.output('cross_entropy', crossEntropyOf(last), 'float32', ['B', 'T']);
  } else {
    g.output('probabilities', probabilities, 'float32', shape);
  }
  return g.build();
}

/** Log-probabilities are logits, too. */
function knownLogits(shape: readonly (string | number)[]) {
  const g = new GraphBuilder('head');
  return { g, logits: g.input('log_probabilities', 'float32', shape) };
}

/** `hidden` -> natural `log_probabilities` of the next token, [B, T, V]. */
export function logProbabilitiesGraph(config: ModelConfig, weights: WeightSource): Uint8Array {
  const { g, logits } = openHead(config, weights);
  const logProbabilities = g.op('LogSoftmax', [logits], { axis: -1 });
  g.output('log_probabilities', logProbabilities, 'float32', ['B', 'T', config.vocab_size]);
  return g.build();
}

/** Name, shape and kind of every tensor a model folder must hold. */
export function expectedWeights(config: ModelConfig): Map<string, readonly number[]> {
  const { dim, head_dim: d, n_heads: n, n_kv_heads: nKv, vocab_size: vocab } = config;
  const expected = new Map<string, readonly number[]>([['tok_embeddings.weight', [vocab, dim]]]);
  for (let layerIdx = 0; layerIdx < config.n_layers; layerIdx++) {
    const plan = planLayer(config, layerIdx);
    const add = (key: string, shape: readonly number[]) => expected.set(`layers.${layerIdx}.${key}`, shape);
    add('attention.wq.weight', [n * d, dim]);
    add('attention.wk.weight', [nKv * d, dim]);
    add('attention.wv.weight', [nKv * d, dim]);
    add('attention.wo.weight', [dim, n * d]);
    if (plan.hasQkvBias) {
      add('attention.wq.bias', [n * d]);
      add('attention.wk.bias', [nKv * d]);
      add('attention.wv.bias', [nKv * d]);
    }
    if (plan.hasOutputBias) add('attention.wo.bias', [dim]);
    if (plan.qkNorm === 'head' || plan.qkNorm === 'full') {
      add('attention.q_norm.weight', [plan.qkNorm === 'full' ? n * d : d]);
      add('attention.k_norm.weight', [plan.qkNorm === 'full' ? nKv * d : d]);
    }
    for (const [name, shape] of Object.entries(kernelShapes(plan))) add(`attention.${name}`, shape);
    if (plan.hasGroupNorm) add('attention.subln.weight', [d]);
    if (plan.gate) {
      const rows = plan.gate === 'scalar' ? 1 : d;
      add('attention.gate.weight', [rows, d]);
      add('attention.gate.bias', [rows]);
    }
    if (plan.isDifferential) for (const name of ['q1', 'k1', 'q2', 'k2']) add(`attention.lambda_${name}`, [d]);
    if (plan.hasForgetGate) {
      add('attention.forget.weight', [n, dim]);
      add('attention.forget.bias', [n]);
    }
    if (plan.hasSinks) add('attention.sinks', [n]);
    for (const name of blockNorms(plan)) addNormWeights(add, name, plan.norm, dim);
    addFeedForwardWeights(add, plan);
  }
  addNormWeights((key, shape) => expected.set(key, shape), 'norm', normOf(config), dim);
  if (config.positions === 'learned') {
    expected.set('position_embeddings.weight', [config.max_seqlen + config.position_offset, dim]);
  }
  if (!config.weight_tying) expected.set('output.weight', [vocab, dim]);
  if (config.head_bias) expected.set('output.bias', [vocab]);
  return expected;
}

type AddWeight = (key: string, shape: readonly number[]) => void;

/** The norms of a block in the stream's order. `…_post_norm` are those of `both`, on what a part writes. */
function blockNorms({ normPosition, residual }: LayerPlan): string[] {
  if (normPosition === 'both') return ['attention_norm', 'attention_post_norm', 'ffn_norm', 'ffn_post_norm'];
  return residual === 'parallel_one_norm' ? ['attention_norm'] : ['attention_norm', 'ffn_norm'];
}

function addNormWeights(add: AddWeight, name: string, norm: NormPlan, dim: number): void {
  if (norm.hasWeight) add(`${name}.weight`, [dim]);
  if (norm.hasBias) add(`${name}.bias`, [dim]);
}

function addFeedForwardWeights(add: AddWeight, { experts, dim, hiddenDim, hasGatedFfn, hasFfnBias }: LayerPlan): void {
  const addMatrices = (prefix: string, hidden: number, hasBias: boolean) => {
    const shapes: [string, number, number][] = [
      ['w1', hidden, dim],
      ['w3', hidden, dim],
      ['w2', dim, hidden],
    ];
    for (const [name, out, from] of shapes) {
      if (name === 'w3' && !hasGatedFfn) continue;
      add(`${prefix}${name}.weight`, [out, from]);
      if (hasBias) add(`${prefix}${name}.bias`, [out]);
    }
  };
  if (!experts) {
    addMatrices('feed_forward.', hiddenDim, hasFfnBias);
    return;
  }
  const hasBias = experts.clamped !== null;
  add('feed_forward.router.weight', [experts.n_experts, dim]);
  if (hasBias) add('feed_forward.router.bias', [experts.n_experts]);
  for (let expert = 0; expert < experts.n_experts; expert++) {
    addMatrices(`feed_forward.experts.${expert}.`, experts.hidden_dim, hasBias);
  }
  if (experts.shared_dim !== null) {
    addMatrices('feed_forward.shared_expert.', experts.shared_dim, false);
    if (experts.shared_gate) add('feed_forward.shared_expert_gate.weight', [1, dim]);
  }
}

export interface BlockFeeds extends AttentionFeeds {
  /** The band's rows of the residual stream, where the input `hidden` has more than those. */
  readonly rows?: string;
  /** Whether every expert computes every token: a GPU cannot choose rows without waiting for them. */
  readonly isDense?: boolean;
}

/** Makes the feeds of a band, from the input `hidden` if it likes. */
export type FeedsOf = (g: GraphBuilder, plan: LayerPlan, hidden: string) => BlockFeeds;

/**
 * Begins a graph with all of a block in it; what no output needs is dropped in the end.
 * @param feedsOf inputs of the graph by default.
 */
export function openBlock(
  config: ModelConfig,
  layerIdx: number,
  weights: WeightSource,
  feedsOf: FeedsOf = attentionFeeds,
  form = fedConvolution,
) {
  const plan = planLayer(config, layerIdx);
  const g = new GraphBuilder(`block_${layerIdx}`);
  const weight = (key: string) => g.weight(`layers.${layerIdx}.${key}`, weights(`layers.${layerIdx}.${key}`));
  const norm = (x: string, name: string) => {
    const { hasWeight, hasBias } = plan.norm;
    const part = (kind: string, exists: boolean) => (exists ? weight(`${name}.${kind}`) : undefined);
    const y = addNorm(g, x, plan.norm, part('weight', hasWeight), part('bias', hasBias));
    return plan.blockNormScale === 1 ? y : g.op('Mul', [y, g.scalar(plan.blockNormScale)]);
  };
  const before = (x: string, name: string) => (plan.normPosition === 'after' ? x : norm(x, name));
  const after = (x: string, name: string) => {
    const normed =
      plan.normPosition === 'before' ? x : norm(x, plan.normPosition === 'both' ? `${name}_post_norm` : `${name}_norm`);
    return plan.residualScale === 1 ? normed : g.op('Mul', [normed, g.scalar(plan.residualScale)]);
  };
  const stream = g.input('hidden', 'float32', ['B', 'R', config.dim]);
  const feeds = feedsOf(g, plan, stream);
  const hidden = feeds.rows ?? stream;
  const x = before(hidden, 'attention_norm');
  const values = addAttention(g, plan, x, feeds, attentionWeight(g, layerIdx, weights), form);
  const rows = withoutRowsAbove(g, plan, feeds, hidden, 1);
  const added = after(values.y, 'attention');
  const residual = g.op('Add', [rows, added]);
  const readByFfn = () => {
    if (plan.residual === 'parallel_one_norm') return withoutRowsAbove(g, plan, feeds, x, 1);
    return before(plan.residual === 'parallel' ? rows : residual, 'ffn_norm');
  };
  const ffnWeight = (key: string) => weight(`feed_forward.${key}`);
  const mlp = after(addFeedForward(g, plan, readByFfn(), ffnWeight, feeds.isDense), 'ffn');
  const output = g.op('Add', [residual, feeds.patch?.('mlp', mlp) ?? mlp]);
  return { g, plan, feeds, values, added, output };
}

function attentionFeeds(g: GraphBuilder, plan: LayerPlan): BlockFeeds {
  return maskedFeeds(g, plan, 1);
}

/** @param nMasks one for all heads, or one for each. */
function maskedFeeds(g: GraphBuilder, plan: LayerPlan, nMasks: number): BlockFeeds {
  const past = (size: number) => ['B', 'P', plan.nKvHeads, size];
  return {
    cos: g.input('rotary_cos', 'float32', ['R', plan.headDim]),
    sin: g.input('rotary_sin', 'float32', ['R', plan.headDim]),
    allowed: g.input('allowed', 'bool', ['A', nMasks, 'R', 'K']),
    pastKeys: g.input('past_keys', 'float32', past(keptKeyDim(plan))),
    pastValues: g.input('past_values', 'float32', past(plan.headDim)),
    nAbove: g.input('n_above', 'int64', [1]),
  };
}

/**
 * One block on a whole text, with one part of it replaced in several variants P at once: feeds as `blockGraph`, `patch`, the
 * values of another run, and bool `takes` [P, H, 1, 1] ([P, 1, H, 1] for `head`, [P, 1, 1] for `mlp`), true for what takes
 * them -> `hidden_out` [P, T, D].
 * @param output `own` for what the block itself has there, of which nothing else of the block is computed.
 */
export function patchedBlockGraph(
  config: ModelConfig,
  layerIdx: number,
  weights: WeightSource,
  part: PatchedPart,
  output: 'own' | 'hidden_out',
): Uint8Array {
  const feedsOf: FeedsOf = (g, plan) => {
    const { nHeads, headDim } = plan;
    const shapes = {
      pattern: [
        ['B', nHeads, 'R', 'K'],
        ['P', nHeads, 1, 1],
      ],
      value: [
        ['B', nHeads, 'K', headDim],
        ['P', nHeads, 1, 1],
      ],
      head: [
        ['B', 'N', nHeads, headDim],
        ['P', 1, nHeads, 1],
      ],
      mlp: [
        ['B', 'N', config.dim],
        ['P', 1, 1],
      ],
    } as const;
    return {
      ...attentionFeeds(g, plan),
      patch(patched, value) {
        if (patched !== part) return value;
        const [shape, places] = shapes[part];
        if (output === 'own') g.output('own', value, 'float32', shape);
        return g.op('Where', [g.input('takes', 'bool', places), g.input('patch', 'float32', shape), value]);
      },
    };
  };
  const { g, output: stream } = openBlock(config, layerIdx, weights, feedsOf);
  if (output === 'hidden_out') g.output('hidden_out', stream, 'float32', ['P', 'N', config.dim]);
  return g.build();
}

/** As `attentionFeeds`, with edges knocked out in `allowed`. */
export function knockOutFeeds(cuts: CutHeads): FeedsOf {
  return (g, plan) => ({ ...maskedFeeds(g, plan, cuts === 'some heads' ? plan.nHeads : 1), cuts });
}

function attentionWeight(g: GraphBuilder, layerIdx: number, weights: WeightSource): (key: string) => string {
  return key => g.weight(`layers.${layerIdx}.attention.${key}`, weights(`layers.${layerIdx}.attention.${key}`));
}

/** What later bands need of a band's rows. */
function addKeptOutputs(g: GraphBuilder, plan: LayerPlan, values: AttentionValues): void {
  const shape = (size: number) => ['B', 'R', plan.nKvHeads, size];
  g.output('keys', values.rowKeys, 'float32', shape(keptKeyDim(plan)));
  g.output('values', values.rowValues, 'float32', shape(plan.headDim));
}

function addStageOutputs(g: GraphBuilder, plan: LayerPlan, feeds: AttentionFeeds, values: AttentionValues): void {
  for (const stage of stagesOf(plan)) {
    const rows = withoutRowsAbove(g, plan, feeds, values.stages[stage]!, 2);
    g.output(stage, rows, 'float32', ['B', plan.nHeads, 'N', 'K']);
  }
}

function addPooledOutput(
  g: GraphBuilder,
  plan: LayerPlan,
  values: AttentionValues,
  stage: Stage,
  blockSize: number,
): void {
  const value = values.stages[stage];
  if (!value) {
    throw new RangeError(`layer ${plan.layerIdx} has no stage ${stage}; it has ${stagesOf(plan).join(', ')}`);
  }
  const pooled = addPooling(g, value, blockSize, isSigned(stage));
  g.output(`pooled.${stage}`, pooled, 'float32', ['B', plan.nHeads, 'I', 'J']);
}
