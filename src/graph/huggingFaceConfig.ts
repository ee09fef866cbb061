/** `config.json` of Hugging Face's model folders, in our terms: its family says what is computed, its keys which sizes. */

import { Failure, shown } from '../shared/tools/failure';
import { type Family, families, type SizeKeys, usualKeys } from './huggingFaceFamilies';
import { longestContext, type ReadRope, readRope } from './huggingFaceRope';
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
  if (typeof type !== 'string') return theirKeys.some(key => Object.hasOwn((json ?? {}) as Json, key));
  return type !== 'mta' && dim === undefined;
}

/** Only their files have these: one of them without a `model_type` is refused for that. */
const theirKeys = ['architectures', 'hidden_size', 'n_embd'];

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
  const type = json['model_type'];
  const family = typeof type === 'string' && Object.hasOwn(families, type) ? families[type] : undefined;
  if (!family) throw unknownFamily(type, where);
  try {
    return readFamily(whole, json, family, where, beginTokenId);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    const named = error.message.replace(/\. (?=(Correct|Pick) )/, ` (model_type ${type}). `);
    throw new Failure(error.code, inTheirWords(named, json, family), error.actions);
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
  checkUnreadRope(json, rope, family, where);
  const ropeType = rope?.rope_scaling?.['rope_type'];
  if (family.rope?.firstContext !== undefined && ropeType !== undefined && ropeType !== 'longrope') {
    throw refusal(where, ropeName('rope_scaling.rope_type', json)!, ropeType, '"longrope", "default" or none');
  }
  const dim = given[keys.dim];
  const heads = given[keys.heads];
  const headDim = given['head_dim'] ?? undefined;
  if (headDim === undefined && quotient(dim, heads) % 1 > 0) {
    const [ofHeads, ofDim] = [keys.heads, keys.dim].map(key => inTheirFile(key, json, family)) as [string, string];
    throw refusal(where, ofHeads, heads, `a divisor of ${ofDim}, ${shown(dim)}`);
  }
  if (headDim === undefined && quotient(dim, heads) > largestHead) {
    const ofHeads = inTheirFile(keys.heads, json, family);
    throw refusal(where, ofHeads, heads, `so many that a head has at most ${largestHead} of ${shown(dim)} components`);
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
  const config = parseModelConfig(ours, where);
  checkKinds(given, family, where);
  return { config, layout: family.layout };
}

/** The library takes values of a default's kind only: null stands for no default, and 0 or a text for no switch. */
function checkKinds(given: Json, { defaults, only = {} }: Family, where: string): void {
  for (const [key, usual] of Object.entries(defaults)) {
    const value = given[key];
    if (key in only) continue;
    if (typeof usual === 'boolean' && typeof value !== 'boolean') throw refusal(where, key, value, 'true or false');
    if (typeof usual === 'number' && value === null && !mayBeNull.includes(key)) {
      throw refusal(where, key, value, `a number, or no ${key}, which stands for ${usual}`);
    }
  }
}

/** Where null means none, or is checked with what it belongs to. */
const mayBeNull = [
  ...['sliding_window', 'attention_chunk_size', 'attn_logit_softcapping', 'final_logit_softcapping'],
  ...['num_key_value_heads', 'hidden_ratio', 'sliding_window_pattern'],
];

/** As `parseModelConfig` has it. */
const largestHead = 4096;

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
const textFamilies: Readonly<Record<string, string>> = { gemma3: 'gemma3_text', llama4: 'llama4_text' };

/** The family's defaults, and the file's values under the family's own names. */
function withDefaults(json: Json, family: Family, where: string): Json {
  const given: Record<string, unknown> = { ...family.defaults };
  for (const [key, value] of Object.entries(json)) if (value !== undefined) given[key] = value;
  for (const [common, own] of Object.entries(family.aliases ?? {})) {
    const [first, second] = [json[own], json[common]];
    if (first !== undefined && second !== undefined && first !== second) {
      throw refusal(where, common, second, `${shown(first)}, as ${own} says`);
    }
    given[own] = first ?? second ?? given[own] ?? given[common];
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
      [family.rope?.shareKey, family.rope?.thetaKey, family.rope?.slidingThetaKey].includes(key);
    // Where it is not read under this name, `checkUnreadRope` compares it.
    const isRead = key === 'partial_rotary_factor' && family.rope?.share !== undefined;
    if (value == null || isOwn || isRead || values.includes(value)) continue;
    if (Array.isArray(value) && value.every(item => values.includes(item))) continue;
    const expected = ['nothing', ...values.map(shown)].join(' or ');
    throw refusal(where, key, value, `${expected}: this family does not compute it`);
  }
  for (const key of ['rope_scaling', 'rope_parameters']) {
    const value = json[key];
    const isList = Array.isArray(value) && value.length > 0;
    if (value != null && (typeof value !== 'object' || isList) && family.rope !== null) {
      throw refusal(where, key, value, 'null or a JSON object');
    }
  }
  checkOwnKeys(given, family, where);
  const types = given['layer_types'];
  if (types != null && 'layer_types' in family.defaults)
    checkLayerTypes(types, given['num_hidden_layers'], family.layerTypes ?? usualLayerTypes, where);
  // The library drops the window then, and refuses layers that need it.
  const isOff = 'max_window_layers' in family.defaults && given['use_sliding_window'] !== true;
  if (isOff && Array.isArray(types) && types.includes('sliding_attention')) {
    throw refusal(where, 'layer_types', 'sliding_attention', '"full_attention", as use_sliding_window is not true');
  }
}

/** Common keys of rotary positions that the family has under other names, or does not have, must say what is computed. */
function checkUnreadRope(json: Json, rope: ReadRope | null, family: Family, where: string): void {
  const unread: [key: string, computed: unknown][] = [];
  if (!rope) unread.push(...(['rope_scaling', 'rope_parameters'] as const).map(key => [key, null] as [string, null]));
  if (family.rope?.thetaKey !== undefined) unread.push(['rope_theta', rope!.rope_theta]);
  if (family.rope?.shareKey !== undefined) unread.push(['partial_rotary_factor', rope!.share]);
  for (const [key, computed] of unread) {
    if (json[key] == null || json[key] === computed) continue;
    throw refusal(
      where,
      key,
      json[key],
      computed === null ? 'nothing: this family does not read it' : `nothing or ${shown(computed)}`,
    );
  }
}

/** NaN where one of them is not a number; both are checked with the other sizes. */
function quotient(a: unknown, b: unknown): number {
  return typeof a === 'number' && typeof b === 'number' ? a / b : Number.NaN;
}

/** Keys of few families that no size of ours is read from as it is. */
function checkOwnKeys(given: Json, { defaults }: Family, where: string): void {
  const { mlp_only_layers: plain, no_rope_layers: rotates, num_hidden_layers: n } = given;
  if ('mlp_only_layers' in defaults && plain != null && !Array.isArray(plain)) {
    throw refusal(where, 'mlp_only_layers', plain, 'a list of layers');
  }
  for (const key of ['decoder_sparse_step', 'interleave_moe_layer_step', 'no_rope_layer_interval']) {
    if (key in defaults && !isWhole(given[key], 1)) throw refusal(where, key, given[key], 'a whole number above 0');
  }
  const { sliding_window_pattern: pattern, max_window_layers: first, layer_types: types } = given;
  if ('sliding_window_pattern' in defaults && types == null && !isWhole(pattern, 1)) {
    throw refusal(where, 'sliding_window_pattern', pattern, 'a whole number above 0');
  }
  if ('max_window_layers' in defaults && !isWhole(first, Number.NEGATIVE_INFINITY)) {
    throw refusal(where, 'max_window_layers', first, 'a whole number');
  }
  checkFalcon(given, where);
  const ratio = given['hidden_ratio'];
  if ('hidden_ratio' in defaults && ratio != null && !(typeof ratio === 'number' && ratio > 0)) {
    throw refusal(where, 'hidden_ratio', ratio, 'null or a number above 0');
  }
  const hasEach = Array.isArray(rotates) && rotates.length === n && rotates.every(flag => flag === 0 || flag === 1);
  if ('no_rope_layers' in defaults && rotates != null && !hasEach) {
    throw refusal(where, 'no_rope_layers', rotates, `a list with 0 or 1 for each of ${shown(n)} layers`);
  }
}

/** Blocks that the library's Falcon describes and cannot compute. */
function checkFalcon(given: Json, where: string): void {
  const { new_decoder_architecture: isNew, parallel_attn: isParallel, num_ln_in_parallel_attn: nNorms } = given;
  if (isNew === true && isParallel === false) {
    throw refusal(where, 'parallel_attn', isParallel, 'true, as new_decoder_architecture is');
  }
  if (isParallel === true && nNorms != null && nNorms !== 1 && !(nNorms === 2 && isNew === true)) {
    throw refusal(where, 'num_ln_in_parallel_attn', nNorms, isNew === true ? 'null, 1 or 2' : 'null or 1');
  }
  const { multi_query: isMultiQuery, num_kv_heads: nKvHeads, num_attention_heads: nHeads } = given;
  if (isMultiQuery === false && isNew !== true && nKvHeads != null && nKvHeads !== nHeads) {
    throw refusal(where, 'num_kv_heads', nKvHeads, `null or ${shown(nHeads)}, as multi_query is false`);
  }
}

function isWhole(value: unknown, least: number): boolean {
  return typeof value === 'number' && Number.isInteger(value) && value >= least;
}

const usualLayerTypes = ['full_attention', 'sliding_attention'];

function checkLayerTypes(types: unknown, nLayers: unknown, known: readonly string[], where: string): void {
  if (!Array.isArray(types)) throw refusal(where, 'layer_types', types, 'a list with the type of each layer');
  const other = types.findIndex(type => !known.includes(type));
  if (other >= 0) throw refusal(where, 'layer_types', types[other], known.map(shown).join(' or '));
  if (types.length !== nLayers)
    throw refusal(where, 'layer_types', types, `as many as num_hidden_layers, ${shown(nLayers)}`);
}

/** Keys of other families that change what is computed, with the values that do not, also as the items of a list. */
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
  no_rope_layers: [1],
  no_rope_layer_interval: [],
  attention_chunk_size: [],
  attn_temperature_tuning: [false],
  layer_types: ['full_attention'],
  use_bidirectional_attention: [false],
  add_cross_attention: [false],
  is_encoder_decoder: [false],
  use_parallel_residual: [false],
  scale_attn_weights: [true],
  scale_attn_by_inverse_layer_idx: [false],
  do_layer_norm_before: [true],
  swiglu_limit: [],
  qk_norm: [false],
  attn_output_gate: [false],
  rotary_emb_base: [],
  rope_local_base_freq: [],
  moe_layers: [],
  scale_emb: [1],
  scale_depth: [],
  q_lora_rank: [],
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
  if (!(rotated >= 2 && rotated % 2 === 0) && size >= 1 && Number.isFinite(size)) {
    throw refusal(where, key, share, `a share that rotates an even number of a head's ${size} components`);
  }
  return rotated;
}

/** Needed for nothing that is computed: what is not a token id counts as none. */
function endToken(value: unknown): number | null {
  const first: unknown = Array.isArray(value) ? value[0] : value;
  return typeof first === 'number' && Number.isInteger(first) && first >= 0 && first < 1 << 22 ? first : null;
}

function unknownFamily(type: unknown, where: string): Failure {
  const reason = typeof type === 'string' ? refusedFamily(type) : null;
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

/** A refusal of `parseModelConfig` with the keys and the value that the file has. */
function inTheirWords(message: string, json: Json, family: Family): string {
  const parts = /^(Cannot read .*?: )([\w.]+)( is )(.*?)(, expected )(.*)$/s.exec(message);
  if (!parts) return message;
  const [, before, key, is, found, expected, rest] = parts as unknown as string[];
  const names: Readonly<Record<string, string | null>> = { ...usualNames(family), ...family.names };
  const theirs = inTheirFile(ropeName(key!, json) ?? names[key!] ?? key!, json, family);
  const isTheirs = Object.hasOwn(json, theirs) && (theirs !== key || json[theirs] === null);
  const value = isTheirs ? shown(json[theirs]) : found;
  const words = rest!.replace(/\b\w+\b/g, word => (Object.hasOwn(names, word) ? (names[word] ?? word) : word));
  return [before, theirs, is, value, expected, words].join('');
}

/** Where several names of a key are read, the one that the file has. */
function inTheirFile(key: string, json: Json, { aliases = {} }: Family): string {
  const common = Object.keys(aliases).find(name => aliases[name] === key);
  return common !== undefined && !Object.hasOwn(json, key) && Object.hasOwn(json, common) ? common : key;
}

/** Of our keys of rotary positions, where the file has them; null for other keys. */
function ropeName(key: string, json: Json): string | null {
  const [, part, inside] = /^(rope_scaling|sliding_rope)\.(\w+)$/.exec(key) ?? [];
  if (part === undefined) return null;
  const named = inside === 'amplitude' ? 'attention_factor' : inside!;
  const object = (value: unknown) => (typeof value === 'object' && value !== null ? (value as Json) : {});
  const isSliding = part === 'sliding_rope';
  const flat = object(json['rope_parameters']);
  const ofKind = object(flat[isSliding ? 'sliding_attention' : 'full_attention']);
  const [where, given] =
    !isSliding && Object.keys(object(json['rope_scaling'])).length > 0
      ? ['rope_scaling', object(json['rope_scaling'])]
      : Object.keys(ofKind).length > 0
        ? [`rope_parameters.${isSliding ? 'sliding_attention' : 'full_attention'}`, ofKind]
        : ['rope_parameters', flat];
  if (isSliding && Object.keys(ofKind).length === 0) return 'rope_local_base_freq';
  return `${where}.${named === 'rope_type' && !('rope_type' in given) ? 'type' : named}`;
}

/** The library's names of our keys. */
function usualNames(family: Family): Readonly<Record<string, string | null>> {
  const keys: SizeKeys = { ...usualKeys, ...family.keys };
  return {
    ...{ dim: keys.dim, n_layers: keys.layers, n_heads: keys.heads, n_kv_heads: keys.kvHeads },
    ...{ hidden_dim: keys.hidden, max_seqlen: keys.context, norm_eps: keys.eps },
    ...{ weight_tying: 'tie_word_embeddings', score_cap: 'attn_logit_softcapping' },
    ...{ logit_cap: 'final_logit_softcapping', qkv_clip: 'clip_qkv', qkv_bias: 'attention_bias' },
    ...{ output_bias: 'attention_bias', ffn_bias: 'mlp_bias', embedding_scale: 'embedding_multiplier' },
    ...{ residual_scale: 'residual_multiplier', logit_scale: 'logits_scaling', score_scale: 'attention_multiplier' },
    ...{ score_scale_by_layer: 'scale_attn_by_inverse_layer_idx', attention_chunk: 'attention_chunk_size' },
    ...{ 'query_scaling.strength': 'attn_scale', 'query_scaling.span': 'floor_scale' },
    ...{ 'experts.n_experts': 'num_experts', 'experts.experts_per_token': 'num_experts_per_tok' },
    ...{ 'experts.hidden_dim': 'moe_intermediate_size', 'experts.normalizes': 'norm_topk_prob' },
    ...{ 'experts.shared_dim': 'shared_expert_intermediate_size', 'experts.layers': 'moe_layers' },
    ...{ 'experts.clamped.alpha': 'swiglu_alpha', 'experts.clamped.limit': 'swiglu_limit' },
    n_experts: 'num_experts',
  };
}
