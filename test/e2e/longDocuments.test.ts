/** Documents longer than a window: windows that follow the cursor. What they cost the extension host: test/bench/hostPauses.ts. */

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Frame } from 'playwright-core';
import { done, showView, untilDone } from './harness/panel';
import { startWorkbench, type Workbench } from './harness/workbench';

const folder = mkdtempSync(join(tmpdir(), 'mta-long-'));
const maxTokens = 128;
const names = ['amber', 'basalt', 'copper', 'dolomite', 'emerald', 'flint', 'garnet'];
const book = Array.from({ length: 200 }, (_, i) => `stock.${names[i % 7]} = ${(i * 37) % 101};\n`).join('');
/** One line of 5 MB, as a minified file has. */
const oneLine = `[${Array.from({ length: 400_000 }, (_, i) => `"item ${i % 1000}"`).join()}]`;
let workbench: Workbench;
let frame: Frame;

before(async () => {
  writeFileSync(join(folder, 'book.ts'), book);
  writeFileSync(join(folder, 'line.json'), oneLine);
  workbench = await startWorkbench({
    folder,
    settings: { 'mtaInspector.range.maxTokens': maxTokens },
  });
  await workbench.openFile('book.ts');
});

after(async () => {
  await workbench?.close();
  rmSync(folder, { recursive: true, force: true });
});

const editor = () => workbench.page.locator('.editor-group-container.active .view-lines');
async function save(): Promise<void> {
  await workbench.runCommand('File: Save');
  await workbench.page.locator('.tab.active.dirty').waitFor({ state: 'detached' });
}

/** The window's lines as the status bar says them. */
async function windowLines(): Promise<{ first: number; last: number; of: number }> {
  const text = (await workbench.statusItem(/lines \d+–\d+ of \d+/).textContent()) ?? '';
  const [first = 0, last = 0, of = 0] = text.match(/\d+/g)!.map(Number);
  return { first, last, of };
}
const facts = (text: RegExp) => frame.locator('.facts').filter({ hasText: text }).waitFor();

test('a window follows the cursor, with a bracket and a status text, until it is pinned', async () => {
  await workbench.goTo({ line: 100, column: 1 });
  frame = await untilDone(workbench);
  const start = await windowLines();
  assert.ok(start.first > 80 && start.first < 100 && start.last > 100 && start.of === 200, JSON.stringify(start));
  await workbench.screenshot('window');
  await untilDone(workbench, () => workbench.goTo({ line: 180, column: 1 }));
  const moved = await windowLines();
  assert.ok(moved.first < 180 && moved.last > 180 && moved.first > start.last - 20, JSON.stringify(moved));

  await workbench.runCommand('MTA Inspector: Pin Inspected Range');
  await facts(/\(pinned\)/);
  await workbench.goTo({ line: 20, column: 1 });
  // The edit has the document analysed again: the pinned window has only moved with its text.
  await untilDone(workbench, async () => {
    await editor().click();
    await workbench.goTo({ line: 20, column: 1 });
    await workbench.page.keyboard.type('// one more line\n');
  });
  const pinned = await windowLines();
  assert.deepEqual([pinned.first, pinned.last], [moved.first + 1, moved.last + 1]);
  await workbench.screenshot('window-pinned');
  await untilDone(workbench, () => workbench.statusItem(/lines \d+–\d+ of \d+/).click());
  const released = await windowLines();
  assert.ok(released.first <= 21 && released.last > 21, JSON.stringify(released));
  await save();
});

test('ten edits a second: the last one is what is shown in the end', async () => {
  const { page } = workbench;
  await editor().click();
  await workbench.goTo({ line: 1, column: 1 });
  const typed = '// every key is an edit of its own, and none is lost';
  await page.keyboard.type(typed, { delay: 100 });
  // Keys are no limit of speed either: what was typed has arrived when it is in the line.
  await page.locator('.view-line').filter({ hasText: 'none is lost' }).first().waitFor();
  await showView(frame, 'Tokens');
  await frame
    .locator('[role="listbox"][aria-label^="Tokens of the window"]')
    .filter({ hasText: 'lost' })
    .last()
    .waitFor();
  await workbench.statusItem(done).waitFor();
  await showView(frame, 'Map');
  await save();
  assert.equal(readFileSync(join(folder, 'book.ts'), 'utf8').split('\n')[0], `${typed}${book.split('\n')[0]}`);
});

test('one line of 5 MB: a window of it is analysed, wherever the cursor is', async () => {
  await workbench.openFile('line.json');
  await workbench.goTo({ line: 1, column: 2_500_000 });
  const seen = await untilDone(workbench);
  await seen
    .locator('.facts')
    .filter({ hasText: /line\.json: 128 tokens · .*the rest was left out/ })
    .waitFor();
  await workbench.screenshot('one-line');
  assert.equal(statSync(join(folder, 'line.json')).size, oneLine.length);
});
