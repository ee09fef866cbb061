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
  /** The library's names of keys of ours, where they are not the common ones. */
  readonly names?: Readonly<Record<string, string>>;
  /** Keys that change what is computed, with the only values that are read. */
  readonly only?: Readonly<Record<string, readonly unknown[]>>;
  /** What an item of `layer_types` may be; full and sliding attention by default. */
  readonly layerTypes?: readonly string[];
  /** Keys that must have the value of another one, or none. */
  readonly same?: Readonly<Record<string, string>>;
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

const scalarName = { score_scale: 'query_pre_attn_scalar' };
const localExpertNames = {
  ...{ 'experts.n_experts': 'num_local_experts', 'experts.hidden_dim': 'intermediate_size' },
  'experts.shared_dim': 'intermediate_size',
};

/** Biases of the four matrices of attention. */
const attentionBias = (json: Json) => ({ qkv_bias: json['attention_bias'], output_bias: json['attention_bias'] });

/** Every layer has the window. */
const windowEverywhere = (json: Json) => ({ sliding_window: json['sliding_window'] ?? null });

/** The window of the layers whose type says so, or those of the family where no types are given. */
function windowByType(json: Json, isSliding: (layerIdx: number) => boolean): Json {
  const types = json['layer_types'];
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
  const first = json['sliding_window'] == null ? Number.POSITIVE_INFINITY : numberOr(json['max_window_layers'], 28);
  return windowByType(json, layerIdx => layerIdx >= first);
}

/** Of the first layers every second one. */
function qwenMoeWindow(json: Json): Json {
  if (json['use_sliding_window'] !== true) return { sliding_window: null };
  return windowByType(json, layerIdx => layerIdx % 2 === 0 && layerIdx < numberOr(json['max_window_layers'], 28));
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

/** To a multiple of 256, as the library rounds widths. */
function roundedUp(size: number): number {
  return 256 * Math.ceil(Math.floor(size) / 256);
}

/** Of anything else, the value itself: it is refused later. */
function power(value: unknown, exponent: number): unknown {
  return typeof value === 'number' ? value ** exponent : value;
}

function falconSwitches(json: Json): Json {
  const isNew = json['new_decoder_architecture'] === true;
  const isParallel = json['parallel_attn'] !== false;
  const nHeads = json['num_attention_heads'];
  const heads = isNew ? (json['num_kv_heads'] ?? nHeads) : json['multi_query'] === false ? nHeads : 1;
  const nNorms = json['num_ln_in_parallel_attn'] ?? (isNew ? 2 : 1);
  return {
    ...layerNorm,
    ...plainFfn,
    n_kv_heads: heads,
    ...{ qkv_bias: json['bias'] ?? false, output_bias: json['bias'] ?? false, ffn_bias: json['bias'] ?? false },
    residual: isParallel ? (nNorms === 2 ? 'parallel' : 'parallel_one_norm') : 'sequential',
  };
}

/** Layers with a 0 in `no_rope_layers` have no positions of their own. */
function rotatesBy({ no_rope_layers: given, no_rope_layer_interval: interval }: Json): (layerIdx: number) => boolean {
  return layerIdx => (Array.isArray(given) ? given[layerIdx] !== 0 : (layerIdx + 1) % numberOr(interval, 4) !== 0);
}

function smolLm3Switches(json: Json): Json {
  const rotates = rotatesBy(json);
  const hasWindow = json['use_sliding_window'] === true && json['sliding_window'] != null;
  return {
    ...attentionBias(json),
    ...(json['layer_types'] == null && !hasWindow
      ? { sliding_window: null }
      : windowByType(json, layerIdx => hasWindow && !rotates(layerIdx))),
    ffn_bias: json['mlp_bias'],
    rotary_layers: layersOf(json).filter(rotates),
  };
}

/** Layers that rotate see chunks; the others see everything, and their queries grow with their position. */
function llama4Switches(json: Json): Json {
  const { layer_types: types, moe_layers: given, interleave_moe_layer_step: step } = json;
  const chunk = json['attention_chunk_size'];
  const rotates = rotatesBy(json);
  const isChunked = (layerIdx: number) =>
    Array.isArray(types) ? types[layerIdx] === 'chunked_attention' : chunk != null && rotates(layerIdx);
  const chunked = layersOf(json).filter(isChunked);
  const hasExperts = (layerIdx: number) => (layerIdx + 1) % numberOr(step, 1) === 0;
  const hidden = json['intermediate_size'];
  return {
    ...attentionBias(json),
    ...(chunked.length > 0 && { attention_chunk: chunk ?? 'null', chunked_layers: chunked }),
    rope_style: 'interleaved',
    rotary_layers: layersOf(json).filter(rotates),
    qk_norm: json['use_qk_norm'] === false ? null : 'rotated',
    query_scaling:
      json['attn_temperature_tuning'] === false || json['attn_scale'] === 0
        ? null
        : { strength: json['attn_scale'], span: json['floor_scale'] },
    experts: {
      ...experts(json, json['num_local_experts'], hidden),
      ...{ routing: 'sigmoid', shared_dim: hidden, shared_gate: false },
      layers: given ?? layersOf(json).filter(hasExperts),
    },
  };
}

function experts(json: Json, n: unknown, hidden: unknown): Json {
  return { n_experts: n, experts_per_token: json['num_experts_per_tok'], hidden_dim: hidden, normalizes: true };
}

/** Qwen's layers with experts. */
function sparseLayers(json: Json): number[] {
  const { mlp_only_layers: plain, decoder_sparse_step: step } = json;
  const isPlain = (layerIdx: number) => Array.isArray(plain) && plain.includes(layerIdx);
  return layersOf(json).filter(layerIdx => !isPlain(layerIdx) && (layerIdx + 1) % numberOr(step, 1) === 0);
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
    names: scalarName,
    only: { use_bidirectional_attention: [null, false] },
    read: json => ({ ...windowByType(json, layerIdx => layerIdx % 2 === 0), ...gemma2Switches(json) }),
  },
  gemma3_text: {
    layout: 'sandwich',
    defaults: {
      ...gemma2Sizes,
      ...{ vocab_size: 262_208, max_position_embeddings: 131_072, sliding_window_pattern: 6 },
      ...{ final_logit_softcapping: null, attn_logit_softcapping: null, use_bidirectional_attention: false },
    },
    keys: { activation: 'hidden_activation' },
    names: scalarName,
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
  gptj: {
    layout: 'gptj',
    defaults: {
      ...{ vocab_size: 50_400, n_positions: 2048, n_embd: 4096, n_layer: 28, n_head: 16, rotary_dim: 64 },
      ...{ n_inner: null, activation_function: 'gelu_new', layer_norm_epsilon: 1e-5, tie_word_embeddings: false },
    },
    aliases: gptAliases,
    keys: gptKeys,
    rope: null,
    read: json => ({
      ...layerNorm,
      ...plainFfn,
      ...{ ffn_bias: true, residual: 'parallel_one_norm', head_bias: true },
      ...{ rope_style: 'interleaved', rotary_dim: json['rotary_dim'] ?? 'null' },
    }),
  },
  opt: {
    layout: 'opt',
    defaults: {
      ...{ vocab_size: 50_272, hidden_size: 768, num_hidden_layers: 12, ffn_dim: 3072, num_attention_heads: 12 },
      ...{ max_position_embeddings: 2048, do_layer_norm_before: true, _remove_final_layer_norm: false },
      ...{ word_embed_proj_dim: null, activation_function: 'relu', enable_bias: true, tie_word_embeddings: true },
      layer_norm_elementwise_affine: true,
    },
    keys: { kvHeads: null, hidden: 'ffn_dim', activation: 'activation_function' },
    rope: null,
    only: { do_layer_norm_before: [true], _remove_final_layer_norm: [false] },
    names: {
      ...{ qkv_bias: 'enable_bias', output_bias: 'enable_bias', ffn_bias: 'enable_bias' },
      ...{ norm_weight: 'layer_norm_elementwise_affine', norm_bias: 'layer_norm_elementwise_affine' },
    },
    same: { word_embed_proj_dim: 'hidden_size' },
    read: json => ({
      ...{ qkv_bias: json['enable_bias'], output_bias: json['enable_bias'], ffn_bias: json['enable_bias'] },
      ...plainFfn,
      ...{ norm_kind: 'layer', norm_eps: 1e-5, norm_weight: json['layer_norm_elementwise_affine'] },
      ...{ norm_bias: json['layer_norm_elementwise_affine'], positions: 'learned', position_offset: 2 },
    }),
  },
  falcon: {
    layout: 'falcon',
    defaults: {
      ...{ vocab_size: 65_024, hidden_size: 4544, num_hidden_layers: 32, num_attention_heads: 71 },
      ...{ num_ln_in_parallel_attn: null, layer_norm_epsilon: 1e-5, num_kv_heads: null, alibi: false },
      ...{ new_decoder_architecture: false, multi_query: true, parallel_attn: true, bias: false },
      ...{ max_position_embeddings: 2048, ffn_hidden_size: null, activation: 'gelu', tie_word_embeddings: true },
    },
    aliases: { hidden_size: 'n_embed' },
    keys: { hidden: 'ffn_hidden_size', eps: 'layer_norm_epsilon', activation: 'activation' },
    names: { qkv_bias: 'bias', output_bias: 'bias', ffn_bias: 'bias', n_kv_heads: 'num_kv_heads' },
    only: { alibi: [false, null] },
    read: falconSwitches,
  },
  phi3: {
    layout: 'phi3',
    defaults: {
      ...llamaSizes,
      ...{ vocab_size: 32_064, hidden_size: 3072, intermediate_size: 8192, max_position_embeddings: 4096 },
      ...{ original_max_position_embeddings: 4096, rms_norm_eps: 1e-5, sliding_window: null },
    },
    rope: { theta: 10_000, share: 1, firstContext: 4096 },
    read: windowEverywhere,
  },
  smollm3: {
    layout: 'llama',
    defaults: {
      ...llamaSizes,
      ...{ vocab_size: 128_256, hidden_size: 2048, num_hidden_layers: 36, num_attention_heads: 16 },
      ...{ num_key_value_heads: 4, max_position_embeddings: 32_768, use_sliding_window: false, sliding_window: null },
      ...{ no_rope_layers: null, no_rope_layer_interval: 4, layer_types: null, attention_bias: false },
      ...{ mlp_bias: false, tie_word_embeddings: true },
    },
    rope: { theta: 2_000_000 },
    read: smolLm3Switches,
  },
  granite: {
    layout: 'llama',
    defaults: {
      ...llamaSizes,
      ...{ attention_bias: false, mlp_bias: false, embedding_multiplier: 1, logits_scaling: 1 },
      ...{ residual_multiplier: 1, attention_multiplier: 1 },
    },
    read: json => ({
      ...attentionBias(json),
      ffn_bias: json['mlp_bias'],
      embedding_scale: json['embedding_multiplier'],
      residual_scale: json['residual_multiplier'],
      score_scale: json['attention_multiplier'],
      logit_scale: power(json['logits_scaling'], -1),
    }),
  },
  stablelm: {
    layout: 'llama',
    defaults: {
      ...{ vocab_size: 50_304, intermediate_size: 6912, hidden_size: 2560, num_hidden_layers: 32 },
      ...{ num_attention_heads: 32, num_key_value_heads: 32, hidden_act: 'silu', max_position_embeddings: 4096 },
      ...{ layer_norm_eps: 1e-5, tie_word_embeddings: false, use_qkv_bias: false, qk_layernorm: false },
      use_parallel_residual: false,
    },
    keys: { eps: 'layer_norm_eps' },
    names: { qkv_bias: 'use_qkv_bias' },
    rope: { theta: 10_000, share: 0.25 },
    only: { qk_layernorm: [false] },
    read: json => ({
      ...layerNorm,
      qkv_bias: json['use_qkv_bias'],
      residual: json['use_parallel_residual'] === true ? 'parallel_one_norm' : 'sequential',
    }),
  },
  starcoder2: {
    layout: 'starcoder2',
    defaults: {
      ...{ vocab_size: 49_152, hidden_size: 3072, intermediate_size: 12_288, num_hidden_layers: 30 },
      ...{ num_attention_heads: 24, num_key_value_heads: 2, hidden_act: 'gelu_pytorch_tanh' },
      ...{ max_position_embeddings: 4096, norm_epsilon: 1e-5, sliding_window: null, use_bias: true },
      tie_word_embeddings: true,
    },
    keys: { eps: 'norm_epsilon' },
    names: { qkv_bias: 'use_bias', output_bias: 'use_bias', ffn_bias: 'use_bias' },
    rope: { theta: 10_000 },
    read: json => ({
      ...layerNorm,
      ...plainFfn,
      ...windowEverywhere(json),
      ...{ qkv_bias: json['use_bias'], output_bias: json['use_bias'], ffn_bias: json['use_bias'] },
    }),
  },
  mixtral: {
    layout: 'mixtral',
    defaults: {
      ...mistralSizes,
      ...{ rms_norm_eps: 1e-5, sliding_window: null, num_experts_per_tok: 2, num_local_experts: 8 },
    },
    aliases: { num_experts: 'num_local_experts' },
    names: localExpertNames,
    rope: { theta: 1_000_000 },
    read: json => ({
      ...windowEverywhere(json),
      experts: experts(json, json['num_local_experts'], json['intermediate_size']),
    }),
  },
  qwen3_moe: {
    layout: 'llama',
    defaults: {
      ...llamaSizes,
      ...{ vocab_size: 151_936, hidden_size: 2048, intermediate_size: 6144, num_hidden_layers: 24 },
      ...{ num_key_value_heads: 4, max_position_embeddings: 32_768, attention_bias: false, num_experts: 128 },
      ...{ use_sliding_window: false, sliding_window: 4096, decoder_sparse_step: 1, moe_intermediate_size: 768 },
      ...{ num_experts_per_tok: 8, norm_topk_prob: false, mlp_only_layers: null },
    },
    aliases: { num_local_experts: 'num_experts' },
    read: json => ({
      ...attentionBias(json),
      qk_norm: 'head',
      sliding_window: json['use_sliding_window'] === true ? (json['sliding_window'] ?? null) : null,
      experts: {
        ...experts(json, json['num_experts'], json['moe_intermediate_size']),
        normalizes: json['norm_topk_prob'],
        layers: sparseLayers(json),
      },
    }),
  },
  qwen2_moe: {
    layout: 'llama',
    defaults: {
      ...qwenSizes,
      ...{ hidden_size: 2048, intermediate_size: 5632, num_hidden_layers: 24, num_attention_heads: 16 },
      ...{ num_key_value_heads: 16, decoder_sparse_step: 1, moe_intermediate_size: 1408, num_experts: 60 },
      ...{ shared_expert_intermediate_size: 5632, num_experts_per_tok: 4, norm_topk_prob: false },
      ...{ mlp_only_layers: null, qkv_bias: true },
    },
    names: { qkv_bias: 'qkv_bias' },
    read: json => ({
      ...qwenMoeWindow(json),
      qkv_bias: json['qkv_bias'],
      experts: {
        ...experts(json, json['num_experts'], json['moe_intermediate_size']),
        normalizes: json['norm_topk_prob'],
        layers: sparseLayers(json),
        shared_dim: json['shared_expert_intermediate_size'],
      },
    }),
  },
  gpt_oss: {
    layout: 'gptOss',
    defaults: {
      ...llamaSizes,
      ...{ vocab_size: 201_088, hidden_size: 2880, intermediate_size: 2880, num_hidden_layers: 36, head_dim: 64 },
      ...{ num_attention_heads: 64, num_key_value_heads: 8, sliding_window: 128, max_position_embeddings: 131_072 },
      ...{ rms_norm_eps: 1e-5, num_local_experts: 128, num_experts_per_tok: 4, swiglu_alpha: 1.702 },
      ...{ swiglu_limit: 7, layer_types: null, attention_bias: true },
    },
    aliases: { num_experts: 'num_local_experts' },
    names: localExpertNames,
    rope: {
      theta: 150_000,
      scaling: {
        ...{ rope_type: 'yarn', factor: 32, beta_fast: 32, beta_slow: 1, truncate: false },
        original_max_position_embeddings: 4096,
      },
    },
    only: { hidden_act: ['silu'] },
    read: json => ({
      ...attentionBias(json),
      ...windowByType(json, layerIdx => layerIdx % 2 === 0),
      attention_sinks: true,
      experts: {
        ...experts(json, json['num_local_experts'], json['intermediate_size']),
        clamped: { alpha: json['swiglu_alpha'], limit: json['swiglu_limit'] },
      },
    }),
  },
  diffllama: {
    layout: 'llama',
    defaults: {
      ...llamaSizes,
      ...{ hidden_size: 2048, intermediate_size: 8192, num_hidden_layers: 16, rms_norm_eps: 1e-5 },
      ...{ attention_bias: false, head_dim: null, attention_dropout: 0 },
    },
    // The library refuses others, since nothing says what they do to a difference.
    only: { attention_dropout: [0] },
    read: json => ({ ...attentionBias(json), differential: true }),
  },
  // Of flash-linear-attention, 0.6.0.
  forgetting_transformer: {
    layout: 'forgetting',
    defaults: {
      ...{ vocab_size: 32_000, hidden_size: 2048, num_hidden_layers: 24, num_heads: 32, num_kv_heads: null },
      ...{ qkv_bias: false, qk_norm: false, window_size: null, use_output_gate: false, hidden_ratio: 4 },
      ...{ intermediate_size: null, hidden_act: 'swish', norm_eps: 1e-6, tie_word_embeddings: false },
      attnres_block_size: null,
    },
    keys: { heads: 'num_heads', kvHeads: 'num_kv_heads', eps: 'norm_eps' },
    rope: null,
    only: {
      ...{ qk_norm: [false], use_output_gate: [false], attnres_block_size: [null], hidden_act: ['swish'] },
      // The library reads a window and computes without it.
      window_size: [null],
    },
    names: { qkv_bias: 'qkv_bias' },
    read: json => ({
      ...{ qkv_bias: json['qkv_bias'], positions: 'none', forget_gate: true },
      // The file states no longest text, and nothing in the model depends on one.
      max_seqlen: json['max_position_embeddings'] ?? 16_384,
      hidden_dim:
        json['intermediate_size'] ??
        roundedUp((2 * numberOr(json['hidden_size'], 0) * numberOr(json['hidden_ratio'], 4)) / 3),
    }),
  },
  llama4_text: {
    layout: 'llama4',
    defaults: {
      ...llamaSizes,
      ...{ vocab_size: 202_048, hidden_size: 5120, intermediate_size: 8192, intermediate_size_mlp: 16_384 },
      ...{ num_hidden_layers: 48, num_attention_heads: 40, num_key_value_heads: 8, head_dim: 128 },
      ...{ max_position_embeddings: 131_072, rms_norm_eps: 1e-5, num_experts_per_tok: 1, num_local_experts: 16 },
      ...{ moe_layers: null, interleave_moe_layer_step: 1, use_qk_norm: true, no_rope_layers: null },
      ...{ no_rope_layer_interval: 4, attention_chunk_size: 8192, layer_types: null, attn_temperature_tuning: true },
      ...{ floor_scale: 8192, attn_scale: 0.1, attention_bias: false },
    },
    keys: { hidden: 'intermediate_size_mlp' },
    names: localExpertNames,
    layerTypes: ['full_attention', 'chunked_attention'],
    rope: { theta: 500_000 },
    read: llama4Switches,
  },
};
