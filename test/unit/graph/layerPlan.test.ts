import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  currentKeyColumn,
  keptKeyDim,
  kernelsOf,
  type LayerPlan,
  operatorsOf,
  planLayer,
  reachAbove,
  stagesOf,
  streamedStages,
  summarizeLayer,
} from '../../../src/graph/layerPlan';
import { parseModelConfig } from '../../../src/graph/modelConfig';

const base = { dim: 32, n_layers: 4, n_heads: 4, hidden_dim: 64, vocab_size: 300, max_seqlen: 64 };
const everything = {
  ...{ use_mta: true, query_kernel_size: 6, key_kernel_size: 11, after_sm_query_kernel_size: 3 },
  ...{ after_sm_key_kernel_size: 5, pre_sm_linear_head: true, head_kernel_size: 2 },
};
const plan = (mta: object = {}, extra: object = {}, layerIdx = 1) =>
  planLayer(
    parseModelConfig({ ...base, ...extra, mta: { use_mta: true, query_kernel_size: null, ...mta } }, 'f'),
    layerIdx,
  );

test('a summary of all parts', () => {
  assert.deepEqual(summarizeLayer(plan(everything, { sliding_window: 9 })), {
    layerIdx: 1,
    operators: [
      ...(['score', 'convolve_scores', 'mix_scores', 'softmax', 'convolve_pattern', 'mix_pattern'] as const),
      'sum_values',
    ],
    stages: ['scores', 'convolved_scores', 'mixed_scores', 'pattern', 'convolved_pattern', 'mixed_pattern'],
    preSoftmaxKernel: [6, 11],
    postSoftmaxKernel: [3, 5],
    slidingWindow: 9,
    kernels: {
      pre_softmax_conv: { rows: 6, columns: 11, identityColumn: 5 },
      pre_softmax_head_mix: { rows: 1, columns: 4, identityColumn: null },
      post_softmax_conv: { rows: 3, columns: 5, identityColumn: 2 },
      post_softmax_head_mix: { rows: 1, columns: 2, identityColumn: null },
    },
  });
});

test('a summary of no part', () => {
  const expected = {
    layerIdx: 1,
    operators: ['score', 'softmax', 'sum_values'],
    stages: ['scores', 'pattern'],
    preSoftmaxKernel: null,
    postSoftmaxKernel: null,
    kernels: {},
  };
  assert.deepEqual(summarizeLayer(plan()), expected);
  assert.deepEqual(summarizeLayer(plan({ ...everything, use_mta: false })), expected);
});

test('caps, sinks and gates are operators; only a gate for whole rows has a map', () => {
  const capped = plan({ query_kernel_size: 2, key_kernel_size: 3 }, { score_cap: 30, attention_sinks: true });
  assert.deepEqual(operatorsOf(capped), ['score', 'cap', 'convolve_scores', 'sink_softmax', 'sum_values']);
  assert.deepEqual(streamedStages(capped), ['capped_scores', 'convolved_scores', 'pattern']);
  const gated = plan({ add_gating: true, group_norm: true, head_kernel_size: 2 });
  assert.deepEqual(operatorsOf(gated).slice(-4), ['mix_pattern', 'sum_values', 'norm_output', 'gate']);
  assert.deepEqual(stagesOf(gated).slice(-2), ['mixed_pattern', 'gated_pattern']);
  assert.deepEqual(streamedStages(gated), ['mixed_pattern'], 'what multiplies the values');
  const perChannel = plan({ add_gating: true, gate_1d: false, layer_norm_rescale: true });
  assert.deepEqual(operatorsOf(perChannel).slice(-3), ['sum_values', 'scale_output', 'gate_channels']);
  assert.deepEqual(stagesOf(perChannel), ['scores', 'pattern']);
});

test('differential attention is an entry: a stage, and a norm over pairs of heads without a map', () => {
  const differential = plan({}, { differential: true }, 1);
  assert.deepEqual(stagesOf(differential), ['scores', 'pattern', 'differential_pattern']);
  assert.deepEqual(operatorsOf(differential).slice(-3), ['sum_values', 'norm_pairs', 'scale_output']);
  assert.equal(differential.outputScale, 1 - (0.8 - 0.6 * Math.exp(-0.3)));
});

test('forget gates are an entry: a stage before the convolution, and wider keys that are kept', () => {
  const forgetting = plan({ query_kernel_size: 2, key_kernel_size: 3 }, { forget_gate: true, n_kv_heads: 2 });
  assert.deepEqual(stagesOf(forgetting).slice(0, 3), ['scores', 'decayed_scores', 'convolved_scores']);
  assert.equal(keptKeyDim(forgetting), forgetting.headDim + forgetting.nHeads / 2);
  assert.equal(keptKeyDim(plan({}, {})), plan({}, {}).headDim);
});

test('talking heads are head mixing on both sides of the softmax, without kernels', () => {
  const talking = plan({ use_mta: true, query_kernel_size: null, pre_sm_linear_head: true, post_sm_linear_head: true });
  assert.deepEqual(stagesOf(talking), ['scores', 'mixed_scores', 'pattern', 'mixed_pattern']);
});

test('layers that rotate have chunks and a norm after the rotation, the others a factor on queries', () => {
  const query_scaling = { strength: 0.1, span: 8 };
  const config = { attention_chunk: 8, chunked_layers: [0], rotary_layers: [0], qk_norm: 'rotated', query_scaling };
  const [first, second] = [0, 1].map(layerIdx => plan({}, config, layerIdx)) as [LayerPlan, LayerPlan];
  assert.deepEqual([first.attentionChunk, first.qkNorm, first.queryScaling], [8, 'rotated', null]);
  assert.deepEqual([second.attentionChunk, second.qkNorm, second.queryScaling], [null, null, query_scaling]);
  assert.equal(summarizeLayer(first).attentionChunk, 8);
  assert.ok(!('attentionChunk' in summarizeLayer(second)));
});

test('head mixing over all heads after the softmax', () => {
  const mixed = plan({ post_sm_linear_head: true });
  assert.deepEqual(kernelsOf(mixed), { post_softmax_head_mix: { rows: 1, columns: 4, identityColumn: null } });
  assert.deepEqual(streamedStages(mixed), ['mixed_pattern']);
});

test('a convolution needs both sizes', () => {
  for (const mta of [
    { query_kernel_size: 2, key_kernel_size: null },
    { query_kernel_size: null, key_kernel_size: 3 },
  ]) {
    assert.equal(plan(mta).preSoftmaxKernel, null);
  }
  for (const mta of [{ after_sm_query_kernel_size: 2 }, { after_sm_key_kernel_size: 3 }]) {
    assert.equal(plan(mta).postSoftmaxKernel, null);
  }
});

test('rows above that the last stage depends on', () => {
  assert.equal(reachAbove(plan(everything)), 5 + 2);
  assert.equal(reachAbove(plan({ ...everything, after_sm_query_kernel_size: null })), 5);
  assert.equal(reachAbove(plan({ ...everything, query_kernel_size: null })), 2);
  assert.equal(reachAbove(plan()), 0);
});

test('the column of the current key', () => {
  const columns = (['both', 'left', 'right'] as const).map(padKey => currentKeyColumn({ query: 2, key: 5 }, padKey));
  assert.deepEqual(columns, [2, 4, 0]);
});

test('gates, norms and factors', () => {
  assert.deepEqual(
    [{}, { add_gating: true }, { add_gating: true, gate_1d: false }, { gate_1d: false }].map(mta => plan(mta).gate),
    [null, 'scalar', 'full', null],
  );
  const off = plan();
  assert.deepEqual([off.outputScale, off.blockNormScale, off.hasGroupNorm], [1, 1, false]);
  const factor = 0.2 + 0.6 * Math.exp(-0.3);
  const on = plan({ curse_norm: true, group_norm: true });
  assert.deepEqual([on.outputScale, on.hasGroupNorm], [1, true]);
  assert.ok(Math.abs(on.blockNormScale - factor) < 1e-12);
});

test('sliding windows of all layers, of some, and of none', () => {
  const windows = (extra: object) => [0, 1, 2, 3].map(layerIdx => plan({}, extra, layerIdx).slidingWindow);
  assert.deepEqual(windows({ sliding_window: 5 }), [5, 5, 5, 5]);
  assert.deepEqual(windows({ sliding_window: 5, sliding_layers: [0, 3] }), [5, null, null, 5]);
  assert.deepEqual(windows({ sliding_window: 5, sliding_layers: [] }), [null, null, null, null]);
  assert.deepEqual(windows({ sliding_layers: [0] }), [null, null, null, null]);
});
