/** The search over a whole document: read piece by piece, searched in the background, one at a time, ended by an edit. */

import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import '../../fixtures/vscode';
import { DocumentSearch } from '../../../src/analysis/documentSearch';
import { OcclusionRuns } from '../../../src/analysis/occlusionRuns';
import { RelevantContext } from '../../../src/analysis/relevantContext';
import { maxSearchTokens } from '../../../src/shared/documentSearch';
import { Failure } from '../../../src/shared/tools/failure';
import { byShownHead, fakeMemento, openAnalysis } from '../../fixtures/analysis';
import { settle } from '../../fixtures/fakeClient';
import { editor } from '../../fixtures/vscode';

const text = 'one\n  two  \nsix\nten';

async function open({ content = text, options = byShownHead, question = '' } = {}) {
  const opened = openAnalysis({ maxTokens: 100 });
  const { client, analysis, log } = opened;
  const memory = fakeMemento({ 'mtaInspector.relevance': options });
  const context = new RelevantContext(analysis, new OcclusionRuns(client.asClient), memory);
  const search = new DocumentSearch(analysis, context, client.asClient, () => opened.settings, log);
  const document = editor.open(content);
  await opened.inspect(document, question ? { question } : {});
  const state = () => search.snapshot!;

  /** Answers the requests to read until the search itself is asked for. */
  async function read(nTokens = 20) {
    await settle();
    while (client.all('readSearchText').at(-1)?.isOpen) {
      client.last('readSearchText').resolve({ nTokens });
      await settle();
    }
    return client.last('searchDocument');
  }
  /** A range of the document in which one line has a weight. */
  function bring(lineIdx: number, weight: number, done = 1, searchId = client.last('searchDocument').args.searchId) {
    const one = {
      ...{ isBlank: Uint8Array.of(0), nTokens: Int32Array.of(3), nOwn: Int32Array.of(3) },
      strongestAt: Uint32Array.of(lineIdx),
      strongestWeights: Float32Array.of(weight),
    };
    const rows = { lineIdxs: Int32Array.of(lineIdx), weights: Float32Array.of(weight), ...one };
    client.emit('searched', {
      searchId,
      rows: { ...rows, surprisalBits: Float32Array.of(1) },
      gainBits: 2,
      done,
      total: 4,
    });
  }
  return { ...opened, context, search, document, state, read, bring };
}

test('a search reads the document, then asks for the selection on the shown head', async () => {
  const { search, analysis, client, state, read, bring, document } = await open();
  analysis.selectToken(19, 17);
  assert.equal(search.snapshot, null);
  const done = search.start();
  assert.deepEqual([state().status, state().documentLabel, state().modelName], ['reading', 'a.md', 'm']);
  assert.deepEqual([state().selection, state().lineRange], ['ten', { first: 0, end: 4, of: 4 }]);
  assert.equal(search.searchedDocument, document.asDocument);
  await settle();
  const { args: piece } = client.last('readSearchText');
  assert.deepEqual([piece.start, piece.firstLine, piece.text], [0, 0, text]);
  const { args, resolve } = await read();
  assert.deepEqual([args.textId, args.maxTokens, args.stage, args.method], [piece.textId, 64, 'mixed_pattern', 'head']);
  assert.deepEqual(args.heads, [{ layerIdx: 1, headIdx: 0 }]);
  assert.deepEqual(args.probe, { text, start: 0, selectionStart: 16 });
  assert.deepEqual([state().status, state().nTokens], ['running', 20]);
  bring(1, 0.5);
  bring(0, 0.7, 2);
  resolve({ baselineBits: 3 });
  await done;
  assert.deepEqual([state().status, state().baselineBits, state().done, state().total], ['done', 3, 2, 4]);
  assert.deepEqual(
    state().lines.map(line => [line.lineIdx, line.text, line.gainBits]),
    [
      [0, 'one', 2],
      [1, 'two', 2],
    ],
  );
  assert.ok(state().profile);
});

test('the way of measuring is the reader’s; rollout, which needs whole maps, is the mean', async () => {
  const heads = [{ layerIdx: 0, headIdx: 1 }];
  for (const [options, method, nHeads] of [
    [{ method: 'max', direction: 'attends', heads: 'all' }, 'max', 4],
    [{ method: 'rollout', direction: 'attends', heads: 'layer' }, 'mean', 2],
    [{ method: 'mean', direction: 'attends', heads }, 'mean', 1],
  ] as const) {
    const { search, analysis, read, state } = await open({ options });
    analysis.selectToken(5);
    void search.start();
    const { args } = await read();
    assert.deepEqual([args.method, args.heads.length, state().measure.method], [method, nHeads, method]);
  }
});

test('a question is asked as it is, from behind the document', async () => {
  const { search, analysis, read } = await open({ question: 'why so' });
  analysis.selectToken(25, 22);
  void search.start();
  const { args } = await read();
  assert.deepEqual(args.probe, { text: 'why so', start: text.length + 1, selectionStart: 0 });
});

test('a selection inside the document is asked with the text before it, also where a question stands behind it', async () => {
  const { search, analysis, read } = await open({ question: 'why so' });
  analysis.selectToken(6, 5);
  void search.start();
  assert.deepEqual((await read()).args.probe, { text: 'one\n  ', start: 0, selectionStart: 4 });
});

test('listeners hear of ranges that are done after a while, all at once', async () => {
  const { search, analysis, read, bring, state } = await open();
  analysis.selectToken(5);
  void search.start();
  await read();
  const heard: number[] = [];
  search.onDidChange(state => heard.push(state!.done));
  bring(0, 0.5, 1);
  bring(1, 0.5, 2);
  mock.timers.tick(199);
  assert.deepEqual(heard, []);
  mock.timers.tick(1);
  assert.deepEqual([heard, state().lines.length], [[2], 2]);
  bring(2, 0.5, 3);
  mock.timers.tick(200);
  assert.deepEqual(heard, [2, 3]);
});

test('a newer search ends the one before, whose events and end are dropped', async () => {
  const { search, analysis, client, read, bring, state } = await open();
  analysis.selectToken(5);
  const first = search.start();
  const { args, signal } = await read();
  analysis.selectToken(6);
  const second = search.start();
  assert.equal(signal?.aborted, true);
  await first;
  await read();
  bring(0, 0.9, 1, args.searchId);
  mock.timers.tick(200);
  assert.deepEqual([state().status, state().lines, state().done], ['running', [], 0]);
  assert.equal(client.all('readSearchText').length, 1, 'the process holds the text already');
  client.last('searchDocument').resolve({ baselineBits: 1 });
  await second;
  assert.equal(state().status, 'done');
});

test('the text is read again once it, the model or the process is another', async () => {
  const { search, analysis, client, document, read, load, complete } = await open();
  const run = async () => {
    analysis.selectToken(5);
    const done = search.start();
    (await read()).resolve({ baselineBits: 1 });
    await done;
    return client.all('readSearchText').length;
  };
  assert.equal(await run(), 1);
  assert.equal(await run(), 1);
  client.pid = 2;
  assert.equal(await run(), 2);
  document.edit(0, 0, 'x');
  mock.timers.tick(200);
  await settle();
  await load();
  await complete();
  assert.equal(await run(), 3);
  assert.equal(client.last('readSearchText').args.text, `x${text}`);
});

test('an edit ends the search; its lines keep the words they had, and are stale', async () => {
  const { search, analysis, client, document, read, bring, state } = await open();
  analysis.selectToken(5);
  const done = search.start();
  const { signal } = await read();
  bring(0, 0.5);
  mock.timers.tick(200);
  document.save();
  editor.open('other').edit(0, 0, 'x');
  assert.deepEqual([signal?.aborted, state().isStale], [false, false]);
  document.edit(0, 3, 'gone');
  assert.equal(signal?.aborted, true);
  await done;
  assert.deepEqual([state().status, state().isStale, state().lines[0]?.text], ['cancelled', true, 'one']);
  bring(1, 0.5);
  assert.equal(state().lines.length, 1);
  let nHeard = 0;
  search.onDidChange(() => nHeard++);
  document.edit(0, 0, 'again');
  assert.equal(nHeard, 0);
  assert.ok(client.requests.length > 0);
});

test('an edit after the end makes the result stale, and leaves it done', async () => {
  const { search, analysis, document, read, bring, state } = await open();
  analysis.selectToken(5);
  const done = search.start();
  const { resolve } = await read();
  bring(0, 0.5);
  resolve({ baselineBits: 1 });
  await done;
  document.edit(0, 3, 'gone');
  assert.deepEqual([state().status, state().isStale, state().lines[0]?.text], ['done', true, 'one']);
});

test('a cancel ends it while it reads and while it searches, and is no failure', async () => {
  for (const when of ['reading', 'running'] as const) {
    const { search, analysis, client, read, state } = await open();
    analysis.selectToken(5);
    const done = search.start();
    await settle();
    const request = when === 'reading' ? client.last('readSearchText') : await read();
    assert.equal(state().status, when);
    search.cancel();
    assert.equal(request.signal?.aborted, true);
    await done;
    assert.deepEqual([state().status, state().failure], ['cancelled', null]);
    search.cancel();
  }
});

test('a failure is said and thrown, and the text is read again next time', async () => {
  const { search, analysis, client, read, state, lines } = await open();
  analysis.selectToken(5);
  const done = search.start();
  (await read()).reject(new Failure('process', 'gone'));
  await assert.rejects(done, { code: 'process' });
  assert.deepEqual([state().status, state().failure?.code], ['failed', 'process']);
  assert.ok(lines.includes('warn: gone'));
  void search.start();
  await read();
  assert.deepEqual([client.all('readSearchText').length, state().failure], [2, null]);
});

test('it is refused without a selection, and of a text that changed', async () => {
  const { search, analysis, document } = await open();
  await assert.rejects(search.start(), { code: 'no-selection' });
  analysis.selectToken(5);
  document.edit(0, 0, 'x');
  await assert.rejects(search.start(), { code: 'no-selection' });
  assert.equal(search.snapshot, null);
});

test('a long document is read from around the selection outwards, up to the limit of tokens', async () => {
  const line = `${'x'.repeat(49)}\n`;
  const { search, analysis, client, state } = await open({ content: line.repeat(2000) });
  analysis.selectToken(50_010);
  void search.start();
  await settle();
  const first = client.last('readSearchText');
  assert.ok(first.args.start <= 50_009 && 50_009 < first.args.start + first.args.text.length);
  assert.equal(first.args.firstLine, first.args.start / 50);
  first.resolve({ nTokens: maxSearchTokens - 1 });
  await settle();
  assert.equal(state().nTokens, maxSearchTokens - 1);
  const second = client.last('readSearchText');
  assert.notEqual(second, first);
  second.resolve({ nTokens: maxSearchTokens });
  await settle();
  assert.equal(client.all('readSearchText').length, 2);
  const end = second.args.start + second.args.text.length;
  assert.deepEqual(state().lineRange, { first: first.args.firstLine, end: end / 50, of: 2000 });
});

test('disposed, it aborts and hears nothing more', async () => {
  const { search, analysis, read } = await open();
  analysis.selectToken(5);
  void search.start();
  const { signal } = await read();
  const before = editor.events.changeDocument.nListeners;
  search.dispose();
  assert.deepEqual([signal?.aborted, editor.events.changeDocument.nListeners], [true, before - 1]);
});
