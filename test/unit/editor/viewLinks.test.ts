import assert from 'node:assert/strict';
import { test } from 'node:test';
import '../../fixtures/vscode';
import { ViewLinks } from '../../../src/editor/viewLinks';
import { fakeMemento, openAnalysis } from '../../fixtures/analysis';
import { EventEmitter, editor } from '../../fixtures/vscode';

function openLinks() {
  const { analysis, inspect, log } = openAnalysis();
  const memory = fakeMemento();
  const comparison = { onDidChange: new EventEmitter().event, shown: null };
  const run = (work: () => Promise<void>) => work();
  const [none, tabs] = [{} as never, { shown: null, show: () => {} }];
  const links = new ViewLinks(analysis, none, comparison as never, tabs, none, memory, log, run, () => {});
  return { analysis, inspect, memory, links };
}

test('a link that could not be opened again is not copied', async () => {
  const { inspect, links } = openLinks();
  await inspect(editor.open('abcd', 'a b.md'));
  await links.copyLink();
  const copied = editor.clipboard;
  assert.match(copied, /&file=a%20b\.md&/);
  for (const name of ['a:b.md', 'a\\b.md']) {
    await inspect(editor.open('abcd', name));
    await assert.rejects(links.copyLink(), { code: 'not-linkable' });
    assert.equal(editor.clipboard, copied);
  }
});

test('the view is kept for a reload as soon as it changes', async () => {
  const { analysis, inspect, memory } = openLinks();
  const document = editor.open('abcd\nefgh', 'a.md');
  await inspect(document);
  const kept = () => memory.held['mtaInspector.lastView'] as { uri: string; query: string };
  assert.equal(kept().uri, document.uri.toString());
  assert.match(kept().query, /^folder=workspace&file=a\.md&layer=\d+&head=0&/);
  analysis.setView({ ...analysis.snapshot.view, headIdx: 1 });
  assert.match(kept().query, /&head=1&/);
});
