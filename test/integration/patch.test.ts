/** Rectangles of all heads at once hold the same numbers as the heads' tiles. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Engine } from '../../src/inference/engine';
import { maxPatchCells } from '../../src/shared/attentionMap';
import { tinyModelDirectory } from '../fixtures/paths';
import { Random } from '../random';

let engine: Engine;
let nTokens = 0;

before(async () => {
  const args = { modelDirectory: tinyModelDirectory, provider: 'cpu', nThreads: 1 } as const;
  engine = await Engine.load(args, (name, payload) => {
    if (name === 'tokens') nTokens = (payload as { tokens: { ids: Int32Array } }).tokens.ids.length;
  });
  const text = 'the cat sat on the mat because the cat was tired';
  const where = { textStart: 0, documentLength: text.length, anchor: 0 };
  await engine.analyze({ analysisId: 1, text, ...where, maxTokens: 64, topK: 4 });
});
after(() => engine.release());

test('a patch holds each head’s tile', async () => {
  const random = new Random(5);
  for (const stage of ['scores', 'convolved_scores', 'mixed_scores', 'pattern', 'mixed_pattern'] as const) {
    for (const layerIdx of [0, 1]) {
      const queryStart = random.below(nTokens);
      const keyStart = random.below(nTokens);
      const rect = {
        queryStart,
        keyStart,
        nQueries: 1 + random.below(nTokens - queryStart),
        nKeys: 1 + random.below(nTokens - keyStart),
      };
      const patch = await engine.details.patch({ analysisId: 1, layerIdx, stage, ...rect });
      assert.equal(patch.nHeads, 4);
      for (let headIdx = 0; headIdx < patch.nHeads; headIdx++) {
        const tile = await engine.details.tile({ analysisId: 1, layerIdx, headIdx, stage, ...rect });
        const size = rect.nQueries * rect.nKeys;
        assert.deepEqual(patch.values.slice(headIdx * size, (headIdx + 1) * size), tile.values);
      }
    }
  }
});

test('a patch outside the map, too large, or of another run is refused', async () => {
  const patch = (change: object) =>
    engine.details.patch({
      analysisId: 1,
      layerIdx: 0,
      stage: 'scores',
      queryStart: 0,
      keyStart: 0,
      nQueries: 1,
      nKeys: 1,
      ...change,
    });
  await assert.rejects(patch({ queryStart: nTokens }), RangeError);
  await assert.rejects(patch({ nKeys: 0 }), RangeError);
  await assert.rejects(patch({ nQueries: maxPatchCells }), RangeError);
  await assert.rejects(patch({ analysisId: 2 }), { code: 'no-analysis' });
});
