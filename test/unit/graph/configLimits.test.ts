/** config.json key by key: defaults, the last value that is allowed and the first that is not. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseHuggingFaceConfig } from '../../../src/graph/huggingFaceConfig';
import { parseModelConfig, parseMtaConfig } from '../../../src/graph/modelConfig';

const base = { dim: 32, n_layers: 4, n_heads: 4, hidden_dim: 64, vocab_size: 300, max_seqlen: 64 };
const parse = (extra: object = {}) => parseModelConfig({ ...base, ...extra }, 'config.json');
const parseMta = (mta: unknown) => parseMtaConfig(mta, 'config.json', 4, 4);

test('defaults of a model', () => {
  const { mta, ...config } = parse();
  assert.deepEqual(config, {
    ...base,
    ...{ name: 'unnamed', n_kv_heads: 4, head_dim: 8, norm_eps: 1e-5, rope_theta: 10_000 },
    ...{ rope_style: 'interleaved', rope_scaling: null, qkv_bias: false, output_bias: false, ffn_bias: false },
    ...{ norm_kind: 'rms', norm_bias: false, norm_weight: true, residual: 'sequential', positions: 'rotary' },
    ...{ position_offset: 0, rotary_dim: 8, rotary_layers: null, sliding_rope: null, score_scale: null },
    ...{ score_scale_by_layer: false, score_cap: null, logit_cap: null, attention_sinks: false, qkv_clip: null },
    forget_gate: false,
    ...{ activation: 'silu', gated_ffn: true, embedding_scale: 1, residual_scale: 1, logit_scale: 1 },
    ...{ head_bias: false, experts: null, query_scaling: null, differential: false, attention_chunk: null },
    chunked_layers: null,
    ...{ qk_norm: null, norm_position: 'before', sliding_window: null, sliding_layers: null, weight_tying: false },
    ...{ bos_token_id: null, eos_token_id: null },
  });
  assert.deepEqual(mta, {
    ...{ use_mta: false, query_kernel_size: 1, key_kernel_size: 1, pad_key: 'both', mta_layers: null },
    ...{ after_sm_query_kernel_size: null, after_sm_key_kernel_size: null, head_kernel_size: null },
    ...{ group_norm: false, layer_norm_rescale: false, curse_norm: false, pre_sm_linear_head: false },
    ...{ post_sm_linear_head: false, add_gating: false, gate_1d: true },
  });
  assert.deepEqual(parse({ mta: null }).mta, mta);
});

const allowed: [key: string, value: unknown, read?: unknown][] = [
  ['name', ''],
  ['head_dim', 4096],
  ['head_dim', 2],
  ['hidden_dim', 1 << 20],
  ['vocab_size', 1 << 22],
  ['max_seqlen', 1 << 24],
  ['max_seqlen', 1],
  ['n_kv_heads', 1],
  ['n_kv_heads', 2],
  ['norm_eps', 1e-12],
  ['rope_theta', 0.5],
  ['rope_style', 'half'],
  ['qkv_bias', true],
  ['output_bias', true],
  ['ffn_bias', true],
  ['weight_tying', true],
  ['qk_norm', 'full'],
  ['qk_norm', 'head'],
  ['qk_norm', 'rotated'],
  ['query_scaling', { strength: 0.1, span: 8192 }],
  ['differential', true],
  ['forget_gate', true],
  ['positions', 'none'],
  ['attention_chunk', 8192],
  ['chunked_layers', [0, 1]],
  ['norm_position', 'after'],
  ['norm_kind', 'layer'],
  ['norm_bias', true],
  ['norm_weight', false],
  ['residual', 'parallel_one_norm'],
  ['positions', 'learned'],
  ['position_offset', 2],
  ['rotary_dim', 4],
  ['rotary_layers', [0, 2]],
  ['sliding_rope', { rope_theta: 100, rope_scaling: null }],
  ['score_scale', 0.5],
  ['score_scale_by_layer', true],
  ['score_cap', 50],
  ['logit_cap', 30],
  ['attention_sinks', true],
  ['qkv_clip', 8],
  ['activation', 'gelu_tanh'],
  ['gated_ffn', false],
  ['embedding_scale', 12],
  ['residual_scale', 0.2],
  ['logit_scale', 0.1],
  ['head_bias', true],
  [
    'experts',
    {
      n_experts: 8,
      experts_per_token: 2,
      hidden_dim: 16,
      normalizes: true,
      layers: null,
      shared_dim: null,
      shared_gate: true,
      routing: 'softmax',
      clamped: null,
    },
  ],
  ['sliding_window', 1 << 24],
  ['sliding_layers', []],
  ['sliding_layers', [0, 3]],
  ['sliding_layers', '0,3', [0, 3]],
  ['bos_token_id', 0],
  ['eos_token_id', 1 << 22],
];
for (const [key, value, read = value] of allowed) {
  test(`reads ${key} ${JSON.stringify(value)}`, () => {
    assert.deepEqual(parse({ [key]: value })[key as keyof ReturnType<typeof parse>], read);
  });
}

const refused: [key: string, value: unknown, expected: string][] = [
  ['dim', 0, 'a whole number from 1 to 65536'],
  ['dim', 65_537, 'a whole number from 1 to 65536'],
  ['dim', 32.5, 'a whole number from 1 to 65536'],
  ['n_heads', 1025, 'a whole number from 1 to 1024'],
  ['n_layers', 1025, 'a whole number from 1 to 1024'],
  ['n_kv_heads', 1028, 'a whole number from 1 to 1024'],
  ['head_dim', 4098, 'a whole number from 1 to 4096'],
  ['hidden_dim', (1 << 20) + 1, 'a whole number from 1 to 1048576'],
  ['vocab_size', (1 << 22) + 1, 'a whole number from 1 to 4194304'],
  ['max_seqlen', (1 << 24) + 1, 'a whole number from 1 to 16777216'],
  ['name', 5, 'text'],
  ['norm_eps', 0, 'a number above 0'],
  ['norm_eps', Number.POSITIVE_INFINITY, 'a number above 0'],
  ['rope_theta', -1, 'a number above 0'],
  ['rope_theta', '10000', 'a number above 0'],
  ['rope_style', 'both', 'one of interleaved, half'],
  ['qkv_bias', 1, 'true or false'],
  ['output_bias', 'true', 'true or false'],
  ['ffn_bias', 0, 'true or false'],
  ['weight_tying', 'false', 'true or false'],
  ['qk_norm', 'none', 'one of head, full, rotated'],
  ['qk_norm', false, 'one of head, full, rotated'],
  ['norm_position', 'between', 'one of before, after, both'],
  ['norm_kind', 'batch', 'one of rms, rms_plus_one, layer'],
  ['residual', 'none', 'one of sequential, parallel, parallel_one_norm'],
  ['positions', 'alibi', 'one of rotary, learned, none'],
  ['position_offset', -1, 'a whole number from 0 to 1024'],
  ['rotary_dim', 3, 'an even number, as rotary positions need'],
  ['rotary_dim', 10, 'a whole number from 1 to 8'],
  ['rotary_layers', [4], 'null or a list of layers from 0 to 3'],
  ['score_cap', 0, 'a number above 0'],
  ['activation', 'tanh', 'one of silu, gelu, gelu_tanh, quick_gelu, relu, relu2'],
  ['sliding_window', 0, 'a whole number from 1 to 16777216'],
  ['sliding_layers', [4], 'null or a list of layers from 0 to 3'],
  ['sliding_layers', [-1], 'null or a list of layers from 0 to 3'],
  ['sliding_layers', [0.5], 'null or a list of layers from 0 to 3'],
  ['sliding_layers', [0, 0, 0, 0, 0], 'null or a list of layers from 0 to 3'],
  ['sliding_layers', { 0: 1 }, 'null or a list of layers from 0 to 3'],
  ['bos_token_id', -1, 'null or a token id'],
  ['bos_token_id', 1.5, 'null or a token id'],
  ['eos_token_id', (1 << 22) + 1, 'null or a token id'],
  ['eos_token_id', [2], 'null or a token id'],
];
for (const [key, value, expected] of refused) {
  test(`refuses ${key} ${JSON.stringify(value)}`, () => {
    const isExpected = ({ message, code }: Error & { code: string }) =>
      code === 'bad-config' &&
      message.startsWith(`Cannot read config.json: ${key} is `) &&
      message.includes(`expected ${expected}.`);
    assert.throws(() => parse({ [key]: value }), isExpected);
  });
}

const mtaRefused: [mta: unknown, message: RegExp][] = [
  [[], /mta is \[\], expected a JSON object/],
  ['x', /mta is "x", expected a JSON object/],
  [{ use_mta: 1 }, /mta.use_mta is 1, expected true or false/],
  [{ query_kernel_size: 0 }, /mta.query_kernel_size is 0, expected null or a whole number from 1 to 1024/],
  [{ query_kernel_size: 1025 }, /mta.query_kernel_size is 1025/],
  [{ query_kernel_size: undefined }, /mta.query_kernel_size is missing/],
  [
    { after_sm_key_kernel_size: 2 },
    /mta.after_sm_key_kernel_size is 2, expected an odd number where mta.pad_key is "both"/,
  ],
  [{ head_kernel_size: 8 }, /mta.head_kernel_size is 8, expected a divisor of n_heads, 4/],
  [
    { head_kernel_size: 2, post_sm_linear_head: true },
    /mta.post_sm_linear_head is true, expected false where mta.head_kernel_size is set/,
  ],
  [{ gate_1d: 'no' }, /mta.gate_1d is "no"/],
];
for (const [mta, message] of mtaRefused) {
  test(`refuses mta ${JSON.stringify(mta)}`, () => assert.throws(() => parseMta(mta), { code: 'bad-config', message }));
}

test('sizes of kernels that are allowed', () => {
  for (const mta of [
    { query_kernel_size: 1024 },
    { key_kernel_size: 4, after_sm_key_kernel_size: 2, pad_key: 'left' },
    { key_kernel_size: null },
    { head_kernel_size: 4, post_sm_linear_head: false },
    { head_kernel_size: null, post_sm_linear_head: true },
  ]) {
    const parsed: object = parseMta(mta);
    assert.deepEqual(parsed, { ...parsed, ...mta });
  }
});

const size = { factor: 2, original_max_position_embeddings: 64 };
const yarn = { beta_fast: 32, beta_slow: 1, attention_factor: null, truncate: true };
const scalings: [given: object, read: object][] = [
  [
    { rope_type: 'linear', ...size, beta_fast: 3 },
    { rope_type: 'linear', factor: 2 },
  ],
  [
    { rope_type: 'dynamic', ...size, beta_fast: 3 },
    { rope_type: 'dynamic', ...size },
  ],
  [
    { rope_type: 'llama3', ...size, low_freq_factor: 1, high_freq_factor: 4, truncate: false },
    { rope_type: 'llama3', ...size, low_freq_factor: 1, high_freq_factor: 4 },
  ],
  [
    { rope_type: 'yarn', ...size },
    { rope_type: 'yarn', ...size, ...yarn },
  ],
  [
    { rope_type: 'yarn', ...size, beta_fast: 16, beta_slow: 2, attention_factor: 1.5, truncate: false },
    { rope_type: 'yarn', ...size, beta_fast: 16, beta_slow: 2, attention_factor: 1.5, truncate: false },
  ],
];
for (const [given, read] of scalings) {
  test(`scaling ${JSON.stringify(given)}`, () => assert.deepEqual(parse({ rope_scaling: given }).rope_scaling, read));
}

const badScalings: [given: unknown, message: RegExp][] = [
  [[], /rope_scaling is \[\], expected a JSON object/],
  [{ ...size }, /rope_scaling.rope_type is missing, expected one of linear, dynamic, llama3, yarn/],
  [{ rope_type: 'linear' }, /rope_scaling.factor is missing/],
  [{ rope_type: 'dynamic', factor: 2 }, /rope_scaling.original_max_position_embeddings is missing/],
  [{ rope_type: 'llama3', ...size, high_freq_factor: 4 }, /rope_scaling.low_freq_factor is missing/],
  [
    { rope_type: 'llama3', ...size, low_freq_factor: 5, high_freq_factor: 4 },
    /high_freq_factor is 4, expected above low_freq_factor, 5/,
  ],
  [{ rope_type: 'yarn', ...size, attention_factor: 0 }, /rope_scaling.attention_factor is 0/],
  [{ rope_type: 'yarn', ...size, beta_slow: -1 }, /rope_scaling.beta_slow is -1/],
  [{ rope_type: 'yarn', ...size, truncate: 'yes' }, /rope_scaling.truncate is "yes"/],
];
for (const [given, message] of badScalings) {
  test(`refuses scaling ${JSON.stringify(given)}`, () => {
    assert.throws(() => parse({ rope_scaling: given }), { code: 'bad-config', message });
  });
}

const llama = {
  ...{ model_type: 'llama', hidden_size: 32, num_hidden_layers: 4, num_attention_heads: 4, intermediate_size: 64 },
  ...{ vocab_size: 300, max_position_embeddings: 64, num_key_value_heads: 4 },
};
const parseLlama = (extra: object, begin: number | null = null) =>
  parseHuggingFaceConfig({ ...llama, ...extra }, 'config.json', begin);

const families: [what: string, extra: object, read: object][] = [
  [
    'llama',
    {},
    { norm_eps: 1e-6, rope_style: 'half', rope_theta: 10_000, rope_scaling: null, head_dim: 8, qk_norm: null },
  ],
  ['llama, biases', { attention_bias: true, mlp_bias: true }, { qkv_bias: true, output_bias: true, ffn_bias: true }],
  [
    'mistral has no biases',
    { model_type: 'mistral', attention_bias: true, mlp_bias: true },
    { qkv_bias: false, output_bias: false, ffn_bias: false },
  ],
  ['mistral’s window where none is given', { model_type: 'mistral' }, { sliding_window: 4096, sliding_layers: null }],
  ['qwen2’s biases', { model_type: 'qwen2', attention_bias: false }, { qkv_bias: true, output_bias: false }],
  ['qwen3’s heads', { model_type: 'qwen3' }, { head_dim: 128, qk_norm: 'head' }],
  ['qwen3’s heads, given', { model_type: 'qwen3', head_dim: 16 }, { head_dim: 16 }],
  [
    'qwen’s switch is off',
    { model_type: 'qwen2', use_sliding_window: false, sliding_window: 8 },
    { sliding_window: null },
  ],
  [
    'layers from 28 on by default',
    { model_type: 'qwen2', use_sliding_window: true, num_hidden_layers: 30 },
    { sliding_window: 4096, sliding_layers: [28, 29] },
  ],
  [
    'olmo2',
    { model_type: 'olmo2', attention_bias: true },
    { qk_norm: 'full', norm_position: 'after', qkv_bias: true, output_bias: true },
  ],
  ['several end tokens', { eos_token_id: [7, 9] }, { eos_token_id: 7 }],
  ['one end token', { eos_token_id: 5 }, { eos_token_id: 5 }],
  ['tied embeddings', { tie_word_embeddings: true }, { weight_tying: true }],
  ['groups of heads', { num_key_value_heads: 2, rms_norm_eps: 0.5 }, { n_kv_heads: 2, norm_eps: 0.5 }],
  ['silu and whole heads', { hidden_act: 'silu', partial_rotary_factor: 1, quantization_config: null }, { dim: 32 }],
];
for (const [what, extra, read] of families) {
  test(`Hugging Face: ${what}`, () => {
    const config: object = parseLlama(extra);
    assert.deepEqual({ ...config, ...read }, config);
  });
}

test('Hugging Face: the begin token is the tokenizer’s', () => {
  assert.equal(parseLlama({ bos_token_id: 3 }, 7).bos_token_id, 7);
  assert.equal(parseLlama({ bos_token_id: 3 }).bos_token_id, null);
});

test('Hugging Face: messages name the keys of the file', () => {
  for (const [key, value] of [
    ['num_attention_heads', 0],
    ['intermediate_size', 'x'],
    ['rms_norm_eps', -1],
    ['tie_word_embeddings', 1],
    ['max_position_embeddings', 0.5],
  ]) {
    assert.throws(() => parseLlama({ [String(key)]: value }), {
      code: 'bad-config',
      message: new RegExp(`config.json: ${key} is `),
    });
  }
});

const size64 = { original_max_position_embeddings: 64 };
const ropes: [what: string, extra: object, theta: number, scaling: object | null, context: number][] = [
  ['the type default', { rope_scaling: { type: 'default', factor: 4 } }, 10_000, null, 64],
  [
    'theta beside the scaling',
    { rope_theta: 500, rope_scaling: { rope_type: 'linear', factor: 4 } },
    500,
    { factor: 4 },
    64,
  ],
  ['theta inside before the one beside', { rope_theta: 500, rope_parameters: { rope_theta: 600 } }, 600, null, 64],
  [
    'the older name before the newer, as the library has it',
    { rope_parameters: { rope_type: 'linear', factor: 2 }, rope_scaling: { type: 'linear', factor: 4 } },
    10_000,
    { factor: 4 },
    64,
  ],
  [
    'rope_type before type',
    { rope_scaling: { rope_type: 'linear', type: 'yarn', factor: 2 } },
    10_000,
    { rope_type: 'linear' },
    64,
  ],
  [
    'dynamic departs from the configured context',
    { rope_scaling: { type: 'dynamic', factor: 3, original_max_position_embeddings: 8 } },
    10_000,
    { ...size64, factor: 3 },
    192,
  ],
  [
    'yarn departs from the given context',
    { rope_scaling: { type: 'yarn', factor: 3, original_max_position_embeddings: 32 } },
    10_000,
    { original_max_position_embeddings: 32 },
    96,
  ],
  [
    'yarn up to the configured context',
    { rope_scaling: { type: 'yarn', factor: 2, original_max_position_embeddings: 16 } },
    10_000,
    {},
    64,
  ],
  [
    'yarn’s factor from both contexts',
    { rope_scaling: { type: 'yarn', factor: null, original_max_position_embeddings: 16 } },
    10_000,
    { factor: 4, attention_factor: null },
    64,
  ],
  [
    'a context that is not whole is rounded down',
    { rope_scaling: { type: 'yarn', factor: 1.26, ...size64 } },
    10_000,
    {},
    80,
  ],
  // (0.1 * 2 * ln 4 + 1) / (0.1 * 1 * ln 4 + 1)
  [
    'yarn’s amplitude from two scales',
    { rope_scaling: { type: 'yarn', factor: 4, mscale: 2, mscale_all_dim: 1 } },
    10_000,
    { attention_factor: (0.2 * Math.log(4) + 1) / (0.1 * Math.log(4) + 1) },
    256,
  ],
  [
    'yarn without stretching has the amplitude 1',
    { rope_scaling: { type: 'yarn', factor: 1, mscale: 2, mscale_all_dim: 1 } },
    10_000,
    { attention_factor: 1 },
    64,
  ],
  [
    'a given amplitude before the scales',
    { rope_scaling: { type: 'yarn', factor: 4, mscale: 2, mscale_all_dim: 1, attention_factor: 3 } },
    10_000,
    { attention_factor: 3 },
    256,
  ],
  [
    'one scale alone',
    { rope_scaling: { type: 'yarn', factor: 4, mscale: 2 } },
    10_000,
    { attention_factor: null },
    256,
  ],
  [
    'the other scale alone',
    { rope_scaling: { type: 'yarn', factor: 4, mscale_all_dim: 2 } },
    10_000,
    { attention_factor: null },
    256,
  ],
  [
    'a scale of 0',
    { rope_scaling: { type: 'yarn', factor: 4, mscale: 0, mscale_all_dim: 1 } },
    10_000,
    { attention_factor: null },
    256,
  ],
  [
    'the other scale of 0',
    { rope_scaling: { type: 'yarn', factor: 4, mscale: 1, mscale_all_dim: 0 } },
    10_000,
    { attention_factor: null },
    256,
  ],
];
for (const [what, extra, theta, scaling, context] of ropes) {
  test(`Hugging Face, positions: ${what}`, () => {
    const config = parseLlama(extra);
    assert.deepEqual([config.rope_theta, config.max_seqlen], [theta, context]);
    if (scaling) assert.deepEqual({ ...config.rope_scaling, ...scaling }, config.rope_scaling);
    else assert.equal(config.rope_scaling, null);
  });
}
