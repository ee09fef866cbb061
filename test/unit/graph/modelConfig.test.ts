import assert from 'node:assert/strict';
import { test } from 'node:test';
import { planLayer, stagesOf, streamedStages } from '../../../src/graph/layerPlan';
import { parseModelConfig } from '../../../src/graph/modelConfig';

const base = { dim: 32, n_layers: 4, n_heads: 4, hidden_dim: 64, vocab_size: 300, max_seqlen: 64 };
const parse = (extra: object = {}, mta: object = {}) =>
  parseModelConfig({ ...base, ...extra, mta: { use_mta: true, ...mta } }, 'config.json');

test('defaults are the authors’: 1x1 kernels when MTA is on, none when a size is null', () => {
  assert.deepEqual(planLayer(parse(), 0).preSoftmaxKernel, { query: 1, key: 1 });
  assert.equal(planLayer(parse({}, { query_kernel_size: null }), 0).preSoftmaxKernel, null);
  assert.equal(planLayer(parseModelConfig(base, 'config.json'), 0).preSoftmaxKernel, null);
});

test('kernels exist in mta_layers only, head mixing in all layers', () => {
  for (const layers of [[1, 3], '1,3']) {
    const config = parse({}, { mta_layers: layers, pre_sm_linear_head: true, head_kernel_size: 2 });
    const stages = [0, 1, 2, 3].map(layer => stagesOf(planLayer(config, layer)).length);
    assert.deepEqual(stages, [4, 5, 4, 5]);
  }
});

test('depth scaling follows 1 - (0.8 - 0.6 exp(-0.3 l))', () => {
  const config = parse({ n_layers: 24 }, { layer_norm_rescale: true });
  for (const [layer, factor] of [
    [0, 0.8],
    [5, 0.3339],
    [23, 0.2006],
  ] as const) {
    assert.ok(Math.abs(planLayer(config, layer).outputScale - factor) < 1e-4);
  }
});

test('the convolution’s input and output are streamed where there is one', () => {
  const config = parse({}, { mta_layers: [1], query_kernel_size: 6, key_kernel_size: 11 });
  assert.deepEqual(streamedStages(planLayer(config, 0)), ['pattern']);
  assert.deepEqual(streamedStages(planLayer(config, 1)), ['scores', 'convolved_scores', 'pattern']);
});

const bad: [string, object, object, RegExp][] = [
  ['a missing size', { dim: undefined }, {}, /dim is missing, expected a whole number/],
  ['a size of the wrong type', { n_layers: '4' }, {}, /n_layers is "4"/],
  ['a size that lies', { n_heads: 1e9 }, {}, /n_heads is 1000000000/],
  ['key heads that do not divide', { n_kv_heads: 3 }, {}, /n_kv_heads is 3, expected a divisor of n_heads, 4/],
  ['an odd head dimension', { head_dim: 7 }, {}, /head_dim is 7, expected an even number/],
  ['an even kernel centred', {}, { key_kernel_size: 4 }, /mta.key_kernel_size is 4, expected an odd number/],
  ['head kernels that do not divide', {}, { head_kernel_size: 3 }, /mta.head_kernel_size is 3/],
  ['both post-softmax head mixings', {}, { head_kernel_size: 4, post_sm_linear_head: true }, /post_sm_linear_head/],
  ['a layer that is not there', {}, { mta_layers: [9] }, /mta.mta_layers is \[9\]/],
  ['an unknown padding', {}, { pad_key: 'up' }, /mta.pad_key is "up", expected one of both, left, right/],
];
for (const [what, extra, mta, message] of bad) {
  test(`refuses ${what}, naming it`, () => {
    assert.throws(() => parse(extra, mta), { code: 'bad-config', message });
  });
}

test('only rotary positions need heads that can be cut into pairs', () => {
  for (const positions of ['learned', 'none']) assert.equal(parse({ head_dim: 7, positions }).head_dim, 7);
  assert.throws(() => parse({ rotary_dim: 3 }), {
    code: 'bad-config',
    message: /rotary_dim is 3, expected an even number/,
  });
});

test('refuses JSON that is no object', () => {
  for (const json of [null, [], 'text', 3]) {
    assert.throws(() => parseModelConfig(json, 'config.json'), { code: 'bad-config' });
  }
});
