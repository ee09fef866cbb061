import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import '../../fixtures/vscode';
import { ViewLinks } from '../../../src/editor/viewLinks';
import { fakeMemento, openAnalysis } from '../../fixtures/analysis';
import { type FakeClient, settle } from '../../fixtures/fakeClient';
import { EventEmitter, editor } from '../../fixtures/vscode';

function openLinks() {
  const { analysis, inspect, log, client, load, complete } = openAnalysis();
  const memory = fakeMemento();
  const comparison = { onDidChange: new EventEmitter().event, shown: null };
  const run = (work: () => Promise<void>) => work();
  const [none, tabs] = [{} as never, { shown: null, show: () => {} }];
  const ablations = { set() {} } as never;
  const links = new ViewLinks(analysis, ablations, comparison as never, tabs, none, memory, log, run, () => {});
  return { analysis, inspect, memory, links, client, load, complete };
}

test('a link that could not be opened again is not copied', async () => {
  const { inspect, links } = openLinks();
  await inspect(editor.open('abcd', 'a b.md'));
  await links.copyLink();
  const copied = editor.clipboard;
  assert.match(copied, /&path=a~20b\.md&/);
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
  assert.match(kept().query, /^root=workspace&path=a\.md&layer=\d+&head=0&/);
  analysis.setView({ ...analysis.snapshot.view, headIdx: 1 });
  assert.match(kept().query, /&head=1&/);
});

/** Files that are really there: whether a link leads out of the workspace is asked of the system. */
function withFiles(context: TestContext, paths: readonly string[]): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'mta-links-')));
  context.after(() => rmSync(folder, { recursive: true }));
  for (const path of paths) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), 'abcd');
    editor.files.set(join(folder, path), new TextEncoder().encode('abcd'));
  }
  return folder;
}

const folderAt = (path: string, index = 0) => ({ name: 'app', index, uri: editor.open('', `..${path}`).uri as never });

test('a link opens the file that it was made of, whatever is in its name', async context => {
  const names = ['c++ notes.md', 'R&D plan.txt', '50%25 off.txt', 'c++/main.cpp', 'a#b.ts', 'x=y.txt', 'ünï 価格.txt'];
  for (const name of names) {
    const { analysis, client, inspect, links, load, complete } = openLinks();
    const folder = withFiles(context, names);
    editor.folders = [folderAt(folder)];
    const document = editor.open('abcd', `..${folder}/${name}`);
    await inspect(document);
    await links.copyLink();
    document.close();
    editor.answers.input = editor.clipboard;
    const opening = links.openLink();
    await untilAsked(client);
    await load();
    await complete();
    await opening;
    assert.equal(analysis.document!.uri.path, `${folder}/${name}`);
  }
});

test('where two folders of one name have the file, a link asks which', async context => {
  const { analysis, client, inspect, links, load, complete } = openLinks();
  const folder = withFiles(context, ['one/app/a.ts', 'two/app/a.ts']);
  editor.folders = [folderAt(`${folder}/one/app`, 0), folderAt(`${folder}/two/app`, 1)];
  await inspect(editor.open('abcd', `..${folder}/two/app/a.ts`));
  await links.copyLink();
  const asked: string[][] = [];
  editor.answers.pick = items => {
    asked.push((items as readonly { description: string }[]).map(({ description }) => description));
    return items[1];
  };
  editor.answers.input = editor.clipboard;
  const opening = links.openLink();
  await untilAsked(client);
  await load();
  await complete();
  await opening;
  assert.deepEqual(asked, [['one', 'two'].map(parent => `${folder}/${parent}/app/a.ts`)]);
  assert.equal(analysis.document!.uri.path, `${folder}/two/app/a.ts`);
  editor.answers.pick = () => undefined;
  await assert.rejects(links.openLink(), { name: 'Cancelled' });
});

/** Looking for the file asks the system, which takes a few turns; then a second run asks for its model. */
async function untilAsked(client: FakeClient): Promise<void> {
  for (let i = 0; i < 10_000 && client.all('load').length < 2; i++) await settle();
}
