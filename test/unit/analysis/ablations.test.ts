/** The ablation asked for and its history: computed once the run is there, newest wins, undone and redone. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import '../../fixtures/vscode';
import { Ablations } from '../../../src/analysis/ablations';
import { type Ablation, type AblationEffect, noAblation } from '../../../src/shared/ablation';
import { Cancelled, Failure } from '../../../src/shared/tools/failure';
import { openAnalysis } from '../../fixtures/analysis';
import { layerOf, loaded, model, predictionsOf, settle } from '../../fixtures/fakeClient';
import { editor } from '../../fixtures/vscode';

/** The convolution of one head, or of all, set to identity. */
const ablate = (layerIdx: number, headIdx: number | null = null): Ablation => ({
  ...noAblation,
  edits: [{ part: 'pre_softmax_conv', layerIdx, headIdx, weights: null }],
});
const [a, b] = [ablate(0), ablate(1, 1)];

async function open(isInspected = true) {
  const opened = openAnalysis();
  const { client, analysis, log } = opened;
  const ablations = new Ablations(analysis, client.asClient, () => opened.settings, log);
  const document = editor.open('text');
  if (isInspected) await opened.inspect(document);
  /** Ends the latest ablated run, which changed layer 1 alone. */
  async function answer(surprisal = 3, klBits = Float32Array.of(Number.NaN, 1, 2, 3, Number.NaN)) {
    const answered = { layers: [layerOf(1, 50)], predictions: predictionsOf(5, surprisal), klBits, durationMs: 4 };
    client.last('ablate').resolve(answered);
    await settle();
  }
  const state = () => analysis.snapshot.ablation;
  const nRuns = () => client.all('ablate').length;
  return { ...opened, ablations, document, answer, state, nRuns };
}

test('an ablated run departs from the trained one and is shown whole once it is there', async () => {
  const { ablations, client, analysis, answer, state } = await open();
  ablations.set(a);
  assert.deepEqual([state().isRunning, state().requested, state().shown], [true, a, noAblation]);
  const { args } = client.last('ablate');
  assert.deepEqual(args, { analysisId: 2, baseId: 1, ablation: a, topK: 6 });
  assert.equal(analysis.snapshot.analysisId, 1, 'the trained run is shown until then');
  await answer();
  assert.deepEqual([analysis.snapshot.analysisId, analysis.trainedRun?.analysisId], [2, 1]);
  assert.deepEqual([state().isRunning, state().shown, state().trainedId], [false, a, 1]);
  const map = { analysisId: 2, headIdx: 0, stage: 'mixed_pattern' } as const;
  const scales = [0, 1].map(async layerIdx => (await analysis.details.overview({ ...map, layerIdx })).scale);
  assert.deepEqual(await Promise.all(scales), [0, 50], 'layers that it did not change are the trained ones');
  const { meanKlBits, meanSurprisalChangeBits, durationMs, trainedSurprisalBits } = state().effect!;
  assert.deepEqual([meanKlBits, meanSurprisalChangeBits, durationMs, trainedSurprisalBits[1]], [2, 2, 4, 1]);
});

test('the newest wins: the one before is aborted, and its answer dropped even where it is there already', async () => {
  const { ablations, client, analysis, answer, state } = await open();
  ablations.set(a);
  const first = client.last('ablate');
  first.resolve({ layers: [], predictions: predictionsOf(5), klBits: new Float32Array(5), durationMs: 1 });
  ablations.set(b);
  assert.equal(first.signal?.aborted, true);
  await settle();
  assert.deepEqual([analysis.snapshot.analysisId, state().isRunning, state().requested], [1, true, b]);
  await answer();
  assert.deepEqual([analysis.snapshot.analysisId, state().shown], [3, b]);
});

test('the same ablation again is nothing new', async () => {
  const { ablations, nRuns, state } = await open();
  ablations.set(a);
  ablations.set(structuredClone(a));
  assert.deepEqual([nRuns(), state().canUndo, state().canRedo], [1, true, false]);
  ablations.step('undo');
  assert.equal(state().canUndo, false);
});

test('undo and redo go through what was asked, a new one forgets what was undone, reset is a step too', async () => {
  const { ablations, analysis, answer, state, nRuns } = await open();
  const step = async (what: 'undo' | 'redo' | 'reset' | Ablation) => {
    if (typeof what === 'string') ablations.step(what);
    else ablations.set(what);
    if (state().isRunning) await answer();
    return [
      state().shown,
      state().requested === state().shown,
      state().canUndo,
      state().canRedo,
      analysis.snapshot.analysisId,
    ];
  };
  assert.deepEqual(await step('undo'), [noAblation, true, false, false, 1]);
  assert.deepEqual(await step(a), [a, true, true, false, 2]);
  assert.deepEqual(await step(b), [b, true, true, false, 3]);
  assert.deepEqual(await step('undo'), [a, true, true, true, 4]);
  assert.deepEqual(await step('undo'), [noAblation, true, false, true, 1], 'the trained run itself is shown');
  assert.equal(state().effect, null);
  const before = nRuns();
  assert.deepEqual(await step('undo'), [noAblation, true, false, true, 1]);
  assert.equal(nRuns(), before);
  assert.deepEqual(await step('redo'), [a, true, true, true, 5]);
  assert.deepEqual(await step('reset'), [noAblation, true, true, false, 1]);
  assert.deepEqual(await step('redo'), [noAblation, true, true, false, 1]);
  assert.deepEqual(await step('undo'), [a, true, true, true, 6]);
});

test('a run of the document in mid-ablation aborts it; the new run is ablated in its turn', async () => {
  const { ablations, client, analysis, start, load, complete, document, answer, state } = await open();
  ablations.set(a);
  const first = client.last('ablate');
  await start(document);
  assert.equal(first.signal?.aborted, true);
  await settle();
  assert.deepEqual([state().failure, state().requested, state().shown], [null, a, noAblation]);
  await load();
  await complete();
  const { args } = client.last('ablate');
  assert.deepEqual([args.baseId, args.ablation], [analysis.trainedRun?.analysisId, a]);
  assert.equal(state().isRunning, true);
  await answer();
  assert.deepEqual(state().shown, a);
  assert.equal(state().note, null);
});

test('what is asked before a run is there is computed with it', async () => {
  const { ablations, client, inspect, document, state, nRuns } = await open(false);
  client.requests.length = 0;
  assert.throws(() => ablations.set(a), { code: 'bad-ablation' }, 'no model yet');
  await inspect(document);
  await inspect(document);
  ablations.set(a);
  assert.equal(nRuns(), 1);
  assert.deepEqual(state().requested, a);
});

test('an ablation changed while the document runs anew waits for it', async () => {
  const { ablations, start, load, complete, document, state, nRuns, client } = await open();
  await start(document);
  ablations.set(b);
  assert.deepEqual([nRuns(), state().requested, state().isRunning], [0, b, false]);
  await load();
  await complete();
  assert.deepEqual([nRuns(), client.last('ablate').args.ablation], [1, b]);
});

test('another model begins without an ablation, and says so where there was one', async () => {
  const { ablations, start, load, complete, document, state, nRuns, answer } = await open();
  ablations.set(a);
  await answer();
  await start(document);
  await load({ ...loaded, model: { ...model, directory: '/another' } });
  await complete();
  assert.deepEqual([nRuns(), state().requested.edits.length, state().canUndo], [1, 0, false]);
  assert.match(state().note ?? '', /another model/);
  await start(document);
  await load({ ...loaded, model: { ...model, directory: '/another' } });
  await complete();
  assert.equal(state().note, null);
});

test('what failed is said beside the last good state; a next one clears it', async () => {
  const { ablations, client, analysis, answer, state, lines } = await open();
  ablations.set(a);
  client.last('ablate').reject(new Failure('memory', 'too large'));
  await settle();
  assert.deepEqual([state().failure?.code, state().isRunning, state().shown], ['memory', false, noAblation]);
  assert.equal(analysis.snapshot.analysisId, 1);
  assert.ok(lines.includes('warn: too large'));
  ablations.set(b);
  assert.equal(state().failure, null);
  await answer();
  assert.deepEqual([state().failure, state().shown], [null, b]);
});

test('what is no ablation of this model is refused and changes nothing', async () => {
  const { ablations, state, nRuns } = await open();
  for (const wrong of [null, { edits: 7 }, ablate(2), ablate(0, 2)]) {
    assert.throws(() => ablations.set(wrong), { code: 'bad-ablation' });
  }
  assert.deepEqual([nRuns(), state().canUndo, state().requested], [0, false, noAblation]);
});

const effect = (headIdx: number, meanKlBits: number): AblationEffect => ({
  edit: { part: 'pre_softmax_conv', layerIdx: 0, headIdx, weights: null },
  ...{ meanKlBits, meanSurprisalChangeBits: 0 },
});

test('a ranking grows by the events of its run alone, largest effect first', async () => {
  const { ablations, client } = await open();
  assert.equal(ablations.ranking, null);
  client.emit('effects', { analysisId: 1, effects: [effect(0, 1)], done: 1, total: 2 });
  assert.equal(ablations.ranking, null);
  const done = ablations.rank(true);
  assert.deepEqual(client.last('rankAblations').args, { analysisId: 1, withHeads: true });
  assert.deepEqual([ablations.ranking!.status, ablations.ranking!.withHeads], ['running', true]);
  client.emit('effects', { analysisId: 1, effects: [effect(0, 1)], done: 1, total: 3 });
  client.emit('effects', { analysisId: 9, effects: [effect(1, 9)], done: 2, total: 3 });
  client.emit('effects', { analysisId: 1, effects: [effect(1, 2)], done: 2, total: 3 });
  const heads = () => ablations.ranking!.effects.map(({ edit }) => edit.headIdx);
  assert.deepEqual([heads(), ablations.ranking!.done, ablations.ranking!.total], [[1, 0], 2, 3]);
  client.last('rankAblations').resolve([effect(0, 1), effect(1, 2), effect(2, 3)]);
  await done;
  assert.deepEqual([heads(), ablations.ranking!.done, ablations.ranking!.status], [[2, 1, 0], 3, 'done']);
  client.emit('effects', { analysisId: 1, effects: [effect(3, 9)], done: 4, total: 4 });
  assert.deepEqual(heads(), [2, 1, 0]);
});

test('a ranking that is cancelled or fails keeps what it has; a newer one replaces it', async () => {
  const { ablations, client } = await open();
  for (const [end, status, code] of [
    [() => ablations.cancelRanking(), 'cancelled', null],
    [() => client.last('rankAblations').reject(new Failure('memory', 'too large')), 'failed', 'memory'],
    [() => client.last('rankAblations').reject(new Cancelled()), 'cancelled', null],
  ] as const) {
    const done = ablations.rank(false);
    client.emit('effects', { analysisId: 1, effects: [effect(0, 1)], done: 1, total: 2 });
    end();
    await done;
    const { ranking } = ablations;
    assert.deepEqual([ranking!.status, ranking!.failure?.code ?? null, ranking!.effects.length], [status, code, 1]);
  }
  const older = ablations.rank(false);
  const newer = ablations.rank(true);
  assert.equal(client.all('rankAblations').at(-2)!.signal?.aborted, true);
  await older;
  assert.deepEqual([ablations.ranking!.status, ablations.ranking!.withHeads], ['running', true]);
  client.last('rankAblations').resolve([]);
  await newer;
  assert.equal(ablations.ranking!.status, 'done');
});

test('a new run of the document ends the ranking: it was of another text', async () => {
  const { ablations, client, start, document } = await open();
  const heard: unknown[] = [];
  const done = ablations.rank(true);
  ablations.onDidChangeRanking(ranking => heard.push(ranking));
  await start(document);
  assert.equal(client.last('rankAblations').signal?.aborted, true);
  await done;
  assert.deepEqual([ablations.ranking, heard], [null, [null]]);
});

test('without a run there is nothing to rank', async () => {
  const { ablations, client } = await open(false);
  await ablations.rank(true);
  assert.deepEqual([ablations.ranking, client.requests], [null, []]);
});

test('disposed, it aborts both', async () => {
  const { ablations, client } = await open();
  ablations.set(a);
  void ablations.rank(true);
  ablations.dispose();
  for (const name of ['ablate', 'rankAblations']) assert.equal(client.last(name).signal?.aborted, true);
});
