/**
 * Direct attribution of a logit as ONNX nodes: what a layer adds to one row of the residual stream, split over heads and
 * source tokens and read along a direction. Everything that is not linear in what a head reads is frozen at its value:
 * attention weights, the per-head norm and gate of MTA, a norm after attention, the final norm.
 *
 *   cell[h, j] = mixed_pattern[h, i, j] * (v[h, j] * f[h, i]) . (Wo[h]^T u),   f = depth scale * norm weight / rms * gate
 *
 * i is the row, u [D] the direction with a norm after attention folded in. The direction goes through Wo first, so that
 * nothing of size tokens * heads * D is ever held. A bias of the values belongs to the cells, the bias of the output matrix
 * to `bias`. Sources: Elhage et al. 2021 (A Mathematical Framework for Transformer Circuits); arXiv 2504.00927 for MTA.
 */

import { type AttentionValues, pairScale, withoutRowsAbove } from './attentionGraph';
import { GraphBuilder, type WeightSource } from './graphBuilder';
import { type LayerPlan, type NormPlan, normOf } from './layerPlan';
import type { ModelConfig } from './modelConfig';
import { openBlock } from './modelGraphs';

type WeightOf = (key: string) => string;

/**
 * One row of a layer, fed as a band of one row is, and `direction` [D] -> `cells` [H, K], what the source tokens of each
 * head add to the residual stream along the direction; `factors` [H, K], the same for a weight of 1; `bias` [1], what biases
 * add; `added` [1, 1, D], all that attention adds to the stream.
 */
export function attributionGraph(config: ModelConfig, layerIdx: number, weights: WeightSource): Uint8Array {
  const { g, plan, feeds, values, added } = openBlock(config, layerIdx, weights);
  const { nHeads, headDim, dim } = plan;
  const weight = weightOf(g, layerIdx, weights);
  const { direction, bias } = beforeNorm(g, plan, values.y, g.input('direction', 'float32', [dim]), weight);
  const perHead = g.op('MatMul', [g.op('Reshape', [direction, g.ints([1, dim])]), weight('attention.wo.weight')]);
  const { row, shared } = headFactors(g, plan, values, weight);
  const ofHeads = g.op('Reshape', [perHead, g.ints([1, nHeads, 1, headDim])]);
  const read = times(g, g.op('Mul', [ofHeads, row]), shared);
  const factors = g.op('MatMul', [read, g.op('Transpose', [values.v], { perm: [0, 1, 3, 2] })]); // [1, H, 1, K]
  const pattern = withoutRowsAbove(g, plan, feeds, values.attention, 2);
  const cells = g.op('Mul', [pattern, factors]);
  g.output('cells', g.op('Squeeze', [cells, g.ints([0, 2])]), 'float32', [nHeads, 'K']);
  g.output('factors', g.op('Squeeze', [factors, g.ints([0, 2])]), 'float32', [nHeads, 'K']);
  const biases = plan.hasOutputBias ? g.op('Add', [bias, dot(g, direction, weight('attention.wo.bias'))]) : bias;
  g.output('bias', biases, 'float32', [1]);
  g.output('added', added, 'float32', ['B', 'N', dim]);
  return g.build();
}

/**
 * What weights move: rows of a layer, fed as a band -> `norm` and `contribution` [1, H, N, K].
 *
 *   x[h, i, j] = mixed_pattern[h, i, j] * (v[h, j] * f[h, i]) Wo[h]^T,   o[h, i] = sum over j of x[h, i, j]
 *   norm = |x|,   contribution = x . o / |o|^2
 *
 * Only dot products of x are needed, so Wo[h]^T Wo[h] [d, d] stands for Wo[h]. A norm after attention is left out.
 * Sources: Kobayashi et al. 2020 (Attention is Not Only a Weight), arXiv 2004.10102; arXiv 2606.07604.
 */
export function contributionGraph(config: ModelConfig, layerIdx: number, weights: WeightSource): Uint8Array {
  const { g, plan, feeds, values } = openBlock(config, layerIdx, weights);
  const { nHeads, headDim, dim } = plan;
  const weight = weightOf(g, layerIdx, weights);
  const matrix = g.op('Reshape', [weight('attention.wo.weight'), g.ints([1, dim, nHeads, headDim])]);
  const transposed = g.op('Transpose', [matrix], { perm: [0, 2, 3, 1] }); // [1, H, d, D]
  const gram = g.op('MatMul', [transposed, g.op('Transpose', [matrix], { perm: [0, 2, 1, 3] })]); // [1, H, d, d]
  const pattern = withoutRowsAbove(g, plan, feeds, values.attention, 2); // [1, H, N, K]
  const { row, shared } = headFactors(g, plan, values, weight);
  const v = times(g, values.v, shared);
  const shape = ['B', nHeads, 'N', 'K'];

  const output = g.op('Mul', [times(g, values.weightedValues, shared), row]); // [1, H, N, d]
  const along = g.op('MatMul', [output, gram]);
  const products = g.op('MatMul', [g.op('Mul', [along, row]), g.op('Transpose', [v], { perm: [0, 1, 3, 2] })]);
  const square = g.op('ReduceSum', [g.op('Mul', [along, output]), g.ints([-1])], { keepdims: 1 });
  const contribution = g.op('Div', [g.op('Mul', [pattern, products]), g.op('Max', [square, g.scalar(1e-30)])]);
  g.output('contribution', contribution, 'float32', shape);
  const norms =
    plan.gate === 'full'
      ? normsPerRow(g, v, row, gram)
      : g.op('Mul', [row, g.op('Unsqueeze', [lengths(g, v, gram), g.ints([2])])]);
  g.output('norm', g.op('Abs', [g.op('Mul', [pattern, norms])]), 'float32', shape);
  return g.build();
}

/**
 * What heads do to logits of tokens when they attend to one: a band of rows of a layer, `directions` [n, D] of
 * `tokenDirectionsGraph` and `own` int64 [K], which of them is that of each key -> `below` [H, K], how many of the n tokens the
 * head raises less than the key's own, ties as a half.
 *
 *   s[h, j, t] = (v[h, j] * norm weight) . (Wo[h]^T u[t])
 *
 * Factors that are alike for all tokens (the scales of norms, a gate of the whole head) do not change the order. A gate for
 * each dimension is left out. Source: the OV circuit of Elhage et al. 2021 (A Mathematical Framework for Transformer Circuits).
 */
export function copyGraph(config: ModelConfig, layerIdx: number, weights: WeightSource): Uint8Array {
  const { g, plan, values } = openBlock(config, layerIdx, weights);
  const { nHeads, headDim, dim } = plan;
  const weight = weightOf(g, layerIdx, weights);
  const { direction } = beforeNorm(g, plan, null, g.input('directions', 'float32', ['n', dim]), weight);
  const read = g.op('MatMul', [direction, weight('attention.wo.weight')]);
  const perHead = g.op('Transpose', [g.op('Reshape', [read, g.ints([1, -1, nHeads, headDim])])], {
    perm: [0, 2, 3, 1],
  });
  const v = times(g, values.v, plan.hasGroupNorm ? weight('attention.subln.weight') : null);
  const scores = g.op('MatMul', [v, perHead]); // [1, H, K, n]
  const places = g.op('Reshape', [g.input('own', 'int64', ['K']), g.ints([1, 1, -1, 1])]);
  const own = g.op('GatherElements', [scores, g.op('Expand', [places, g.ints([1, nHeads, 1, 1])])], { axis: -1 });
  const count = (what: 'Less' | 'Equal') =>
    g.op('ReduceSum', [g.cast(g.op(what, [scores, own]), 'float32'), g.ints([-1])], { keepdims: 0 });
  // A token ties with itself.
  const ties = g.op('Mul', [g.op('Sub', [count('Equal'), g.scalar(1)]), g.scalar(0.5)]);
  g.output('below', g.op('Squeeze', [g.op('Add', [count('Less'), ties]), g.ints([0])]), 'float32', [nHeads, 'K']);
  return g.build();
}

/** `ids` int64 [n] -> `directions` [n, D], what reads the logits of these tokens from the stream, up to the final norm's scale. */
export function tokenDirectionsGraph(config: ModelConfig, weights: WeightSource): Uint8Array {
  const g = new GraphBuilder('token_directions');
  const norm = normOf(config);
  const rows = g.rows(unembeddingName(config), weights(unembeddingName(config)), g.input('ids', 'int64', ['n']));
  const weight = norm.hasWeight ? g.weight('norm.weight', weights('norm.weight')) : undefined;
  g.output('directions', throughNorm(g, rows, null, norm, weight), 'float32', ['n', config.dim]);
  return g.build();
}

/**
 * `hidden` [1, 1, D] after the last layer and `unembedding` [D], what reads a logit -> `direction` [D] in the stream, and
 * `bias` [1], what a bias of the final norm adds.
 */
export function finalDirectionGraph(config: ModelConfig, weights: WeightSource): Uint8Array {
  const g = new GraphBuilder('final_direction');
  const hidden = g.input('hidden', 'float32', ['B', 'T', config.dim]);
  const norm = normOf(config);
  const weight = norm.hasWeight ? g.weight('norm.weight', weights('norm.weight')) : undefined;
  const unembedding = g.op('Mul', [g.input('unembedding', 'float32', [config.dim]), g.scalar(config.logit_scale)]);
  g.output('direction', throughNorm(g, unembedding, hidden, norm, weight), 'float32', [config.dim]);
  const bias = norm.hasBias ? dot(g, unembedding, g.weight('norm.bias', weights('norm.bias'))) : g.floats([0], [1]);
  g.output('bias', bias, 'float32', [1]);
  return g.build();
}

/** `ids` int64 [n] -> `rows` [D] and `bias` [1], summed over those rows of the matrix that makes logits, and their biases. */
export function unembeddingGraph(config: ModelConfig, weights: WeightSource): Uint8Array {
  const g = new GraphBuilder('unembedding');
  const ids = g.input('ids', 'int64', ['n']);
  const name = unembeddingName(config);
  const rows = g.rows(name, weights(name), ids);
  g.output('rows', g.op('ReduceSum', [rows, g.ints([0])], { keepdims: 0 }), 'float32', [config.dim]);
  const bias = config.head_bias
    ? g.op('ReduceSum', [g.rows('output.bias', weights('output.bias'), ids), g.ints([0])], { keepdims: 1 })
    : g.floats([0], [1]);
  g.output('bias', bias, 'float32', [1]);
  return g.build();
}

function unembeddingName({ weight_tying }: ModelConfig): string {
  return weight_tying ? 'tok_embeddings.weight' : 'output.weight';
}

/**
 * The direction in what a norm after attention reads, its scale frozen, and what a bias of that norm adds; the same direction
 * where there is no such norm. @param y what the norm reads, null to leave its scale out.
 */
function beforeNorm(g: GraphBuilder, plan: LayerPlan, y: string | null, direction: string, weight: WeightOf) {
  const scaled = plan.residualScale === 1 ? direction : g.op('Mul', [direction, g.scalar(plan.residualScale)]);
  const none = g.floats([0], [1]);
  if (plan.normPosition === 'before') return { direction: scaled, bias: none };
  const name = plan.normPosition === 'both' ? 'attention_post_norm' : 'attention_norm';
  const { hasWeight, hasBias } = plan.norm;
  const read = plan.blockNormScale === 1 ? scaled : g.op('Mul', [scaled, g.scalar(plan.blockNormScale)]);
  return {
    direction: throughNorm(g, read, y, plan.norm, hasWeight ? weight(`${name}.weight`) : undefined),
    bias: hasBias ? dot(g, read, weight(`${name}.bias`)) : none,
  };
}

/**
 * u * weight / scale(x): u . norm(x) = (what is returned) . x with the scale of the norm frozen, but for a bias of the
 * norm. A norm that subtracts the mean does so from the direction too. @param x [1, 1, D], null to leave the scale out.
 */
function throughNorm(g: GraphBuilder, u: string, x: string | null, norm: NormPlan, weight: string | undefined): string {
  const mean = (value: string) => g.op('ReduceMean', [value, g.ints([-1])], { keepdims: 1 });
  const centered = (value: string) => (norm.kind === 'layer' ? g.op('Sub', [value, mean(value)]) : value);
  const factor = norm.kind === 'rms_plus_one' && weight !== undefined ? g.op('Add', [weight, g.scalar(1)]) : weight;
  const direction = centered(times(g, u, factor ?? null));
  if (x === null) return direction;
  return g.op('Div', [direction, g.op('Reshape', [rms(g, centered(x), norm.eps), g.ints([1])])]);
}

function rms(g: GraphBuilder, x: string, eps: number): string {
  const meanSquare = g.op('ReduceMean', [g.op('Mul', [x, x]), g.ints([-1])], { keepdims: 1 });
  return g.op('Sqrt', [g.op('Add', [meanSquare, g.scalar(eps)])]);
}

/**
 * What per-head norm, depth scaling and gate multiply a head's weighted values by, as they stand.
 * @returns `row`, one factor per head and row, [1, H, N, 1 or d], or a scalar; `shared` [d] comes to it, null for none.
 */
function headFactors(g: GraphBuilder, plan: LayerPlan, values: AttentionValues, weight: WeightOf) {
  let row = g.scalar(plan.outputScale);
  // See addAttention for the epsilon.
  if (plan.hasGroupNorm) row = g.op('Div', [row, rms(g, values.weightedValues, 1e-5)]);
  if (plan.isDifferential) row = g.op('Div', [row, pairScale(g, plan, values.weightedValues, 1)]);
  if (values.gateLogit) {
    const gate = g.op('Sigmoid', [g.op('Transpose', [values.gateLogit], { perm: [0, 2, 1, 3] })]);
    row = g.op('Mul', [row, gate]);
  }
  return { row, shared: plan.hasGroupNorm ? weight('attention.subln.weight') : null };
}

/** |v[h, j] Wo[h]^T|, [1, H, K]. */
function lengths(g: GraphBuilder, v: string, gram: string): string {
  const squares = g.op('ReduceSum', [g.op('Mul', [g.op('MatMul', [v, gram]), v]), g.ints([-1])], { keepdims: 0 });
  return g.op('Sqrt', [g.op('Max', [squares, g.scalar(0)])]);
}

/** |(v[h, j] * row[h, i]) Wo[h]^T|, [1, H, N, K], for factors that are not the same in every dimension. */
function normsPerRow(g: GraphBuilder, v: string, row: string, gram: string): string {
  const scaled = g.op('Mul', [g.op('Unsqueeze', [v, g.ints([2])]), g.op('Unsqueeze', [row, g.ints([3])])]);
  return lengths(g, scaled, g.op('Unsqueeze', [gram, g.ints([2])]));
}

function times(g: GraphBuilder, value: string, factor: string | null): string {
  return factor === null ? value : g.op('Mul', [value, factor]);
}

function dot(g: GraphBuilder, a: string, b: string): string {
  return g.op('ReduceSum', [g.op('Mul', [a, b]), g.ints([0])], { keepdims: 1 });
}

function weightOf(g: GraphBuilder, layerIdx: number, weights: WeightSource): WeightOf {
  return key => g.weight(`layers.${layerIdx}.${key}`, weights(`layers.${layerIdx}.${key}`));
}
