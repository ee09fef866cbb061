/**
 * `config.json` and tensor names of Hugging Face's llama-class models, in our terms: all are pre- or post-norm
 * transformers with half-split rotary positions and a SwiGLU feed-forward, and differ in a few switches.
 */

import { Failure, shown } from '../shared/tools/failure';
import { type ModelConfig, parseModelConfig } from './modelConfig';

type Json = Readonly<Record<string, unknown>>;

/** What a family does regardless of its config.json; the rest is read from there. */
interface Family {
  readonly fixed: Partial<Record<'qkv_bias' | 'output_bias' | 'qk_norm' | 'norm_position', unknown>>;
  /** `head_dim` where config.json has none; else dim / n_heads. */
  readonly headDim?: number;
  /** Whether `sliding_window` counts: in all layers, or with `use_sliding_window` from `max_window_layers` on. */
  readonly slidingWindow?: 'always' | 'switched';
  readonly hasFfnBias?: boolean;
}

const families: Readonly<Record<string, Family>> = {
  llama: { fixed: {}, hasFfnBias: true },
  mistral: { fixed: { qkv_bias: false, output_bias: false }, slidingWindow: 'always' },
  qwen2: { fixed: { qkv_bias: true, output_bias: false }, slidingWindow: 'switched' },
  qwen3: { fixed: { qk_norm: 'head' }, headDim: 128, slidingWindow: 'switched' },
  olmo2: { fixed: { qk_norm: 'full', norm_position: 'after' } },
};

/** What `model_type` may be. */
export const huggingFaceFamilies = Object.keys(families);

/** Whether a parsed config.json is Hugging Face's rather than ours. */
export function isHuggingFaceConfig(json: unknown): json is Json {
  const { model_type: type, dim } = (json ?? {}) as Json;
  return typeof type === 'string' && type !== 'mta' && dim === undefined;
}

/**
 * @param beginTokenId what the tokenizer puts before a text, which config.json lacks.
 * @throws Failure naming the key, what was found and what is expected; or listing the families that are read.
 */
export function parseHuggingFaceConfig(json: Json, where: string, beginTokenId: number | null): ModelConfig {
  const type = json['model_type'] as string;
  const family = Object.hasOwn(families, type) ? families[type]! : undefined;
  const refuse = (key: string, expected: string) => {
    return new Failure(
      'bad-config',
      `Cannot read ${where}: ${key} is ${shown(json[key])}, expected ${expected}. Pick another model.`,
      ['selectModel', 'showLog'],
    );
  };
  if (!family) throw refuse('model_type', `one of mta, ${huggingFaceFamilies.join(', ')}`);
  if ((json['hidden_act'] ?? 'silu') !== 'silu') throw refuse('hidden_act', '"silu"');
  if ((json['partial_rotary_factor'] ?? 1) !== 1) throw refuse('partial_rotary_factor', '1: all of a head is rotated');
  if (json['quantization_config']) throw refuse('quantization_config', 'nothing: weights as fp32, fp16 or bf16');
  const attentionBias = json['attention_bias'];
  const rope = ropeOf(json);
  const ours: Record<string, unknown> = {
    dim: json['hidden_size'],
    n_layers: json['num_hidden_layers'],
    n_heads: json['num_attention_heads'],
    n_kv_heads: json['num_key_value_heads'],
    head_dim: json['head_dim'] ?? family.headDim,
    hidden_dim: json['intermediate_size'],
    vocab_size: json['vocab_size'],
    max_seqlen: longestContext(json['max_position_embeddings'], rope.rope_scaling),
    norm_eps: json['rms_norm_eps'] ?? 1e-6,
    ...rope,
    rope_style: 'half',
    qkv_bias: attentionBias,
    output_bias: attentionBias,
    ffn_bias: family.hasFfnBias ? json['mlp_bias'] : false,
    ...slidingWindow(json, family),
    weight_tying: json['tie_word_embeddings'],
    bos_token_id: beginTokenId,
    eos_token_id: Array.isArray(json['eos_token_id']) ? json['eos_token_id'][0] : json['eos_token_id'],
    ...family.fixed,
  };
  try {
    return parseModelConfig(ours, where);
  } catch (error) {
    if (error instanceof Failure) throw new Failure(error.code, inTheirWords(error.message), error.actions);
    throw error;
  }
}

/** `rope_theta` and `rope_scaling`, which newer files hold together under `rope_parameters`. */
function ropeOf(json: Json): { rope_theta: unknown; rope_scaling: Json | null } {
  const { rope_theta: inner, ...given } = (json['rope_parameters'] ?? json['rope_scaling'] ?? {}) as Json;
  const rope_theta = inner ?? json['rope_theta'];
  const type = given['rope_type'] ?? given['type'] ?? 'default';
  if (type === 'default') return { rope_theta, rope_scaling: null };
  const longest = json['max_position_embeddings'];
  // Dynamic scaling departs from the configured context, whatever else is given.
  const original = type === 'dynamic' ? longest : (given['original_max_position_embeddings'] ?? longest);
  const factor = given['factor'] ?? numberOr(longest, Number.NaN) / numberOr(original, Number.NaN);
  const attention_factor = given['attention_factor'] ?? ratioOfScales(factor, given['mscale'], given['mscale_all_dim']);
  const common = { rope_type: type, factor, attention_factor, original_max_position_embeddings: original };
  return { rope_theta, rope_scaling: { ...given, ...common } };
}

/** Yarn's factor on cos and sin where two scales are given; null where it follows from `factor` alone. */
function ratioOfScales(factor: unknown, scale: unknown, scaleOfAll: unknown): number | null {
  if (typeof factor !== 'number' || typeof scale !== 'number' || typeof scaleOfAll !== 'number') return null;
  if (scale === 0 || scaleOfAll === 0) return null;
  const amplitude = (s: number) => (factor <= 1 ? 1 : 0.1 * s * Math.log(factor) + 1);
  return amplitude(scale) / amplitude(scaleOfAll);
}

/** Dynamic and yarn scaling reach `factor` times the first context, which `max_position_embeddings` often still is. */
function longestContext(given: unknown, scaling: Json | null): unknown {
  const { rope_type: type, factor, original_max_position_embeddings: original } = scaling ?? {};
  if ((type !== 'dynamic' && type !== 'yarn') || typeof given !== 'number') return given;
  return typeof factor === 'number' && typeof original === 'number'
    ? Math.max(given, Math.floor(factor * original))
    : given;
}

/** Not by conversion: a value that is not a number may be too deep to be made text first. */
function numberOr(value: unknown, fallback: number): number {
  return typeof value === 'number' ? value : fallback;
}

function slidingWindow(json: Json, family: Family): { sliding_window: unknown; sliding_layers: unknown } {
  const none = { sliding_window: null, sliding_layers: null };
  const { sliding_window: window = 4096, layer_types: types, num_hidden_layers: nLayers } = json;
  const isSwitched = family.slidingWindow === 'switched';
  if (!family.slidingWindow || window === null || (isSwitched && json['use_sliding_window'] !== true)) return none;
  if (!isSwitched) return { sliding_window: window, sliding_layers: null };
  const isSliding = Array.isArray(types)
    ? (layerIdx: number) => types[layerIdx] === 'sliding_attention'
    : (layerIdx: number) => layerIdx >= numberOr(json['max_window_layers'], 28);
  const layers = Array.from({ length: Math.min(Math.max(0, numberOr(nLayers, 0)), 1024) }, (_, layerIdx) => layerIdx);
  return { sliding_window: window, sliding_layers: layers.filter(isSliding) };
}

const theirWords: Readonly<Record<string, string>> = {
  dim: 'hidden_size',
  n_layers: 'num_hidden_layers',
  n_heads: 'num_attention_heads',
  n_kv_heads: 'num_key_value_heads',
  hidden_dim: 'intermediate_size',
  max_seqlen: 'max_position_embeddings',
  norm_eps: 'rms_norm_eps',
  weight_tying: 'tie_word_embeddings',
};

function inTheirWords(message: string): string {
  return message.replace(/\b\w+\b/g, word => (Object.hasOwn(theirWords, word) ? theirWords[word]! : word));
}

const attentionKeys: Readonly<Record<string, string>> = { wq: 'q_proj', wk: 'k_proj', wv: 'v_proj', wo: 'o_proj' };
const feedForwardKeys: Readonly<Record<string, string>> = { w1: 'gate_proj', w3: 'up_proj', w2: 'down_proj' };

/** Hugging Face's name of a tensor that we call `key`. */
export function huggingFaceKey(key: string, normPosition: ModelConfig['norm_position']): string {
  if (key === 'output.weight') return 'lm_head.weight';
  if (key === 'tok_embeddings.weight') return 'model.embed_tokens.weight';
  const isBefore = normPosition === 'before';
  return `model.${key}`
    .replace(/\.attention\.(w\w)\./, (_, name: string) => `.self_attn.${attentionKeys[name]}.`)
    .replace('.attention.', '.self_attn.')
    .replace(/\.feed_forward\.(w\d)\./, (_, name: string) => `.mlp.${feedForwardKeys[name]}.`)
    .replace('.attention_norm.', isBefore ? '.input_layernorm.' : '.post_attention_layernorm.')
    .replace('.ffn_norm.', isBefore ? '.post_attention_layernorm.' : '.post_feedforward_layernorm.');
}
