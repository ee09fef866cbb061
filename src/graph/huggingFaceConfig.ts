/** `config.json` of Hugging Face's model folders, in our terms: its family says what is computed, its keys which sizes. */

import { Failure, shown } from '../shared/tools/failure';
import { type Family, families, type SizeKeys, usualKeys } from './huggingFaceFamilies';
import { longestContext, readRope } from './huggingFaceRope';
import type { Layout } from './huggingFaceWeights';
import { type Activation, type ModelConfig, parseModelConfig } from './modelConfig';
import { refusedFamily } from './refusedFamilies';

type Json = Readonly<Record<string, unknown>>;

/** What `model_type` may be. */
export const huggingFaceFamilies = Object.keys(families);

export interface HuggingFaceModel {
  readonly config: ModelConfig;
  /** How the folder's tensors are named and cut. */
  readonly layout: Layout;
}

/** Whether a parsed config.json is Hugging Face's rather than ours. */
export function isHuggingFaceConfig(json: unknown): json is Json {
  const { model_type: type, dim } = (json ?? {}) as Json;
  return typeof type === 'string' && type !== 'mta' && dim === undefined;
}

/** As `readHuggingFaceConfig`, of which it returns the configuration. */
export function parseHuggingFaceConfig(json: Json, where: string, beginTokenId: number | null): ModelConfig {
  return readHuggingFaceConfig(json, where, beginTokenId).config;
}

/**
 * @param beginTokenId what the tokenizer puts before a text, which config.json lacks.
 * @throws Failure naming family, key, what was found and what is expected; or listing the families that are read.
 */
export function readHuggingFaceConfig(whole: Json, where: string, beginTokenId: number | null): HuggingFaceModel {
  const json = textPart(whole);
  const type = json['model_type'] as string;
  const family = Object.hasOwn(families, type) ? families[type]! : undefined;
  if (!family) throw unknownFamily(type, where);
  try {
    return readFamily(whole, json, family, where, beginTokenId);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    const named = error.message.replace(/\. (?=(Correct|Pick) )/, ` (model_type ${type}). `);
    throw new Failure(error.code, inTheirWords(named, { ...usualKeys, ...family.keys }), error.actions);
  }
}

function readFamily(
  whole: Json,
  json: Json,
  family: Family,
  where: string,
  beginTokenId: number | null,
): HuggingFaceModel {
  const given = withDefaults(json, family, where);
  const keys: SizeKeys = { ...usualKeys, ...family.keys };
  checkKeys(json, given, family, where);
  const rope = family.rope === null ? null : readRope(given, family.rope ?? { theta: 10_000 });
  const dim = given[keys.dim];
  const heads = given[keys.heads];
  const headDim = given['head_dim'] ?? undefined;
  if (headDim === undefined && quotient(dim, heads) % 1 > 0) {
    throw refusal(where, keys.heads, heads, `a divisor of ${keys.dim}, ${shown(dim)}`);
  }
  const ours: Record<string, unknown> = {
    dim,
    n_layers: given[keys.layers],
    n_heads: heads,
    n_kv_heads: keys.kvHeads === null ? undefined : given[keys.kvHeads],
    head_dim: headDim,
    hidden_dim: given[keys.hidden] ?? (typeof dim === 'number' ? 4 * dim : undefined),
    vocab_size: given['vocab_size'],
    max_seqlen: longestContext(given[keys.context], rope?.rope_scaling ?? null),
    norm_eps: given[keys.eps],
    ...(rope && {
      rope_theta: rope.rope_theta,
      rope_scaling: rope.rope_scaling,
      sliding_rope: rope.sliding_rope,
      rotary_dim: rotaryDim(rope.share, headDim, dim, heads, family, where),
    }),
    rope_style: 'half',
    activation: activationOf(given[keys.activation], keys.activation, where),
    weight_tying: given['tie_word_embeddings'],
    bos_token_id: beginTokenId,
    eos_token_id: endToken(whole['eos_token_id'] ?? json['eos_token_id']),
    ...family.read?.(given),
  };
  return { config: parseModelConfig(ours, where), layout: family.layout };
}

/** The configuration that counts: of a folder for texts and pictures, the part for texts. */
function textPart(json: Json): Json {
  const { text_config: text } = json;
  // As the library has it: Mistral with types of layers is Ministral.
  if (json['model_type'] === 'mistral' && 'layer_types' in json) return { ...json, model_type: 'ministral' };
  const wrapped = Object.hasOwn(textFamilies, json['model_type'] as string)
    ? textFamilies[json['model_type'] as string]
    : undefined;
  if (wrapped === undefined) return json;
  const inner = typeof text === 'object' && text !== null ? (text as Json) : {};
  const { quantization_config = json['quantization_config'] } = inner;
  // The whole model ties its embeddings, not its part.
  return { tie_word_embeddings: true, ...inner, ...tiedOf(json), quantization_config, model_type: wrapped };
}

function tiedOf({ tie_word_embeddings: tied }: Json): Json {
  return tied === undefined ? {} : { tie_word_embeddings: tied };
}

/** The family of the texts' part of a folder. */
const textFamilies: Readonly<Record<string, string>> = { gemma3: 'gemma3_text' };

/** The family's defaults, and the file's values under the family's own names. */
function withDefaults(json: Json, family: Family, where: string): Json {
  const given: Record<string, unknown> = { ...family.defaults };
  for (const [key, value] of Object.entries(json)) if (value !== undefined) given[key] = value;
  for (const [common, own] of Object.entries(family.aliases ?? {})) {
    const [first, second] = [json[own], json[common]];
    if (first !== undefined && second !== undefined && first !== second) {
      throw refusal(where, common, second, `${shown(first)}, as ${own} says`);
    }
    given[own] = first ?? second ?? given[own];
    given[common] = given[own];
  }
  return given;
}

function checkKeys(json: Json, given: Json, family: Family, where: string): void {
  const quantization = json['quantization_config'];
  if (quantization) throw quantized(where, quantization);
  for (const [key, values] of Object.entries(family.only ?? {})) {
    if (!values.includes(given[key] ?? null) && given[key] !== undefined) {
      throw refusal(where, key, given[key], values.map(shown).join(' or '));
    }
  }
  for (const [key, other] of Object.entries(family.same ?? {})) {
    if (given[key] != null && given[key] !== given[other])
      throw refusal(where, key, given[key], `${shown(given[other])}, as ${other}`);
  }
  for (const [key, values] of Object.entries(othersKeys)) {
    const value = json[key];
    const isOwn =
      key in family.defaults ||
      key in (family.aliases ?? {}) ||
      Object.keys(family.only ?? {}).includes(key) ||
      family.rope?.shareKey === key;
    const isRead = key === 'partial_rotary_factor' && family.rope?.share !== undefined;
    if (value == null || isOwn || isRead || values.includes(value)) continue;
    if (Array.isArray(value) && value.length === 0) continue;
    const expected = ['nothing', ...values.map(shown)].join(' or ');
    throw refusal(where, key, value, `${expected}: this family does not compute it`);
  }
  checkLayerKeys(given, family, where);
  const types = given['layer_types'];
  if (types != null && 'layer_types' in family.defaults) checkLayerTypes(types, given['num_hidden_layers'], where);
}

/** NaN where one of them is not a number; both are checked with the other sizes. */
function quotient(a: unknown, b: unknown): number {
  return typeof a === 'number' && typeof b === 'number' ? a / b : Number.NaN;
}

/** Keys that name layers, of families that read them. */
function checkLayerKeys(given: Json, { defaults }: Family, where: string): void {
  const { mlp_only_layers: plain, no_rope_layers: rotates, decoder_sparse_step: step, num_hidden_layers: n } = given;
  if ('mlp_only_layers' in defaults && plain != null && !Array.isArray(plain)) {
    throw refusal(where, 'mlp_only_layers', plain, 'a list of layers');
  }
  if ('decoder_sparse_step' in defaults && !(typeof step === 'number' && Number.isInteger(step) && step >= 1)) {
    throw refusal(where, 'decoder_sparse_step', step, 'a whole number above 0');
  }
  const hasEach = Array.isArray(rotates) && rotates.length === n && rotates.every(flag => flag === 0 || flag === 1);
  if ('no_rope_layers' in defaults && rotates != null && !hasEach) {
    throw refusal(where, 'no_rope_layers', rotates, `a list with 0 or 1 for each of ${shown(n)} layers`);
  }
}

function checkLayerTypes(types: unknown, nLayers: unknown, where: string): void {
  if (!Array.isArray(types)) throw refusal(where, 'layer_types', types, 'a list with the type of each layer');
  const other = types.find(type => type !== 'full_attention' && type !== 'sliding_attention');
  if (other !== undefined) throw refusal(where, 'layer_types', other, '"full_attention" or "sliding_attention"');
  if (types.length !== nLayers)
    throw refusal(where, 'layer_types', types, `as many as num_hidden_layers, ${shown(nLayers)}`);
}

/** Keys of other families that change what is computed, with the values that do not. */
const othersKeys: Readonly<Record<string, readonly unknown[]>> = {
  alibi: [false],
  attn_logit_softcapping: [],
  final_logit_softcapping: [],
  query_pre_attn_scalar: [],
  attention_multiplier: [],
  embedding_multiplier: [1],
  residual_multiplier: [1],
  logits_scaling: [1],
  logit_scale: [1],
  clip_qkv: [],
  qk_layernorm: [false],
  use_qk_norm: [false],
  no_rope_layers: [],
  partial_rotary_factor: [1],
  rotary_pct: [1],
  rotary_dim: [],
  num_experts: [0, 1],
  num_local_experts: [0, 1],
  n_routed_experts: [0, 1],
  kv_lora_rank: [],
};

const activationNames: Readonly<Record<string, Activation>> = {
  ...{ silu: 'silu', swish: 'silu', gelu: 'gelu', gelu_python: 'gelu', quick_gelu: 'quick_gelu' },
  ...{ gelu_new: 'gelu_tanh', gelu_fast: 'gelu_tanh', gelu_pytorch_tanh: 'gelu_tanh', relu: 'relu', relu2: 'relu2' },
};

function activationOf(value: unknown, key: string, where: string): Activation {
  if (typeof value === 'string' && Object.hasOwn(activationNames, value)) return activationNames[value]!;
  throw refusal(where, key, value, `one of ${Object.keys(activationNames).join(', ')}`);
}

/** Components of a head that are rotated: the share of them, rounded down. */
function rotaryDim(
  share: unknown,
  headDim: unknown,
  dim: unknown,
  heads: unknown,
  { rope }: Family,
  where: string,
): number | undefined {
  if (share === 1) return undefined;
  const key = rope?.shareKey ?? 'partial_rotary_factor';
  if (rope?.share === undefined) throw refusal(where, key, share, '1: all of a head is rotated');
  if (typeof share !== 'number' || !(share > 0 && share <= 1)) {
    throw refusal(where, key, share, 'a number above 0, at most 1');
  }
  const size = typeof headDim === 'number' ? headDim : Math.floor(quotient(dim, heads));
  const rotated = Math.floor(size * share);
  if (!(rotated >= 2 && rotated % 2 === 0) && Number.isFinite(size)) {
    throw refusal(where, key, share, `a share that rotates an even number of a head's ${size} components`);
  }
  return rotated;
}

/** Needed for nothing that is computed: what is not a token id counts as none. */
function endToken(value: unknown): number | null {
  const first: unknown = Array.isArray(value) ? value[0] : value;
  return typeof first === 'number' && Number.isInteger(first) && first >= 0 && first < 1 << 22 ? first : null;
}

function unknownFamily(type: string, where: string): Failure {
  const reason = refusedFamily(type);
  const expected = reason
    ? `${reason} An ONNX file with its attention as outputs can be viewed (docs/guide.md, ONNX files)`
    : `one of mta, ${huggingFaceFamilies.join(', ')}`;
  const found = `model_type is ${shown(type)}`;
  return new Failure(
    'bad-config',
    reason
      ? `Cannot read ${where}: ${found}, ${expected}, or pick another model.`
      : `Cannot read ${where}: ${found}, expected ${expected}. Pick another model.`,
    ['selectModel', 'showLog'],
  );
}

function quantized(where: string, config: unknown): Failure {
  const { quant_method: method, bits, load_in_4bit: isFour, load_in_8bit: isEight } = config as Json;
  const nBits = typeof bits === 'number' ? bits : isFour === true ? 4 : isEight === true ? 8 : null;
  const way = [typeof method === 'string' ? method.slice(0, 40) : 'a way without a name'];
  if (nBits !== null) way.push(`${nBits} bits`);
  return new Failure(
    'bad-config',
    `Cannot read ${where}: quantization_config is set, its weights are quantized (${way.join(', ')}), and fp32, fp16 ` +
      'and bf16 weights are read. Pick the folder of the model that it was made from.',
    ['selectModel', 'showLog'],
  );
}

function refusal(where: string, key: string, found: unknown, expected: string): Failure {
  return new Failure(
    'bad-config',
    `Cannot read ${where}: ${key} is ${shown(found)}, expected ${expected}. Pick another model.`,
    ['selectModel', 'showLog'],
  );
}

function inTheirWords(message: string, keys: SizeKeys): string {
  const theirWords: Readonly<Record<string, string | null>> = {
    dim: keys.dim,
    n_layers: keys.layers,
    n_heads: keys.heads,
    n_kv_heads: keys.kvHeads,
    hidden_dim: keys.hidden,
    max_seqlen: keys.context,
    norm_eps: keys.eps,
    weight_tying: 'tie_word_embeddings',
    score_cap: 'attn_logit_softcapping',
    logit_cap: 'final_logit_softcapping',
    qkv_clip: 'clip_qkv',
  };
  return message.replace(/\b\w+\b/g, word => (Object.hasOwn(theirWords, word) ? (theirWords[word] ?? word) : word));
}
