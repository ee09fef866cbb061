/** Names of a model's tensors in a GGUF file, by Hugging Face's. */

const whole: Readonly<Record<string, string>> = {
  'model.embed_tokens': 'token_embd',
  'model.norm': 'output_norm',
  lm_head: 'output',
};
const inLayer: Readonly<Record<string, string>> = {
  input_layernorm: 'attn_norm',
  'self_attn.q_proj': 'attn_q',
  'self_attn.k_proj': 'attn_k',
  'self_attn.v_proj': 'attn_v',
  'self_attn.o_proj': 'attn_output',
  'self_attn.q_norm': 'attn_q_norm',
  'self_attn.k_norm': 'attn_k_norm',
  post_attention_layernorm: 'ffn_norm',
  'mlp.gate_proj': 'ffn_gate',
  'mlp.up_proj': 'ffn_up',
  'mlp.down_proj': 'ffn_down',
};
/** Norms of what attention and feed-forward write. */
const normsAfter: Readonly<Record<string, string>> = {
  post_attention_layernorm: 'post_attention_norm',
  post_feedforward_layernorm: 'post_ffw_norm',
  pre_feedforward_layernorm: 'ffn_norm',
};

/** @returns the name itself where GGUF has no such tensor. */
export function ggufName(name: string, hasNormsAfter: boolean): string {
  const [, module, kind] = /^(.+)\.(weight|bias)$/.exec(name) ?? [];
  if (module === undefined) return name;
  const [, layer, part] = /^model\.layers\.(\d+)\.(.+)$/.exec(module) ?? [];
  const found = part === undefined ? whole[module] : ((hasNormsAfter ? normsAfter[part] : undefined) ?? inLayer[part]);
  if (found === undefined) return name;
  return part === undefined ? `${found}.${kind}` : `blk.${layer}.${found}.${kind}`;
}
