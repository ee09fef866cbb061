/** The Token page as a newcomer meets it: what was predicted, from which lines, by which heads, without a click. */

import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Frame } from 'playwright-core';
import { sumByLine } from '../../src/attention/tokenAnswer';
import { type AnalyzedDocument, analyzeFile, documentRun } from '../../src/cli/document';
import { root } from '../fixtures/paths';
import { inspect } from './harness/panel';
import { startWorkbench, type Workbench } from './harness/workbench';

const folder = mkdtempSync(join(tmpdir(), 'mta-e2e-token-'));
const sample = 'inventory.ts';
let workbench: Workbench;
let frame: Frame;
let expected: AnalyzedDocument;

before(async () => {
  cpSync(join(root, 'test', 'fixtures', 'documents'), folder, { recursive: true });
  const options = { model: undefined, provider: 'cpu', maxTokens: 512, at: 0, topK: 16 } as const;
  expected = await analyzeFile(join(folder, sample), options);
  workbench = await startWorkbench({ folder });
  await workbench.page.setViewportSize({ width: 1280, height: 800 });
});

after(async () => {
  await workbench?.close();
  await expected?.engine.release();
  rmSync(folder, { recursive: true, force: true });
});

const why = () => frame.locator('.why');
const answered = (row: number) => frame.locator(`.why[data-status="done"][data-row="${row}"]`).waitFor();
const near = (got: string | null | undefined, want: number) =>
  assert.ok(Math.abs(Number(got) - want) < 2e-3 * Math.max(1, Math.abs(want)), `${got}, expected ${want}`);

/** What the engine says of a row: per line, from 0. */
async function linesOf(row: number) {
  const { engine, text, tokens } = expected;
  const found = await engine.explain({ analysisId: documentRun, row, target: 'actual' });
  const lineOf = Int32Array.from(tokens.offsets.subarray(0, -1), (start, i) =>
    tokens.offsets[i + 1] === start ? -1 : text.slice(0, start).split('\n').length - 1,
  );
  return { found, sums: sumByLine(found.tokens, row, lineOf, row + 1) };
}

test('after Inspect Document alone: the word at the cursor, its bits, the lines and heads that the engine names', async () => {
  const { text, tokens, predictions } = expected;
  const at = text.indexOf('quantity', text.indexOf('total +='));
  await workbench.openFile(sample);
  await workbench.goTo({ offset: at + 3 });
  await workbench.runCommand(inspect);
  frame = await workbench.webviewFrame('MTA Inspector');
  const first = tokens.offsets.findIndex((start, i) => start <= at && tokens.offsets[i + 1]! > at);
  await answered(first - 1);
  assert.equal(await frame.locator('#page-tab-token').getAttribute('aria-selected'), 'true');
  const title = (await frame.locator('.why-title').textContent()) ?? '';
  assert.match(title, /^quantity line 30 · /); // its first token is ".quantity"
  const { found, sums } = await linesOf(first - 1);
  const lines = frame.locator('.why-lines li[data-line]');
  for (const [i, line] of sums.lines.slice(0, 3).entries()) {
    assert.equal(Number(await lines.nth(i).getAttribute('data-line')), line.lineIdx + 1);
    near(await lines.nth(i).getAttribute('data-value'), line.value);
  }
  const heads = Array.from(found.heads, (value, i) => ({ value, i })).sort(
    (a, b) => Math.abs(b.value) - Math.abs(a.value),
  );
  const { nHeads } = expected.engine.model;
  const { value, i } = heads[0]!;
  const shown = frame.locator('.why-heads li').first();
  assert.equal(await shown.getAttribute('data-head'), `${Math.floor(i / nHeads)}.${i % nHeads}`);
  near(await shown.getAttribute('data-value'), value);
  const { k, topIds, labels } = predictions;
  const likeliest = labels[topIds[(first - 1) * k]!]!.trim();
  assert.ok(((await frame.locator('.why-predicted li').first().textContent()) ?? '').includes(likeliest));
  // Lines are hidden in the background; bits are those of the engine's knock-outs.
  await lines.first().and(frame.locator('[data-lost]')).waitFor();
  const { tokens: keys } = sums.lines[0]!;
  const target = tokens.ids[first]!;
  const rows = { first: first - 1, end: first };
  const request = { analysisId: documentRun, rows, target, cuts: [{ keys }] };
  const { changeBits } = (await expected.engine.knockOuts(request)).effects[0]!;
  near(await lines.first().getAttribute('data-lost'), -changeBits);
  await workbench.screenshot('token-page');
});

test('at 300 px everything up to the line on the file is on screen without scrolling', async () => {
  const box = (await why().boundingBox())!;
  const view = (await frame.locator('#app > .content').boundingBox())!;
  assert.ok(view.width <= 320, `${view.width} px`);
  const findings = (await frame.locator('.why-findings').boundingBox())!;
  assert.ok(
    findings.y + findings.height <= view.y + view.height,
    `${findings.y + findings.height} of ${view.y + view.height}`,
  );
  assert.ok(box.width <= view.width, 'nothing is cut at the right');
});

test('another word is answered when the cursor moves; reading it is the row of its last token', async () => {
  const { text, tokens } = expected;
  const at = text.indexOf('least', text.indexOf('toOrder'));
  await workbench.page.locator('.editor-group-container.active .view-lines').click();
  await workbench.goTo({ offset: at + 1 });
  await workbench.page.keyboard.press('ArrowRight');
  const first = tokens.offsets.findIndex((start, i) => start <= at && tokens.offsets[i + 1]! > at);
  await answered(first - 1);
  await frame.getByRole('radio', { name: 'reading it' }).click();
  await frame.locator(`.why[data-status="done"][data-kind="reading"]`).waitFor();
  const row = Number(await why().getAttribute('data-row'));
  assert.ok(row >= first && tokens.offsets[row]! < at + 'least'.length, `row ${row}`);
  await frame.getByRole('radio', { name: 'predicting it' }).click();
  await answered(first - 1);
});

test('a head of the answer opens its map; an old view in a link opens where it is now', async () => {
  const head = await frame.locator('.why-heads li').first().getAttribute('data-head');
  await frame.locator('.why-heads li button').first().click();
  await frame.locator('#page-tab-heads[aria-selected="true"]').waitFor();
  const [layer, index] = head!.split('.');
  await frame.locator(`#panel-map canvas[data-source="tiles"][data-layer="${layer}"][data-head="${index}"]`).waitFor();
  await frame.locator('#page-tab-token').click();
  await answered(Number(await why().getAttribute('data-row')));
});

test('a head is switched off: the verdict is what the engine computes', async () => {
  await frame.locator('#page-tab-experiment').click();
  await frame.locator('#tab-headsoff').click();
  const turnOff = frame.locator('.heads-off vscode-button[appearance="primary"]');
  await turnOff.filter({ hasText: /Turn Off L\d+H\d+/ }).waitFor();
  const [, layer, head] = /L(\d+)H(\d+)/.exec((await turnOff.textContent()) ?? '') ?? [];
  await turnOff.click();
  await frame.locator('.result[data-kind="headsoff"][data-status="done"]').waitFor();
  const heads = [{ layerIdx: Number(layer), headIdx: Number(head) }];
  const { meanKlBits } = await expected.engine.ablateHeads({ analysisId: documentRun, heads, baseline: 'mean' });
  near(await frame.locator('.result').getAttribute('data-kl'), meanKlBits);
  assert.match(
    (await frame.locator('.result .verdict').textContent()) ?? '',
    new RegExp(`^Without L${layer}H${head}: `),
  );
  // The maps of the run without the head, of the layer above it: not those of the model as trained.
  await frame.locator('.side-panes .pane').nth(2).waitFor();
  await workbench.screenshot('heads-off');
  const errors = workbench.consoleErrors().filter(error => /Error: /.test(error) && !/workbench\.js/.test(error));
  assert.deepEqual(errors, []);
});
