/** Documents longer than a window, and those that are much too long: windows, the map, edits, and that nobody waits. */

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Frame } from 'playwright-core';
import { mapJson } from '../../src/cli/map';
import type { Stage } from '../../src/shared/attentionMap';
import { inspect, inspectFile, mapOf, takeNotification, untilDone } from './harness/panel';
import { startWorkbench, type Workbench } from './harness/workbench';

const folder = mkdtempSync(join(tmpdir(), 'mta-long-'));
const maxTokens = 128;
const line = 'const answer = question(42); // asked of everyone\n';
const names = ['amber', 'basalt', 'copper', 'dolomite', 'emerald', 'flint', 'garnet'];
const book = Array.from({ length: 400 }, (_, i) => `stock.${names[i % 7]} = ${(i * 37) % 101};\n`).join('');
let workbench: Workbench;
let frame: Frame;

before(async () => {
  writeFileSync(join(folder, 'book.ts'), book);
  writeFileSync(join(folder, 'one-line.txt'), 'one long line of words, '.repeat(220_000)); // 5 MB
  writeFileSync(join(folder, 'large.txt'), line.repeat(980_000)); // 49 MB
  writeFileSync(join(folder, 'server.log'), line.repeat(2_100_000)); // 100 MB
  // The extension host, which inherits it, writes down how long it is held up.
  process.env['MTA_INSPECTOR_WATCH_PAUSES'] = '1';
  workbench = await startWorkbench({ folder, settings: { 'mtaInspector.maxTokens': maxTokens } });
  await workbench.openFile('book.ts');
});

after(async () => {
  await workbench?.close();
  rmSync(folder, { recursive: true, force: true });
});

const editor = () => workbench.page.locator('.editor-group-container.active .view-lines');
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
  assert.ok(start.first > 80 && start.first < 100 && start.last > 100 && start.of === 401, JSON.stringify(start));
  await workbench.screenshot('window');
  await untilDone(workbench, () => workbench.goTo({ line: 180, column: 1 }));
  const moved = await windowLines();
  assert.ok(moved.first < 180 && moved.last > 180 && moved.first > start.last - 20, JSON.stringify(moved));

  await workbench.runCommand('MTA Inspector: Pin Window');
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
  await workbench.runCommand('File: Save');
});

test('the document map: all lines, with the figures of the command line; cancelled, it keeps what it has', async () => {
  const file = join(folder, 'book.ts');
  const text = readFileSync(file, 'utf8');
  const at = text.indexOf('garnet', text.length / 2);
  frame = await untilDone(workbench, async () => {
    await editor().click();
    await workbench.goTo({ offset: at + 1 });
    await workbench.page.keyboard.press('ArrowRight');
  });
  const { layer, head, stage } = await mapOf(frame);
  await frame.getByRole('tab', { name: 'Context', exact: true }).click();
  await frame.getByText(/^Lines relevant for \S+ \(\d+\)/).waitFor();
  await frame.getByRole('button', { name: 'Map Whole Document' }).click();
  await frame.getByText(/“\S+” in book\.ts: \d+ of \d+ windows/).waitFor();
  await workbench.screenshot('map-running');
  await frame.getByText(/book\.ts: \d+ windows of \d+ tokens, all 402 lines/).waitFor({ timeout: 120_000 });
  const cells = await frame
    .getByRole('table', { name: 'Relevant lines of the whole document' })
    .locator('tbody tr')
    .evaluateAll(rows => rows.map(row => [...row.querySelectorAll('td')].map(cell => cell.textContent ?? '')));
  const selected = /“(.+)” in/.exec((await frame.locator('.document-map [role=status]').textContent()) ?? '')![1]!;
  const from = text.indexOf(selected, at - 2);
  const json = await mapJson(file, {
    ...{ model: undefined, provider: 'cpu', maxTokens, at: from, to: from + selected.length, question: undefined },
    ...{ method: 'head', heads: 'all', layer, head, stage: stage as Stage },
  });
  for (const [i, [place = '', relevance = '']] of cells.slice(0, 10).entries()) {
    const want = json.lines[i]!;
    assert.equal(Number.parseInt(place, 10), want.line, `${place} ${JSON.stringify(want)}`);
    assert.ok(
      Math.abs(Number(relevance) - want.relevance) < 6e-3 * want.relevance + 1e-9,
      `${relevance}, not ${want.relevance}`,
    );
  }
  await frame.locator('.document-map').scrollIntoViewIfNeeded();
  await workbench.screenshot('map-done');
  await frame.locator('.document-map .line-link').first().click();
  await frame.getByRole('button', { name: 'Map Whole Document' }).click();
  await frame.getByText(/: [1-9]\d* of \d+ windows/).waitFor();
  await frame.locator('.document-map').getByRole('button', { name: 'Cancel', exact: true }).click();
  await frame.getByText(/cancelled after [1-9]\d* of \d+ windows/).waitFor();
  assert.ok((await frame.locator('.document-map tbody tr').count()) > 0);
  await frame.getByRole('tab', { name: 'Map', exact: true }).click();
});

test('a document that changes ten times a second: nothing is lost, and its last state is what is analysed', async () => {
  await editor().click();
  await workbench.goTo({ line: 60, column: 1 });
  const typed = '// typed while it was analysed, again and again';
  await untilDone(workbench, () => workbench.page.keyboard.type(`${typed}\n`, { delay: 100 }));
  await workbench.runCommand('File: Save');
  await workbench.page.locator('.tab.active.dirty').waitFor({ state: 'detached' });
  assert.equal(readFileSync(join(folder, 'book.ts'), 'utf8').split('\n')[59], typed);
  await facts(/of 403; the rest was left out/);
});

test('one line of 5 MB: a window around the cursor, edited and analysed again', async () => {
  await workbench.openFile('one-line.txt');
  await workbench.goTo({ offset: 2_500_000 });
  frame = await untilDone(workbench);
  await facts(/one-line\.txt: 128 tokens · lines 1–1 of 1; the rest was left out/);
  await untilDone(workbench, async () => {
    await editor().click();
    await workbench.page.keyboard.type('! ');
  });
  await workbench.screenshot('one-line');
  await closeEditor();
});

test('a file of 49 MB: nothing to inspect until VS Code may open it, then windows that follow the cursor', async () => {
  await inspectFile(workbench, 'large.txt');
  assert.match(await takeNotification(workbench, notGiven), /large files before "Open Anyway"/);
  openings.push([Date.now(), Number.POSITIVE_INFINITY]);
  await openAnyway();
  await workbench.goTo({ line: 2000, column: 5 });
  frame = await untilDone(workbench);
  openings.at(-1)![1] = Date.now();
  await facts(/large\.txt: 128 tokens · lines 19\d\d–20\d\d of 980001; the rest was left out/);
  await untilDone(workbench, () => workbench.goTo({ line: 900_000, column: 5 }));
  await untilDone(workbench, async () => {
    await editor().click();
    await workbench.page.keyboard.type('// edited ');
  });
  await workbench.screenshot('large');
  openings.push([Date.now(), Number.POSITIVE_INFINITY]);
  await closeEditor();
  await untilDone(workbench, () => inspectFile(workbench, 'book.ts'));
  openings.at(-1)![1] = Date.now();
});

test('a log of 100 MB: VS Code keeps its text from extensions, which is said, with what can read it', async () => {
  openings.push([Date.now(), Number.POSITIVE_INFINITY]);
  await workbench.openFile('server.log');
  await openAnyway();
  await workbench.runCommand(inspect);
  const said = await takeNotification(workbench, notGiven);
  assert.match(said, /files above 50 MB/);
  assert.match(said, /mta-inspect context FILE/);
  openings.at(-1)![1] = Date.now();
  await closeEditor();
  await untilDone(workbench, () => inspectFile(workbench, 'book.ts'));
});

const notGiven = /There is no text to inspect/;
/** While VS Code itself hands a large file to its extensions, or takes it away; not our doing. */
const openings: [start: number, end: number][] = [];

/** Large files open on the reader's word only. */
async function openAnyway(): Promise<void> {
  await workbench.page.getByRole('button', { name: 'Open Anyway', exact: true }).click();
  await workbench.page.locator('.editor-group-container.active .view-line').first().waitFor();
}

/** A large document would slow down what follows. */
const closeEditor = () => workbench.runCommand('View: Revert and Close Editor');

test('the extension host was never held up for long by any of it', t => {
  const log = workbench.logFiles('MTA Inspector');
  assert.match(log, /pauses of the extension host are watched/);
  const pauses = [...log.matchAll(/^(\S+ \S+) \[info\] extension host paused for (\d+) ms, (\d+) ms of it at work/gm)]
    .map(([, time, duration, work]) => ({ at: Date.parse(time!), duration: Number(duration), work: Number(work) }))
    .filter(({ at }) => !openings.some(([start, end]) => at >= start && at <= end));
  const worst = pauses.toSorted((a, b) => b.work - a.work)[0];
  t.diagnostic(`worst pause: ${JSON.stringify(worst ?? null)} of ${pauses.length} above 20 ms`);
  // The aim is 50 ms; the machine that tests run on may be busy, and joining 49 MB of lines takes far longer than this.
  assert.ok(!worst || worst.work < 250, JSON.stringify(worst));
});
