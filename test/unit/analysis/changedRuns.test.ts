/** The run of an experiment: asked for of the model as trained, and the newest one's maps are those that are found. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import '../../fixtures/vscode';
import { ChangedRuns } from '../../../src/analysis/changedRuns';
import { analyzeAnswer, FakeClient, layerOf, model } from '../../fixtures/fakeClient';

function open() {
  const client = new FakeClient();
  let id = 10;
  const { predictions } = analyzeAnswer(1, 4);
  const analysis = {
    trainedRun: { analysisId: 1, layers: [layerOf(0, 5), layerOf(1, 5)], predictions },
    snapshot: { model, tokens: { labels: ['a', 'b', 'c', 'd'] } },
    nextId: () => ++id,
  };
  const changed = new ChangedRuns(analysis as never, client.asClient);
  const change = { kind: 'heads', heads: [{ layerIdx: 0, headIdx: 1 }], baseline: 'mean' } as const;
  const floats = new Float32Array(4);
  const effect = { klBits: floats, meanKlBits: 1, changeBits: floats, meanChangeBits: 2 };
  const answer = { ...effect, predictions, durationMs: 1 };
  return { client, changed, change, answer, predictions };
}

test('a kept run is found by its id: its predictions at once, its overviews computed', async () => {
  const { client, changed, change, answer, predictions } = open();
  const asked = changed.change({ analysisId: 1, change, keeps: true });
  assert.deepEqual(client.last('change').args, { analysisId: 11, baseId: 1, change, keeps: true });
  client.last('change').resolve(answer);
  const { analysisId, meanKlBits } = await asked;
  assert.deepEqual([analysisId, meanKlBits, changed.holds(11)], [11, 1, true]);
  assert.equal(changed.details.predictions(11), predictions);
  // Not the streamed overview of the model as trained.
  void changed.details.layerOverview({ analysisId: 11, layerIdx: 0, headIdx: 0, stage: 'mixed_pattern' });
  assert.equal(client.last('overview').args.analysisId, 11);
});

test('what is only for comparison takes nothing away; a run that is not the current one is refused', async () => {
  const { client, changed, change, answer } = open();
  for (const keeps of [true, false]) {
    const asked = changed.change({ analysisId: 1, change, keeps });
    client.last('change').resolve(answer);
    await asked;
  }
  assert.deepEqual([changed.holds(11), changed.holds(12)], [true, false]);
  await assert.rejects(changed.change({ analysisId: 7, change, keeps: true }), { code: 'no-analysis' });
});
