/** The panel follows a document through closing, renaming and odd names, in a workspace with two folders of one name. */

import assert from 'node:assert/strict';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { root } from '../fixtures/paths';
import { inspectFile, untilDone } from './harness/panel';
import { startWorkbench, type Workbench } from './harness/workbench';

const folder = mkdtempSync(join(tmpdir(), 'mta-e2e-identity-'));
const names = ['c++ notes.md', 'R&D plan.txt', '50%25 off.txt', 'c++/main.cpp', 'a#b.ts', 'x=y.txt', 'ünï 価格.txt'];
const inTwo = (name: string) => join(folder, 'two', 'app', name);
let workbench: Workbench;

before(async () => {
  for (const parent of ['one', 'two']) {
    mkdirSync(join(folder, parent, 'app', 'c++'), { recursive: true });
    writeFileSync(
      join(folder, parent, 'app', 'shared.ts'),
      `// the ${parent} folder\nexport const which = '${parent}';\n`,
    );
  }
  for (const name of names) writeFileSync(inTwo(name), `This is the file ${name}, and this is its second sentence.\n`);
  cpSync(join(root, 'test', 'fixtures', 'documents', 'inventory.ts'), inTwo('before.ts'));
  const folders = ['one', 'two'].map(parent => ({ path: `${parent}/app` }));
  writeFileSync(join(folder, 'both.code-workspace'), JSON.stringify({ folders }));
  workbench = await startWorkbench({ folder: join(folder, 'both.code-workspace') });
});

after(async () => {
  await workbench?.close();
  rmSync(folder, { recursive: true, force: true });
});

const label = (text: string) => workbench.webviewFrame('MTA Inspector').then(frame => frame.getByText(text).first());

async function copyLink(): Promise<string> {
  await workbench.runCommand('MTA Inspector: Copy View Link');
  await workbench.statusItem('link copied').waitFor();
  return workbench.page.evaluate(() => navigator.clipboard.readText());
}

async function openLink(link: string): Promise<void> {
  await workbench.runCommand('MTA Inspector: Open View Link…');
  await workbench.page.getByPlaceholder(/view\?path=/).fill(link);
  await workbench.page.keyboard.press('Enter');
}

test('T29: links open files whose names hold signs that addresses use', async () => {
  await workbench.page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
  for (const name of names) {
    await untilDone(workbench, () => inspectFile(workbench, inTwo(name)));
    const link = await copyLink();
    await workbench.runCommand('View: Close All Editors');
    await untilDone(workbench, () => openLink(link));
    await workbench.page.locator(`.tab.active[data-resource-name="${name.split('/').at(-1)}"]`).waitFor();
  }
});

test('T30: a link to a file that two folders of one name have asks which', async () => {
  await untilDone(workbench, () => inspectFile(workbench, inTwo('shared.ts')));
  await (await label('two/app/shared.ts')).waitFor();
  const link = await copyLink();
  await workbench.runCommand('View: Close All Editors');
  await openLink(link);
  const rows = workbench.page.locator('.quick-input-widget .monaco-list-row').filter({ hasText: 'shared.ts' });
  await rows.nth(1).waitFor();
  await workbench.screenshot('two-folders');
  // The mouse rests where the palette's row was: a hover of the first row would lie over the second.
  await workbench.page.mouse.move(1, 1);
  await untilDone(workbench, () => rows.filter({ hasText: 'two/app' }).click());
  await workbench.page
    .locator('.editor-group-container.active .view-line')
    .filter({ hasText: 'the two folder' })
    .waitFor();
});

test('B2: a document that is closed and opened again keeps its maps, marks and hover', async () => {
  await untilDone(workbench, () => inspectFile(workbench, inTwo('before.ts')));
  await workbench.runCommand('View: Close All Editors');
  await workbench.openFile(inTwo('before.ts'));
  const text = readFileSync(inTwo('before.ts'), 'utf8');
  await workbench.goTo({ offset: text.indexOf('toOrder(least') + 2 });
  await workbench.statusItem(/‘toOrder’ ←/).waitFor();
  assert.match(await workbench.hoverText({ offset: text.indexOf('toOrder(least') + 2 }), /toOrder\s+· \d/);
  const frame = await workbench.webviewFrame('MTA Inspector');
  assert.equal(await frame.getByText('The text changed since').count(), 0);
});

test('T31: a renamed document is followed: its name, its relevant lines, its edits', async () => {
  await workbench.runCommand('File: Reveal Active File in Explorer View');
  await workbench.page.keyboard.press('F2');
  const input = workbench.page.locator('.explorer-folders-view .monaco-inputbox input');
  await input.waitFor();
  await input.fill('after.ts');
  await workbench.page.keyboard.press('Enter');
  await workbench.page.locator('.tab.active[data-resource-name="after.ts"]').waitFor();
  await workbench.runCommand('View: Show MTA Inspector');
  await (await label('after.ts')).waitFor();
  const frame = await workbench.webviewFrame('MTA Inspector');
  assert.equal(await frame.getByText('The text changed since').count(), 0);
  await workbench.openFile(inTwo('after.ts'));
  await untilDone(workbench, async () => {
    await workbench.goTo({ offset: 0 });
    await workbench.page.keyboard.type('// renamed\n');
  });
  await workbench.screenshot('renamed');
});
