/** The graphs of an inference server: their names, and the numbers of the plain loops. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { kernelShapes } from '../../../src/graph/attentionGraph';
import { planLayer, stagesOf, streamedStages } from '../../../src/graph/layerPlan';
import { type ModelConfig, parseModelConfig } from '../../../src/graph/modelConfig';
import { servedGraphs, servedModelName } from '../../../src/graph/servedGraphs';
import { weightsStage } from '../../../src/shared/operators';
import {
  assertClose,
  divergence,
  floats,
  logProbabilities,
  pooled,
  RandomWeights,
  type ReferenceBlock,
  referenceBlock,
  rowsOf,
  runGraph,
  strongest,
  whole,
} from '../../fixtures/referenceBlock';
import { Random } from '../../random';

const sizes = { dim: 6, n_layers: 2, n_heads: 2, head_dim: 4, hidden_dim: 5, vocab_size: 9, max_seqlen: 64 };
const mta = { use_mta: true, query_kernel_size: 2, key_kernel_size: 3, head_kernel_size: 2, mta_layers: [1] };
const parse = (extra: object = {}) => parseModelConfig({ ...sizes, mta, ...extra }, 'config.json');
const yarn = { rope_type: 'yarn', factor: 1, original_max_position_embeddings: 64, attention_factor: 1.5 };
const nTokens = 7;

function graphsOf(config: ModelConfig, weights: RandomWeights): Map<string, Uint8Array> {
  const graphs = servedGraphs('m', config, weights.source, ['{"a": 1}', 'ü']);
  return new Map([...graphs].map(({ name, graph }) => [name, graph]));
}

/** Overviews are steps of 1/127 of the largest magnitude. */
function checkOverview(
  run: Awaited<ReturnType<typeof runGraph>>,
  stage: string,
  block: ReferenceBlock,
  blockSize: number,
) {
  const expected = block.stages[stage]!.map(map => pooled(map, blockSize));
  const scales = expected.map(cells => Math.max(...cells.map(Math.abs)));
  assertClose(run[`overview_scale.${stage}`]?.data, scales, `scale of ${stage}`);
  const steps = run[`overview.${stage}`]!.data;
  const exact = expected.flatMap((cells, head) => cells.map(cell => (cell / scales[head]!) * 127));
  assert.equal(steps.length, exact.length);
  for (const [i, step] of steps.entries())
    assert.ok(Math.abs(step - exact[i]!) < 0.502, `${stage}: ${step} for ${exact[i]}`);
}

for (const [what, extra] of Object.entries({
  plain: {},
  'a sliding window and scaled positions': { sliding_window: 3, rope_scaling: { rope_type: 'linear', factor: 4 } },
  'positions with an amplitude': { rope_scaling: yarn, rope_style: 'half' },
})) {
  test(`layers: ${what}`, async () => {
    const config = parse(extra);
    const weights = new RandomWeights(config);
    const graphs = graphsOf(config, weights);
    const x = rowsOf(new Random(4).floats(nTokens * config.dim, 1), config.dim);
    for (const layerIdx of [0, 1]) {
      const plan = planLayer(config, layerIdx);
      const block = referenceBlock(config, layerIdx, weights, x);
      const kernels = Object.entries(kernelShapes(plan)).map(([name, shape]) => {
        return [name, floats(weights.vector(`layers.${layerIdx}.attention.${name}`), ...shape)] as const;
      });
      for (const blockSize of [1, 2, 4]) {
        const feeds = {
          ...Object.fromEntries(kernels),
          hidden: floats(x.flat(), 1, nTokens, config.dim),
          ...{ top_k: whole([2], 1), block_size: whole([blockSize], 1), head_indices: whole([1], 1) },
          ...{ query_start: whole([2], 1), query_end: whole([5], 1) },
        };
        const run = await runGraph(graphs.get(`m-layer-${layerIdx}`)!, feeds);
        assertClose(run['hidden_out']?.data, block.output.flat(), 'hidden_out');
        const rows = block.stages[weightsStage(stagesOf(plan))]!.flat();
        const tops = rows.map(cells => strongest(cells, 2));
        assertClose(run['top_keys.weights']?.data, tops.flat(), 'top_keys.weights');
        const indices = run['top_keys.indices']!.data;
        assertClose(
          indices.map((key, i) => rows[Math.floor(i / 2)]![key]!),
          tops.flat(),
          'top_keys.indices',
        );
        for (const stage of streamedStages(plan)) checkOverview(run, stage, block, blockSize);
        assert.equal(Object.keys(run).length, 3 + 2 * streamedStages(plan).length);

        const maps = await runGraph(graphs.get(`m-layer-${layerIdx}-maps`)!, feeds);
        for (const stage of stagesOf(plan)) {
          const expected = block.stages[stage]![1]!.slice(2, 5).map(cells => cells.slice(0, 5));
          assertClose(maps[stage]?.data, expected.flat(), stage);
          checkOverview(maps, stage, block, blockSize);
        }
        for (const [name] of kernels) {
          assertClose(maps[`trained.${name}`]?.data, weights.vector(`layers.${layerIdx}.attention.${name}`), name);
        }
      }
    }
  });
}

test('the head: predictions, and divergence from a shorter stream', async () => {
  const config = parse();
  const weights = new RandomWeights(config);
  const random = new Random(5);
  const [hidden, before] = [5, 3].map(n => rowsOf(random.floats(n * config.dim, 2), config.dim)) as [
    number[][],
    number[][],
  ];
  const targets = [1, 8, 0, 3, 4];
  const run = await runGraph(graphsOf(config, weights).get('m-head')!, {
    hidden: floats(hidden.flat(), 1, 5, config.dim),
    before: floats(before.flat(), 1, 3, config.dim),
    ...{ targets: whole(targets, 1, 5), top_k: whole([2], 1) },
  });
  const [now, then] = [hidden, before].map(stream => stream.map(row => logProbabilities(config, weights, row)));
  assertClose(
    run['log_probability']?.data,
    targets.map((id, t) => now![t]![id]!),
    'log_probability',
  );
  assertClose(
    run['divergence']?.data,
    then!.map((row, t) => divergence(row, now![t]!)),
    'divergence',
  );
  assertClose(
    run['top.log_probabilities']?.data,
    now!.flatMap(row => row.toSorted((a, b) => b - a).slice(0, 2)),
    'top',
  );
  assert.deepEqual(run['logits']?.dims, [1, 5, 9]);
});

test('one model of the server for each part', () => {
  const config = parse();
  const names = [...graphsOf(config, new RandomWeights(config)).keys()];
  assert.deepEqual(names, ['m', 'm-embed', 'm-layer-0', 'm-layer-0-maps', 'm-layer-1', 'm-layer-1-maps', 'm-head']);
});

test('positions that depend on the length cannot be served', () => {
  const config = parse({ rope_scaling: { rope_type: 'dynamic', factor: 2, original_max_position_embeddings: 64 } });
  assert.throws(() => graphsOf(config, new RandomWeights(config)), {
    code: 'not-servable',
    message: /Cannot serve model "unnamed"/,
  });
});

const names: [name: string, safe: string][] = [
  ['plain_name-1.5', 'plain_name-1.5'],
  ['two words / and: more', 'two-words-and-more'],
  ['..', 'model'],
  ['.hidden', 'hidden'],
  ['--.x.', 'x.'],
  ['', 'model'],
  ['Größe', 'Gr-e'],
  ['x'.repeat(300), 'x'.repeat(200)],
];
for (const [name, safe] of names) {
  test(`served as: ${name.slice(0, 30)}`, () => assert.equal(servedModelName(name), safe));
}
