/** One owner of the inspected document: newest wins, stale answers are dropped, edits, cancels and failures. */

import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import '../../fixtures/vscode';
import { noAblation } from '../../../src/shared/ablation';
import { asTrained } from '../../../src/shared/panel/panelAblation';
import { Cancelled, Failure } from '../../../src/shared/tools/failure';
import { openAnalysis } from '../../fixtures/analysis';
import { analyzeAnswer, layerOf, loaded, model, predictionsOf, settle, tokensEvent } from '../../fixtures/fakeClient';
import { editor } from '../../fixtures/vscode';

const cancelled = { name: 'Cancelled' };

test('a run goes through loading and running to done, layer by layer', async () => {
  const { analysis, client, lines, ...run } = openAnalysis();
  assert.equal(analysis.snapshot.status, 'idle');
  const finished: number[] = [];
  const layersDone: number[] = [];
  analysis.onDidFinish(({ analysisId, layers }) => {
    assert.equal(analysis.snapshot.status, 'done');
    assert.equal(analysis.trainedRun?.analysisId, analysisId);
    finished.push(layers.length);
  });
  analysis.onDidFinishLayer(({ layerIdx }) => layersDone.push(layerIdx));
  const document = editor.open('ab\ncd', 'notes/a.md');
  const { run: inspected } = await run.start(document);
  assert.deepEqual(
    [analysis.snapshot.status, analysis.snapshot.documentLabel, analysis.document],
    ['loading', 'notes/a.md', document.asDocument],
  );
  await run.load();
  assert.deepEqual([analysis.snapshot.status, analysis.snapshot.model?.name], ['running', 'm']);
  assert.deepEqual([analysis.snapshot.provider, analysis.providerNote], ['cpu', 'nothing faster']);
  await run.bring('ab\ncd', 1);
  assert.deepEqual(analysis.snapshot.windowLines, { first: 1, last: 2, of: 2 });
  assert.equal(analysis.snapshot.tokens?.surprisalBits, null);
  assert.deepEqual([analysis.snapshot.layersDone, layersDone], [1, [0]]);
  client.emit('layer', { analysisId: 1, layer: layerOf(1) });
  assert.equal(analysis.trainedRun, undefined);
  assert.throws(() => analysis.details.predictions(1), { code: 'no-analysis' });
  await run.finish(6, 3);
  await inspected;
  assert.deepEqual([analysis.snapshot.status, analysis.snapshot.durationMs, finished], ['done', 7, [2]]);
  assert.deepEqual([...analysis.snapshot.tokens!.surprisalBits!].slice(1), [3, 3, 3, 3, 3]);
  assert.equal(analysis.snapshot.ablation.trainedId, 1);
  assert.equal(analysis.details.predictions(1).surprisalBits[1], 3);
  assert.equal(analysis.shownRun?.layers.length, 2);
  assert.ok(lines.some(line => /run 1: 6 tokens, 0 reused, 7 ms/.test(line)));
});

test('a run asks for what the settings allow and the model can', async () => {
  for (const [maxTokens, topK, highlightCount, expected] of [
    [32, 4, 6, [32, 6]],
    [100, 9, 6, [model.maxSeqlen, 9]],
  ] as const) {
    const { start, load, analysis, chosen } = openAnalysis({ maxTokens, topK, highlightCount });
    await start(editor.open('text'), { anchor: 3, model: 'toy' });
    const { args } = await load();
    assert.deepEqual([args.maxTokens, args.topK], expected);
    assert.deepEqual([args.memoryBudgetMb, args.anchor, args.text, args.textStart], [77, 3, 'text', 0]);
    assert.deepEqual([args.isPinned, args.windowStart, args.documentLength], [false, undefined, 4]);
    assert.deepEqual(chosen, ['toy']);
    assert.equal(analysis.chosenModel?.modelDirectory, 'toy');
    assert.equal(analysis.request?.text, 'text');
  }
});

test('a newer run aborts the one before, whose events and answer are dropped', async () => {
  const { analysis, client, start, load, bring, finish } = openAnalysis();
  const first = await start(editor.open('old'));
  const { signal } = await load();
  client.emit('tokens', tokensEvent(1, 'old'));
  client.emit('layer', { analysisId: 1, layer: layerOf(0) });
  const second = await start(editor.open('new', 'b.md'));
  assert.ok(signal?.aborted);
  await assert.rejects(first.run, cancelled);
  assert.deepEqual([analysis.snapshot.status, analysis.snapshot.analysisId], ['loading', 2]);
  assert.deepEqual(
    [analysis.snapshot.tokens, analysis.snapshot.layersDone, analysis.windowTokens],
    [null, 0, undefined],
  );
  await load();
  client.emit('tokens', tokensEvent(1, 'old'));
  client.emit('layer', { analysisId: 1, layer: layerOf(1) });
  assert.deepEqual([analysis.snapshot.tokens, analysis.snapshot.layersDone], [null, 0]);
  await bring('new');
  await finish(4);
  await second.run;
  assert.equal(analysis.trainedRun?.analysisId, 2);
  assert.equal(analysis.trainedRun.layers.length, 2);
});

test('an answer that is there when a newer run begins changes nothing', async () => {
  const { analysis, client, start, load } = openAnalysis();
  const first = await start(editor.open('old'));
  const { resolve } = await load();
  resolve(analyzeAnswer(1, 4));
  const second = analysis.inspect({ document: editor.open('new').asDocument, range: null, anchor: 0 });
  second.catch(() => {});
  await assert.rejects(first.run, cancelled);
  assert.deepEqual([analysis.snapshot.status, analysis.trainedRun], ['loading', undefined]);
  // The same with a model that is loaded for nobody.
  await settle();
  client.last('load').resolve(loaded);
  const third = analysis.inspect({ document: editor.open('newest').asDocument, range: null, anchor: 0 });
  third.catch(() => {});
  await assert.rejects(second, cancelled);
  assert.equal(client.all('analyze').length, 1);
  assert.equal(analysis.snapshot.status, 'loading');
});

test('a cancel ends the run that is meant, and is no failure', async () => {
  const { analysis, start, load } = openAnalysis();
  const { run } = await start(editor.open('text'));
  const { signal } = await load();
  analysis.cancel(7);
  assert.equal(signal?.aborted, false);
  analysis.cancel(1);
  assert.equal(signal?.aborted, true);
  await assert.rejects(run, cancelled);
  assert.deepEqual([analysis.snapshot.status, analysis.snapshot.failure], ['cancelled', null]);
});

test('after a cancel the last layer that is there is shown, whichever was chosen', async () => {
  const { analysis, start, load, bring } = openAnalysis();
  const { run } = await start(editor.open('text'));
  await load();
  await bring('text', 1);
  analysis.setView({ ...analysis.snapshot.view, layerIdx: 1 });
  analysis.cancel();
  await assert.rejects(run, cancelled);
  assert.deepEqual([analysis.snapshot.layersDone, analysis.snapshot.view.layerIdx], [1, 0]);
});

test('a cancel of a run that is done leaves it done; what comes late for it is dropped', async () => {
  const { analysis, client, inspect } = openAnalysis();
  const analysisId = await inspect(editor.open('text'));
  analysis.cancel();
  client.emit('layer', { analysisId, layer: layerOf(0) });
  client.emit('tokens', tokensEvent(analysisId, 'other text'));
  assert.deepEqual([analysis.snapshot.status, analysis.snapshot.layersDone], ['done', 2]);
  assert.equal(analysis.snapshot.tokens?.labels.length, 5);
});

test('events after a cancel are dropped while the process has not heard of it', async () => {
  const { analysis, client, start, load } = openAnalysis();
  await start(editor.open('text'));
  await load();
  analysis.cancel();
  client.emit('tokens', tokensEvent(1, 'text'));
  assert.equal(analysis.snapshot.tokens, null);
});

test('a failed run says why, and the next one starts afresh', async () => {
  const { analysis, client, start, load, complete } = openAnalysis();
  const first = await start(editor.open('text'));
  await load();
  client.last('analyze').reject(new Failure('memory', 'too large', ['openSettings']));
  await assert.rejects(first.run, { code: 'memory' });
  assert.deepEqual(analysis.snapshot.failure, { code: 'memory', message: 'too large', actions: ['openSettings'] });
  assert.deepEqual([analysis.snapshot.status, analysis.trainedRun], ['failed', undefined]);
  const second = await start(editor.open('text'));
  assert.deepEqual([analysis.snapshot.status, analysis.snapshot.failure], ['loading', null]);
  await load();
  await complete();
  await second.run;
  assert.equal(analysis.snapshot.status, 'done');
});

test('what cannot be inspected fails before a model is loaded', async () => {
  const { analysis, client } = openAnalysis();
  const cases = [
    ['  \n', null, 'empty'],
    ['a  b', { start: 1, end: 3 }, 'empty'],
    ['a\0b', null, 'binary'],
  ] as const;
  for (const [text, range, code] of cases) {
    await assert.rejects(analysis.inspect({ document: editor.open(text).asDocument, range, anchor: 0 }), { code });
    assert.deepEqual([analysis.snapshot.status, analysis.snapshot.failure?.code], ['failed', code]);
  }
  assert.equal(client.requests.length, 0);
});

test('an edit in mid-run aborts it at once and a pause in typing inspects anew', async () => {
  const { analysis, client, start, load, complete } = openAnalysis();
  const document = editor.open('some text');
  const { run } = await start(document);
  const { signal } = await load();
  document.edit(4, 0, ' more');
  assert.equal(signal?.aborted, true);
  assert.equal(analysis.snapshot.isStale, true);
  await assert.rejects(run, cancelled);
  mock.timers.tick(150);
  document.edit(9, 0, '!');
  mock.timers.tick(199);
  assert.equal(client.all('load').length, 1, 'typing goes on');
  mock.timers.tick(1);
  await settle();
  const { args } = await load();
  assert.deepEqual([args.text, args.anchor], ['some more! text', 10]);
  assert.equal(analysis.snapshot.isStale, false);
  await complete();
  assert.equal(analysis.snapshot.status, 'done');
  mock.timers.tick(10_000);
  assert.equal(client.all('load').length, 2, 'once');
});

test('an edit of a finished run makes it stale, and keeps what was computed until the next run begins', async () => {
  const { analysis, inspect } = openAnalysis();
  const document = editor.open('some text');
  const analysisId = await inspect(document);
  const states: boolean[] = [];
  analysis.onDidChange(({ isStale }) => states.push(isStale));
  document.edit(0, 1, 'x');
  document.edit(0, 1, 'y');
  assert.deepEqual(states, [true], 'said once');
  assert.equal(analysis.trainedRun?.analysisId, analysisId);
  mock.timers.tick(200);
  assert.equal(analysis.trainedRun, undefined);
});

test('another document’s edits, and events without a change of text, leave the run alone', async () => {
  const { analysis, client, start, load } = openAnalysis();
  const document = editor.open('text');
  const other = editor.open('other', 'b.md');
  other.edit(0, 0, 'before anything was inspected');
  await start(document);
  const { signal } = await load();
  other.edit(0, 0, 'x');
  other.close();
  document.save();
  mock.timers.tick(1000);
  assert.deepEqual([signal?.aborted, analysis.snapshot.isStale, client.all('load').length], [false, false, 1]);
});

test('a selection, or any document where edits shall not start a run, stays stale after an edit', async () => {
  for (const [settings, range] of [
    [{}, { start: 0, end: 4 }],
    [{ analyzeOnEdit: false }, null],
  ] as const) {
    const { analysis, client, inspect } = openAnalysis(settings);
    const document = editor.open('some text');
    await inspect(document, { range });
    document.edit(0, 0, 'x');
    mock.timers.tick(1000);
    assert.deepEqual([analysis.snapshot.isStale, client.all('load').length], [true, 1]);
  }
});

test('only the selection goes to the model, at its place in the document', async () => {
  const { start, load, analysis, bring } = openAnalysis();
  await start(editor.open('one two three'), { range: { start: 4, end: 7 }, anchor: 7 });
  const { args } = await load();
  assert.deepEqual([args.text, args.textStart, args.documentLength], ['two', 4, 13]);
  await bring('two');
  assert.deepEqual([analysis.tokenAtOffset(3), analysis.tokenAtOffset(4), analysis.tokenAtOffset(8)], [null, 1, null]);
});

test('an edit before a newer inspection, or a cancel, is not followed by a run of its own', async () => {
  for (const stop of ['inspect', 'cancel', 'dispose', 'close'] as const) {
    const { analysis, client, inspect, start } = openAnalysis();
    const document = editor.open('some text');
    await inspect(document);
    document.edit(0, 0, 'x');
    if (stop === 'inspect') await start(document);
    else if (stop === 'close') document.close();
    else analysis[stop]();
    mock.timers.tick(1000);
    await settle();
    assert.equal(client.all('load').length, stop === 'inspect' ? 2 : 1, stop);
  }
});

test('a failure of a run that an edit started is logged, nobody waits for it', async () => {
  const { client, inspect, load, lines } = openAnalysis();
  const document = editor.open('some text');
  await inspect(document);
  for (const [error, isLogged] of [
    [new Cancelled(), false],
    [new Failure('memory', 'too large'), true],
  ] as const) {
    document.edit(0, 0, 'x');
    mock.timers.tick(200);
    await settle();
    await load();
    client.last('analyze').reject(error);
    await settle();
    assert.equal(lines.includes('warn: too large'), isLogged);
  }
});

test('a closed document’s maps stay; opened again it is the same, unless its text is another', async () => {
  const { analysis, client, inspect } = openAnalysis();
  const document = editor.open('text');
  await inspect(document);
  document.close();
  assert.deepEqual([analysis.snapshot.status, analysis.snapshot.isStale], ['done', false]);
  editor.open('text', 'b.md');
  assert.equal(analysis.document, document.asDocument);
  const again = editor.open('text');
  assert.ok(analysis.isOf(again.asDocument));
  assert.equal(analysis.snapshot.isStale, false);
  again.close();
  const changed = editor.open('changed outside');
  assert.ok(analysis.isOf(changed.asDocument));
  assert.equal(analysis.snapshot.isStale, true);
  mock.timers.tick(200);
  await settle();
  assert.equal(client.all('load').length, 2, 'it is inspected again by itself');
});

test('another object of an address that is still open is not taken for the document', async () => {
  const { analysis, inspect } = openAnalysis();
  const document = editor.open('text');
  await inspect(document);
  editor.open('text');
  assert.equal(analysis.document, document.asDocument);
});

test('a renamed document is followed, also with the folder around it, opened before or after the news', async () => {
  for (const isOpenedFirst of [true, false]) {
    const { analysis, start, load } = openAnalysis();
    const document = editor.open('text', 'src/old.md');
    await start(document);
    const { signal } = await load();
    const open = () => {
      document.close();
      return editor.open('text', 'lib/old.md');
    };
    const early = isOpenedFirst ? open() : null;
    editor.rename('src', 'lib');
    const renamed = early ?? open();
    assert.ok(analysis.isOf(renamed.asDocument));
    const { documentLabel, isStale } = analysis.snapshot;
    assert.deepEqual([documentLabel, isStale, signal?.aborted], ['lib/old.md', false, false]);
    renamed.edit(0, 0, 'x');
    assert.deepEqual([signal?.aborted, analysis.snapshot.isStale], [true, true], 'its edits count now');
  }
  const { analysis, inspect } = openAnalysis();
  const document = editor.open('text', 'src/old.md');
  await inspect(document);
  editor.rename('sr', 'x');
  editor.open('text', 'xc/old.md');
  assert.equal(analysis.document, document.asDocument, 'a name that only begins alike is another');
});

test('an untitled document that is saved goes on as the file', async () => {
  const { analysis, inspect } = openAnalysis();
  const document = editor.open('text', 'Untitled-1', true);
  editor.show(document);
  await inspect(document);
  editor.show(editor.open('other', 'b.md'));
  const file = editor.show(editor.open('text', 'a.md'));
  document.close();
  assert.ok(analysis.isOf(file.document.asDocument));
  assert.deepEqual([analysis.snapshot.documentLabel, analysis.snapshot.isStale], ['a.md', false]);
});

test('a cell of a notebook is followed when it is moved, and when a move makes it another document', async () => {
  const { analysis, inspect } = openAnalysis();
  const cells = ['one', 'two', 'three'].map(text => editor.open(text, `n.ipynb/${text}`));
  const notebook = { uri: editor.open('', 'n.ipynb').uri, cells };
  editor.notebooks = [{ ...notebook, getCells: () => notebook.cells.map((document, index) => ({ document, index })) }];
  await inspect(cells[1]!);
  assert.equal(analysis.snapshot.documentLabel, 'n.ipynb, cell 2');
  const change = (removed: object[], added: object[]) =>
    editor.events.changeNotebook.fire({
      contentChanges: [
        { removedCells: removed.map(document => ({ document })), addedCells: added.map(document => ({ document })) },
      ],
    });
  notebook.cells = [cells[1]!, cells[0]!, cells[2]!];
  change([cells[1]!], [cells[1]!]);
  assert.equal(analysis.snapshot.documentLabel, 'n.ipynb, cell 1');
  const pasted = editor.open('two', 'n.ipynb/four');
  notebook.cells = [cells[0]!, cells[2]!, pasted];
  change([cells[1]!], [editor.open('other', 'n.ipynb/five'), pasted]);
  assert.ok(analysis.isOf(pasted.asDocument));
  assert.deepEqual([analysis.snapshot.documentLabel, analysis.snapshot.isStale], ['n.ipynb, cell 3', false]);
});

test('documents of two folders with one name are told apart', async () => {
  const { analysis, inspect } = openAnalysis();
  const at = (path: string, index: number) => ({ name: 'app', uri: editor.open('', `../${path}`).uri as never, index });
  editor.folders = [at('one/app', 0), at('two/app', 1)];
  await inspect(editor.open('text', '../two/app/src/a.ts'));
  assert.equal(analysis.snapshot.documentLabel, 'two/app/src/a.ts');
});

test('a window that leaves something out begins at the same text after an edit; a pin holds it wherever the edit is', async () => {
  for (const isPinned of [false, true]) {
    const { analysis, client, start, load, finish } = openAnalysis();
    const document = editor.open('0123456789');
    const { run } = await start(document);
    await load();
    client.emit('tokens', tokensEvent(1, '456789', 10, 4));
    if (isPinned) analysis.setPinned(true);
    await finish(7);
    await run;
    document.edit(0, 0, 'ab');
    document.edit(8, 1, '');
    mock.timers.tick(200);
    await settle();
    const { args } = await load();
    assert.deepEqual([args.windowStart, args.isPinned, args.anchor], [6, isPinned, 8]);
    assert.equal(analysis.snapshot.isPinned, isPinned);
  }
});

test('a pin holds a window of a document that fits; released, nothing holds it', async () => {
  const { analysis, inspect, load, complete } = openAnalysis();
  const document = editor.open('0123456789');
  await inspect(document);
  analysis.setPinned(true);
  for (const expected of [0, undefined]) {
    document.edit(9, 0, 'x');
    mock.timers.tick(200);
    await settle();
    const { args } = await load();
    assert.deepEqual([args.windowStart, args.isPinned], [expected, expected === 0]);
    await complete();
    analysis.setPinned(false);
  }
});

test('the window’s place is forgotten with its document, and is none where a question was asked', async () => {
  for (const isQuestion of [false, true]) {
    const { client, start, load } = openAnalysis();
    const document = editor.open('0123456789');
    await start(document, isQuestion ? { question: 'why', anchor: 13 } : {});
    await load();
    client.emit('tokens', tokensEvent(1, '456789', 10, 4));
    if (!isQuestion) {
      await start(editor.open('other', 'b.md'));
      await start(document);
    }
    document.edit(0, 0, 'x');
    mock.timers.tick(200);
    await settle();
    assert.equal((await load()).args.windowStart, undefined);
  }
});

test('whether the window follows the cursor is the setting’s for a new document, the reader’s for the same', async () => {
  const { analysis, inspect } = openAnalysis({ windowFollowsCursor: false });
  const document = editor.open('text');
  await inspect(document);
  assert.equal(analysis.snapshot.isPinned, true);
  analysis.setPinned(false);
  await inspect(document);
  assert.equal(analysis.snapshot.isPinned, false);
  await inspect(editor.open('text', 'b.md'));
  assert.equal(analysis.snapshot.isPinned, true);
});

test('a question goes behind the document’s end, has no lines, and stays there after an edit', async () => {
  const { analysis, inspect, load, chosen } = openAnalysis();
  const document = editor.open('ab\ncd');
  await inspect(document, { question: 'why', anchor: 9 });
  assert.deepEqual([analysis.textEnd, analysis.snapshot.question], [5, 'why']);
  assert.deepEqual([...analysis.linesOfTokens()], [-1, 0, 0, 0, 1, 1, -1, -1, -1, -1]);
  document.edit(0, 0, 'xy');
  mock.timers.tick(200);
  await settle();
  const { args } = await load();
  assert.deepEqual([args.text, args.anchor], ['xyab\ncd\nwhy', 11]);
  assert.equal(chosen.length, 2);
});

test('without a run nothing is known of tokens and lines', () => {
  const { analysis } = openAnalysis();
  assert.deepEqual([analysis.linesOfTokens().length, analysis.textEnd, analysis.tokenAtOffset(0)], [0, 0, null]);
  assert.deepEqual([analysis.shownRun, analysis.selectedRange, analysis.document], [undefined, null, undefined]);
});

test('the layer shown follows the run until the reader picks one', async () => {
  const { analysis, client, start, load } = openAnalysis();
  await start(editor.open('text'));
  await load();
  client.emit('tokens', tokensEvent(1, 'text'));
  client.emit('layer', { analysisId: 1, layer: layerOf(0) });
  client.emit('layer', { analysisId: 1, layer: layerOf(1) });
  assert.equal(analysis.snapshot.view.layerIdx, 1);
  const view = { layerIdx: 0, headIdx: 1, stage: 'scores', difference: false } as const;
  analysis.setView(view);
  await start(editor.open('text'));
  await load();
  client.emit('layer', { analysisId: 2, layer: layerOf(0) });
  client.emit('layer', { analysisId: 2, layer: layerOf(1) });
  assert.deepEqual(analysis.snapshot.view, view);
});

test('a selection is one token or a range in either order, and the same one again is no change', async () => {
  const { analysis, inspect } = openAnalysis();
  await inspect(editor.open('text'));
  let changes = 0;
  analysis.onDidChange(() => changes++);
  const table: [number | null, number | null | undefined, object | null, number][] = [
    [2, undefined, { first: 2, end: 3 }, 1],
    [2, 2, { first: 2, end: 3 }, 0],
    [2, null, { first: 2, end: 3 }, 0],
    [3, 1, { first: 1, end: 4 }, 1],
    [1, 3, { first: 1, end: 4 }, 1],
    [1, null, { first: 1, end: 2 }, 1],
    [null, null, null, 1],
  ];
  for (const [token, anchor, range, nChanges] of table) {
    changes = 0;
    analysis.selectToken(token, anchor);
    assert.deepEqual([analysis.selectedRange, changes], [range, nChanges], JSON.stringify([token, anchor]));
  }
});

test('another run of the same tokens is shown beside the trained one, and both can be looked at', async () => {
  const { analysis, client, inspect } = openAnalysis();
  const trainedId = await inspect(editor.open('text'));
  const predictions = predictionsOf(5, 9);
  const ablation = { ...asTrained, shown: { ...noAblation, edits: [{}] } } as never;
  analysis.showRun({ analysisId: 8, layers: [layerOf(0, 5), layerOf(1, 6)], predictions }, ablation);
  assert.deepEqual([analysis.snapshot.analysisId, analysis.trainedRun?.analysisId], [8, trainedId]);
  assert.equal(analysis.snapshot.ablation, ablation);
  assert.equal(analysis.snapshot.tokens?.surprisalBits?.[1], 9);
  const stage = 'mixed_pattern';
  const scale = async (analysisId: number) =>
    (await analysis.details.overview({ analysisId, layerIdx: 0, headIdx: 0, stage })).scale;
  assert.deepEqual([await scale(8), await scale(trainedId)], [5, 0]);
  assert.equal(analysis.details.predictions(trainedId).surprisalBits[1], 1);
  await assert.rejects(scale(99), { code: 'no-analysis' });
  assert.equal(client.all('overview').length, 0);
});

test('a model is prepared ahead of a run, and what fails then is left to the run', async () => {
  const { analysis, client, chosen } = openAnalysis();
  analysis.prepare('toy');
  await settle();
  client.last('load').reject(new Failure('no-model', 'gone'));
  await settle();
  assert.deepEqual([chosen, analysis.snapshot.status], [['toy'], 'idle']);
});

test('the process’ log is written down, and a provider that changes in mid-run is shown with its reason', () => {
  const { analysis, client, lines } = openAnalysis();
  client.emit('log', { level: 'debug', message: 'hello' });
  client.emit('provider', { provider: 'cpu', note: 'the GPU is gone' });
  assert.deepEqual(lines, ['debug: hello', 'warn: the GPU is gone']);
  assert.deepEqual([analysis.snapshot.provider, analysis.providerNote], ['cpu', 'the GPU is gone']);
});

test('disposed, it cancels its run and hears nothing of the editor', async () => {
  const { analysis, start, load } = openAnalysis();
  const document = editor.open('text');
  await start(document);
  const { signal } = await load();
  analysis.dispose();
  assert.equal(signal?.aborted, true);
  assert.deepEqual([editor.events.changeDocument.nListeners, editor.events.closeDocument.nListeners], [0, 0]);
});

test('where the settings leave it open, a range is as long as runs were measured, and the reason is said', async () => {
  const { analysis, client, lengths, start, load } = openAnalysis({ maxTokens: 0 });
  const document = editor.open('word '.repeat(1000));
  const longModel = { ...loaded, model: { ...loaded.model, maxSeqlen: 4096 } };
  const runOnce = async (firstLayerMs: number) => {
    const { run } = await start(document);
    const { args } = await load(longModel);
    client.emit('tokens', tokensEvent(args.analysisId, 'word word', 5000));
    const reason = analysis.snapshot.rangeReason;
    client.last('analyze').resolve({ ...analyzeAnswer(args.analysisId, 10), firstLayerMs, nReused: 0 });
    await run;
    return [args.maxTokens, reason];
  };
  assert.deepEqual(await runOnce(100), [
    512,
    '10 tokens to begin with: this run measures how many this machine can do in 1.5 s.',
  ]);
  lengths.add('/m auto 2', { nTokens: 512, ms: 300 }, false);
  assert.deepEqual(await runOnce(100), [
    1024,
    '10 tokens are as many as this machine brings a first map of in 1.5 s: 512 tokens took 0.30 s.',
  ]);
  const set = openAnalysis({ maxTokens: 32 });
  await set.start(editor.open('word '.repeat(100)));
  const { args } = await set.load();
  set.client.emit('tokens', tokensEvent(args.analysisId, 'word word', 500));
  assert.equal(set.analysis.snapshot.rangeReason, '10 tokens are set as the longest range.');
});

test('another text in front is named, the inspected one is not', async () => {
  const { analysis, inspect, start } = openAnalysis();
  const [own, other] = [editor.open('ab', 'a.md'), editor.open('cd', 'b.md')];
  analysis.setFront(other.asDocument);
  assert.equal(analysis.snapshot.otherInFront, null, 'before anything is inspected');
  await inspect(own);
  assert.equal(analysis.snapshot.otherInFront, 'b.md');
  analysis.setFront(own.asDocument);
  assert.equal(analysis.snapshot.otherInFront, null);
  analysis.setFront(other.asDocument);
  assert.equal(analysis.snapshot.otherInFront, 'b.md');
  await start(other);
  assert.equal(analysis.snapshot.otherInFront, null);
});

test('a run that is cancelled before the chosen layer shows the last layer that is there', async () => {
  const { analysis, start, load, bring } = openAnalysis();
  const { run } = await start(editor.open('text'));
  await load();
  analysis.setView({ layerIdx: 1, headIdx: 0, stage: 'mixed_pattern', difference: false });
  await bring('text', 1);
  analysis.cancel();
  await assert.rejects(run, cancelled);
  assert.deepEqual([analysis.snapshot.status, analysis.snapshot.view.layerIdx], ['cancelled', 0]);
});
