/** The second run follows the first: newest wins, stale events are dropped, what goes wrong is said. */

import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import '../../fixtures/vscode';
import { Comparison } from '../../../src/analysis/comparison';
import { Cancelled, Failure } from '../../../src/shared/tools/failure';
import { openAnalysis } from '../../fixtures/analysis';
import { analyzeAnswer, layerOf, loaded, model, settle, tokensEvent } from '../../fixtures/fakeClient';
import { editor } from '../../fixtures/vscode';

const other = { label: 'other model', modelDirectory: '/other' };
const saved = (text: string) => ({ label: 'The saved file', text: async () => text, link: { kind: 'saved' } as const });

/** @param isInspected whether a run is there already. */
async function open(isInspected = true) {
  const opened = openAnalysis({ maxTokens: 100 });
  const { client, analysis, log } = opened;
  const comparison = new Comparison(analysis, client.asClient, () => opened.settings, log);
  const document = editor.open('some text');
  if (isInspected) await opened.inspect(document);

  /** Answers the second run's requests to its end. */
  async function complete(text = 'some text', value = 5) {
    client.last('load').resolve({ ...loaded, model: { ...model, name: 'second' } });
    await settle();
    const { args, resolve } = client.last('analyze');
    client.emit('tokens', tokensEvent(args.analysisId, text));
    for (let layer = 0; layer < 2; layer++) {
      client.emit('layer', { analysisId: args.analysisId, layer: layerOf(layer, value) });
    }
    resolve(analyzeAnswer(args.analysisId, text.length + 1, value));
    await settle();
    return args.analysisId as number;
  }
  return { ...opened, comparison, document, completeSecond: complete };
}

test('another model gets the shown text in a slot of its own, under an id of its own', async () => {
  const { client, comparison, completeSecond, analysis } = await open();
  const before = comparison.snapshot;
  assert.equal(before, null);
  const states: string[] = [];
  comparison.onDidChange(state => states.push(state?.status ?? 'none'));
  const done = comparison.start(other);
  await settle();
  assert.deepEqual(client.last('load').args, {
    slot: 'compare',
    modelDirectory: '/other',
    provider: 'auto',
    nThreads: 2,
    quantizedWeights: 'packed',
  });
  assert.deepEqual([comparison.snapshot?.isOtherModel, comparison.snapshot?.label], [true, 'other model']);
  const analysisId = await completeSecond();
  await done;
  const { args } = client.last('analyze');
  assert.deepEqual([args.slot, args.text, args.maxTokens, args.topK], ['compare', 'some text', model.maxSeqlen, 6]);
  assert.equal(analysisId, 2);
  const { status, tokens, layersDone, model: second } = comparison.snapshot!;
  assert.deepEqual([status, second?.name, layersDone, tokens?.labels.length], ['done', 'second', 2, 10]);
  assert.equal(tokens?.surprisalBits?.[1], 5);
  assert.deepEqual([...new Set(states)], ['waiting', 'loading', 'running', 'done']);
  assert.deepEqual([analysis.snapshot.analysisId, analysis.snapshot.layersDone], [1, 2], 'the first run is untouched');
});

test('each run’s maps come from its own layers', async () => {
  const { comparison, completeSecond, analysis } = await open();
  void comparison.start(other);
  await settle();
  const analysisId = await completeSecond();
  const map = { layerIdx: 1, headIdx: 0, stage: 'mixed_pattern' } as const;
  assert.equal((await comparison.details.overview({ analysisId, ...map })).scale, 5);
  assert.equal((await analysis.details.overview({ analysisId: 1, ...map })).scale, 1);
  await assert.rejects(comparison.details.overview({ analysisId: 1, ...map }), { code: 'no-analysis' });
  await assert.rejects(analysis.details.overview({ analysisId, ...map }), { code: 'no-analysis' });
  assert.deepEqual([comparison.holds(analysisId), comparison.holds(1), comparison.holds(0)], [true, false, false]);
  assert.equal(comparison.details.predictions(analysisId).surprisalBits[1], 5);
});

test('another version of the text runs on the model that runs, with an anchor that lies in it', async () => {
  const { client, comparison, inspect, chosen } = await open(false);
  await inspect(editor.open('0123456789'), { anchor: 9, model: 'toy' });
  void comparison.start(saved('01234'));
  await settle();
  assert.deepEqual(client.last('load').args, { slot: 'compare', modelDirectory: 'toy', provider: 'auto', nThreads: 2 });
  client.last('load').resolve(loaded);
  await settle();
  const { args } = client.last('analyze');
  assert.deepEqual([args.text, args.textStart, args.documentLength, args.anchor], ['01234', 0, 5, 5]);
  assert.deepEqual([args.windowStart, comparison.snapshot?.isOtherModel], [undefined, false]);
  assert.deepEqual(chosen, ['toy']);
});

test('without a finished run it waits, and runs once there is one', async () => {
  const { client, comparison, inspect, document, completeSecond } = await open(false);
  await comparison.start(other);
  assert.equal(comparison.snapshot?.status, 'waiting');
  assert.equal(client.requests.length, 0);
  await inspect(document);
  assert.equal(comparison.snapshot?.status, 'loading');
  await completeSecond();
  assert.equal(comparison.snapshot?.status, 'done');
});

test('a new run of the document aborts the second one, which waits and follows', async () => {
  const { client, comparison, start, load, complete, document, completeSecond } = await open();
  void comparison.start(other);
  await settle();
  client.last('load').resolve(loaded);
  await settle();
  const second = client.last('analyze');
  await start(document);
  assert.equal(second.signal?.aborted, true);
  const { status, analysisId, tokens, layersDone } = comparison.snapshot!;
  assert.deepEqual([status, analysisId, tokens, layersDone], ['waiting', 0, null, 0]);
  client.emit('layer', { analysisId: second.args.analysisId, layer: layerOf(0) });
  assert.equal(comparison.snapshot?.layersDone, 0, 'events of the run before are dropped');
  await load();
  await complete();
  assert.equal(comparison.snapshot?.status, 'loading');
  assert.equal(client.last('load').args.slot, 'compare');
  await completeSecond();
  assert.equal(comparison.snapshot?.status, 'done');
});

test('an edit is followed too, with the text as it is then', async () => {
  const { client, comparison, document, load, complete } = await open();
  const texts = ['first', 'second'];
  void comparison.start({ label: 'saved', text: async () => texts.shift()! });
  await settle();
  client.last('load').resolve(loaded);
  await settle();
  assert.equal(client.last('analyze').args.text, 'first');
  document.edit(0, 0, 'x');
  mock.timers.tick(200);
  await settle();
  await load();
  await complete();
  client.last('load').resolve(loaded);
  await settle();
  assert.equal(client.last('analyze').args.text, 'second');
});

test('another counterpart wins over the one before, whose answers are dropped', async () => {
  const { client, comparison, completeSecond } = await open();
  void comparison.start(other);
  await settle();
  const first = client.last('load');
  void comparison.start({ label: 'third', modelDirectory: '/third' });
  await settle();
  assert.equal(first.signal?.aborted, true);
  await completeSecond();
  assert.deepEqual([comparison.snapshot?.status, comparison.snapshot?.label], ['done', 'third']);
  assert.equal(client.all('analyze').filter(({ args }) => args.slot === 'compare').length, 1);
  assert.equal(comparison.shown?.modelDirectory, '/third');
});

test('answers that are there when newer work begins are dropped: of the model, and of the run', async () => {
  for (const when of ['load', 'analyze'] as const) {
    const { client, comparison } = await open();
    void comparison.start(other);
    await settle();
    client.last('load').resolve(loaded);
    if (when === 'analyze') {
      await settle();
      const { args, resolve } = client.last('analyze');
      client.emit('tokens', tokensEvent(args.analysisId, 'some text'));
      resolve(analyzeAnswer(args.analysisId, 10));
    }
    void comparison.start(saved('text'));
    await settle();
    assert.deepEqual([comparison.snapshot?.status, comparison.snapshot?.tokens], ['loading', null], when);
  }
});

test('the end lets go of the second model, and nothing follows any more', async () => {
  const { client, comparison, inspect, document, lines } = await open();
  void comparison.start(other);
  await settle();
  const { signal } = client.last('load');
  const states: unknown[] = [];
  comparison.onDidChange(state => states.push(state));
  const ended = comparison.end();
  assert.deepEqual([signal?.aborted, states, comparison.snapshot, comparison.shown], [true, [null], null, undefined]);
  client.last('unload').reject(new Failure('process', 'gone'));
  await ended;
  assert.ok(lines.includes('warn: gone'));
  assert.deepEqual(client.last('unload').args, 'compare');
  const nRequests = client.all('load').length;
  await inspect(document);
  assert.equal(client.all('load').length, nRequests + 1);
});

test('what cannot be compared says so; a cancel does not', async () => {
  const cases = [
    [saved(' \n'), undefined, 'empty'],
    [saved('a\0b'), undefined, 'binary'],
    [{ label: 'x', text: () => Promise.reject(new Failure('no-file', 'gone')) }, undefined, 'no-file'],
    [other, new Failure('memory', 'too large'), 'memory'],
    [other, new Cancelled(), null],
  ] as const;
  for (const [counterpart, error, code] of cases) {
    const { client, comparison } = await open();
    void comparison.start(counterpart);
    await settle();
    client.last('load').resolve(loaded);
    await settle();
    if (error) client.last('analyze').reject(error);
    await settle();
    const { status, failure } = comparison.snapshot!;
    assert.deepEqual([status, failure?.code ?? null], [code ? 'failed' : 'running', code]);
  }
});

test('disposed, it aborts what runs and follows nothing', async () => {
  const { client, comparison, start, document } = await open();
  void comparison.start(other);
  await settle();
  let nHeard = 0;
  comparison.onDidChange(() => nHeard++);
  comparison.dispose();
  assert.equal(client.last('load').signal?.aborted, true);
  await start(document);
  assert.equal(nHeard, 0);
});
