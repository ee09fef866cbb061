/** The form of a block for GPUs computes what the plain loops do; here on the CPU, which has the same operators. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { kernelShapes } from '../../../src/graph/attentionGraph';
import { gpuBlockGraph } from '../../../src/graph/gpuGraphs';
import { planLayer, reachAbove } from '../../../src/graph/layerPlan';
import { type ModelConfig, parseModelConfig } from '../../../src/graph/modelConfig';
import { noTaps } from '../../../src/graph/modelGraphs';
import {
  assertClose,
  type Feed,
  floats,
  type Matrix,
  pooled,
  RandomWeights,
  type ReferenceBlock,
  referenceBlock,
  rotaryAngles,
  rowsOf,
  runGraph,
  strongest,
  whole,
} from '../../fixtures/referenceBlock';
import { Random } from '../../random';

const sizes = { dim: 6, n_layers: 1, n_heads: 2, head_dim: 4, hidden_dim: 5, vocab_size: 9, max_seqlen: 64 };
const mta = { use_mta: true, query_kernel_size: 2, key_kernel_size: 3, head_kernel_size: 2 };
const nTokens = 37; // three blocks of 16 keys, the last one not full
const nTop = 3;

function feedsOf(
  config: ModelConfig,
  weights: RandomWeights,
  x: Matrix,
  block: ReferenceBlock,
  first: number,
  end: number,
): Record<string, Feed> {
  const plan = planLayer(config, 0);
  const nAbove = first === 0 ? 0 : reachAbove(plan);
  const start = first - nAbove;
  const angles = rotaryAngles(config, nTokens);
  const past = (rows: Matrix) => floats(rows.slice(0, start).flat(), 1, start, config.n_kv_heads, config.head_dim);
  const table = (of: (angle: number) => number) => floats(angles.flat().map(of), nTokens, config.head_dim);
  const kernels = Object.entries(kernelShapes(plan)).map(([name, shape]) => [
    name,
    floats(weights.vector(`layers.0.attention.${name}`), ...shape),
  ]);
  return {
    ...Object.fromEntries(kernels),
    hidden: floats(x.flat(), 1, nTokens, config.dim),
    ...{ rotary_cos: table(Math.cos), rotary_sin: table(Math.sin) },
    positions: floats(
      x.map((_, i) => i),
      nTokens,
    ),
    ...{ first: whole([start], 1), end: whole([end], 1), n_above: whole([nAbove], 1) },
    ...{ past_keys: past(block.keys), past_values: past(block.values) },
    past_hidden: floats(block.output.slice(0, first).flat(), 1, first, config.dim),
    ...{ top_k: whole([nTop], 1), top_blocks: whole([Math.min(nTop, Math.ceil(end / 16))], 1) },
  };
}

const inputOf = (config: ModelConfig) => rowsOf(new Random(6).floats(nTokens * config.dim, 1), config.dim);

/** Checks the strongest keys of rows up to `end`; the band's first `nAbove` rows are there for the convolutions alone. */
function checkTop(indices: number[], weights: number[], map: readonly Matrix[], end: number, nAbove: number): void {
  const nRows = indices.length / map.length / nTop;
  const start = end - nRows;
  for (const [head, rows] of map.entries()) {
    for (let query = start + nAbove; query < end; query++) {
      const cells = rows[query]!.slice(0, end);
      const at = (head * nRows + query - start) * nTop;
      const [keys, values] = [indices, weights].map(all => all.slice(at, at + nTop)) as [number[], number[]];
      assertClose(values, strongest(cells, nTop), `strongest keys of row ${query}`);
      assert.ok(keys.every(key => key >= -1 && key <= query));
      assertClose(
        keys.map(key => cells[key] ?? 0),
        values,
        `weights of row ${query}`,
      );
    }
  }
}

for (const [what, extra] of Object.entries({
  plain: {},
  'sliding window': { sliding_window: 5, n_kv_heads: 1 },
  'an even window': { sliding_window: 4, mta: { use_mta: false } },
})) {
  test(`bands of rows: ${what}`, async () => {
    const config = parseModelConfig({ ...sizes, mta, ...extra }, 'config.json');
    const weights = new RandomWeights(config);
    const x = inputOf(config);
    const block = referenceBlock(config, 0, weights, x);
    for (const [first, end] of [
      [0, nTokens],
      [0, 20],
      [20, nTokens],
    ] as const) {
      const feeds = feedsOf(config, weights, x, block, first, end);
      const bare = await runGraph(gpuBlockGraph(config, 0, weights.source, noTaps), feeds);
      assertClose(bare['hidden_out']?.data, block.output.slice(0, end).flat(), 'hidden_out');
      assertClose(bare['keys']?.data, block.keys.slice(0, end).flat(), 'keys');
      assertClose(bare['values']?.data, block.values.slice(0, end).flat(), 'values');
      assert.deepEqual(Object.keys(bare).sort(), ['hidden_out', 'keys', 'values']);

      const taps = { overviews: ['pattern'], blockSize: 4, topKeys: true } as const;
      const run = await runGraph(gpuBlockGraph(config, 0, weights.source, taps), feeds);
      const start = Number(feeds['first']!.data[0]);
      const nTops = config.n_heads * (end - start) * nTop;
      const last = Object.values(block.stages).at(-1)!;
      assert.equal(run['integers']?.data.length, nTops);
      checkTop(run['integers']!.data, run['numbers']!.data.slice(0, nTops), last, end, first - start);
      if (first > 0) continue; // pooled rows of a later band begin at its own first row
      const maps = block.stages['pattern']!.map(map => map.slice(0, end).map(cells => cells.slice(0, end)));
      assertClose(
        run['numbers']!.data.slice(nTops),
        maps.flatMap(map => pooled(map, 4)),
        'pooled',
      );
    }
  });
}

test('a layer computed at once: overviews as bytes, four a number, with scales and sums', async () => {
  const config = parseModelConfig({ ...sizes, mta }, 'config.json');
  const weights = new RandomWeights(config);
  const x = inputOf(config);
  const block = referenceBlock(config, 0, weights, x);
  for (const overviews of [['scores', 'pattern'], ['mixed_pattern']] as const) {
    const cells = overviews.flatMap(stage => block.stages[stage]!.map(map => pooled(map, 4)));
    const nCells = cells.flat().length;
    const missing = (4 - (nCells % 4)) % 4;
    const graph = gpuBlockGraph(config, 0, weights.source, { overviews, blockSize: 4, topKeys: true }, true);
    const run = await runGraph(graph, {
      ...feedsOf(config, weights, x, block, 0, nTokens),
      padding: whole([0, missing], 2),
    });
    const nTops = config.n_heads * nTokens * nTop;
    assertClose(run['cells']?.data, cells.flat(), 'cells');
    const scales = cells.map(map => Math.max(...map.map(Math.abs)));
    const sums = cells.map(map => map.reduce((sum, cell) => sum + cell, 0));
    const [gotScales, gotSums] = [
      run['numbers']!.data.slice(nTops, nTops + cells.length),
      run['numbers']!.data.slice(nTops + cells.length),
    ];
    assertClose(gotScales, scales, 'scales');
    for (const [i, sum] of sums.entries()) assert.ok(Math.abs(sum - gotSums[i]!) < 1e-3 * (1 + Math.abs(sum)), 'sums');
    assert.equal(gotSums.length, sums.length);
    const steps = new Int8Array(Int32Array.from(run['integers']!.data.slice(nTops)).buffer);
    assert.equal(steps.length, nCells + missing);
    const exact = cells.flatMap((map, i) => map.map(cell => (cell / scales[i]!) * 127));
    for (const [i, value] of exact.entries())
      assert.ok(Math.abs(steps[i]! - value) < 0.502, `${steps[i]} for ${value}`);
  }
});
