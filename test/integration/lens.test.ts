/** The convolution lens on real numbers: its terms sum to what the engine computes, for random cells of every stage. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { lensOf, lensPartsOf, tapRect, tapsOf } from '../../src/attention/lens';
import { Engine } from '../../src/inference/engine';
import type { Stage } from '../../src/shared/operators';
import { bundledModelDirectory, tinyModelDirectory } from '../fixtures/paths';
import { Random } from '../random';

const text =
  'def total(items):\n    """Sum of prices."""\n    return sum(item.price for item in items)\n\nprint(total([]))\n';

for (const modelDirectory of [tinyModelDirectory, bundledModelDirectory]) {
  const name = modelDirectory.split(/[\\/]/).at(-1);
  let engine: Engine;
  let nTokens = 0;

  before(async () => {
    engine = await Engine.load({ modelDirectory, provider: 'cpu', nThreads: 1 }, (event, payload) => {
      if (event === 'tokens') nTokens = (payload as { tokens: { ids: Int32Array } }).tokens.ids.length;
    });
    const where = { textStart: 0, documentLength: text.length, anchor: 0 };
    await engine.analyze({ analysisId: 1, text, ...where, maxTokens: 64, topK: 4 });
  });
  after(() => engine.release());

  test(`${name}: terms sum to the stage’s value`, async () => {
    const random = new Random(9);
    const nCells = { explained: 0, mixed: 0 };
    for (const { layerIdx, stages } of engine.model.layers) {
      const kernels = await engine.details.kernels({ analysisId: 1, layerIdx });
      for (const stage of stages) {
        const parts = lensPartsOf(stage, kernels);
        if (!parts) continue;
        for (let round = 0; round < 12; round++) {
          const headIdx = random.below(engine.model.nHeads);
          // Near the diagonal and the edges as often as elsewhere: there taps are cut off.
          const queryIdx = random.pick([random.below(nTokens), random.below(Math.min(nTokens, 6)), nTokens - 1]);
          const keyIdx = random.pick([random.below(queryIdx + 1), queryIdx, Math.max(0, queryIdx - random.below(4))]);
          const value = await cellValue(engine, layerIdx, headIdx, stage, queryIdx, keyIdx);
          const rect = tapRect(parts.conv, queryIdx, keyIdx, nTokens);
          const patch = await engine.details.patch({ analysisId: 1, layerIdx, stage: parts.source, ...rect });
          const lens = lensOf(parts, patch, headIdx, queryIdx, keyIdx);
          const where = `layer ${layerIdx}, head ${headIdx}, ${stage} (${queryIdx}, ${keyIdx})`;
          assert.ok(
            Math.abs(lens.total - value) < 2e-5 * Math.max(1, Math.abs(value)),
            `${where}: the terms sum to ${lens.total}, the engine says ${value}`,
          );
          const terms = lens.sources
            .flatMap(source => tapsOf(parts.conv, patch, source.headIdx, queryIdx, keyIdx, source.mixWeight))
            .reduce((sum, { term }) => sum + term, 0);
          assert.ok(Math.abs(terms - lens.total) < 1e-9 * Math.max(1, Math.abs(terms)), where);
          nCells.explained++;
          if (parts.mix && parts.conv) nCells.mixed++;
        }
      }
    }
    assert.ok(nCells.explained >= 100 && nCells.mixed >= 40, JSON.stringify(nCells));
  });

  test(`${name}: the cells a kernel changed most are those with the largest change`, async () => {
    const layer = engine.model.layers.find(({ kernels }) => kernels.post_softmax_conv)!;
    const { layerIdx } = layer;
    const whole = { queryStart: 0, keyStart: 0, nQueries: nTokens, nKeys: nTokens };
    const map = (stage: Stage) => engine.details.tile({ analysisId: 1, layerIdx, headIdx: 1, stage, ...whole });
    const [before, after] = [await map('pattern'), await map('convolved_pattern')];
    const [first] = await engine.details.largestChanges({
      analysisId: 1,
      layerIdx,
      headIdx: 1,
      part: 'post_softmax_conv',
      k: 3,
    });
    const largest = Math.max(...after.values.map((value, at) => Math.abs(value - before.values[at]!)));
    assert.ok(first && Math.abs(Math.abs(first.change) - largest) < 1e-6);
    assert.equal(first.after, after.values[first.queryIdx * nTokens + first.keyIdx]);
  });
}

async function cellValue(
  engine: Engine,
  layerIdx: number,
  headIdx: number,
  stage: Stage,
  queryStart: number,
  keyStart: number,
): Promise<number> {
  const cell = { queryStart, keyStart, nQueries: 1, nKeys: 1 };
  return (await engine.details.tile({ analysisId: 1, layerIdx, headIdx, stage, ...cell })).values[0]!;
}
