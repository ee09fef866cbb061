/**
 * What a GGUF file's metadata says about the model, as the config.json that Hugging Face has for it, so that both are read
 * by the same code. Keys: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
 */

import { huggingFaceFamilies } from '../../../graph/huggingFaceConfig';
import { Failure, shown } from '../../../shared/tools/failure';
import type { Metadata, MetadataValue } from './header';

type Json = Readonly<Record<string, unknown>>;

/** What sets a GGUF architecture apart; the rest is read from its metadata. */
export interface Architecture {
  /** Hugging Face's name of the family. */
  readonly modelType: string;
  /** Rows of the query and key matrices are in the order of interleaved rotary positions. */
  readonly rotatesPairs?: boolean;
  /** Keys under its name besides those of all. */
  readonly keys?: readonly string[];
  /** Keys of config.json besides those of all. */
  readonly read?: (number: NumberOf, sizes: Sizes) => Json;
}

/** Tables of rotary factors: one for all lengths, and those of LongRoPE for long and short texts. */
const [oneTable, longTable, shortTable] = [
  'rope_freqs.weight',
  'rope_factors_long.weight',
  'rope_factors_short.weight',
] as const;
export const ropeTensors = [oneTable, longTable, shortTable] as const;
export type RopeFactors = Readonly<Partial<Record<(typeof ropeTensors)[number], Float32Array>>>;

interface Sizes {
  readonly nLayers: number;
  readonly nHeads: number;
  readonly width: number;
  readonly headDim: number;
}

/** Gemma's largest models scale scores by what a head has of the width, which the file does not say. */
function gemmaScale(layersOfLargest: number, { nLayers, nHeads, width, headDim }: Sizes): number {
  return nLayers === layersOfLargest ? width / nHeads : headDim;
}

/** Which layers have a window: one for all, one for each, or all but every n-th. */
function layerTypes(number: NumberOf, { nLayers }: Sizes): Json {
  const pattern = number('attention.sliding_window_pattern');
  if (pattern === undefined) return {};
  if (ArrayBuffer.isView(pattern) && pattern.length !== nLayers) return { layer_types: 'as many as the layers' };
  const isSliding = (i: number) => {
    if (ArrayBuffer.isView(pattern)) return pattern[i] !== 0;
    return typeof pattern === 'number' && pattern > 1 ? (i + 1) % pattern !== 0 : Boolean(pattern);
  };
  const names = Array.from({ length: nLayers }, (_, i) => (isSliding(i) ? 'sliding_attention' : 'full_attention'));
  return { layer_types: names };
}

/** By `general.architecture`. */
const architectures: Readonly<Record<string, Architecture>> = {
  llama: { modelType: 'llama', rotatesPairs: true },
  qwen2: { modelType: 'qwen2' },
  qwen3: { modelType: 'qwen3' },
  // With a window it is OLMo 3: every fourth layer sees everything, and those alone scale their positions.
  olmo2: {
    modelType: 'olmo2',
    keys: ['attention.sliding_window', 'attention.sliding_window_pattern'],
    read: (number, sizes) => {
      const window = number('attention.sliding_window');
      if (window === undefined || window === 0) return {};
      return { model_type: 'olmo3', sliding_window: window, ...layerTypes(number, sizes) };
    },
  },
  gemma: { modelType: 'gemma' },
  gemma2: {
    modelType: 'gemma2',
    keys: ['attn_logit_softcapping', 'final_logit_softcapping', 'attention.sliding_window'],
    read: (number, sizes) => ({
      attn_logit_softcapping: number('attn_logit_softcapping') ?? 50,
      final_logit_softcapping: number('final_logit_softcapping') ?? 30,
      query_pre_attn_scalar: gemmaScale(46, sizes),
      sliding_window: number('attention.sliding_window') ?? 4096,
    }),
  },
  gemma3: {
    modelType: 'gemma3_text',
    keys: ['attention.sliding_window'],
    read: (number, sizes) => ({
      query_pre_attn_scalar: gemmaScale(62, sizes),
      sliding_window: number('attention.sliding_window') ?? 1024,
    }),
  },
  // The converter orders queries and keys as llama's; every fourth layer has no positions, which the file does not say.
  smollm3: { modelType: 'smollm3', rotatesPairs: true },
  phi3: {
    modelType: 'phi3',
    keys: ['attention.sliding_window'],
    read: (number, { headDim }) => {
      const original = number('rope.scaling.original_context_length');
      return {
        sliding_window: number('attention.sliding_window') ?? null,
        partial_rotary_factor: Number(number('rope.dimension_count') ?? headDim) / headDim,
        // As config.json has it, beside the scaling.
        ...(original === undefined ? {} : { original_max_position_embeddings: original }),
      };
    },
  },
  // Its window, if any, is not in the file; nor do its converters write one.
  starcoder2: {
    modelType: 'starcoder2',
    keys: ['attention.layer_norm_epsilon'],
    read: number => ({ norm_epsilon: shortest(number('attention.layer_norm_epsilon')) }),
  },
  gpt2: {
    modelType: 'gpt2',
    keys: ['attention.layer_norm_epsilon'],
    read: number => ({
      n_inner: number('feed_forward_length'),
      layer_norm_epsilon: shortest(number('attention.layer_norm_epsilon')),
    }),
  },
  gptneox: {
    modelType: 'gpt_neox',
    keys: ['attention.layer_norm_epsilon', 'use_parallel_residual'],
    read: (number, { headDim }) => ({
      layer_norm_eps: shortest(number('attention.layer_norm_epsilon')),
      use_parallel_residual: number('use_parallel_residual') ?? true,
      rotary_pct: Number(number('rope.dimension_count') ?? headDim) / headDim,
    }),
  },
};

/** What `general.architecture` may be. */
export const ggufArchitectures = Object.keys(architectures).filter(name =>
  huggingFaceFamilies.includes(architectures[name]!.modelType),
);

export interface GgufModel {
  readonly name: string;
  readonly architecture: Architecture;
  readonly configJson: Json;
}

/** Keys under the architecture's name that are read below, or that change nothing. */
const knownKeys = new Set([
  ...['context_length', 'embedding_length', 'block_count', 'feed_forward_length', 'vocab_size', 'expert_count'],
  ...['expert_used_count', 'tensor_data_layout'],
  ...['attention.head_count', 'attention.head_count_kv', 'attention.key_length', 'attention.value_length'],
  ...['attention.layer_norm_rms_epsilon', 'attention.causal'],
  ...['rope.dimension_count', 'rope.freq_base', 'rope.scale_linear', 'rope.scaling.type', 'rope.scaling.factor'],
  ...['rope.scaling.original_context_length', 'rope.scaling.attn_factor', 'rope.scaling.finetuned'],
  ...['rope.scaling.yarn_log_multiplier', 'rope.scaling.yarn_ext_factor', 'rope.scaling.yarn_attn_factor'],
  ...['rope.scaling.yarn_beta_fast', 'rope.scaling.yarn_beta_slow'],
]);

/**
 * @param vocabSize rows of the embedding.
 * @param has whether the file has a tensor.
 * @param ropeFactors by which each rotary frequency is divided, by tensor (`ropeTensors`).
 * @throws Failure naming the key, what was found and what is read.
 */
export function readModel(
  metadata: Metadata,
  where: string,
  vocabSize: number,
  has: (tensor: string) => boolean,
  ropeFactors: RopeFactors,
): GgufModel {
  const refuse = (key: string, expected: string) =>
    new Failure(
      'bad-config',
      `Cannot read ${where}: ${key} is ${found(metadata, key)}, expected ${expected}. Pick another model.`,
      ['selectModel', 'showLog'],
    );
  const name = metadata.get('general.architecture');
  if (typeof name !== 'string' || !ggufArchitectures.includes(name)) {
    throw refuse('general.architecture', `one of ${ggufArchitectures.join(', ')}`);
  }
  const architecture = architectures[name]!;
  const unknown = [...metadata.keys()].find(key => {
    const inner = key.startsWith(`${name}.`) ? key.slice(name.length + 1) : null;
    return inner !== null && !knownKeys.has(inner) && !architecture.keys?.includes(inner);
  });
  if (unknown) throw refuse(unknown, 'no such key: what it changes is not computed here');
  const keyOf = (key: string) => `${name}.${key}`;
  /** A number, one for all layers. */
  const number = (key: string) => {
    const value = metadata.get(keyOf(key));
    const isSame = ArrayBuffer.isView(value) && value.length > 0 && value.every(item => item === value[0]);
    return isSame ? value[0] : value;
  };
  const only = (key: string, allowed: unknown, expected: string) => {
    const value = number(key);
    if (value !== undefined && value !== allowed) throw refuse(keyOf(key), expected);
  };
  only('expert_count', 0, '0: models with experts are not read');
  only('attention.causal', true, 'true');
  const size = (key: string) => {
    const value = number(key);
    if (typeof value === 'number' && Number.isSafeInteger(value) && value > 0) return value;
    throw refuse(keyOf(key), 'a whole number above 0, the same for all layers');
  };
  const [nHeads, width, nLayers] = [size('attention.head_count'), size('embedding_length'), size('block_count')];
  const headDim = metadata.has(keyOf('attention.key_length'))
    ? size('attention.key_length')
    : Math.floor(width / nHeads);
  only('attention.value_length', headDim, `${headDim}, as attention.key_length`);
  const rotated = number('rope.dimension_count');
  const isPart =
    ['gpt_neox', 'phi3'].includes(architecture.modelType) && typeof rotated === 'number' && rotated <= headDim;
  if (!isPart) only('rope.dimension_count', headDim, `${headDim}: all of a head is rotated`);
  const longest = size('context_length');
  const theta = number('rope.freq_base') ?? 10_000;
  if (typeof theta !== 'number') throw refuse(keyOf('rope.freq_base'), 'a number');
  const configJson = {
    model_type: architecture.modelType,
    hidden_size: width,
    num_hidden_layers: nLayers,
    num_attention_heads: nHeads,
    num_key_value_heads: metadata.has(keyOf('attention.head_count_kv')) ? size('attention.head_count_kv') : nHeads,
    head_dim: headDim,
    intermediate_size: size('feed_forward_length'),
    vocab_size: vocabSize,
    max_position_embeddings: longest,
    rms_norm_eps: shortest(number('attention.layer_norm_rms_epsilon')),
    rope_theta: theta,
    rope_scaling: ropeScaling(number, longest, ropeFactors, theta, refuse, keyOf),
    attention_bias: has('blk.0.attn_q.bias'),
    mlp_bias: has('blk.0.ffn_up.bias'),
    tie_word_embeddings: !has('output.weight'),
    sliding_window: null,
    eos_token_id: metadata.get('tokenizer.ggml.eos_token_id') ?? null,
    ...architecture.read?.(number, { nLayers, nHeads, width, headDim }),
  };
  return { name, architecture, configJson };
}

type NumberOf = (key: string) => MetadataValue | undefined;

function ropeScaling(
  number: NumberOf,
  longest: unknown,
  { [oneTable]: factors, [longTable]: long, [shortTable]: short }: RopeFactors,
  theta: number,
  refuse: (key: string, expected: string) => Failure,
  keyOf: (key: string) => string,
): Json | null {
  const linear = number('rope.scale_linear');
  const type = number('rope.scaling.type') ?? (linear === undefined || linear === 1 ? 'none' : 'linear');
  const factor = number('rope.scaling.factor') ?? linear;
  if (factors && !factors.every(factor => factor === 1)) {
    if (type !== 'none') throw refuse(keyOf('rope.scaling.type'), `"none" beside the tensor ${oneTable}`);
    const scaling = llama3Scaling(factors, theta);
    if (!scaling) throw refuse(oneTable, 'the factors of Llama 3');
    return scaling;
  }
  if (long || short) {
    if (!long || !short) throw refuse(long ? shortTable : longTable, 'the other table of LongRoPE');
    if (type !== 'none' && type !== 'longrope') {
      throw refuse(keyOf('rope.scaling.type'), `"longrope" beside the tensors ${longTable} and ${shortTable}`);
    }
    const amplitude = shortest(number('rope.scaling.attn_factor'));
    return {
      ...{ rope_type: 'longrope', long_factor: decimals(long), short_factor: decimals(short) },
      original_max_position_embeddings: number('rope.scaling.original_context_length') ?? longest,
      ...(amplitude === undefined ? {} : { attention_factor: amplitude }),
    };
  }
  switch (type) {
    case 'none':
      return null;
    case 'linear':
      return { rope_type: 'linear', factor };
    case 'yarn': {
      const extrapolation = number('rope.scaling.yarn_ext_factor');
      if (extrapolation !== undefined && extrapolation !== 1) throw refuse(keyOf('rope.scaling.yarn_ext_factor'), '1');
      if (number('rope.scaling.yarn_log_multiplier') !== undefined) {
        throw refuse(keyOf('rope.scaling.yarn_log_multiplier'), 'no such key: it is not computed here');
      }
      const own = number('rope.scaling.attn_factor') ?? number('rope.scaling.yarn_attn_factor');
      const amplitude = Number(factor) <= 1 ? 1 : 0.1 * Math.log(Number(factor)) + 1;
      return {
        rope_type: 'yarn',
        factor,
        original_max_position_embeddings: number('rope.scaling.original_context_length') ?? longest,
        ...(own === undefined ? {} : { attention_factor: Number(own) * amplitude }),
        beta_fast: number('rope.scaling.yarn_beta_fast') ?? 32,
        beta_slow: number('rope.scaling.yarn_beta_slow') ?? 1,
      };
    }
    default:
      throw refuse(keyOf('rope.scaling.type'), 'one of "none", "linear", "yarn"');
  }
}

function decimals(values: Float32Array): number[] {
  return Array.from(values, value => shortest(value) as number);
}

/** The parameters that give a table of factors: llama.cpp stores the table alone. */
function llama3Scaling(factors: Float32Array, theta: number): Json | null {
  const factor = shortest(Math.max(...factors)) as number;
  const wavelengths = Array.from(factors, (_, m) => 2 * Math.PI * theta ** (m / factors.length));
  // The bounds of every Llama; the first context is the one that fits.
  const [low, high] = [1, 4];
  for (let original = 16; original <= 1 << 20; original *= 2) {
    const expected = wavelengths.map(wavelength => {
      if (wavelength < original / high) return 1;
      if (wavelength > original / low) return factor;
      const smooth = (original / wavelength - low) / (high - low);
      return 1 / ((1 - smooth) / factor + smooth);
    });
    if (!expected.every((value, m) => Math.abs(factors[m]! - value) <= 1e-4 * value)) continue;
    return {
      ...{ rope_type: 'llama3', factor, low_freq_factor: low, high_freq_factor: high },
      original_max_position_embeddings: original,
    };
  }
  return null;
}

/** The shortest decimal number that is the same in fp32, in which the file keeps it: 1e-5, not 9.99999974e-6. */
function shortest(value: MetadataValue | undefined): MetadataValue | undefined {
  if (typeof value !== 'number') return value;
  const short = Number(value.toPrecision(7));
  return Math.fround(short) === Math.fround(value) ? short : value;
}

function found(metadata: Metadata, key: string): string {
  if (key === oneTable) return 'another table';
  if (key === longTable || key === shortTable) return 'missing';
  const value = metadata.get(key);
  return shown(ArrayBuffer.isView(value) ? Array.from(value) : value);
}
