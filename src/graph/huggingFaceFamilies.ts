/**
 * What each of Hugging Face's families computes: defaults of missing keys, and its switches in our terms. The values
 * are those of the library's configuration classes, which models/tests/test_hugging_face_cases.py compares.
 */

import type { RopeDefaults } from './huggingFaceRope';
import { numberOr } from './huggingFaceRope';
import type { Layout } from './huggingFaceWeights';

type Json = Readonly<Record<string, unknown>>;

export interface Family {
  readonly layout: Layout;
  /** What the library takes where config.json lacks a key. */
  readonly defaults: Json;
  /** Other names of a key: the family's own, and the library's common one. */
  readonly aliases?: Readonly<Record<string, string>>;
  /** Null: tokens know their place otherwise. */
  readonly rope?: RopeDefaults | null;
  /** Which of the family's keys hold sizes; the common ones by default. */
  readonly keys?: Partial<SizeKeys>;
  /** Keys that change what is computed, with the only values that are read. */
  readonly only?: Readonly<Record<string, readonly unknown[]>>;
  /** Switches that config.json sets. @param json with defaults filled in. */
  readonly read?: (json: Json) => Json;
}

export interface SizeKeys {
  readonly dim: string;
  readonly layers: string;
  readonly heads: string;
  readonly kvHeads: string | null;
  readonly hidden: string;
  readonly context: string;
  readonly eps: string;
  readonly activation: string;
}

export const usualKeys: SizeKeys = {
  dim: 'hidden_size',
  layers: 'num_hidden_layers',
  heads: 'num_attention_heads',
  kvHeads: 'num_key_value_heads',
  hidden: 'intermediate_size',
  context: 'max_position_embeddings',
  eps: 'rms_norm_eps',
  activation: 'hidden_act',
};

const llamaSizes = {
  ...{ vocab_size: 32_000, hidden_size: 4096, intermediate_size: 11_008, num_hidden_layers: 32 },
  ...{ num_attention_heads: 32, num_key_value_heads: null, hidden_act: 'silu', max_position_embeddings: 2048 },
  ...{ rms_norm_eps: 1e-6, tie_word_embeddings: false },
};
const mistralSizes = {
  ...llamaSizes,
  ...{ intermediate_size: 14_336, num_key_value_heads: 8, head_dim: null, max_position_embeddings: 131_072 },
  sliding_window: 4096,
};
const qwenSizes = {
  ...llamaSizes,
  ...{ vocab_size: 151_936, intermediate_size: 22_016, num_key_value_heads: 32, max_position_embeddings: 32_768 },
  ...{ use_sliding_window: false, sliding_window: 4096, max_window_layers: 28, layer_types: null },
};
const olmoSizes = {
  ...llamaSizes,
  ...{ vocab_size: 50_304, attention_bias: false },
};
const gemmaSizes = {
  ...{ vocab_size: 256_000, hidden_size: 3072, intermediate_size: 24_576, num_hidden_layers: 28 },
  ...{ num_attention_heads: 16, num_key_value_heads: 16, head_dim: 256, max_position_embeddings: 8192 },
  ...{ rms_norm_eps: 1e-6, tie_word_embeddings: true, attention_bias: false, use_bidirectional_attention: null },
};
const gemma2Sizes = {
  ...gemmaSizes,
  ...{ hidden_size: 2304, intermediate_size: 9216, num_hidden_layers: 26, num_attention_heads: 8 },
  ...{ num_key_value_heads: 4, hidden_activation: 'gelu_pytorch_tanh', query_pre_attn_scalar: 256 },
  ...{ sliding_window: 4096, layer_types: null, final_logit_softcapping: 30, attn_logit_softcapping: 50 },
};

const everyBias = { qkv_bias: true, output_bias: true, ffn_bias: true };
const layerNorm = { norm_kind: 'layer', norm_bias: true };
const plainFfn = { gated_ffn: false };
const gptAliases = {
  hidden_size: 'n_embd',
  num_hidden_layers: 'n_layer',
  num_attention_heads: 'n_head',
  max_position_embeddings: 'n_positions',
};
const gptKeys = {
  ...{ dim: 'n_embd', layers: 'n_layer', heads: 'n_head', kvHeads: null, hidden: 'n_inner', context: 'n_positions' },
  ...{ eps: 'layer_norm_epsilon', activation: 'activation_function' },
};

/** Biases of the four matrices of attention. */
const attentionBias = (json: Json) => ({ qkv_bias: json['attention_bias'], output_bias: json['attention_bias'] });

/** Every layer has the window. */
const windowEverywhere = (json: Json) => ({ sliding_window: json['sliding_window'] ?? null });

/** The window of the layers whose type says so, or those of the family where no types are given. */
function windowByType(json: Json, isSliding: (layerIdx: number) => boolean): Json {
  const types = json['layer_types'];
  if (json['sliding_window'] == null && types == null) return { sliding_window: null };
  const among = Array.isArray(types) ? (layerIdx: number) => types[layerIdx] === 'sliding_attention' : isSliding;
  const layers = layersOf(json).filter(among);
  return layers.length === 0
    ? { sliding_window: null }
    : { sliding_window: json['sliding_window'] ?? 'null', sliding_layers: layers };
}

/** At most as many as a model may have: the number is checked later. */
function layersOf(json: Json): number[] {
  const nLayers = Math.min(Math.max(0, numberOr(json['num_hidden_layers'], 0)), 1024);
  return Array.from({ length: nLayers }, (_, layerIdx) => layerIdx);
}

function qwenWindow(json: Json): Json {
  if (json['use_sliding_window'] !== true) return { sliding_window: null };
  return windowByType(json, layerIdx => layerIdx >= numberOr(json['max_window_layers'], 28));
}

function gemma2Switches(json: Json): Json {
  return {
    ...gemmaSwitches(json),
    norm_position: 'both',
    score_scale: power(json['query_pre_attn_scalar'], -0.5),
    score_cap: json['attn_logit_softcapping'],
    logit_cap: json['final_logit_softcapping'],
  };
}

function gemmaSwitches(json: Json): Json {
  return { ...attentionBias(json), norm_kind: 'rms_plus_one', embedding_scale: power(json['hidden_size'], 0.5) };
}

/** Of anything else, the value itself: it is refused later. */
function power(value: unknown, exponent: number): unknown {
  return typeof value === 'number' ? value ** exponent : value;
}

/** By name of the library's `model_type`. */
export const families: Readonly<Record<string, Family>> = {
  llama: {
    layout: 'llama',
    defaults: { ...llamaSizes, attention_bias: false, mlp_bias: false, head_dim: null },
    read: json => ({ ...attentionBias(json), ffn_bias: json['mlp_bias'] }),
  },
  mistral: { layout: 'llama', defaults: mistralSizes, read: windowEverywhere },
  ministral: {
    layout: 'llama',
    defaults: { ...mistralSizes, layer_types: null },
    read: json => windowByType(json, () => true),
  },
  qwen2: {
    layout: 'llama',
    defaults: qwenSizes,
    read: json => ({ ...qwenWindow(json), qkv_bias: true }),
  },
  qwen3: {
    layout: 'llama',
    defaults: { ...qwenSizes, head_dim: 128, attention_bias: false },
    read: json => ({ ...qwenWindow(json), ...attentionBias(json), qk_norm: 'head' }),
  },
  olmo: {
    layout: 'llama',
    defaults: { ...olmoSizes, rms_norm_eps: undefined, clip_qkv: null },
    read: json => ({
      ...attentionBias(json),
      ...{ norm_kind: 'layer', norm_weight: false, norm_eps: 1e-5, qkv_clip: json['clip_qkv'] },
    }),
  },
  olmo2: {
    layout: 'llama',
    defaults: { ...olmoSizes, rms_norm_eps: 1e-5 },
    read: json => ({ ...attentionBias(json), qk_norm: 'full', norm_position: 'after' }),
  },
  olmo3: {
    layout: 'llama',
    defaults: { ...olmoSizes, rms_norm_eps: 1e-5, sliding_window: 4096, layer_types: null },
    rope: { theta: 500_000, slidingTheta: 500_000 },
    read: json => ({
      ...windowByType(json, layerIdx => (layerIdx + 1) % 4 !== 0),
      ...attentionBias(json),
      ...{ qk_norm: 'full', norm_position: 'after' },
    }),
  },
  gemma: {
    layout: 'llama',
    defaults: { ...gemmaSizes, hidden_act: 'gelu_pytorch_tanh' },
    only: { use_bidirectional_attention: [null, false] },
    // The library takes the older name for the approximation by tanh.
    read: json => ({ ...gemmaSwitches(json), ...(json['hidden_act'] === 'gelu' ? { activation: 'gelu_tanh' } : {}) }),
  },
  gemma2: {
    layout: 'sandwich',
    defaults: gemma2Sizes,
    keys: { activation: 'hidden_activation' },
    only: { use_bidirectional_attention: [null, false] },
    read: json => ({ ...windowByType(json, layerIdx => layerIdx % 2 === 0), ...gemma2Switches(json) }),
  },
  gemma3_text: {
    layout: 'sandwich',
    defaults: {
      ...gemma2Sizes,
      ...{ vocab_size: 262_208, max_position_embeddings: 131_072, sliding_window_pattern: 6 },
      ...{ final_logit_softcapping: null, attn_logit_softcapping: null },
    },
    keys: { activation: 'hidden_activation' },
    rope: { theta: 1_000_000, slidingTheta: 10_000, slidingThetaKey: 'rope_local_base_freq' },
    only: { use_bidirectional_attention: [null, false] },
    read: json => ({
      ...windowByType(json, layerIdx => (layerIdx + 1) % numberOr(json['sliding_window_pattern'], 6) !== 0),
      ...gemma2Switches(json),
      // The library reads `attn_logit_softcapping` and does not use it.
      score_cap: null,
      qk_norm: 'head',
    }),
  },
  gpt2: {
    layout: 'gpt2',
    defaults: {
      ...{ vocab_size: 50_257, n_positions: 1024, n_embd: 768, n_layer: 12, n_head: 12, n_inner: null },
      ...{ activation_function: 'gelu_new', layer_norm_epsilon: 1e-5, scale_attn_weights: true },
      ...{ scale_attn_by_inverse_layer_idx: false, add_cross_attention: false, tie_word_embeddings: true },
    },
    aliases: gptAliases,
    keys: gptKeys,
    rope: null,
    only: { add_cross_attention: [false] },
    read: json => ({
      ...everyBias,
      ...layerNorm,
      ...plainFfn,
      positions: 'learned',
      score_scale: json['scale_attn_weights'] === false ? 1 : null,
      score_scale_by_layer: json['scale_attn_by_inverse_layer_idx'],
    }),
  },
  gpt_neox: {
    layout: 'gptNeox',
    defaults: {
      ...{ vocab_size: 50_432, hidden_size: 6144, num_hidden_layers: 44, num_attention_heads: 64 },
      ...{ intermediate_size: 24_576, hidden_act: 'gelu', max_position_embeddings: 2048, layer_norm_eps: 1e-5 },
      ...{ tie_word_embeddings: false, use_parallel_residual: true, attention_bias: true },
    },
    keys: { kvHeads: null, eps: 'layer_norm_eps' },
    rope: { theta: 10_000, thetaKey: 'rotary_emb_base', share: 0.25, shareKey: 'rotary_pct' },
    read: json => ({
      ...attentionBias(json),
      ...layerNorm,
      ...plainFfn,
      ffn_bias: true,
      residual: json['use_parallel_residual'] === false ? 'sequential' : 'parallel',
    }),
  },
};
