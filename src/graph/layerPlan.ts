/** What one layer computes, derived once from the configuration so that no graph code looks at flags twice. */

import type { LayerSummary } from '../shared/analysis';
import { previousStage } from '../shared/attentionMap';
import type { KernelPart, KernelShape, LayerKernels } from '../shared/kernels';
import { type Operator, type Stage, stagesBy, weightsStage } from '../shared/operators';
import type { Activation, ExpertsConfig, ModelConfig } from './modelConfig';
import { dependsOnLength } from './ropeScaling';
import type { QueryScaling, Rotary } from './rotary';

export interface KernelSize {
  readonly query: number;
  readonly key: number;
}

export interface NormPlan {
  readonly kind: ModelConfig['norm_kind'];
  readonly hasBias: boolean;
  readonly hasWeight: boolean;
  readonly eps: number;
}

export interface LayerPlan {
  readonly layerIdx: number;
  readonly dim: number;
  readonly nHeads: number;
  readonly nKvHeads: number;
  readonly headDim: number;
  readonly norm: NormPlan;
  /** Null: queries and keys are not rotated. */
  readonly rotary: Rotary | null;
  /** On queries, where none are rotated. */
  readonly queryScaling: QueryScaling | null;
  readonly hasQkvBias: boolean;
  readonly hasOutputBias: boolean;
  readonly hasFfnBias: boolean;
  readonly qkNorm: ModelConfig['qk_norm'];
  readonly normPosition: ModelConfig['norm_position'];
  readonly residual: ModelConfig['residual'];
  /** Factor on what attention and feed-forward add to the stream. */
  readonly residualScale: number;
  readonly scoreScale: number;
  readonly scoreCap: number | null;
  /** Whether weights of two heads are subtracted; see `ModelConfig.differential`. */
  readonly isDifferential: boolean;
  /** Whether scores decay by forget gates; see `ModelConfig.forget_gate`. */
  readonly hasForgetGate: boolean;
  readonly hasSinks: boolean;
  readonly qkvClip: number | null;
  readonly activation: Activation;
  readonly hasGatedFfn: boolean;
  readonly hiddenDim: number;
  /** In place of the feed-forward part. */
  readonly experts: ExpertsConfig | null;
  /** Keys a query looks back to, itself included; null: all. */
  readonly slidingWindow: number | null;
  /** Tokens of a chunk: a query sees the keys of its own one, up to itself; null: no chunks. */
  readonly attentionChunk: number | null;
  readonly padKey: 'both' | 'left' | 'right';
  /** Key-query convolutions: `mta_kernel` and `mta_kernel_after_sm`. */
  readonly preSoftmaxKernel: KernelSize | null;
  readonly postSoftmaxKernel: KernelSize | null;
  /** Head mixing before the softmax: `wpsm`. */
  readonly hasPreHeadMix: boolean;
  /** Head mixing after it: grouped `head_kernel` (heads per group) or full `wposm`; never both. */
  readonly headKernelSize: number | null;
  readonly hasPostHeadMix: boolean;
  readonly hasGroupNorm: boolean;
  readonly gate: 'scalar' | 'full' | null;
  /** Factor 1 - lambda on the heads' output (depth scaling), 1 when off. */
  readonly outputScale: number;
  /** The same factor on both block norms ("curse norm"), 1 when off. */
  readonly blockNormScale: number;
}

/** Depth factor of layer scaling: 1 - (0.8 - 0.6 exp(-0.3 l)); 0.8 at layer 0. Source: mta_transformer.py, RMSNorm. */
function depthFactor(layerIdx: number): number {
  return 1 - (0.8 - 0.6 * Math.exp(-0.3 * layerIdx));
}

export function planLayer(config: ModelConfig, layerIdx: number): LayerPlan {
  const { mta } = config;
  const hasKernels = mta.use_mta && (mta.mta_layers === null || mta.mta_layers.includes(layerIdx));
  const kernel = (query: number | null, key: number | null) =>
    hasKernels && query !== null && key !== null ? { query, key } : null;
  const rotary = rotaryOf(config, layerIdx);
  return {
    layerIdx,
    dim: config.dim,
    nHeads: config.n_heads,
    nKvHeads: config.n_kv_heads,
    headDim: config.head_dim,
    norm: normOf(config),
    rotary,
    queryScaling: rotary ? null : config.query_scaling,
    hasQkvBias: config.qkv_bias,
    hasOutputBias: config.output_bias,
    hasFfnBias: config.ffn_bias,
    qkNorm: config.qk_norm === 'rotated' && !rotary ? null : config.qk_norm,
    normPosition: config.norm_position,
    residual: config.residual,
    residualScale: config.residual_scale,
    scoreScale:
      (config.score_scale ?? 1 / Math.sqrt(config.head_dim)) / (config.score_scale_by_layer ? layerIdx + 1 : 1),
    scoreCap: config.score_cap,
    isDifferential: config.differential,
    hasForgetGate: config.forget_gate,
    hasSinks: config.attention_sinks,
    qkvClip: config.qkv_clip,
    activation: config.activation,
    hasGatedFfn: config.gated_ffn,
    hiddenDim: config.hidden_dim,
    experts: isAmong(config.experts?.layers, layerIdx) ? config.experts : null,
    slidingWindow: isSliding(config, layerIdx) ? config.sliding_window : null,
    attentionChunk: isAmong(config.chunked_layers, layerIdx) ? config.attention_chunk : null,
    padKey: mta.pad_key,
    preSoftmaxKernel: kernel(mta.query_kernel_size, mta.key_kernel_size),
    postSoftmaxKernel: kernel(mta.after_sm_query_kernel_size, mta.after_sm_key_kernel_size),
    hasPreHeadMix: mta.use_mta && mta.pre_sm_linear_head,
    headKernelSize: mta.use_mta ? mta.head_kernel_size : null,
    hasPostHeadMix: mta.use_mta && mta.post_sm_linear_head,
    hasGroupNorm: mta.group_norm,
    gate: mta.add_gating ? (mta.gate_1d ? 'scalar' : 'full') : null,
    outputScale: mta.layer_norm_rescale || config.differential ? depthFactor(layerIdx) : 1,
    blockNormScale: mta.curse_norm ? depthFactor(layerIdx) : 1,
  };
}

/** The norm of a model's blocks, and of its last. */
export function normOf(config: ModelConfig): NormPlan {
  const { norm_kind: kind, norm_bias: hasBias, norm_weight: hasWeight, norm_eps: eps } = config;
  return { kind, hasBias, hasWeight, eps };
}

function rotaryOf(config: ModelConfig, layerIdx: number): Rotary | null {
  if (config.positions !== 'rotary' || !isAmong(config.rotary_layers, layerIdx)) return null;
  const rope = (isSliding(config, layerIdx) ? config.sliding_rope : null) ?? config;
  const { rope_theta: theta, rope_scaling: scaling } = rope;
  return { style: config.rope_style, dim: config.rotary_dim, theta, scaling };
}

/** Whether positions of any layer depend on the window's length. */
export function hasLengthDependentPositions({ rope_scaling, sliding_rope }: ModelConfig): boolean {
  return dependsOnLength(rope_scaling) || dependsOnLength(sliding_rope?.rope_scaling ?? null);
}

function isSliding(config: ModelConfig, layerIdx: number): boolean {
  return config.sliding_window !== null && isAmong(config.sliding_layers, layerIdx);
}

/** Lists of layers are null where they mean all. */
function isAmong(layers: readonly number[] | null | undefined, layerIdx: number): boolean {
  return layers?.includes(layerIdx) !== false;
}

/** What a layer's attention does, in order. */
export function operatorsOf(plan: LayerPlan): Operator[] {
  const { gate } = plan;
  const steps: readonly (readonly [Operator, boolean])[] = [
    ['score', true],
    ['cap', plan.scoreCap !== null],
    ['decay', plan.hasForgetGate],
    ['convolve_scores', plan.preSoftmaxKernel !== null],
    ['mix_scores', plan.hasPreHeadMix],
    [plan.hasSinks ? 'sink_softmax' : 'softmax', true],
    ['subtract', plan.isDifferential],
    ['convolve_pattern', plan.postSoftmaxKernel !== null],
    ['mix_pattern', plan.headKernelSize !== null || plan.hasPostHeadMix],
    ['sum_values', true],
    ['norm_output', plan.hasGroupNorm],
    ['norm_pairs', plan.isDifferential],
    ['scale_output', plan.outputScale !== 1],
    [gate === 'full' ? 'gate_channels' : 'gate', gate !== null],
  ];
  return steps.flatMap(([operator, isThere]) => (isThere ? [operator] : []));
}

/** Stages a layer has of its own; a missing one equals the stage before it. */
export function stagesOf(plan: LayerPlan): Stage[] {
  return stagesBy(operatorsOf(plan));
}

export function summarizeLayer(plan: LayerPlan): LayerSummary {
  const pair = (kernel: KernelSize | null): [number, number] | null => (kernel ? [kernel.query, kernel.key] : null);
  return {
    layerIdx: plan.layerIdx,
    operators: operatorsOf(plan),
    stages: stagesOf(plan),
    preSoftmaxKernel: pair(plan.preSoftmaxKernel),
    postSoftmaxKernel: pair(plan.postSoftmaxKernel),
    ...(plan.slidingWindow === null ? {} : { slidingWindow: plan.slidingWindow }),
    ...(plan.attentionChunk === null ? {} : { attentionChunk: plan.attentionChunk }),
    kernels: kernelsOf(plan),
  };
}

/** Components of a key as it is kept: its own, and a forget gate for each head that uses it. */
export function keptKeyDim({ headDim, hasForgetGate, nHeads, nKvHeads }: LayerPlan): number {
  return headDim + (hasForgetGate ? nHeads / nKvHeads : 0);
}

/** How many rows above its own a row of the last stage depends on, through both convolutions. */
export function reachAbove({ preSoftmaxKernel, postSoftmaxKernel }: LayerPlan): number {
  return (preSoftmaxKernel?.query ?? 1) - 1 + ((postSoftmaxKernel?.query ?? 1) - 1);
}

/** Column of a convolution kernel that stands for the current key. */
export function currentKeyColumn(size: KernelSize, padKey: LayerPlan['padKey']): number {
  return { both: (size.key - 1) / 2, left: size.key - 1, right: 0 }[padKey];
}

/** The learned parts of a layer. */
export function kernelsOf(plan: LayerPlan): LayerKernels {
  const kernels: Partial<Record<KernelPart, KernelShape>> = {};
  const conv = (size: KernelSize) => ({
    rows: size.query,
    columns: size.key,
    identityColumn: currentKeyColumn(size, plan.padKey),
  });
  const mix = (columns: number) => ({ rows: 1, columns, identityColumn: null });
  if (plan.preSoftmaxKernel) kernels.pre_softmax_conv = conv(plan.preSoftmaxKernel);
  if (plan.hasPreHeadMix) kernels.pre_softmax_head_mix = mix(plan.nHeads);
  if (plan.postSoftmaxKernel) kernels.post_softmax_conv = conv(plan.postSoftmaxKernel);
  if (plan.headKernelSize !== null) kernels.post_softmax_head_mix = mix(plan.headKernelSize);
  else if (plan.hasPostHeadMix) kernels.post_softmax_head_mix = mix(plan.nHeads);
  return kernels;
}

/** Stages streamed with every run: the convolution's input and output, and the weights that multiply the values. */
export function streamedStages(plan: LayerPlan): Stage[] {
  const stages = stagesOf(plan);
  const last = weightsStage(stages);
  return plan.preSoftmaxKernel ? [previousStage(stages, 'convolved_scores')!, 'convolved_scores', last] : [last];
}
