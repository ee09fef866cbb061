/** Choosing heads that find context in the editor, and using them for relevance. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import '../../fixtures/vscode';
import { OcclusionRuns } from '../../../src/analysis/occlusionRuns';
import { RelevantContext } from '../../../src/analysis/relevantContext';
import { RetrievalHeads } from '../../../src/analysis/retrievalHeads';
import { commands } from '../../../src/contributionIds';
import { registerRetrievalHeads } from '../../../src/editor/retrievalHeadsCommand';
import { Cancelled } from '../../../src/shared/tools/failure';
import { fakeMemento, openAnalysis } from '../../fixtures/analysis';
import { settle } from '../../fixtures/fakeClient';
import { editor } from '../../fixtures/vscode';

const text = 'total = 0\r\nx\r\nuse total\r\n';
/** Of the fake model: 2 layers, 2 heads. */
const scores = [0.1, 0.2, 0.9, 0.3].map((score, i) => ({ layerIdx: i >> 1, headIdx: i % 2, score }));
const best = [{ layerIdx: 1, headIdx: 0 }];

async function open(content = text, isInspected = true) {
  const opened = openAnalysis();
  const memory = fakeMemento();
  const heads = new RetrievalHeads(opened.analysis, opened.client.asClient, memory);
  const context = new RelevantContext(opened.analysis, new OcclusionRuns(opened.client.asClient), fakeMemento());
  const failed: unknown[] = [];
  registerRetrievalHeads(heads, context, run => run().catch(error => void failed.push(error)));
  const document = editor.open(content);
  editor.show(document);
  if (isInspected) await opened.inspect(document);
  const run = async () => {
    void editor.commands.get(commands.useRetrievalHeads)!();
    await settle();
  };
  return { ...opened, memory, heads, context, failed, run };
}

test('where none are chosen, the words that the document repeats choose an eighth of the heads, and relevance is their mean', async () => {
  const { client, heads, context, failed, run } = await open();
  assert.equal(heads.chosen, null);
  await run();
  const { args, resolve } = client.last('scoreHeads');
  const [{ text: sent, query, gold }, ...more] = args.examples;
  assert.equal(more.length, 0);
  assert.deepEqual([sent.slice(query.start, query.end), sent.slice(gold.start, gold.end)], ['tal', 'total = 0']);
  resolve(scores);
  await settle();
  assert.deepEqual([heads.chosen, failed], [best, []]);
  const { method, heads: used, direction } = context.snapshot.options;
  assert.deepEqual([method, used, direction], ['mean', best, 'attends']);
});

test('chosen heads are offered again, and can be chosen anew', async () => {
  const { client, heads, context, run } = await open();
  void heads.choose(new AbortController().signal);
  client.last('scoreHeads').resolve(scores);
  await settle();
  let offered: { label: string; detail: string }[] = [];
  editor.answers.pick = items => {
    offered = items as never;
    return items[0];
  };
  await run();
  assert.equal(offered[0]!.detail, 'L1H0');
  assert.deepEqual(context.snapshot.options.heads, best);
  assert.equal(client.all('scoreHeads').length, 1);
  editor.answers.pick = items => items[1];
  await run();
  assert.equal(client.all('scoreHeads').length, 2);
  editor.answers.pick = () => undefined;
  await run();
  assert.equal(client.all('scoreHeads').length, 2);
});

test('a cancelled choice changes nothing', async () => {
  const { client, heads, context, failed, run } = await open();
  const before = context.snapshot.options;
  await run();
  editor.cancelProgress();
  await settle();
  assert.ok(client.last('scoreHeads').signal?.aborted);
  assert.ok(failed[0] instanceof Cancelled);
  assert.deepEqual([heads.chosen, context.snapshot.options], [null, before]);
});

test('a text without repeated words, and no text at all, are refused in words', async () => {
  for (const [content, isInspected, message] of [
    ['one\ntwo\n', true, /no word of five letters or more comes again/],
    [text, false, /Inspect a document/],
  ] as const) {
    const { client, failed, run } = await open(content, isInspected);
    await run();
    assert.match((failed[0] as Error).message, message);
    assert.equal(client.all('scoreHeads').length, 0);
  }
});

test('what is remembered counts for its model alone, and only as it was written', async () => {
  const { heads, memory, analysis } = await open();
  const { name } = analysis.snapshot.model!;
  for (const [stored, expected] of [
    [{ [name]: best }, best],
    [{ other: best }, null],
    [{ [name]: [{ layerIdx: 9, headIdx: 0 }] }, null],
    [{ [name]: [] }, null],
    ['nonsense', null],
  ] as const) {
    await memory.update('mtaInspector.retrievalHeads', stored);
    assert.deepEqual(heads.chosen, expected);
  }
});
