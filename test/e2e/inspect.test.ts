/**
 * The product as its users meet it: a real workbench in a real browser with the packaged extension, whose figures are
 * compared with those of the engine in plain Node.
 */

import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { strongestWords } from '../../src/attention/strongestWords';
import { type AnalyzedDocument, analyzeFile, headMap } from '../../src/cli/document';
import { bakeColors, colorOf, levelOf, parseColor } from '../../src/shared/colorScale';
import type { Stage } from '../../src/shared/operators';
import { textOfTokens, wordAt } from '../../src/shared/places';
import { tokenAt } from '../../src/tokenization/offsets';
import { root } from '../fixtures/paths';
import { canvasPixels } from './harness/canvas';
import { done, inspect, inspectFile, mapOf, measureByShownHead, panelOf, untilDone } from './harness/panel';
import { startWorkbench, type Workbench } from './harness/workbench';

const folder = mkdtempSync(join(tmpdir(), 'mta-e2e-'));
const sample = 'inventory.ts';
let workbench: Workbench;
/** The same document analysed by the engine, as the command line does. */
let expected: AnalyzedDocument;

before(async () => {
  cpSync(join(root, 'test', 'fixtures', 'documents'), folder, { recursive: true });
  writeFileSync(join(folder, 'empty.txt'), '');
  writeFileSync(join(folder, 'blank.txt'), ' \n\t\n');
  writeFileSync(
    join(folder, 'odd.md'),
    '\uFEFF# Odd\r\n\r\n😀 <img src=x onerror=alert(1)> `a`|b \u202e zero\u200bwidth\r\n',
  );
  writeFileSync(join(folder, 'long.txt'), 'A line of a rather long document, number 17.\n'.repeat(4000));
  const options = { model: undefined, provider: 'cpu', maxTokens: 512, at: 0, topK: 16 } as const;
  expected = await analyzeFile(join(folder, sample), options);
  workbench = await startWorkbench({ folder });
});

after(async () => {
  await workbench?.close();
  await expected?.engine.release();
  rmSync(folder, { recursive: true, force: true });
});

const inspected = (name: string) => untilDone(workbench, () => inspectFile(workbench, name));
const panel = () => panelOf(workbench);

test('the command shows the maps; the heatmap’s pixels are the engine’s values', async () => {
  const frame = await inspected(sample);
  const map = await mapOf(frame);
  assert.equal(map.nTokens, expected.tokens.ids.length);
  const values = await headMap(expected, map.layer, map.head, map.stage as 'mixed_pattern');
  const max = Number(await frame.locator('[data-scale-max]').getAttribute('data-scale-max'));
  // The scale ends at the 99.5th percentile of the overview, whose cells are blocks, without the first token.
  const magnitudes = values.map(Math.abs).filter((_, at) => at % map.nTokens > 0);
  const nBeyond = magnitudes.filter(x => x > max).length;
  assert.ok(max > 0 && nBeyond > 0 && nBeyond < 0.005 * magnitudes.length, `${nBeyond} cells are beyond ${max}`);
  await workbench.screenshot('panel');

  // Zoom in to where a cell is several pixels wide, so that one pixel belongs to one cell.
  const canvas = frame.locator('canvas[data-source]');
  await canvas.focus();
  while ((await mapOf(frame)).cellSize < 6) await workbench.page.keyboard.press('+');
  await frame.locator('canvas[data-source="tiles"]').waitFor();
  const zoomed = await mapOf(frame);
  const pixels = await canvasPixels(frame, 'canvas[data-source]');
  // Zero is drawn in the theme's background.
  const background = await frame.evaluate(() =>
    getComputedStyle(document.body).getPropertyValue('--vscode-editor-background'),
  );
  const table = bakeColors(parseColor(background)!);
  const counts = { compared: 0, strong: 0 };
  for (let query = 0; query < map.nTokens; query++) {
    for (let key = 0; key <= query; key++) {
      const x = zoomed.originX + (key + 0.5) * zoomed.cellSize;
      const y = zoomed.originY + (query + 0.5) * zoomed.cellSize;
      // Not at the edge, and not where crosshair or selection are drawn over the map.
      if (x < 4 || y < 4 || x > pixels.width - 4 || y > pixels.height - 4) continue;
      const value = values[query * map.nTokens + key]!;
      const want = colorOf(table, levelOf(value, max, 'power'));
      const got = pixels.at(x, y);
      const distance = Math.max(...want.map((channel, i) => Math.abs(channel - got[i]!)));
      if (distance <= 6) counts.compared++;
      else assert.fail(`cell (${query}, ${key}) = ${value} is ${got}, expected ${want} at scale ${max}`);
      if (Math.abs(value) > max / 10) counts.strong++;
    }
  }
  assert.ok(counts.compared > 100 && counts.strong > 3, JSON.stringify(counts));
});

/** What a word attends to most by the engine's map: the mean of its tokens' rows, summed by word. */
async function placesOf(offset: number, layer: number, head: number, stage: Stage, k: number) {
  const { labels, offsets, ids } = expected.tokens;
  const nTokens = ids.length;
  const map = await headMap(expected, layer, head, stage);
  const word = wordAt(labels, tokenAt(offsets, offset));
  const weights = new Float32Array(nTokens);
  for (let query = word.first; query < word.end; query++) {
    for (let key = 0; key <= query; key++) weights[key]! += map[query * nTokens + key]! / (word.end - word.first);
  }
  const isText = (idx: number) => idx < word.first && offsets[idx + 1]! > offsets[idx]!;
  return strongestWords(weights, labels, k, isText).map(place => ({
    ...place,
    text: textOfTokens(labels, place.tokens),
  }));
}

const hoverRow = /line (\d+)\s+(\S+)\s+█+ ([+−]\d+\.\d+(?:e−\d+)?)/g;
const near = (shown: string, value: number) =>
  Math.abs(Number(shown.replaceAll('−', '-')) - value) < 2e-3 * Math.abs(value) + 1e-5;

test('hovering a word says how it was predicted and where it looks, with the engine’s weights', async () => {
  const { layer, head } = await mapOf(await panel());
  const text = readFileSync(join(folder, sample), 'utf8');
  const offset = text.indexOf('total += item.price');
  assert.match(await workbench.hoverText({ offset: offset + 1 }), /Mean over all heads of the model/);
  await measureByShownHead(workbench);
  const hover = await workbench.hoverText({ offset: offset + 1 });
  assert.match(hover, new RegExp(`Layer ${layer}, head ${head}`));
  assert.match(hover, /total\s+· \d+\.\d bits · .* \d+%/);
  assert.match(hover, /Explain this token/);
  const places = await placesOf(offset, layer, head, 'mixed_pattern', 3);
  const rows = [...hover.matchAll(hoverRow)];
  assert.equal(rows.length, places.length, hover);
  for (const [i, [, line, name, weight = '']] of rows.entries()) {
    assert.ok(near(weight, places[i]!.weight), `${hover}; ${places[i]!.weight}`);
    const start = expected.tokens.offsets[places[i]!.tokens.first]!;
    assert.equal(Number(line), text.slice(0, start).split('\n').length, hover);
    assert.equal(name, places[i]!.text, hover);
  }
  await workbench.screenshot('hover');
});

test('the convolution is a stage of its own: scores, after convolution, and their difference', async () => {
  const frame = await panel();
  const { layer, head, nTokens } = await mapOf(frame);
  const last = nTokens - 1;
  for (const [stage, label] of [
    ['scores', 'Scores'],
    ['convolved_scores', 'Scores after convolution'],
  ] as const) {
    await frame.getByRole('combobox', { name: 'Stage' }).click();
    await frame.getByRole('option', { name: label, exact: true }).click();
    await frame.locator(`canvas[data-stage="${stage}"][data-source="tiles"]`).waitFor();
    const offset = expected.tokens.offsets[last]!;
    const hover = await workbench.hoverText({ offset });
    const [strongest] = await placesOf(offset, layer, head, stage, 1);
    const [[, , , weight = ''] = []] = hover.matchAll(hoverRow);
    assert.ok(near(weight, strongest!.weight), `${hover}; ${strongest!.weight}`);
  }
  await frame.getByRole('checkbox', { name: /difference/i }).click();
  await frame.locator('canvas[data-source="tiles"][data-difference="true"]').waitFor();
  await workbench.screenshot('difference');
  await frame.getByRole('checkbox', { name: /difference/i }).click();
  await frame.getByRole('combobox', { name: 'Stage' }).click();
  await frame.getByRole('option', { name: 'Mixed pattern', exact: true }).click();
  await frame.locator('canvas[data-stage="mixed_pattern"][data-source="tiles"]').waitFor();
});

test('a selected word marks what it looks at, whatever moved the cursor; the status bar says what the marks are', async () => {
  const text = readFileSync(join(folder, sample), 'utf8');
  await workbench.page.locator('.editor-group-container.active .view-lines').click();
  await workbench.goTo({ offset: text.indexOf('toOrder(least') + 2 });
  const legend = workbench.statusItem(/^\s*‘toOrder’ ← \d+ places, strongest/);
  await legend.waitFor();
  const decorated = workbench.page.locator(
    '.editor-group-container.active .view-overlays .cdr, .editor-group-container.active .view-line [class*="ced-"]',
  );
  await decorated.first().waitFor({ state: 'attached' });
  assert.ok((await decorated.count()) > 1);
  await workbench.screenshot('shaded');
  await workbench.runCommand('Expand Selection');
  await workbench.page.keyboard.press('ArrowLeft');
  // Find moves the cursor by command.
  await workbench.page.keyboard.press('Control+F');
  await workbench.page.keyboard.type('quantity');
  await workbench.page.keyboard.press('Enter');
  await workbench.page.keyboard.press('Escape');
  await workbench.statusItem(/‘quantity’ ←/).waitFor();
  await workbench.runCommand('MTA Inspector: Toggle Surprisal in the Text');
  await workbench.statusItem(/surprisal from 2 · 4 · 8 · 12 bits/).waitFor();
  await workbench.screenshot('surprisal');
  await workbench.runCommand('MTA Inspector: Toggle Surprisal in the Text');
});

test('an edit in mid-run drops the stale result; the new one describes the new text', async () => {
  const before = await mapOf(await panel());
  await workbench.runCommand(inspect);
  await workbench.page.locator('.editor-group-container.active .view-lines').click();
  await workbench.goTo({ offset: 0 });
  await workbench.page.keyboard.type('// edited while it ran\n');
  await workbench.statusItem(done).waitFor();
  const frame = await panel();
  await frame.waitForFunction(
    id => Number(document.querySelector<HTMLElement>('canvas[data-source]')?.dataset['analysisId']) > id + 1,
    before.analysisId,
  );
  await frame.locator('canvas[data-source="tiles"]').waitFor();
  assert.ok((await mapOf(frame)).nTokens > before.nTokens);
  for (let i = 0; i < 2; i++) await workbench.page.keyboard.press('Control+Z');
});

test('a killed inference process is reported, and the next command works', async () => {
  const [process0] = workbench.inferenceProcesses();
  assert.ok(process0, 'the inference process runs');
  process.kill(process0.pid, 'SIGKILL');
  await untilDone(workbench);
  const [process1] = workbench.inferenceProcesses();
  assert.ok(process1 && process1.pid !== process0.pid);
});

const refused: [string, RegExp][] = [
  ['empty.txt', /"empty\.txt" holds no text to inspect/],
  ['blank.txt', /"blank\.txt" holds no text to inspect/],
];
for (const [name, message] of refused) {
  test(`${name}: says in one sentence why not, and the next command works`, async () => {
    await inspectFile(workbench, name);
    await workbench.notification(message).first().waitFor();
    await workbench.screenshot(`refused-${name}`);
    await workbench.page.keyboard.press('Escape');
    await inspected(sample);
  });
}

test('hostile text is shown as text: BOM, CRLF, emoji, markup, bidi', async () => {
  const frame = await inspected('odd.md');
  assert.equal(await frame.locator('img').count(), 0);
  const hover = await workbench.hoverText({ offset: readFileSync(join(folder, 'odd.md'), 'utf8').indexOf('onerror') });
  assert.match(hover, /looks at|no earlier place/);
  assert.equal(readFileSync(join(folder, 'odd.md'), 'utf8').charCodeAt(0), 0xfeff, 'the document is untouched');
});

test('a long document is analysed in a window around the cursor, and the rest is said to be left out', async () => {
  await workbench.openFile('long.txt');
  await workbench.goTo({ line: 2000, column: 5 });
  const frame = await untilDone(workbench);
  await frame
    .getByText(/left out/)
    .first()
    .waitFor();
  assert.equal((await mapOf(frame)).nTokens, 512);
});

test('untitled documents and selections', async () => {
  await workbench.runCommand('File: New Untitled Text File');
  await workbench.page.keyboard.type('the cat sat on the mat because the cat was tired');
  const whole = await mapOf(await untilDone(workbench));
  await workbench.select({ line: 1, column: 1 }, { line: 1, column: 12 });
  await workbench.runCommand('MTA Inspector: Inspect Selection');
  const frame = await panel();
  await frame.waitForFunction(
    n => Number(document.querySelector<HTMLElement>('canvas[data-source]')?.dataset['nTokens']) < n,
    whole.nTokens,
  );
});

test('nothing went wrong behind the scenes, and the log holds no document text', async () => {
  const log = workbench.logFiles('MTA Inspector');
  assert.match(log, /run \d+: \d+ tokens/);
  assert.doesNotMatch(log, /inventory\.total|rather long document|the cat sat/);
  // The toolkit sets one empty style attribute, which the policy blocks and nobody misses: the hash of ''.
  const violations = workbench
    .consoleErrors()
    .filter(error => /Content Security Policy/.test(error) && /mta-inspector/.test(error))
    .filter(error => !error.includes("'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"));
  assert.deepEqual(violations, []);
});
