/**
 * `config.json` of a model folder: sizes of the transformer and which parts of Multi-Token Attention it has.
 * Names are those of the authors' `MTATransformerArgs` (arXiv 2504.00927) and of lingua's `BaseTransformerArgs`.
 */

import { Failure, shown } from '../shared/tools/failure';
import { type RopeScaling, ropeTypes } from './ropeScaling';
import type { QueryScaling } from './rotary';

export interface MtaConfig {
  readonly use_mta: boolean;
  /** Null: no pre-softmax key-query convolution. */
  readonly query_kernel_size: number | null;
  readonly key_kernel_size: number | null;
  readonly pad_key: 'both' | 'left' | 'right';
  /** Layers with key-query kernels; null: all. */
  readonly mta_layers: readonly number[] | null;
  readonly after_sm_query_kernel_size: number | null;
  readonly after_sm_key_kernel_size: number | null;
  /** Heads per group of the post-softmax head kernel; null: no such kernel. */
  readonly head_kernel_size: number | null;
  readonly group_norm: boolean;
  readonly layer_norm_rescale: boolean;
  readonly curse_norm: boolean;
  readonly pre_sm_linear_head: boolean;
  readonly post_sm_linear_head: boolean;
  readonly add_gating: boolean;
  readonly gate_1d: boolean;
}

export const activations = ['silu', 'gelu', 'gelu_tanh', 'quick_gelu', 'relu', 'relu2'] as const;
export type Activation = (typeof activations)[number];

export interface RopeBase {
  readonly rope_theta: number;
  readonly rope_scaling: RopeScaling | null;
}

/** A mixture of experts: each token is computed by those of largest router logit. */
export interface ExpertsConfig {
  readonly n_experts: number;
  readonly experts_per_token: number;
  readonly hidden_dim: number;
  /** The chosen experts' weights sum to 1. */
  readonly normalizes: boolean;
  /** Layers with experts; null: all. */
  readonly layers: readonly number[] | null;
  /** Size of an expert that computes every token; null: none. */
  readonly shared_dim: number | null;
  /** Whether that output is multiplied by a gate of the token (Qwen2-MoE). */
  readonly shared_gate: boolean;
  /** The weights of the chosen experts: a softmax, on what they write; or a sigmoid each, on what they read (Llama 4). */
  readonly routing: 'softmax' | 'sigmoid';
  /** gpt-oss: biases, (up + 1) * gate sigmoid(alpha gate), both limited; null: the model's activation. */
  readonly clamped: { readonly alpha: number; readonly limit: number } | null;
}

export interface ModelConfig {
  readonly name: string;
  readonly dim: number;
  readonly n_layers: number;
  readonly n_heads: number;
  readonly n_kv_heads: number;
  readonly head_dim: number;
  readonly hidden_dim: number;
  readonly vocab_size: number;
  readonly max_seqlen: number;
  readonly norm_eps: number;
  readonly rope_theta: number;
  /** `interleaved` rotates (2m, 2m+1), as lingua does; `half` rotates (m, m + d/2), as Hugging Face's llama does. */
  readonly rope_style: 'interleaved' | 'half';
  /** How rotary frequencies are stretched; null: not. */
  readonly rope_scaling: RopeScaling | null;
  /** Biases of wq, wk and wv; of wo; of the feed-forward matrices. */
  readonly qkv_bias: boolean;
  readonly output_bias: boolean;
  readonly ffn_bias: boolean;
  /**
   * Norm on queries and keys: before they are rotated, on each head (Qwen 3) or on all heads at once (OLMo 2); or on each head
   * after that, without a weight, in layers that rotate (Llama 4).
   */
  readonly qk_norm: 'head' | 'full' | 'rotated' | null;
  /** Block norms act on what attention and feed-forward read, on what they write (OLMo 2), or on both (Gemma 2). */
  readonly norm_position: 'before' | 'after' | 'both';
  /** RMS norm; RMS norm by 1 + weight (Gemma); LayerNorm, which subtracts the mean (GPT-2). */
  readonly norm_kind: 'rms' | 'rms_plus_one' | 'layer';
  /** Whether norms have a bias, and a weight at all (OLMo 1 has none). */
  readonly norm_bias: boolean;
  readonly norm_weight: boolean;
  /**
   * The feed-forward part reads the stream after attention, or the one before it: by a norm of its own (`parallel`,
   * GPT-NeoX) or by that of attention (`parallel_one_norm`, GPT-J).
   */
  readonly residual: 'sequential' | 'parallel' | 'parallel_one_norm';
  /**
   * How tokens know their place: queries and keys are rotated, a learned table is added to the embeddings, or neither (forget
   * gates tell them apart).
   */
  readonly positions: 'rotary' | 'learned' | 'none';
  /** Row of the learned table that belongs to the first token (OPT: 2). */
  readonly position_offset: number;
  /** Components of a head that are rotated, from the first on. */
  readonly rotary_dim: number;
  /** Layers that rotate; null: all (SmolLM 3 leaves out every fourth). */
  readonly rotary_layers: readonly number[] | null;
  /** Factor on the queries of layers that do not rotate, 1 + strength · ln(1 + floor((t + 1) / span)); null: none (Llama 4). */
  readonly query_scaling: QueryScaling | null;
  /** Rotary positions of layers with a sliding window; null: those of the others (Gemma 3, OLMo 3). */
  readonly sliding_rope: RopeBase | null;
  /** Factor on queries times keys; null: 1 / sqrt(head_dim). */
  readonly score_scale: number | null;
  /** Whether that is divided by the layer's number, counted from 1 (GPT-2's `scale_attn_by_inverse_layer_idx`). */
  readonly score_scale_by_layer: boolean;
  /** c of c tanh(x / c) on scores and on logits; null: none (Gemma 2). */
  readonly score_cap: number | null;
  readonly logit_cap: number | null;
  /**
   * Whether the weights of two heads are subtracted (DiffLlama): heads 2p and 2p + 1 have those of p minus lambda times those of
   * p + H / 2, the values of two heads of values, and a norm over both.
   */
  readonly differential: boolean;
  /**
   * Whether each head has a forget gate at every token: a score is lowered by those of the tokens that lie between
   * (Forgetting Transformer).
   */
  readonly forget_gate: boolean;
  /** Whether each head has a learned score of "no key", which takes its share of the softmax (gpt-oss). */
  readonly attention_sinks: boolean;
  /** Queries, keys and values are limited to -c .. c; null: not (OLMo 1). */
  readonly qkv_clip: number | null;
  readonly activation: Activation;
  /** Whether the feed-forward part multiplies its activation with a second projection (SwiGLU, GeGLU). */
  readonly gated_ffn: boolean;
  /** Factors on embeddings, on what a part adds to the stream, and on logits (Gemma, Granite). */
  readonly embedding_scale: number;
  readonly residual_scale: number;
  readonly logit_scale: number;
  /** Whether the output head has a bias (GPT-J). */
  readonly head_bias: boolean;
  /** Experts in place of the feed-forward part; null: none. */
  readonly experts: ExpertsConfig | null;
  /** Keys a query looks back to, itself included; null: all. */
  readonly sliding_window: number | null;
  /** Layers with the sliding window; null: all. */
  readonly sliding_layers: readonly number[] | null;
  /** Tokens of a chunk: a query sees the keys of its own one, up to itself; null: no chunks. */
  readonly attention_chunk: number | null;
  /** Layers with chunks; null: all. */
  readonly chunked_layers: readonly number[] | null;
  readonly weight_tying: boolean;
  readonly bos_token_id: number | null;
  readonly eos_token_id: number | null;
  readonly mta: MtaConfig;
}

type Json = Readonly<Record<string, unknown>>;

/**
 * Checks a parsed `config.json` and fills defaults.
 * @param where the file's name, for messages.
 * @throws Failure naming the key, what was found and what is expected.
 */
export function parseModelConfig(json: unknown, where: string): ModelConfig {
  const root = asObject(json, where, 'the whole file');
  const read = reader(root, where, '');
  const dim = read.size('dim', 65_536);
  const nHeads = read.size('n_heads', 1024);
  const headDim = read.size('head_dim', 4096, Math.floor(dim / nHeads));
  const nKvHeads = read.size('n_kv_heads', 1024, nHeads);
  if (nHeads % nKvHeads !== 0) throw invalid(where, 'n_kv_heads', nKvHeads, `a divisor of n_heads, ${nHeads}`);
  const positions = read.choice('positions', ['rotary', 'learned', 'none'], 'rotary');
  const rotaryDim = read.size('rotary_dim', headDim, headDim);
  if (positions === 'rotary' && rotaryDim % 2 !== 0) {
    const key = root['rotary_dim'] == null ? 'head_dim' : 'rotary_dim';
    throw invalid(where, key, rotaryDim, 'an even number, as rotary positions need');
  }
  const nLayers = read.size('n_layers', 1024);
  const ropeScaling = parseRopeScaling(root['rope_scaling'], where);
  const slidingRope = parseSlidingRope(root['sliding_rope'], where);
  for (const scaling of [ropeScaling, slidingRope?.rope_scaling]) checkFactors(scaling, rotaryDim, where);
  return {
    name: read.text('name', 'unnamed'),
    dim,
    n_layers: nLayers,
    n_heads: nHeads,
    n_kv_heads: nKvHeads,
    head_dim: headDim,
    hidden_dim: read.size('hidden_dim', 1 << 20),
    vocab_size: read.size('vocab_size', 1 << 22),
    max_seqlen: read.size('max_seqlen', 1 << 24),
    norm_eps: read.number('norm_eps', 1e-5),
    rope_theta: read.number('rope_theta', 10_000),
    rope_style: read.choice('rope_style', ['interleaved', 'half'], 'interleaved'),
    rope_scaling: ropeScaling,
    qkv_bias: read.flag('qkv_bias', false),
    output_bias: read.flag('output_bias', false),
    ffn_bias: read.flag('ffn_bias', false),
    qk_norm: root['qk_norm'] == null ? null : read.choice('qk_norm', ['head', 'full', 'rotated'], 'head'),
    norm_position: read.choice('norm_position', ['before', 'after', 'both'], 'before'),
    norm_kind: read.choice('norm_kind', ['rms', 'rms_plus_one', 'layer'], 'rms'),
    norm_bias: read.flag('norm_bias', false),
    norm_weight: read.flag('norm_weight', true),
    residual: read.choice('residual', ['sequential', 'parallel', 'parallel_one_norm'], 'sequential'),
    positions,
    position_offset: read.count('position_offset', 1024),
    rotary_dim: rotaryDim,
    rotary_layers: read.layers('rotary_layers', nLayers),
    query_scaling: parseQueryScaling(root['query_scaling'], where),
    sliding_rope: slidingRope,
    score_scale: read.optional('score_scale'),
    score_scale_by_layer: read.flag('score_scale_by_layer', false),
    score_cap: read.optional('score_cap'),
    logit_cap: read.optional('logit_cap'),
    differential: parseDifferential(read.flag('differential', false), nHeads, nKvHeads, where),
    forget_gate: read.flag('forget_gate', false),
    attention_sinks: read.flag('attention_sinks', false),
    qkv_clip: read.optional('qkv_clip'),
    activation: read.choice('activation', activations, 'silu'),
    gated_ffn: read.flag('gated_ffn', true),
    embedding_scale: read.number('embedding_scale', 1),
    residual_scale: read.number('residual_scale', 1),
    logit_scale: read.number('logit_scale', 1),
    head_bias: read.flag('head_bias', false),
    experts: parseExperts(root['experts'], where, nLayers),
    sliding_window: root['sliding_window'] == null ? null : read.size('sliding_window', 1 << 24),
    sliding_layers: read.layers('sliding_layers', nLayers),
    attention_chunk: root['attention_chunk'] == null ? null : read.size('attention_chunk', 1 << 24),
    chunked_layers: read.layers('chunked_layers', nLayers),
    weight_tying: read.flag('weight_tying', false),
    bos_token_id: read.tokenId('bos_token_id'),
    eos_token_id: read.tokenId('eos_token_id'),
    mta: parseMtaConfig(root['mta'] ?? { use_mta: false }, where, nHeads, nLayers),
  };
}

/** The `mta` part of a configuration; `mta_layers` may be a list or the authors' comma-separated text. */
export function parseMtaConfig(json: unknown, where: string, nHeads: number, nLayers: number): MtaConfig {
  const read = reader(asObject(json, where, 'mta'), where, 'mta.');
  const config: MtaConfig = {
    use_mta: read.flag('use_mta', false),
    query_kernel_size: read.kernel('query_kernel_size', 1),
    key_kernel_size: read.kernel('key_kernel_size', 1),
    pad_key: read.choice('pad_key', ['both', 'left', 'right'], 'both'),
    mta_layers: read.layers('mta_layers', nLayers),
    after_sm_query_kernel_size: read.kernel('after_sm_query_kernel_size', null),
    after_sm_key_kernel_size: read.kernel('after_sm_key_kernel_size', null),
    head_kernel_size: read.kernel('head_kernel_size', null),
    group_norm: read.flag('group_norm', false),
    layer_norm_rescale: read.flag('layer_norm_rescale', false),
    curse_norm: read.flag('curse_norm', false),
    pre_sm_linear_head: read.flag('pre_sm_linear_head', false),
    post_sm_linear_head: read.flag('post_sm_linear_head', false),
    add_gating: read.flag('add_gating', false),
    gate_1d: read.flag('gate_1d', true),
  };
  const { head_kernel_size: headKernel, pad_key: padKey } = config;
  if (headKernel !== null && nHeads % headKernel !== 0) {
    throw invalid(where, 'mta.head_kernel_size', headKernel, `a divisor of n_heads, ${nHeads}`);
  }
  if (headKernel !== null && config.post_sm_linear_head) {
    throw invalid(where, 'mta.post_sm_linear_head', true, 'false where mta.head_kernel_size is set');
  }
  for (const name of ['key_kernel_size', 'after_sm_key_kernel_size'] as const) {
    const size = config[name];
    if (padKey === 'both' && size !== null && size % 2 === 0) {
      throw invalid(where, `mta.${name}`, size, 'an odd number where mta.pad_key is "both"');
    }
  }
  return config;
}

function parseSlidingRope(json: unknown, where: string): RopeBase | null {
  if (json == null) return null;
  const rope = asObject(json, where, 'sliding_rope');
  const theta = reader(rope, where, 'sliding_rope.').number('rope_theta');
  return { rope_theta: theta, rope_scaling: parseRopeScaling(rope['rope_scaling'], where) };
}

function parseQueryScaling(json: unknown, where: string): QueryScaling | null {
  if (json == null) return null;
  const read = reader(asObject(json, where, 'query_scaling'), where, 'query_scaling.');
  return { strength: read.number('strength'), span: read.size('span', 1 << 24) };
}

function parseDifferential(isOn: boolean, nHeads: number, nKvHeads: number, where: string): boolean {
  if (isOn && nHeads % 2 !== 0)
    throw invalid(where, 'n_heads', nHeads, 'an even number: heads are subtracted in pairs');
  if (isOn && nKvHeads % 2 !== 0) {
    throw invalid(where, 'n_kv_heads', nKvHeads, 'an even number: heads are subtracted in pairs');
  }
  return isOn;
}

function parseExperts(json: unknown, where: string, nLayers: number): ExpertsConfig | null {
  if (json == null) return null;
  const experts = asObject(json, where, 'experts');
  const read = reader(experts, where, 'experts.');
  const n = read.size('n_experts', 4096);
  const { clamped } = experts;
  const limits =
    clamped == null ? null : reader(asObject(clamped, where, 'experts.clamped'), where, 'experts.clamped.');
  return {
    n_experts: n,
    experts_per_token: read.size('experts_per_token', n),
    hidden_dim: read.size('hidden_dim', 1 << 20),
    normalizes: read.flag('normalizes', true),
    layers: read.layers('layers', nLayers),
    shared_dim: experts['shared_dim'] == null ? null : read.size('shared_dim', 1 << 20),
    shared_gate: read.flag('shared_gate', true),
    routing: read.choice('routing', ['softmax', 'sigmoid'], 'softmax'),
    clamped: limits && { alpha: limits.number('alpha'), limit: limits.number('limit') },
  };
}

/** `rope_scaling`, with the fields that Hugging Face's configurations have. */
function parseRopeScaling(json: unknown, where: string): RopeScaling | null {
  if (json == null) return null;
  const read = reader(asObject(json, where, 'rope_scaling'), where, 'rope_scaling.');
  const type = read.choice('rope_type', ropeTypes, undefined);
  if (type === 'longrope') return parseLongRope(json as Json, where);
  const factor = read.number('factor');
  if (type === 'linear') return { rope_type: type, factor };
  const original_max_position_embeddings = read.size('original_max_position_embeddings', 1 << 24);
  const common = { factor, original_max_position_embeddings };
  if (type === 'dynamic') return { rope_type: type, ...common };
  if (type === 'llama3') {
    const [low, high] = [read.number('low_freq_factor'), read.number('high_freq_factor')];
    if (high <= low) throw invalid(where, 'rope_scaling.high_freq_factor', high, `above low_freq_factor, ${low}`);
    return { rope_type: type, ...common, low_freq_factor: low, high_freq_factor: high };
  }
  return {
    rope_type: type,
    ...common,
    beta_fast: read.number('beta_fast', 32),
    beta_slow: read.number('beta_slow', 1),
    attention_factor: (json as Json)['attention_factor'] == null ? null : read.number('attention_factor'),
    truncate: read.flag('truncate', true),
  };
}

/** Longrope has a factor for each pair that is rotated. */
function checkFactors(scaling: RopeScaling | null | undefined, rotaryDim: number, where: string): void {
  if (scaling?.rope_type !== 'longrope') return;
  for (const key of ['short_factor', 'long_factor'] as const) {
    const n = scaling[key].length;
    if (2 * n === rotaryDim) continue;
    throw invalid(
      where,
      `rope_scaling.${key}`,
      scaling[key],
      `${rotaryDim / 2} numbers, one for each pair of components`,
    );
  }
}

function parseLongRope(json: Json, where: string): RopeScaling {
  const read = reader(json, where, 'rope_scaling.');
  const factors = (key: 'short_factor' | 'long_factor') => {
    const list = json[key];
    const isList = Array.isArray(list) && list.length <= 4096 && list.every(n => Number.isFinite(n) && n > 0);
    if (!isList) throw invalid(where, `rope_scaling.${key}`, list, 'a list of numbers above 0');
    return list as number[];
  };
  return {
    rope_type: 'longrope',
    original_max_position_embeddings: read.size('original_max_position_embeddings', 1 << 24),
    short_factor: factors('short_factor'),
    long_factor: factors('long_factor'),
    amplitude: read.number('amplitude'),
  };
}

function reader(object: Json, where: string, prefix: string) {
  const fail = (key: string, found: unknown, expected: string) => invalid(where, prefix + key, found, expected);
  const isWhole = (value: unknown, max: number): value is number =>
    typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= max;
  return {
    size(key: string, max: number, fallback?: number): number {
      const value = object[key] ?? fallback;
      if (!isWhole(value, max)) throw fail(key, value, `a whole number from 1 to ${max}`);
      return value;
    },
    kernel(key: string, fallback: number | null): number | null {
      const value = key in object ? object[key] : fallback;
      if (value === null || isWhole(value, 1024)) return value;
      throw fail(key, value, 'null or a whole number from 1 to 1024');
    },
    number(key: string, fallback?: number): number {
      const value = object[key] ?? fallback;
      if (typeof value !== 'number' || !(value > 0 && Number.isFinite(value)))
        throw fail(key, value, 'a number above 0');
      return value;
    },
    /** Null or a number above 0. */
    optional(key: string): number | null {
      return object[key] == null ? null : this.number(key);
    },
    count(key: string, max: number): number {
      const value = object[key] ?? 0;
      if (value === 0 || isWhole(value, max)) return value;
      throw fail(key, value, `a whole number from 0 to ${max}`);
    },
    flag(key: string, fallback: boolean): boolean {
      const value = object[key] ?? fallback;
      if (typeof value !== 'boolean') throw fail(key, value, 'true or false');
      return value;
    },
    text(key: string, fallback: string): string {
      const value = object[key] ?? fallback;
      if (typeof value !== 'string') throw fail(key, value, 'text');
      return value;
    },
    choice<const T extends string>(key: string, choices: readonly T[], fallback: T | undefined): T {
      const value = object[key] ?? fallback;
      if (!choices.includes(value as T)) throw fail(key, value, `one of ${choices.join(', ')}`);
      return value as T;
    },
    tokenId(key: string): number | null {
      const value = object[key] ?? null;
      if (value === null || value === 0 || isWhole(value, 1 << 22)) return value;
      throw fail(key, value, 'null or a token id');
    },
    layers(key: string, nLayers: number): readonly number[] | null {
      const value = object[key] ?? null;
      if (value === null) return null;
      const list = typeof value === 'string' ? value.split(',').map(Number) : value;
      const isList = Array.isArray(list) && list.length <= nLayers;
      if (isList && list.every(item => Number.isInteger(item) && item >= 0 && item < nLayers)) return list;
      throw fail(key, value, `null or a list of layers from 0 to ${nLayers - 1}`);
    },
  };
}

function asObject(value: unknown, where: string, what: string): Json {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalid(where, what, value, 'a JSON object');
  }
  return value as Json;
}

function invalid(where: string, key: string, found: unknown, expected: string): Failure {
  return new Failure(
    'bad-config',
    `Cannot read ${where}: ${key} is ${shown(found)}, expected ${expected}. Correct the file or pick another model.`,
    ['selectModel', 'showLog'],
  );
}
