/** Where a GGUF file has the weights that we call `layers.3.attention.wq.weight`. */

import type { ModelConfig } from '../../../graph/modelConfig';

/** A tensor, with the rows of it that are the weight where it holds several. */
export interface GgufPlace {
  readonly name: string;
  readonly rows?: readonly [start: number, end: number];
  /** Rows of the whole tensor. */
  readonly nRows: number;
}

const whole: Readonly<Record<string, string>> = {
  tok_embeddings: 'token_embd',
  position_embeddings: 'position_embd',
  norm: 'output_norm',
  output: 'output',
};
const inLayer: Readonly<Record<string, string>> = {
  attention_norm: 'attn_norm',
  attention_post_norm: 'post_attention_norm',
  ffn_norm: 'ffn_norm',
  ffn_post_norm: 'post_ffw_norm',
  'attention.wq': 'attn_q',
  'attention.wk': 'attn_k',
  'attention.wv': 'attn_v',
  'attention.wo': 'attn_output',
  'attention.q_norm': 'attn_q_norm',
  'attention.k_norm': 'attn_k_norm',
  'feed_forward.w1': 'ffn_gate',
  'feed_forward.w2': 'ffn_down',
  'feed_forward.w3': 'ffn_up',
};
/** Norms of what attention and feed-forward write. */
const normsAfter: Readonly<Record<string, string>> = {
  attention_norm: 'post_attention_norm',
  ffn_norm: 'post_ffw_norm',
};

/** @param shape of the weight. @param has whether the file has a tensor. */
export function ggufPlace(
  key: string,
  shape: readonly number[],
  config: ModelConfig,
  has: (tensor: string) => boolean,
): GgufPlace {
  const nRows = shape[0] ?? 1;
  const [, layer, module = '', kind] = /^(?:layers\.(\d+)\.)?(.+)\.(\w+)$/.exec(key) ?? [];
  if (layer === undefined) return { name: `${whole[module] ?? module}.${kind}`, nRows };
  const named = (name: string) => `blk.${layer}.${name}.${kind}`;
  const { n_heads: n, n_kv_heads: nKv, head_dim: d, norm_position: norms, gated_ffn: isGated } = config;
  const part = ['feed_forward.w1', 'feed_forward.w3'].indexOf(module);
  if (part >= 0 && isGated && !has(named('ffn_gate')) && has(named('ffn_up'))) {
    return { name: named('ffn_up'), rows: [part * nRows, (part + 1) * nRows], nRows: 2 * nRows };
  }
  const starts: Readonly<Record<string, number>> = {
    'attention.wq': 0,
    'attention.wk': n * d,
    'attention.wv': (n + nKv) * d,
  };
  const start = starts[module];
  if (start !== undefined && !has(named(inLayer[module]!)) && has(named('attn_qkv'))) {
    return { name: named('attn_qkv'), rows: [start, start + nRows], nRows: (n + 2 * nKv) * d };
  }
  if (module === 'feed_forward.w1' && !isGated) return { name: named('ffn_up'), nRows };
  const after = norms === 'after' ? normsAfter[module] : undefined;
  return { name: named(after ?? inLayer[module] ?? module), nRows };
}
