import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isHuggingFaceConfig, parseHuggingFaceConfig } from '../../../src/graph/huggingFaceConfig';
import { placeOf } from '../../../src/graph/huggingFaceWeights';
import { planLayer } from '../../../src/graph/layerPlan';

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
  ['no size, by their name', { hidden_size: null }, /hidden_size is missing, expected a whole number/],
  ['a size that lies', { num_hidden_layers: 1e9 }, /num_hidden_layers is 1000000000/],
  ['a size of the wrong type', { vocab_size: '300' }, /vocab_size is "300"/],
  ['heads that do not divide', { num_key_value_heads: 3 }, /num_key_value_heads is 3/],
  ['an unknown scaling', { rope_scaling: { type: 'ntk', factor: 2 } }, /rope_scaling.rope_type is "ntk"/],
  ['a factor below 0', { rope_scaling: { type: 'linear', factor: -2 } }, /rope_scaling.factor is -2/],
  ['bounds that cross', { rope_scaling: llama3 }, /high_freq_factor is 4, expected above low_freq_factor/],
  ['a window of nothing', { model_type: 'mistral', sliding_window: 0 }, /sliding_window is 0/],
];
for (const [what, extra, message] of bad) {
  test(`refuses ${what}, naming it`, () => assert.throws(() => parse(extra), { code: 'bad-config', message }));
}

test('scaling by what is no number is refused, however deep it is', () => {
  let deep: unknown = 1;
  for (let i = 0; i < 20_000; i++) deep = [deep];
  for (const original of [deep, 'x', {}, null, Number.NaN]) {
    const rope_scaling = { rope_type: 'yarn', original_max_position_embeddings: original };
    const odd = { rope_scaling, max_position_embeddings: original === null ? deep : 64 };
    assert.throws(() => parse(odd), { code: 'bad-config' });
  }
});
