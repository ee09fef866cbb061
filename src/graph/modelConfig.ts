/**
 * `config.json` of a model folder: sizes of the transformer and which parts of Multi-Token Attention it has.
 * Names are those of the authors' `MTATransformerArgs` (arXiv 2504.00927) and of lingua's `BaseTransformerArgs`.
 */

import { Failure, shown } from '../shared/tools/failure';
import { type RopeScaling, ropeTypes } from './ropeScaling';

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
  /** RMS norm on queries and keys before they are rotated: on each head (Qwen 3) or on all heads at once (OLMo 2). */
  readonly qk_norm: 'head' | 'full' | null;
  /** Block norms act on what attention and feed-forward read, or on what they write (OLMo 2). */
  readonly norm_position: 'before' | 'after';
  /** Keys a query looks back to, itself included; null: all. */
  readonly sliding_window: number | null;
  /** Layers with the sliding window; null: all. */
  readonly sliding_layers: readonly number[] | null;
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
  if (headDim % 2 !== 0) throw invalid(where, 'head_dim', headDim, 'an even number, as rotary positions need');
  const nLayers = read.size('n_layers', 1024);
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
    rope_scaling: parseRopeScaling(root['rope_scaling'], where),
    qkv_bias: read.flag('qkv_bias', false),
    output_bias: read.flag('output_bias', false),
    ffn_bias: read.flag('ffn_bias', false),
    qk_norm: root['qk_norm'] == null ? null : read.choice('qk_norm', ['head', 'full'], 'head'),
    norm_position: read.choice('norm_position', ['before', 'after'], 'before'),
    sliding_window: root['sliding_window'] == null ? null : read.size('sliding_window', 1 << 24),
    sliding_layers: read.layers('sliding_layers', nLayers),
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

/** `rope_scaling`, with the fields that Hugging Face's configurations have. */
function parseRopeScaling(json: unknown, where: string): RopeScaling | null {
  if (json == null) return null;
  const read = reader(asObject(json, where, 'rope_scaling'), where, 'rope_scaling.');
  const type = read.choice('rope_type', ropeTypes, undefined);
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
