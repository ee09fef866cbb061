/** Graphs of one block compute what the reference in plain loops does, for every switch of a configuration. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { kernelShapes } from '../../../src/graph/attentionGraph';
import { cpuConvolutions } from '../../../src/graph/convolution';
import { planLayer, reachAbove, stagesOf } from '../../../src/graph/layerPlan';
import { type ModelConfig, parseModelConfig } from '../../../src/graph/modelConfig';
import {
  blockGraph,
  noTaps,
  pooledGraph,
  stagesGraph,
  tracedAttentionGraph,
  tracedBlockGraph,
} from '../../../src/graph/modelGraphs';
import {
  assertClose,
  type Feed,
  floats,
  type Matrix,
  mayLook,
  pooled,
  RandomWeights,
  referenceAttention,
  referenceBlock,
  rotaryAngles,
  rowsOf,
  runGraph,
  strongest,
  whole,
} from '../../fixtures/referenceBlock';
import { Random } from '../../random';

const nTokens = 7;
const layerIdx = 1;

function configOf(extra: object, mta: object): ModelConfig {
  const sizes = { dim: 6, n_layers: 2, n_heads: 4, head_dim: 4, hidden_dim: 5, vocab_size: 9, max_seqlen: 64 };
  return parseModelConfig(
    { ...sizes, ...extra, mta: { use_mta: true, query_kernel_size: null, ...mta } },
    'config.json',
  );
}

const conv = { query_kernel_size: 3, key_kernel_size: 5 };
const postConv = { after_sm_query_kernel_size: 2, after_sm_key_kernel_size: 3 };
const variants: Record<string, ModelConfig> = {
  plain: configOf({}, {}),
  'half-split rotary positions': configOf({ rope_style: 'half', rope_theta: 100 }, {}),
  'grouped keys and values, biases': configOf({ n_kv_heads: 2, qkv_bias: true, output_bias: true, ffn_bias: true }, {}),
  'norm on each head': configOf({ qk_norm: 'head', n_kv_heads: 1 }, {}),
  'norm on all heads, norms after': configOf({ qk_norm: 'full', norm_position: 'after', norm_eps: 0.1 }, {}),
  'sliding window in this layer': configOf({ sliding_window: 3, sliding_layers: [1] }, conv),
  'sliding window in another layer': configOf({ sliding_window: 3, sliding_layers: [0] }, {}),
  'both convolutions, centered': configOf({}, { ...conv, ...postConv }),
  'both convolutions, keys padded left': configOf({}, { ...conv, ...postConv, key_kernel_size: 4, pad_key: 'left' }),
  'both convolutions, keys padded right': configOf({}, { ...conv, ...postConv, key_kernel_size: 4, pad_key: 'right' }),
  'convolutions in another layer': configOf({}, { ...conv, ...postConv, mta_layers: [0], head_kernel_size: 2 }),
  'full head mixing': configOf({}, { pre_sm_linear_head: true, post_sm_linear_head: true }),
  'grouped head mixing': configOf({}, { pre_sm_linear_head: true, head_kernel_size: 2 }),
  'group norm, depth scaling, one gate a head': configOf(
    {},
    { group_norm: true, layer_norm_rescale: true, add_gating: true },
  ),
  'a gate for each number, scaled block norms': configOf({}, { add_gating: true, gate_1d: false, curse_norm: true }),
  'without Multi-Token Attention': configOf(
    {},
    { ...conv, use_mta: false, head_kernel_size: 2, pre_sm_linear_head: true },
  ),
};

const rowsBetween = (rows: Matrix, first: number, end = rows.length) => rows.slice(first, end).flat();

/** Feeds of a block for rows [first, nTokens), of which `nAbove` are there for the convolutions. */
function feedsOf(
  config: ModelConfig,
  weights: RandomWeights,
  x: Matrix,
  from: { keys: Matrix; values: Matrix },
  first = 0,
  nAbove = 0,
): Record<string, Feed> {
  const start = first - nAbove;
  const { head_dim: d, n_kv_heads: nKv } = config;
  const angles = rotaryAngles(config, nTokens).slice(start);
  const nRows = nTokens - start;
  const allowed = Array.from({ length: nRows }, (_, i) =>
    Array.from({ length: nTokens }, (_, j) => Number(mayLook(config, layerIdx, start + i, j))),
  );
  const kernels = Object.entries(kernelShapes(planLayer(config, layerIdx))).map(([name, shape]) => [
    name,
    floats(weights.vector(`layers.${layerIdx}.attention.${name}`), ...shape),
  ]);
  return {
    hidden: floats(rowsBetween(x, start), 1, nRows, config.dim),
    rotary_cos: floats(angles.flat().map(Math.cos), nRows, d),
    rotary_sin: floats(angles.flat().map(Math.sin), nRows, d),
    allowed: { type: 'bool', data: allowed.flat(), dims: [1, 1, nRows, nTokens] },
    past_keys: floats(rowsBetween(from.keys, 0, start), 1, start, nKv, d),
    past_values: floats(rowsBetween(from.values, 0, start), 1, start, nKv, d),
    n_above: whole([nAbove], 1),
    top_k: whole([2], 1),
    ...Object.fromEntries(kernels),
  };
}

const inputOf = (config: ModelConfig) => rowsOf(new Random(2).floats(nTokens * config.dim, 1), config.dim);

for (const [what, config] of Object.entries(variants)) {
  test(`attention and block: ${what}`, async () => {
    const weights = new RandomWeights(config);
    const plan = planLayer(config, layerIdx);
    const x = inputOf(config);
    const attention = referenceAttention(config, layerIdx, weights, x);
    const traced = await runGraph(
      tracedAttentionGraph(config, layerIdx, weights.source),
      feedsOf(config, weights, x, attention),
    );
    assert.deepEqual(stagesOf(plan), Object.keys(attention.stages));
    for (const stage of stagesOf(plan)) assertClose(traced[stage]?.data, attention.stages[stage]!.flat(2), stage);
    for (const name of ['q', 'k', 'v', 'attn_v'] as const)
      assertClose(traced[name]?.data, attention[name].flat(2), name);
    for (const name of ['keys', 'values', 'norm_out', 'wo_in', 'y'] as const)
      assertClose(traced[name]?.data, attention[name].flat(), name);
    assert.equal(traced['gate_logit'] !== undefined, config.mta.add_gating);

    const block = referenceBlock(config, layerIdx, weights, x);
    const whole = await runGraph(
      tracedBlockGraph(config, layerIdx, weights.source),
      feedsOf(config, weights, x, block),
    );
    assertClose(whole['hidden_out']?.data, block.output.flat(), 'hidden_out');
    assert.deepEqual(Object.keys(whole).sort(), ['hidden_out', 'keys', 'values', ...stagesOf(plan)].sort());

    // A band: its last rows, from the keys and values of those before and the rows that the convolutions reach.
    const [first, nAbove] = [4, reachAbove(plan)];
    const band = await runGraph(
      blockGraph(config, layerIdx, weights.source, noTaps),
      feedsOf(config, weights, x, block, first, nAbove),
    );
    assertClose(band['hidden_out']?.data, rowsBetween(block.output, first), 'hidden_out of a band');
    assertClose(band['keys']?.data, rowsBetween(block.keys, first - nAbove), 'keys of a band');
    assertClose(band['values']?.data, rowsBetween(block.values, first - nAbove), 'values of a band');
    assert.deepEqual(Object.keys(band).sort(), ['hidden_out', 'keys', 'values']);
  });
}

const everything = configOf({ n_kv_heads: 2 }, { ...conv, ...postConv, pre_sm_linear_head: true, head_kernel_size: 4 });
const weights = new RandomWeights(everything);
const x = inputOf(everything);
const block = referenceBlock(everything, layerIdx, weights, x);
const feeds = feedsOf(everything, weights, x, block);

test('trained kernels that are part of the graph give the same, with heads filled up', async () => {
  for (const form of cpuConvolutions) {
    const { mta_kernel, mta_kernel_after_sm, ...rest } = feeds;
    const run = await runGraph(blockGraph(everything, layerIdx, weights.source, noTaps, form), rest);
    assertClose(run['hidden_out']?.data, block.output.flat(), `multiples of ${form.headMultiple}`);
  }
});

test('taps: the strongest keys with their signs, and overviews', async () => {
  for (const blockSize of [1, 2, 4]) {
    const overviews = ['scores', 'pattern', 'mixed_pattern'] as const;
    const run = await runGraph(
      blockGraph(everything, layerIdx, weights.source, { overviews, blockSize, topKeys: true }),
      feeds,
    );
    for (const stage of overviews) {
      assertClose(
        run[`pooled.${stage}`]?.data,
        block.stages[stage]!.flatMap(map => pooled(map, blockSize)),
        stage,
      );
    }
    const rows = block.stages['mixed_pattern']!.flat();
    const { data: indices } = run['top_keys.indices']!;
    const { data: tops } = run['top_keys.weights']!;
    for (const [row, cells] of rows.entries()) {
      const expected = strongest(cells, 2);
      assertClose(tops.slice(2 * row, 2 * row + 2), expected, `strongest keys of row ${row}`);
      for (const i of [0, 1]) assertClose([cells[indices[2 * row + i]!]!], [expected[i]!], 'the key of a weight');
    }
    const alone = await runGraph(
      pooledGraph(everything, layerIdx, 'convolved_scores', blockSize, weights.source),
      feeds,
    );
    assertClose(
      alone['pooled.convolved_scores']?.data,
      block.stages['convolved_scores']!.flatMap(map => pooled(map, blockSize)),
      'alone',
    );
    assert.equal(Object.keys(alone).length, 1);
  }
});

test('a stage that a layer lacks is refused', () => {
  const plain = configOf({}, {});
  const source = new RandomWeights(plain).source;
  assert.throws(
    () => pooledGraph(plain, 0, 'mixed_scores', 1, source),
    /layer 0 has no stage mixed_scores; it has scores, pattern/,
  );
});

test('stages of chosen heads, in a band without the rows above', async () => {
  const heads = [3, 1];
  const graph = stagesGraph(everything, layerIdx, ['scores', 'mixed_pattern'], weights.source);
  const band = { ...feedsOf(everything, weights, x, block, 5, 3), head_indices: whole(heads, 2) };
  const run = await runGraph(graph, band);
  for (const stage of ['scores', 'mixed_pattern']) {
    assertClose(
      run[stage]?.data,
      heads.flatMap(head => rowsBetween(block.stages[stage]![head]!, 5)),
      stage,
    );
  }
});
