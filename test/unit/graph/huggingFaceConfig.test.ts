import assert from 'node:assert/strict';
import { test } from 'node:test';
import { huggingFaceFamilies, isHuggingFaceConfig, parseHuggingFaceConfig } from '../../../src/graph/huggingFaceConfig';
import { families } from '../../../src/graph/huggingFaceFamilies';
import { placeOf } from '../../../src/graph/huggingFaceWeights';
import { planLayer } from '../../../src/graph/layerPlan';
import libraryKeys from '../../fixtures/huggingFaceKeys.json';

const base = {
  model_type: 'llama',
  hidden_size: 32,
  num_hidden_layers: 4,
  num_attention_heads: 4,
  num_key_value_heads: 4,
  intermediate_size: 64,
  vocab_size: 300,
  max_position_embeddings: 64,
};
const parse = (extra: object = {}) => parseHuggingFaceConfig({ ...base, ...extra }, 'config.json', null);
const windows = (extra: object) => {
  const config = parse({ sliding_window: 8, ...extra });
  return [0, 1, 2, 3].map(layerIdx => planLayer(config, layerIdx).slidingWindow);
};

test('our own files are recognized', () => {
  assert.ok(isHuggingFaceConfig(base));
  assert.ok(isHuggingFaceConfig({ architectures: ['GPT2LMHeadModel'], n_embd: 32 }));
  for (const json of [null, {}, { dim: 3 }, { model_type: 'mta', dim: 3 }, { model_type: 'llama', dim: 3 }]) {
    assert.ok(!isHuggingFaceConfig(json));
  }
});

test('sliding windows: all layers of Mistral, those from a layer on where Qwen’s switch is on, none of Llama', () => {
  assert.deepEqual(windows({}), [null, null, null, null]);
  assert.deepEqual(windows({ model_type: 'mistral' }), [8, 8, 8, 8]);
  assert.deepEqual(windows({ model_type: 'mistral', sliding_window: null }), [null, null, null, null]);
  assert.deepEqual(windows({ model_type: 'qwen2' }), [null, null, null, null]);
  const on = { model_type: 'qwen3', use_sliding_window: true };
  assert.deepEqual(windows({ ...on, max_window_layers: 3 }), [null, null, null, 8]);
  const layer_types = ['sliding_attention', 'full_attention', 'sliding_attention', 'full_attention'];
  assert.deepEqual(windows({ ...on, layer_types }), [8, null, 8, null]);
});

test('windows and rotation by layer where the file lists no types', () => {
  assert.deepEqual(windows({ model_type: 'olmo3' }), [8, 8, 8, null]);
  assert.deepEqual(windows({ model_type: 'gemma2' }), [8, null, 8, null]);
  assert.deepEqual(windows({ model_type: 'gemma3_text' }), [8, 8, 8, 8]);
  assert.deepEqual(windows({ model_type: 'gemma3_text', sliding_window_pattern: 3 }), [8, 8, null, 8]);
  const rotates = (extra: object) => {
    const config = parse({ model_type: 'smollm3', ...extra });
    return [0, 1, 2, 3].map(layerIdx => planLayer(config, layerIdx).rotary !== null);
  };
  assert.deepEqual(rotates({}), [true, true, true, false]);
  assert.deepEqual(rotates({ no_rope_layer_interval: 2 }), [true, false, true, false]);
  assert.deepEqual(rotates({ no_rope_layers: [0, 1, 1, 0] }), [false, true, true, false]);
  // Layers without rotation see everything.
  assert.deepEqual(windows({ model_type: 'smollm3', use_sliding_window: true }), [null, null, null, 8]);
});

test('the part of a model that reads texts is tied as the whole is, and keeps what is said of the whole', () => {
  const whole = (extra: object) =>
    parseHuggingFaceConfig(
      { model_type: 'gemma3', text_config: { ...base, model_type: 'gemma3_text' }, ...extra },
      'config.json',
      null,
    );
  assert.equal(whole({}).weight_tying, true);
  assert.equal(whole({ tie_word_embeddings: false }).weight_tying, false);
  assert.throws(() => whole({ quantization_config: { quant_method: 'gptq' } }), /quantization_config/);
});

test('scaled positions in old and new files, and the context they reach', () => {
  const yarn = { factor: 4, original_max_position_embeddings: 64 };
  for (const extra of [
    { rope_theta: 5000, rope_scaling: { type: 'yarn', ...yarn } },
    { rope_parameters: { rope_theta: 5000, rope_type: 'yarn', ...yarn } },
  ]) {
    const config = parse(extra);
    assert.deepEqual([config.rope_theta, config.rope_scaling?.rope_type, config.max_seqlen], [5000, 'yarn', 256]);
  }
  assert.equal(parse({ rope_scaling: { type: 'dynamic', factor: 2 } }).max_seqlen, 128);
  assert.equal(parse({ rope_scaling: { type: 'linear', factor: 2 } }).max_seqlen, 64);
});

test('names of tensors, where norms follow too', () => {
  const names: [string, 'before' | 'after', string][] = [
    ['tok_embeddings.weight', 'before', 'model.embed_tokens.weight'],
    ['output.weight', 'before', 'lm_head.weight'],
    ['norm.weight', 'before', 'model.norm.weight'],
    ['layers.3.attention.wq.bias', 'before', 'model.layers.3.self_attn.q_proj.bias'],
    ['layers.3.attention.k_norm.weight', 'before', 'model.layers.3.self_attn.k_norm.weight'],
    ['layers.3.feed_forward.w3.weight', 'before', 'model.layers.3.mlp.up_proj.weight'],
    ['layers.3.ffn_norm.weight', 'before', 'model.layers.3.post_attention_layernorm.weight'],
    ['layers.3.attention_norm.weight', 'after', 'model.layers.3.post_attention_layernorm.weight'],
    ['layers.3.ffn_norm.weight', 'after', 'model.layers.3.post_feedforward_layernorm.weight'],
  ];
  for (const [ours, norm_position, theirs] of names) {
    assert.equal(placeOf('llama', 'model.', ours, { ...parse(), norm_position }).name, theirs);
  }
});

const llama3 = { rope_type: 'llama3', factor: 8, low_freq_factor: 4, high_freq_factor: 4 };
const bad: [string, object, RegExp][] = [
  ['another family', { model_type: 'bloom' }, /model_type is "bloom", expected one of mta, llama, mistral/],
  ['a family of the prototype’s name', { model_type: 'constructor' }, /model_type is "constructor"/],
  [
    'another activation',
    { hidden_act: 'tanh' },
    /hidden_act is "tanh", expected one of silu, .*relu2 \(model_type llama\)/,
  ],
  ['quantized weights', { quantization_config: { bits: 4 } }, /quantization_config is/],
  ['half-rotated heads', { partial_rotary_factor: 0.5 }, /partial_rotary_factor is 0.5/],
  ['no size, by their name', { hidden_size: null }, /hidden_size is null, expected a whole number/],
  ['a size that lies', { num_hidden_layers: 1e9 }, /num_hidden_layers is 1000000000/],
  ['a size of the wrong type', { vocab_size: '300' }, /vocab_size is "300"/],
  ['heads that do not divide', { num_key_value_heads: 3 }, /num_key_value_heads is 3/],
  ['an unknown scaling', { rope_scaling: { type: 'ntk', factor: 2 } }, /rope_scaling.type is "ntk"/],
  ['a factor below 0', { rope_scaling: { type: 'linear', factor: -2 } }, /rope_scaling.factor is -2/],
  ['bounds that cross', { rope_scaling: llama3 }, /high_freq_factor is 4, expected above low_freq_factor/],
  ['a window of nothing', { model_type: 'mistral', sliding_window: 0 }, /sliding_window is 0/],
];
for (const [what, extra, message] of bad) {
  test(`refuses ${what}, naming it`, () => assert.throws(() => parse(extra), { code: 'bad-config', message }));
}

test('a scaling whose older name is not a text is refused in words', () => {
  const odd = { type: { toString: 1 } };
  for (const extra of [
    { model_type: 'gemma3_text', head_dim: 8, rope_parameters: { full_attention: odd } },
    { model_type: 'olmo3', rope_scaling: odd },
  ]) {
    assert.throws(() => parse(extra), { code: 'bad-config', message: /type is "type: an object"/ });
  }
});

test('scaling by what is no number is refused, however deep it is', () => {
  let deep: unknown = 1;
  for (let i = 0; i < 20_000; i++) deep = [deep];
  for (const original of [deep, 'x', {}, null, Number.NaN]) {
    const rope_scaling = { rope_type: 'yarn', original_max_position_embeddings: original };
    const odd = { rope_scaling, max_position_embeddings: original === null ? deep : 64 };
    assert.throws(() => parse(odd), { code: 'bad-config' });
  }
});

const refusals: [what: string, json: object, message: RegExp][] = [
  [
    'quantized weights in words',
    { quantization_config: { quant_method: 'bitsandbytes', load_in_4bit: true } },
    /weights are quantized \(bitsandbytes, 4 bits\)/,
  ],
  [
    'score caps',
    { attn_logit_softcapping: 30 },
    /attn_logit_softcapping is 30, expected nothing: .* \(model_type llama\)/,
  ],
  ['experts', { num_local_experts: 8 }, /num_local_experts is 8, expected nothing or 0 or 1/],
  ['latent attention', { kv_lora_rank: 512 }, /kv_lora_rank is 512/],
  ['cross attention', { model_type: 'gpt2', add_cross_attention: true }, /add_cross_attention is true, expected false/],
  ['two names that contradict', { model_type: 'gpt2', n_embd: 48 }, /hidden_size is 32, expected 48, as n_embd says/],
  ['ALiBi', { model_type: 'falcon', alibi: true }, /alibi is true, expected false or null/],
  ['norms after', { model_type: 'opt', do_layer_norm_before: false }, /do_layer_norm_before is false, expected true/],
  [
    'projected embeddings',
    { model_type: 'opt', word_embed_proj_dim: 16 },
    /word_embed_proj_dim is 16, expected 32, as hidden_size/,
  ],
  [
    'no window for layers that need one',
    { model_type: 'gemma2', sliding_window: null },
    /sliding_window is null, expected a whole number/,
  ],
  [
    'types that the switch forbids',
    { model_type: 'qwen2', layer_types: Array(4).fill('sliding_attention') },
    /layer_types is "sliding_attention", expected "full_attention", as use_sliding_window is not true/,
  ],
  [
    'a switch as a number',
    { model_type: 'gpt_neox', use_parallel_residual: 0 },
    /use_parallel_residual is 0, expected true or false/,
  ],
  ['null for a switch', { model_type: 'falcon', parallel_attn: null }, /parallel_attn is null, expected true or false/],
  ['null for a number', { rms_norm_eps: null }, /rms_norm_eps is null, expected a number, or no rms_norm_eps/],
  [
    'a pattern of nothing',
    { model_type: 'gemma3_text', sliding_window_pattern: 0 },
    /sliding_window_pattern is 0, expected a whole number above 0/,
  ],
  [
    'an interval as text',
    { model_type: 'smollm3', no_rope_layer_interval: '2' },
    /no_rope_layer_interval is "2", expected a whole number above 0/,
  ],
  ['a layer as text', { model_type: 'qwen2', max_window_layers: '2' }, /max_window_layers is "2", expected a whole/],
  [
    'blocks that Falcon does not compute',
    { model_type: 'falcon', new_decoder_architecture: true, parallel_attn: false },
    /parallel_attn is false, expected true, as new_decoder_architecture is/,
  ],
  ['norms that Falcon lacks', { model_type: 'falcon', num_ln_in_parallel_attn: 2 }, /num_ln_in_parallel_attn is 2/],
  [
    'heads that Falcon does not group',
    { model_type: 'falcon', multi_query: false, num_kv_heads: 2 },
    /num_kv_heads is 2, expected null or 4/,
  ],
  ['no family', { model_type: undefined }, /model_type is missing, expected one of mta, llama/],
  ['norms by head', { model_type: 'stablelm', qk_layernorm: true }, /qk_layernorm is true, expected false/],
  [
    'both directions',
    { model_type: 'gemma', use_bidirectional_attention: true },
    /use_bidirectional_attention is true/,
  ],
  [
    'another type of layer',
    { model_type: 'olmo3', layer_types: Array(4).fill('linear_attention') },
    /layer_types is "linear_attention"/,
  ],
  [
    'heads that do not fill the stream',
    { num_attention_heads: 7, num_key_value_heads: 1 },
    /num_attention_heads is 7, expected a divisor of hidden_size/,
  ],
  [
    'layers without experts as text',
    { model_type: 'qwen2_moe', mlp_only_layers: 'all' },
    /mlp_only_layers is "all", expected a list/,
  ],
  [
    'no layer with experts',
    { model_type: 'qwen3_moe', decoder_sparse_step: 0 },
    /decoder_sparse_step is 0, expected a whole number above 0/,
  ],
  [
    'positions of some layers',
    { model_type: 'smollm3', no_rope_layers: [1] },
    /no_rope_layers is .*, expected a list with 0 or 1 for each/,
  ],
  [
    'too few types of layers',
    { model_type: 'qwen3', layer_types: ['full_attention'] },
    /layer_types is .*, expected as many as num_hidden_layers, 4/,
  ],
  [
    'types that are no list',
    { model_type: 'qwen3', layer_types: 'full_attention' },
    /layer_types is "full_attention", expected a list/,
  ],
  ['a share of nothing', { model_type: 'gpt_neox', rotary_pct: 0 }, /rotary_pct is 0, expected a number above 0/],
  ['an odd share', { model_type: 'gpt_neox', rotary_pct: 0.4 }, /rotary_pct is 0.4, expected a share/],
  ['linear attention', { model_type: 'qwen3_next' }, /linear attention.*ONNX file/],
  ['latent attention by name', { model_type: 'deepseek_v3' }, /latent attention \(MLA\).*ONNX file/],
  [
    'an encoder',
    { model_type: 'bert' },
    /model_type is "bert", an encoder, which predicts no next token\. An ONNX file/,
  ],
  ['an encoder with a decoder', { model_type: 't5' }, /model_type is "t5", an encoder with a decoder/],
];
for (const [what, extra, message] of refusals) {
  test(`refuses by name: ${what}`, () => assert.throws(() => parse(extra), { code: 'bad-config', message }));
}

test('keys that are not read may hold anything', () => {
  const odd = { eos_token_id: -1, initializer_range: Number.POSITIVE_INFINITY, num_experts: 0, hidden_act: 'swish' };
  assert.deepEqual([parse(odd).eos_token_id, parse(odd).activation], [null, 'silu']);
});

test('missing keys have the library’s defaults', () => {
  const library: Record<string, Record<string, unknown>> = libraryKeys;
  assert.deepEqual(Object.keys(library).sort(), [...huggingFaceFamilies].sort());
  for (const [type, family] of Object.entries(families)) {
    for (const [key, value] of Object.entries(family.defaults)) {
      // Not among the library's own keys, or absent there.
      if (key === 'sliding_window_pattern' || value === undefined) continue;
      assert.deepEqual([type, key, value], [type, key, library[type]![key]]);
    }
    const { theta, firstContext } = family.rope ?? {};
    if (firstContext !== undefined) assert.equal(library[type]!['original_max_position_embeddings'], firstContext);
    assert.ok(theta === undefined || theta > 0);
  }
});

test('tensors are cut from fused ones: rows of the file where that is enough', () => {
  const neox = parse({ model_type: 'gpt_neox' });
  assert.deepEqual(placeOf('gptNeox', 'gpt_neox.', 'layers.0.attention.wk.weight', neox), {
    name: 'gpt_neox.layers.0.attention.query_key_value.weight',
    shape: [96, 32],
    steps: [{ reshape: [4, 3, 8, 32] }, { slice: { axis: 1, start: 1, end: 2 } }, { reshape: [32, 32] }],
  });
  const phi = parse({ model_type: 'phi3', num_key_value_heads: 2 });
  assert.deepEqual(placeOf('phi3', '', 'layers.1.attention.wv.weight', phi), {
    ...{ name: 'layers.1.self_attn.qkv_proj.weight', shape: [64, 32], rows: [48, 64] },
  });
  assert.deepEqual(placeOf('phi3', '', 'layers.1.feed_forward.w3.weight', phi), {
    ...{ name: 'layers.1.mlp.gate_up_proj.weight', shape: [128, 32], rows: [64, 128] },
  });
});
