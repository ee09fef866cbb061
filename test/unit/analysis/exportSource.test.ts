/** What exports read of the analysis: the shown run, once it is done. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import '../../fixtures/vscode';
import { exportSource, shownMap } from '../../../src/analysis/exportSource';
import { noAblation } from '../../../src/shared/ablation';
import { openAnalysis } from '../../fixtures/analysis';
import { layerOf, predictionsOf } from '../../fixtures/fakeClient';
import { editor } from '../../fixtures/vscode';

test('nothing can be exported before a run is done', async () => {
  const { analysis, start, load, bring, finish } = openAnalysis();
  const refused = () => assert.throws(() => exportSource(analysis), { code: 'nothing-to-export' });
  refused();
  await start(editor.open('text'));
  refused();
  await load();
  refused();
  await bring('text');
  refused();
  await finish(5);
  assert.equal(exportSource(analysis).name, 'a.md');
});

test('a source is of the shown run, the ablated one where one is shown', async () => {
  const { analysis, client, inspect } = openAnalysis();
  await inspect(editor.open('text'));
  const trained = exportSource(analysis);
  assert.deepEqual(
    [trained.ablation, trained.durationMs, trained.provider, trained.tokens.ids.length],
    [null, 7, 'cpu', 5],
  );
  assert.deepEqual([trained.window, trained.windowLines.of], [{ start: 0, end: 4, documentLength: 4 }, 1]);
  assert.equal(trained.predictions.surprisalBits[1], 1);
  const edits = [{ part: null, layerIdx: 0, headIdx: null, weights: null }];
  const run = { analysisId: 9, layers: [layerOf(0), layerOf(1, 30)], predictions: predictionsOf(5, 8) };
  analysis.showRun(run, { ...analysis.snapshot.ablation, shown: { ...noAblation, edits } });
  const ablated = exportSource(analysis);
  assert.ok(ablated.ablation);
  assert.equal(ablated.predictions.surprisalBits[1], 8);
  assert.equal((await ablated.overview(1, 'mixed_pattern')).scales[0], 30);
  void ablated.map(1, 1, 'scores');
  assert.deepEqual(client.last('tile').args, {
    ...{ analysisId: 9, layerIdx: 1, headIdx: 1, stage: 'scores' },
    ...{ queryStart: 0, keyStart: 0, nQueries: 5, nKeys: 5 },
  });
});

test('the shown map names its stage, and the stage it is compared with', async () => {
  const { analysis, inspect } = openAnalysis();
  await inspect(editor.open('text'));
  const view = { layerIdx: 1, headIdx: 1, stage: 'pattern', difference: false } as const;
  analysis.setView(view);
  assert.deepEqual(shownMap(analysis), { layer: 1, head: 1, stage: 'pattern', shownStage: 'pattern', minus: null });
  analysis.setView({ ...view, stage: 'mixed_pattern', difference: true });
  assert.equal(shownMap(analysis).minus, 'convolved_pattern');
});
