/**
 * Where Hugging Face's model folders keep what we call `layers.3.attention.wq.weight`: names by family, parts of fused
 * tensors, and other layouts. Parts that are whole rows of a tensor are ranges of the file; the rest is cut from it in
 * the graph.
 */

import type { WeightStep } from './graphBuilder';
import type { ModelConfig } from './modelConfig';

export type Layout =
  | 'llama'
  | 'sandwich'
  | 'phi3'
  | 'mixtral'
  | 'starcoder2'
  | 'gptOss'
  | 'gpt2'
  | 'gptNeox'
  | 'gptj'
  | 'opt'
  | 'falcon'
  | 'llama4'
  | 'forgetting';

/** A place in the files: a tensor's name, without what the whole model puts before it, and how it is cut. */
export interface WeightPlace {
  readonly name: string;
  /** Of the tensor in the file; absent where it is the weight's own. */
  readonly shape?: readonly number[];
  /** Rows of it: a range of the file. */
  readonly rows?: readonly [start: number, end: number];
  /** From those rows to the weight. */
  readonly steps?: readonly WeightStep[];
}

/** Names of a layout. A name of a layer's module stands without `.weight` and `.bias`. */
interface Names {
  /** What the whole model puts before the names of its parts; a folder of the bare model has none. */
  readonly prefixes: readonly string[];
  readonly layers: string;
  readonly whole: Readonly<Record<string, string>>;
  readonly modules: Readonly<Record<string, string>>;
  /** Tensors that hold several weights, or one in another layout. */
  readonly cut?: (module: string, kind: string, config: ModelConfig) => Omit<WeightPlace, 'name'> | undefined;
}

const llamaModules = {
  'attention.wq': 'self_attn.q_proj',
  'attention.wk': 'self_attn.k_proj',
  'attention.wv': 'self_attn.v_proj',
  'attention.wo': 'self_attn.o_proj',
  'attention.q_norm': 'self_attn.q_norm',
  'attention.k_norm': 'self_attn.k_norm',
  'attention.sinks': 'self_attn.sinks',
  'feed_forward.w1': 'mlp.gate_proj',
  'feed_forward.w2': 'mlp.down_proj',
  'feed_forward.w3': 'mlp.up_proj',
  attention_norm: 'input_layernorm',
  ffn_norm: 'post_attention_layernorm',
};
const llama: Names = {
  prefixes: ['model.', 'model.language_model.', 'language_model.model.', 'language_model.', ''],
  layers: 'layers',
  whole: { tok_embeddings: 'embed_tokens', norm: 'norm', output: 'lm_head' },
  modules: llamaModules,
};

/** Queries, keys and values of whole heads, one after the other. */
function qkvRows(
  module: string,
  { n_heads: n, n_kv_heads: nKv, head_dim: d }: ModelConfig,
): [number, number] | undefined {
  const starts: Readonly<Record<string, [number, number]>> = {
    'attention.wq': [0, n * d],
    'attention.wk': [n * d, (n + nKv) * d],
    'attention.wv': [(n + nKv) * d, (n + 2 * nKv) * d],
  };
  return starts[module];
}

/** The tensor's axes behind the one that is cut. */
function rest(kind: string, dim: number): number[] {
  return kind === 'weight' ? [dim] : [];
}

/** For each head of keys: its heads of queries, then its keys, then its values, as GPT-NeoX and Falcon store them. */
function interleavedHeads(
  module: string,
  kind: string,
  { n_heads: n, n_kv_heads: nKv, head_dim: d, dim }: ModelConfig,
): Omit<WeightPlace, 'name'> | undefined {
  const group = n / nKv;
  const ranges: Readonly<Record<string, [number, number]>> = {
    'attention.wq': [0, group],
    'attention.wk': [group, group + 1],
    'attention.wv': [group + 1, group + 2],
  };
  const range = ranges[module];
  if (!range) return undefined;
  const [start, end] = range;
  return {
    shape: [(n + 2 * nKv) * d, ...rest(kind, dim)],
    steps: [
      { reshape: [nKv, group + 2, d, ...rest(kind, dim)] },
      { slice: { axis: 1, start, end } },
      { reshape: [nKv * (end - start) * d, ...rest(kind, dim)] },
    ],
  };
}

/** Weights stored [in, out], queries, keys and values side by side. */
function gpt2Cut(module: string, kind: string, config: ModelConfig): Omit<WeightPlace, 'name'> | undefined {
  const { dim, hidden_dim: hidden } = config;
  const rows = qkvRows(module, config);
  if (kind === 'bias') return rows && { shape: [3 * dim], rows };
  const transpose: WeightStep = { transpose: [1, 0] };
  if (rows) {
    const [start, end] = rows;
    return { shape: [dim, 3 * dim], steps: [{ slice: { axis: 1, start, end } }, transpose] };
  }
  const shapes: Readonly<Record<string, number[]>> = {
    'attention.wo': [dim, dim],
    'feed_forward.w1': [dim, hidden],
    'feed_forward.w2': [hidden, dim],
  };
  const shape = shapes[module];
  return shape && { shape, steps: [transpose] };
}

function phi3Cut(module: string, kind: string, config: ModelConfig): Omit<WeightPlace, 'name'> | undefined {
  const { n_heads: n, n_kv_heads: nKv, head_dim: d, dim, hidden_dim: hidden } = config;
  const rows = qkvRows(module, config);
  if (rows) return { shape: [(n + 2 * nKv) * d, ...rest(kind, dim)], rows };
  const halves: Readonly<Record<string, [number, number]>> = {
    'feed_forward.w1': [0, hidden],
    'feed_forward.w3': [hidden, 2 * hidden],
  };
  const half = halves[module];
  return half && { shape: [2 * hidden, dim], rows: half };
}

/** One tensor for all experts, each [in, 2 out] with gate and up in turns, or [in, out]. */
function gptOssCut(module: string, kind: string, config: ModelConfig): Omit<WeightPlace, 'name'> | undefined {
  return expertsCut(module, kind, config, true);
}

/** The same with gate and up one after the other. */
function llama4Cut(module: string, kind: string, config: ModelConfig): Omit<WeightPlace, 'name'> | undefined {
  return expertsCut(module, kind, config, false);
}

function expertsCut(
  module: string,
  kind: string,
  config: ModelConfig,
  isInTurns: boolean,
): Omit<WeightPlace, 'name'> | undefined {
  const [, expert, name] = /^feed_forward\.experts\.(\d+)\.(w\d)$/.exec(module) ?? [];
  const { experts, dim } = config;
  if (expert === undefined || !experts) return undefined;
  const { n_experts: n, hidden_dim: hidden } = experts;
  const rows = [Number(expert), Number(expert) + 1] as const;
  const isWeight = kind === 'weight';
  if (name === 'w2') {
    if (!isWeight) return { shape: [n, dim], rows, steps: [{ reshape: [dim] }] };
    return { shape: [n, hidden, dim], rows, steps: [{ reshape: [hidden, dim] }, { transpose: [1, 0] }] };
  }
  const part = name === 'w1' ? 0 : 1;
  const range = isInTurns
    ? { start: part, end: 2 * hidden, step: 2 }
    : { start: part * hidden, end: (part + 1) * hidden };
  const half = { slice: { axis: isWeight ? 1 : 0, ...range } };
  if (!isWeight) return { shape: [n, 2 * hidden], rows, steps: [{ reshape: [2 * hidden] }, half] };
  const steps = [{ reshape: [dim, 2 * hidden] }, half, { transpose: [1, 0] }];
  return { shape: [n, dim, 2 * hidden], rows, steps };
}

const layouts: Readonly<Record<Layout, Names>> = {
  llama,
  /** Norms before and after both parts. */
  sandwich: {
    ...llama,
    modules: {
      ...llamaModules,
      attention_post_norm: 'post_attention_layernorm',
      ffn_norm: 'pre_feedforward_layernorm',
      ffn_post_norm: 'post_feedforward_layernorm',
    },
  },
  phi3: {
    ...llama,
    modules: {
      ...llamaModules,
      'attention.wq': 'self_attn.qkv_proj',
      'attention.wk': 'self_attn.qkv_proj',
      'attention.wv': 'self_attn.qkv_proj',
      'feed_forward.w1': 'mlp.gate_up_proj',
      'feed_forward.w3': 'mlp.gate_up_proj',
    },
    cut: phi3Cut,
  },
  mixtral: { ...llama, modules: { ...llamaModules, 'feed_forward.router': 'block_sparse_moe.gate' } },
  llama4: {
    ...llama,
    modules: {
      ...llamaModules,
      'feed_forward.w1': 'feed_forward.gate_proj',
      'feed_forward.w2': 'feed_forward.down_proj',
      'feed_forward.w3': 'feed_forward.up_proj',
      'feed_forward.router': 'feed_forward.router',
      'feed_forward.experts': 'feed_forward.experts',
      'feed_forward.shared_expert': 'feed_forward.shared_expert',
    },
    cut: llama4Cut,
  },
  starcoder2: {
    ...llama,
    modules: { ...llamaModules, 'feed_forward.w1': 'mlp.c_fc', 'feed_forward.w2': 'mlp.c_proj' },
  },
  gptOss: { ...llama, modules: { ...llamaModules, 'feed_forward.router': 'mlp.router' }, cut: gptOssCut },
  gpt2: {
    prefixes: ['transformer.', ''],
    layers: 'h',
    whole: { tok_embeddings: 'wte', position_embeddings: 'wpe', norm: 'ln_f', output: 'lm_head' },
    modules: {
      'attention.wq': 'attn.c_attn',
      'attention.wk': 'attn.c_attn',
      'attention.wv': 'attn.c_attn',
      'attention.wo': 'attn.c_proj',
      'feed_forward.w1': 'mlp.c_fc',
      'feed_forward.w2': 'mlp.c_proj',
      attention_norm: 'ln_1',
      ffn_norm: 'ln_2',
    },
    cut: gpt2Cut,
  },
  gptNeox: {
    prefixes: ['gpt_neox.', ''],
    layers: 'layers',
    whole: { tok_embeddings: 'embed_in', norm: 'final_layer_norm', output: 'embed_out' },
    modules: {
      'attention.wq': 'attention.query_key_value',
      'attention.wk': 'attention.query_key_value',
      'attention.wv': 'attention.query_key_value',
      'attention.wo': 'attention.dense',
      'feed_forward.w1': 'mlp.dense_h_to_4h',
      'feed_forward.w2': 'mlp.dense_4h_to_h',
      attention_norm: 'input_layernorm',
      ffn_norm: 'post_attention_layernorm',
    },
    cut: interleavedHeads,
  },
  gptj: {
    prefixes: ['transformer.', ''],
    layers: 'h',
    whole: { tok_embeddings: 'wte', norm: 'ln_f', output: 'lm_head' },
    modules: {
      'attention.wq': 'attn.q_proj',
      'attention.wk': 'attn.k_proj',
      'attention.wv': 'attn.v_proj',
      'attention.wo': 'attn.out_proj',
      'feed_forward.w1': 'mlp.fc_in',
      'feed_forward.w2': 'mlp.fc_out',
      attention_norm: 'ln_1',
    },
  },
  opt: {
    prefixes: ['model.decoder.', 'decoder.', ''],
    layers: 'layers',
    whole: {
      tok_embeddings: 'embed_tokens',
      position_embeddings: 'embed_positions',
      norm: 'final_layer_norm',
      output: 'lm_head',
    },
    modules: {
      'attention.wq': 'self_attn.q_proj',
      'attention.wk': 'self_attn.k_proj',
      'attention.wv': 'self_attn.v_proj',
      'attention.wo': 'self_attn.out_proj',
      'feed_forward.w1': 'fc1',
      'feed_forward.w2': 'fc2',
      attention_norm: 'self_attn_layer_norm',
      ffn_norm: 'final_layer_norm',
    },
  },
  falcon: {
    prefixes: ['transformer.', ''],
    layers: 'h',
    whole: { tok_embeddings: 'word_embeddings', norm: 'ln_f', output: 'lm_head' },
    modules: {
      'attention.wq': 'self_attention.query_key_value',
      'attention.wk': 'self_attention.query_key_value',
      'attention.wv': 'self_attention.query_key_value',
      'attention.wo': 'self_attention.dense',
      'feed_forward.w1': 'mlp.dense_h_to_4h',
      'feed_forward.w2': 'mlp.dense_4h_to_h',
      attention_norm: 'input_layernorm',
      ffn_norm: 'post_attention_layernorm',
    },
    cut: interleavedHeads,
  },
  forgetting: {
    prefixes: ['model.', ''],
    layers: 'layers',
    whole: { tok_embeddings: 'embeddings', norm: 'norm', output: 'lm_head' },
    modules: {
      'attention.wq': 'attn.q_proj',
      'attention.wk': 'attn.k_proj',
      'attention.wv': 'attn.v_proj',
      'attention.wo': 'attn.o_proj',
      'attention.forget': 'attn.f_proj',
      'feed_forward.w1': 'mlp.gate_proj',
      'feed_forward.w2': 'mlp.down_proj',
      'feed_forward.w3': 'mlp.up_proj',
      attention_norm: 'attn_norm',
      ffn_norm: 'mlp_norm',
    },
  },
};

/** Of a layout's prefixes, the one that the files' names have: that before the embedding, or before the last norm. */
export function prefixOf(layout: Layout, has: (name: string) => boolean): string {
  const { prefixes, whole } = layouts[layout];
  const found = ['tok_embeddings', 'norm'].map(key => prefixes.find(prefix => has(`${prefix}${whole[key]}.weight`)));
  return found.find(prefix => prefix !== undefined) ?? prefixes[0]!;
}

/**
 * Names under which a head may be stored: it stands beside the bare model.
 * @param prefix the bare model's.
 */
export function headNames(layout: Layout, prefix: string): string[] {
  const head = layouts[layout].whole['output']!;
  const outer = prefix.startsWith('language_model.') ? ['language_model.'] : [];
  return ['', ...outer, prefix].map(before => `${before}${head}`);
}

/** Where the files have what we call `key`; the head's name stands without a prefix. */
export function placeOf(layout: Layout, prefix: string, key: string, config: ModelConfig): WeightPlace {
  const names = layouts[layout];
  const [, layer, inLayer] = /^layers\.(\d+)\.(.+)$/.exec(key) ?? [];
  const split = (name: string) => {
    const dot = name.lastIndexOf('.');
    return [name.slice(0, dot), name.slice(dot + 1)] as const;
  };
  if (layer === undefined) {
    const [name, kind] = split(key);
    return { name: `${name === 'output' ? '' : prefix}${names.whole[name] ?? name}.${kind}` };
  }
  const before = `${prefix}${names.layers}.${layer}.`;
  if (inLayer === 'attention.sinks') return { name: `${before}${names.modules[inLayer]}` };
  const [, lambda] = /^attention\.(lambda_\w+)$/.exec(inLayer!) ?? [];
  if (lambda !== undefined) return { name: `${before}self_attn.${lambda}` };
  const [module, kind] = split(inLayer!);
  const stored = moduleIn(names, module, config, kind);
  return { name: before + stored.name, ...stored.cut };
}

function moduleIn(names: Names, module: string, config: ModelConfig, kind: string) {
  const cut = names.cut?.(module, kind, config);
  const [, expert, matrix] = /^feed_forward\.experts\.(\d+)\.(w\d)$/.exec(module) ?? [];
  if (expert !== undefined) {
    if (cut) {
      const name = `${names.modules['feed_forward.experts'] ?? 'mlp.experts'}.${matrix === 'w2' ? 'down_proj' : 'gate_up_proj'}${kind === 'bias' ? '_bias' : ''}`;
      return { name, cut };
    }
    const isMixtral = names.modules['feed_forward.router'] === 'block_sparse_moe.gate';
    const name = isMixtral
      ? `block_sparse_moe.experts.${expert}.${matrix}`
      : `mlp.experts.${expert}.${llamaMatrices[matrix!]}`;
    return { name: `${name}.${kind}`, cut };
  }
  return { name: `${renamed(names, module, config)}.${kind}`, cut };
}

const llamaMatrices: Readonly<Record<string, string>> = { w1: 'gate_proj', w2: 'down_proj', w3: 'up_proj' };

/** Names of norms that depend on where they stand. */
function renamed({ modules }: Names, module: string, config: ModelConfig): string {
  if (config.norm_position === 'after') {
    if (module === 'attention_norm') return 'post_attention_layernorm';
    if (module === 'ffn_norm') return 'post_feedforward_layernorm';
  }
  if (modules === layouts.falcon.modules && config.residual === 'parallel') {
    if (module === 'attention_norm') return 'ln_attn';
    if (module === 'ffn_norm') return 'ln_mlp';
  }
  const [, matrix] = /^feed_forward\.shared_expert\.(w\d)$/.exec(module) ?? [];
  if (matrix !== undefined) {
    return `${modules['feed_forward.shared_expert'] ?? 'mlp.shared_expert'}.${llamaMatrices[matrix]}`;
  }
  if (module === 'feed_forward.shared_expert_gate') return 'mlp.shared_expert_gate';
  if (module === 'feed_forward.router') return modules[module] ?? 'mlp.gate';
  return modules[module] ?? module;
}
