/**
 * One Multi-Token Attention layer as ONNX nodes: arXiv 2504.00927 as the authors' code computes it
 * (facebookresearch/RAM, projects/mta). The golden vectors in test/fixtures/golden decide on every detail.
 *
 *   x -> q, k, v -> scores -> [key-query convolution] -> [head mixing] -> mask, softmax = pattern
 *     -> [key-query convolution] -> [head mixing] = mixed_pattern -> times v -> [norm, gate] -> output projection
 *
 * Axis names: B batch, H head, T token (query or key), D model, d head dimension. Masked cells (key > query, or
 * another document) are set to 0 before each convolution: -inf would turn into NaN there.
 *
 * A layer may be computed in bands of rows. A band has R rows (queries) and the K keys up to its last row, of which the
 * first K - R were kept from the bands before. The convolutions reach back over the rows above: the band begins with
 * that many rows more, whose results are cut away. Without bands R = K = T.
 */

import type { PatchKind } from '../shared/interventions';
import { type Operator, operators, type Stage } from '../shared/operators';
import { addConvolution, type ConvolutionForm, fedConvolution } from './convolution';
import type { GraphBuilder } from './graphBuilder';
import { type KernelSize, keptKeyDim, type LayerPlan, type NormPlan, operatorsOf, reachAbove } from './layerPlan';
import { type Rotary, rotationMatrix } from './rotary';

/** Values every attention graph is fed with. */
export interface AttentionFeeds {
  /** [R, d] */
  readonly cos: string;
  readonly sin: string;
  /** bool [B or 1, 1, R, K]: true where the query may look at the key. */
  readonly allowed: string;
  /**
   * Whether edges are knocked out, which `allowed` then has as false: of all heads alike, or of some, where it is
   * [B or 1, H, R, K]. Such a cell is 0 in every stage, and no convolution reads it. Absent where none is.
   */
  readonly cuts?: CutHeads | undefined;
  /** Puts the values of another run in their place; absent where none are. */
  readonly patch?: (part: PatchedPart, value: string) => string;
  /**
   * Keys with their rotary positions, and values, of the tokens before the rows: [B, K - R, n_kv, d]. Where heads forget,
   * a key also has the logarithm of its token's gate for each head that uses it, behind its own components (`keptKeyDim`).
   */
  readonly pastKeys: string;
  readonly pastValues: string;
  /** int64 [1]: how many rows come first only for the convolutions' sake; absent where there are none. */
  readonly nAbove: string;
}

/**
 * What a patch replaces: the last stage [B, H, R, K], the values [B, H, K, d], the heads' outputs before the output matrix,
 * after norm and gate, [B, N, H, d], or what the feed-forward part adds to the stream, [B, N, D].
 */
export type PatchedPart = Exclude<PatchKind, 'residual'>;

/** Heads that edges are knocked out of. */
export type CutHeads = 'all heads' | 'some heads';

/** Names of the values inside one attention layer; shapes in brackets. N = R without the rows above. */
export interface AttentionValues {
  /** After rotary positions and key/value repetition: [B, H, R, d], [B, H, K, d]. */
  readonly q: string;
  readonly k: string;
  readonly v: string;
  /** Keys as they are kept, and values, of the rows alone: [B, R, n_kv, d]. */
  readonly rowKeys: string;
  readonly rowValues: string;
  /** The same with those of the tokens before: [B, K, n_kv, d]. */
  readonly allKeys: string;
  readonly allValues: string;
  /** [B, H, R, K] for each stage the layer has; masked cells are 0. */
  readonly stages: Partial<Record<Stage, string>>;
  /** The weights that multiply the values: the layer's last stage. [B, H, R, K] */
  readonly attention: string;
  /** attention times values: [B, H, N, d]. */
  readonly weightedValues: string;
  /** After norm and depth scaling: [B, N, H, d]. */
  readonly normalized: string;
  /** Before the sigmoid: [B, N, H, 1 or d]; null without gate. */
  readonly gateLogit: string | null;
  /** Concatenated heads: [B, N, H * d]. */
  readonly heads: string;
  /** [B, N, D] */
  readonly y: string;
}

/** Kernels that are fed rather than fixed, with their shapes; a name is absent where the layer lacks the part. */
export function kernelShapes(plan: LayerPlan): Record<string, number[]> {
  const { nHeads: n, headKernelSize: c } = plan;
  const shapes: Record<string, number[]> = {};
  const conv = (kernel: KernelSize) => [n, 1, kernel.query, kernel.key];
  if (plan.preSoftmaxKernel) shapes['mta_kernel'] = conv(plan.preSoftmaxKernel);
  if (plan.postSoftmaxKernel) shapes['mta_kernel_after_sm'] = conv(plan.postSoftmaxKernel);
  if (plan.hasPreHeadMix) shapes['wpsm.weight'] = [n, n];
  if (c !== null) shapes['head_kernel'] = [n / c, c, c];
  if (plan.hasPostHeadMix) shapes['wposm.weight'] = [n, n];
  return shapes;
}

/**
 * Adds one attention layer.
 * @param x the layer's input, already normalised: [B, R, D].
 * @param weight returns the value name of `attention.<key>` of this layer.
 */
export function addAttention(
  g: GraphBuilder,
  plan: LayerPlan,
  x: string,
  feeds: AttentionFeeds,
  weight: (key: string) => string,
  form: ConvolutionForm = fedConvolution,
): AttentionValues {
  const { nHeads, nKvHeads, headDim } = plan;
  const kernels = Object.fromEntries(
    Object.entries(kernelShapes(plan)).map(([name, shape]) => {
      const isFixed = form.isFixed && name.startsWith('mta_kernel');
      return [name, isFixed ? weight(name) : g.input(name, 'float32', shape)];
    }),
  );
  const convolve = (value: string, name: string, size: KernelSize) =>
    addConvolution(g, plan, value, kernels[name]!, size, form);

  // B R D -> B R n d
  const project = (name: string, n: number, norm?: string) => {
    let value = linear(g, x, weight(`${name}.weight`), plan.hasQkvBias ? weight(`${name}.bias`) : undefined);
    if (norm && plan.qkNorm === 'full') value = addNorm(g, value, plan.norm, weight(norm));
    if (plan.qkvClip !== null) value = g.op('Clip', [value, g.scalar(-plan.qkvClip), g.scalar(plan.qkvClip)]);
    value = g.op('Reshape', [value, g.ints([0, 0, n, headDim])]);
    return norm && plan.qkNorm === 'head' ? addNorm(g, value, plan.norm, weight(norm)) : value;
  };
  const toHeads = (value: string, isValue = false) => {
    const heads = isValue && plan.isDifferential ? headsOfValues(nHeads, nKvHeads) : headsOfKeys(nHeads, nKvHeads);
    return repeatHeads(g, g.op('Transpose', [value], { perm: [0, 2, 1, 3] }), heads);
  };
  const rotate = plan.rotary ? rotation(g, headDim, plan.rotary, feeds) : (value: string) => value;
  const placed = (value: string) => {
    const rotated = rotate(value);
    return plan.qkNorm === 'rotated' ? rmsNorm(g, rotated, undefined, plan.norm.eps) : rotated;
  };
  let rowQueries = placed(project('wq', nHeads, 'q_norm.weight'));
  // The tables of a layer that does not rotate have this factor.
  if (plan.queryScaling) rowQueries = g.op('Mul', [rowQueries, g.op('Unsqueeze', [feeds.cos, g.ints([1])])]);
  const q = g.op('Transpose', [rowQueries], { perm: [0, 2, 1, 3] });
  const ownKeys = placed(project('wk', nKvHeads, 'k_norm.weight'));
  const rowKeys = plan.hasForgetGate
    ? g.op('Concat', [ownKeys, forgetGates(g, plan, x, weight)], { axis: 3 })
    : ownKeys;
  const rowValues = project('wv', nKvHeads);
  const allKeys = g.op('Concat', [feeds.pastKeys, rowKeys], { axis: 1 });
  const allValues = g.op('Concat', [feeds.pastValues, rowValues], { axis: 1 });
  const patched = (part: PatchedPart, value: string) => feeds.patch?.(part, value) ?? value;
  const keys = plan.hasForgetGate ? components(g, allKeys, 0, headDim) : allKeys;
  const [k, v] = [toHeads(keys), patched('value', toHeads(allValues, true))];

  const zero = g.scalar(0);
  const { allowed, cuts } = feeds;
  const masked = (value: string) => g.op('Where', [allowed, value, zero]);
  /** Head mixing fills cells that are cut in one head from the other heads. */
  const withoutEdges = (value: string) => (cuts === 'some heads' ? masked(value) : value);
  /** Rows that are only there for the convolutions may have no key left, and are NaN then. */
  const withoutEmptyRows = (value: string) => (cuts === undefined ? value : masked(value));
  const scores = () => {
    const scaledQ = g.op('Mul', [q, g.scalar(plan.scoreScale)]);
    return g.op('MatMul', [scaledQ, g.op('Transpose', [k], { perm: [0, 1, 3, 2] })]);
  };
  const unmasked = (map: string) => g.op('Where', [allowed, map, g.scalar(Number.NEGATIVE_INFINITY)]);
  const mixPattern = (map: string) =>
    plan.headKernelSize === null
      ? headMix(g, map, kernels['wposm.weight']!)
      : groupedHeadMix(g, map, kernels['head_kernel']!, nHeads, plan.headKernelSize);
  /** From the map so far, whose masked cells may hold anything before the softmax, to the next. */
  const steps: Readonly<Record<MapOperator, (map: string) => string>> = {
    score: scores,
    cap: map => capped(g, map, plan.scoreCap!),
    decay: map => g.op('Add', [map, decay(g, plan, allKeys, x, cuts === undefined ? null : allowed)]),
    convolve_scores: map => withoutEdges(convolve(masked(map), 'mta_kernel', plan.preSoftmaxKernel!)),
    mix_scores: map => headMix(g, map, kernels['wpsm.weight']!),
    softmax: map => withoutEmptyRows(g.op('Softmax', [unmasked(map)], { axis: -1 })),
    sink_softmax: map => withoutEmptyRows(softmaxWithSink(g, unmasked(map), weight('sinks'), nHeads)),
    subtract: map => withoutEdges(subtractedHeads(g, plan, map, weight)),
    convolve_pattern: map => masked(convolve(map, 'mta_kernel_after_sm', plan.postSoftmaxKernel!)),
    mix_pattern: map => withoutEdges(mixPattern(map)),
  };
  const stages: Partial<Record<Stage, string>> = {};
  let map = '';
  for (const operator of operatorsOf(plan)) {
    if (!isOnMap(operator)) continue;
    map = steps[operator](map);
    const { on, stage } = operators[operator];
    stages[stage] = on === 'scores' ? masked(map) : map;
  }

  map = patched('pattern', map);
  const summedValues = g.op('MatMul', [map, v]);
  /** The heads' outputs [B, rows, H, d] and, before the sigmoid, their gates. */
  const finish = (summed: string) => {
    let normalized = g.op('Transpose', [summed], { perm: [0, 2, 1, 3] });
    // The published code fixes this epsilon whatever the model's norm_eps is (mta-spec, group norm).
    if (plan.hasGroupNorm) normalized = rmsNorm(g, normalized, weight('subln.weight'), 1e-5);
    if (plan.isDifferential) normalized = g.op('Div', [normalized, pairScale(g, plan, normalized, 2)]);
    if (plan.outputScale !== 1) normalized = g.op('Mul', [normalized, g.scalar(plan.outputScale)]);
    const gateLogit = plan.gate && linear(g, normalized, weight('gate.weight'), weight('gate.bias'));
    return { normalized, gateLogit };
  };
  if (plan.gate === 'scalar') {
    const ofRows = g.op('Transpose', [g.op('Sigmoid', [finish(summedValues).gateLogit!])], { perm: [0, 2, 1, 3] });
    stages.gated_pattern = g.op('Mul', [map, ofRows]);
  }
  const weightedValues = withoutRowsAbove(g, plan, feeds, summedValues, 2);
  const { normalized, gateLogit } = finish(weightedValues);
  let gated = gateLogit === null ? normalized : g.op('Mul', [normalized, g.op('Sigmoid', [gateLogit])]);
  gated = patched('head', gated);
  const heads = g.op('Reshape', [gated, g.ints([0, 0, nHeads * headDim])]);
  const y = linear(g, heads, weight('wo.weight'), plan.hasOutputBias ? weight('wo.bias') : undefined);
  return {
    ...{ q, k, v, rowKeys, rowValues, allKeys, allValues, stages, attention: map },
    ...{ weightedValues, normalized, gateLogit, heads, y },
  };
}

/** Those that make a stage out of the one before. */
type MapOperator = { [O in Operator]: (typeof operators)[O]['on'] extends 'output' ? never : O }[Operator];

function isOnMap(operator: Operator): operator is MapOperator {
  return operators[operator].on !== 'output';
}

/** A band's value without the rows that were only there for the convolutions. */
export function withoutRowsAbove(
  g: GraphBuilder,
  plan: LayerPlan,
  { nAbove }: AttentionFeeds,
  value: string,
  axis: number,
): string {
  if (reachAbove(plan) === 0) return value;
  return g.op('Slice', [value, nAbove, g.ints([Number.MAX_SAFE_INTEGER]), g.ints([axis])]);
}

/** x W^T + b for a weight stored as [out, in]. */
export function linear(g: GraphBuilder, x: string, weight: string, bias?: string): string {
  const y = g.product(x, weight);
  return bias === undefined ? y : g.op('Add', [y, bias]);
}

/** Some components of kept keys. */
function components(g: GraphBuilder, keys: string, start: number, end: number): string {
  return g.op('Slice', [keys, g.ints([start]), g.ints([end]), g.ints([3])]);
}

/** ln σ of the rows' forget gates: [B, R, n_kv, H / n_kv]. */
function forgetGates(g: GraphBuilder, plan: LayerPlan, x: string, weight: (key: string) => string): string {
  const gates = linear(g, x, weight('forget.weight'), weight('forget.bias'));
  // ln σ(x) = min(x, 0) - ln(1 + exp -|x|), which neither overflows nor loses small values.
  const rest = g.op('Log', [g.op('Add', [g.op('Exp', [g.op('Neg', [g.op('Abs', [gates])])]), g.scalar(1)])]);
  const logGates = g.op('Sub', [g.op('Min', [gates, g.scalar(0)]), rest]);
  return g.op('Reshape', [logGates, g.ints([0, 0, plan.nKvHeads, plan.nHeads / plan.nKvHeads])]);
}

/**
 * What the forget gates of the tokens after a key, up to the query, add to its score: [B, H, R, K]. Source: Lin et al. 2025
 * (Forgetting Transformer), arXiv 2503.02130.
 * @param x of the rows. @param allowed tokens whose gates count, where a row does not know of all; null: all.
 */
function decay(g: GraphBuilder, plan: LayerPlan, allKeys: string, x: string, allowed: string | null): string {
  const { headDim, nHeads } = plan;
  const kept = components(g, allKeys, headDim, keptKeyDim(plan));
  const logGates = g.op('Transpose', [g.op('Reshape', [kept, g.ints([0, 0, nHeads])])], { perm: [0, 2, 1] });
  const [toLast, axis] = [g.ints([Number.MAX_SAFE_INTEGER]), g.integers([-1], [])];
  if (allowed === null) {
    const sums = g.op('CumSum', [logGates, axis]);
    const nRows = g.op('Slice', [g.op('Shape', [x]), g.ints([1]), g.ints([2])]);
    const ofRows = g.op('Slice', [sums, g.op('Neg', [nRows]), toLast, g.ints([2])]);
    return g.op('Sub', [g.op('Unsqueeze', [ofRows, g.ints([3])]), g.op('Unsqueeze', [sums, g.ints([2])])]);
  }
  const ofRow = g.op('Where', [allowed, g.op('Unsqueeze', [logGates, g.ints([2])]), g.scalar(0)]);
  const sums = g.op('CumSum', [ofRow, axis]);
  return g.op('Sub', [g.op('Slice', [sums, g.ints([-1]), toLast, g.ints([3])]), sums]);
}

/** Softmax over the keys and one score of "no key" per head, whose share is dropped: rows sum to less than 1. */
function softmaxWithSink(g: GraphBuilder, map: string, sinks: string, nHeads: number): string {
  const sink = g.op('Reshape', [sinks, g.ints([1, nHeads, 1, 1])]);
  const largest = g.op('Max', [g.op('ReduceMax', [map, g.ints([-1])], { keepdims: 1 }), sink]);
  const exponentials = g.op('Exp', [g.op('Sub', [map, largest])]);
  const sum = g.op('ReduceSum', [exponentials, g.ints([-1])], { keepdims: 1 });
  return g.op('Div', [exponentials, g.op('Add', [sum, g.op('Exp', [g.op('Sub', [sink, largest])])])]);
}

/** c tanh(x / c) */
export function capped(g: GraphBuilder, x: string, cap: number): string {
  return g.op('Mul', [g.op('Tanh', [g.op('Div', [x, g.scalar(cap)])]), g.scalar(cap)]);
}

/** One of the norms over the last axis. @param weight absent where the norm has none. */
export function addNorm(g: GraphBuilder, x: string, norm: NormPlan, weight?: string, bias?: string): string {
  if (norm.kind !== 'layer') {
    return rmsNorm(g, x, norm.kind === 'rms' ? weight : weight && g.op('Add', [weight, g.scalar(1)]), norm.eps);
  }
  const mean = (value: string) => g.op('ReduceMean', [value, g.ints([-1])], { keepdims: 1 });
  const centered = rmsNorm(g, g.op('Sub', [x, mean(x)]), weight, norm.eps);
  return bias === undefined ? centered : g.op('Add', [centered, bias]);
}

/** x / sqrt(mean(x^2) + eps) * weight over the last axis. */
export function rmsNorm(g: GraphBuilder, x: string, weight: string | undefined, eps: number): string {
  const meanSquare = g.op('ReduceMean', [g.op('Mul', [x, x]), g.ints([-1])], { keepdims: 1 });
  const norm = g.op('Sqrt', [g.op('Add', [meanSquare, g.scalar(eps)])]);
  const normed = g.op('Div', [x, norm]);
  return weight === undefined ? normed : g.op('Mul', [normed, weight]);
}

/** Rotary positions on [B, T, n, d]. */
function rotation(
  g: GraphBuilder,
  headDim: number,
  { style, dim }: Rotary,
  feeds: AttentionFeeds,
): (value: string) => string {
  const matrix = g.floats(rotationMatrix(headDim, style, dim), [headDim, headDim]);
  const perToken = (table: string) => g.op('Unsqueeze', [table, g.ints([1])]);
  const [cos, sin] = [perToken(feeds.cos), perToken(feeds.sin)];
  return value => g.op('Add', [g.op('Mul', [value, cos]), g.op('Mul', [g.op('MatMul', [value, matrix]), sin])]);
}

/** Grouped keys and values: query head h uses key/value head floor(h / (H / n_kv)). */
function headsOfKeys(nHeads: number, nKvHeads: number): number[] {
  return Array.from({ length: nHeads }, (_, head) => Math.floor((head * nKvHeads) / nHeads));
}

/** With differential attention, heads 2p and 2p + 1 use the values of the key of head p, in the first and the second half. */
function headsOfValues(nHeads: number, nKvHeads: number): number[] {
  const ofKeys = headsOfKeys(nHeads, nKvHeads);
  return ofKeys.map((_, head) => ofKeys[Math.floor(head / 2)]! + (head % 2) * (nKvHeads / 2));
}

/** [B, n_kv, T, d] -> [B, H, T, d] */
function repeatHeads(g: GraphBuilder, value: string, heads: readonly number[]): string {
  if (heads.every((head, i) => head === i)) return value;
  return g.op('Gather', [value, g.ints(heads)], { axis: 1 });
}

/** See `subtract` in shared/operators.ts. Source: Ye et al. 2024 (Differential Transformer), arXiv 2410.05258. */
function subtractedHeads(g: GraphBuilder, plan: LayerPlan, map: string, weight: (key: string) => string): string {
  const heads = (first: number) =>
    g.op('Gather', [map, g.ints(Array.from({ length: plan.nHeads }, (_, h) => first + Math.floor(h / 2)))], {
      axis: 1,
    });
  const product = (i: 1 | 2) => {
    const terms = g.op('Mul', [weight(`lambda_q${i}`), weight(`lambda_k${i}`)]);
    return g.op('Exp', [g.op('ReduceSum', [terms, g.ints([0])], { keepdims: 1 })]);
  };
  // The published code scales the output by 1 minus the same first value of lambda.
  const difference = g.op('Sub', [product(1), product(2)]);
  const lambda = g.op('Add', [difference, g.scalar(1 - plan.outputScale)]);
  return g.op('Sub', [heads(0), g.op('Mul', [heads(plan.nHeads / 2), lambda])]);
}

/**
 * RMS of the outputs of heads 2p and 2p + 1 together, with `norm_eps` in it, 1 on the last axis.
 * @param heads outputs, the last axis the components of a head. @param axis that of the heads, 1 or 2.
 */
export function pairScale(g: GraphBuilder, { nHeads, norm }: LayerPlan, heads: string, axis: 1 | 2): string {
  const squares = g.op('ReduceMean', [g.op('Mul', [heads, heads]), g.ints([-1])], { keepdims: 1 });
  // The mean of every second head and the next one, each twice.
  const every = (first: number) => {
    const indices = Array.from({ length: nHeads }, (_, h) => 2 * Math.floor(h / 2) + first);
    return g.op('Gather', [squares, g.ints(indices)], { axis });
  };
  const mean = g.op('Mul', [g.op('Add', [every(0), every(1)]), g.scalar(0.5)]);
  return g.op('Sqrt', [g.op('Add', [mean, g.scalar(norm.eps)])]);
}

/** out[h'] = sum over h of weight[h', h] in[h], at every cell. */
function headMix(g: GraphBuilder, map: string, weight: string): string {
  const flat = g.op('Reshape', [map, g.ints([0, 0, -1])]);
  return g.op('Reshape', [g.op('MatMul', [weight, flat]), g.op('Shape', [map])]);
}

/** Consecutive groups of c heads; kernel [H/c, source, destination]: transposed relative to `headMix`. */
function groupedHeadMix(g: GraphBuilder, map: string, kernel: string, nHeads: number, c: number): string {
  const grouped = g.op('Reshape', [map, g.ints([0, nHeads / c, c, -1])]);
  const mixed = g.op('MatMul', [g.op('Transpose', [kernel], { perm: [0, 2, 1] }), grouped]);
  return g.op('Reshape', [mixed, g.op('Shape', [map])]);
}
