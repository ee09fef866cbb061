/** Stages, lens and kernel gallery in the real workbench: what the page says is what the engine computes. */

import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Frame } from 'playwright-core';
import { largestOther } from '../../src/attention/lens';
import { type AnalyzedDocument, analyzeFile, headMap } from '../../src/cli/document';
import { formatValue } from '../../src/shared/labels';
import type { Stage } from '../../src/shared/operators';
import { entriesOf, sortEntries } from '../../webview/kernelGallery';
import { root } from '../fixtures/paths';
import { writeRandomModel } from '../fixtures/randomModel';
import { inspectFile, mapOf, showView, untilDone, type ViewName } from './harness/panel';
import { startWorkbench, type Workbench } from './harness/workbench';

const folder = mkdtempSync(join(tmpdir(), 'mta-e2e-explorer-'));
const oddModel = join(folder, 'models', 'odd');
const sample = 'inventory.ts';
let workbench: Workbench;
let expected: AnalyzedDocument;
/** The editor-sized panel. */
let frame: Frame;

before(async () => {
  cpSync(join(root, 'test', 'fixtures', 'documents'), folder, { recursive: true });
  writeFileSync(join(folder, 'one.txt'), 'a');
  // 200 heads, one of whose kernels is broken, and no begin token: a text of one byte is a map of one cell.
  const heads = { n_heads: 200, n_kv_heads: 200, head_dim: 2, dim: 400, n_layers: 1, bos_token_id: null };
  const mta = { use_mta: true, pre_sm_linear_head: true, head_kernel_size: 200, group_norm: true };
  const kernels = {
    query_kernel_size: 6,
    key_kernel_size: 11,
    after_sm_query_kernel_size: 6,
    after_sm_key_kernel_size: 11,
  };
  writeRandomModel(oddModel, { ...heads, mta: { ...mta, ...kernels } }, (key, values) => {
    if (key.endsWith('mta_kernel')) values[3 * 66 + 60] = Number.NaN;
  });
  const options = { model: undefined, provider: 'cpu', maxTokens: 512, at: 0, topK: 16 } as const;
  expected = await analyzeFile(join(folder, sample), options);
  workbench = await startWorkbench({ folder });
  await workbench.page.setViewportSize({ width: 2100, height: 1250 });
});

after(async () => {
  await workbench?.close();
  await expected?.engine.release();
  rmSync(folder, { recursive: true, force: true });
});

const tab = (name: string) => frame.getByRole('tab', { name, exact: true });
const show = (name: ViewName) => showView(frame, name);
const layer = 2;

async function choose(label: string, option: string): Promise<void> {
  await frame.getByRole('combobox', { name: label, exact: true }).click();
  await frame.getByRole('option', { name: option, exact: true }).click();
}

/** The workbench itself misses its accounts here. */
function pageErrors(): string[] {
  return workbench.consoleErrors().filter(error => /Error: /.test(error) && !/workbench\.js/.test(error));
}

/** One value of the engine. */
async function valueAt(head: number, stage: Stage, query: number, key: number): Promise<number> {
  const map = await headMap(expected, layer, head, stage);
  return map[query * expected.tokens.ids.length + key]!;
}

function assertClose(got: unknown, want: number, what: string): void {
  assert.ok(Math.abs(Number(got) - want) <= 2e-5 * Math.max(1, Math.abs(want)), `${what}: ${got}, expected ${want}`);
}

/** What the lens says once it shows this cell. */
async function lensAt(query: number, key: number, stage: Stage): Promise<Record<string, string | undefined>> {
  const sum = frame.locator(`.lens-sum[data-query="${query}"][data-key="${key}"][data-stage="${stage}"]`);
  await sum.waitFor();
  return sum.evaluate(element => ({ ...(element as HTMLElement).dataset }));
}

test('the panel opens as an editor, with the same views, and tabs go by the keyboard', async () => {
  const side = await untilDone(workbench, () => inspectFile(workbench, sample));
  const shown = await mapOf(side);
  assert.equal(shown.layer, layer);
  const n = expected.tokens.ids.length;
  const map = await headMap(expected, layer, shown.head, shown.stage as Stage);
  const sums = Array.from({ length: n }, (_, q) => map.subarray(q * n, (q + 1) * n).reduce((sum, x) => sum + x, 0));
  const others = sums.filter(sum => Math.abs(sum - 1) >= 1e-3).length;
  assert.ok(others > 0, 'a stage whose rows need not sum to 1 is on show');
  await side.locator('.row-sums summary').click();
  const said = side.locator('.row-sums p').getByText(/map rows do not sum to 1/);
  const shownRows = Number.parseInt((await said.textContent()) ?? '', 10);
  assert.ok(Math.abs(shownRows - others) <= 2, `${shownRows} rows, expected ${others}`);
  await workbench.screenshot('row-sums');
  await workbench.runCommand('MTA Inspector: Open Attention Panel in Editor');
  frame = await workbench.webviewFrame('MTA Inspector: Attention');
  await workbench.runCommand('View: Close Primary Side Bar');
  await tab('Token').focus();
  for (const name of ['Heads', 'Experiment']) {
    await workbench.page.keyboard.press('ArrowRight');
    assert.equal(await tab(name).getAttribute('aria-selected'), 'true');
    assert.equal(await frame.locator('.page:visible').count(), 1);
  }
  await workbench.page.keyboard.press('Home');
  assert.equal(await frame.locator(':focus').textContent(), 'Token');
  await show('Map');
  await frame.locator('canvas[data-source="tiles"]').waitFor();
});

test('stages side by side: every pane shows its stage at the crosshair, rows and differences add up', async () => {
  await show('Stages');
  const pane = (stage: Stage) => frame.locator(`.pane[data-stage="${stage}"][data-minus=""]`);
  await pane('mixed_pattern').and(frame.locator('[data-source="tiles"]')).waitFor();
  const { head } = await frame
    .locator('canvas[data-source]')
    .first()
    .evaluate(canvas => ({ head: Number((canvas as HTMLElement).dataset['head']) }));
  await pane('scores').locator('.map-canvas').focus();
  for (const key of ['ArrowDown', ...Array(10).fill('Shift+ArrowDown'), ...Array(4).fill('Shift+ArrowRight')]) {
    await workbench.page.keyboard.press(key);
  }
  const [query, key] = [100, 40];
  const { stages } = expected.engine.model.layers[layer]!;
  for (const stage of stages) {
    await frame.locator(`.pane[data-stage="${stage}"][data-minus=""]:not([data-value=""])`).waitFor();
    assertClose(await pane(stage).getAttribute('data-value'), await valueAt(head, stage, query, key), stage);
  }
  for (const stage of ['pattern', 'convolved_pattern', 'mixed_pattern'] as const) {
    const map = await headMap(expected, layer, head, stage);
    const n = expected.tokens.ids.length;
    const sum = map.subarray(query * n, (query + 1) * n).reduce((total, value) => total + value, 0);
    await frame.locator(`.pane[data-stage="${stage}"][data-minus=""]:not([data-row-sum=""])`).waitFor();
    assertClose(await pane(stage).getAttribute('data-row-sum'), sum, `row sum of ${stage}`);
    const isSaid = /row sum/.test((await pane(stage).locator('.pane-note').textContent()) ?? '');
    assert.equal(isSaid, Math.abs(sum - 1) >= 1e-3, stage);
  }
  for (let i = 0; i < 5; i++) await workbench.page.keyboard.press('+');
  const places = await frame
    .locator('.pane:not([hidden])')
    .evaluateAll(panes => panes.map(p => p.querySelector<HTMLElement>('.mark-cell')?.style.cssText));
  assert.equal(places.length, stages.length + 1);
  assert.equal(new Set(places).size, 1, 'the mark stands at the same place in all panes');

  await choose('Difference of', 'Mixed pattern');
  await choose('Minus', 'Scores');
  const difference = frame.locator('.pane[data-stage="mixed_pattern"][data-minus="scores"]:not([data-value=""])');
  await difference.waitFor();
  const want = (await valueAt(head, 'mixed_pattern', query, key)) - (await valueAt(head, 'scores', query, key));
  assertClose(await difference.getAttribute('data-value'), want, 'difference');
  await frame.getByText(/their difference has no unit/).waitFor();
  await workbench.screenshot('stages');
});

test('the lens takes a cell apart: taps sum to heads, heads to the engine’s value, before and after the softmax', async () => {
  await show('Lens');
  for (const [stage, label] of [
    ['mixed_pattern', 'Mixed pattern'],
    ['mixed_scores', 'Mixed scores'],
  ] as const) {
    await choose('Stage', label);
    const lens = await lensAt(100, 40, stage);
    const value = await valueAt(Number(lens['head']), stage, 100, 40);
    assertClose(lens['value'], value, `${stage} as shown`);
    assertClose(lens['total'], value, `${stage} as summed`);
    const [subtotals, opened] = await frame.locator('.sources tbody tr').evaluateAll(rows => {
      const all = rows.map(row => Number((row as HTMLElement).dataset['subtotal']));
      return [all, all[rows.findIndex(row => row.classList.contains('source-open'))]] as const;
    });
    assertClose(
      subtotals.reduce((sum, x) => sum + x, 0),
      value,
      'heads',
    );
    const terms = await frame
      .locator('.tap[data-term]')
      .evaluateAll(cells => cells.map(cell => Number((cell as HTMLElement).dataset['term'])));
    assert.equal(terms.length, 66);
    assertClose(
      terms.reduce((sum, x) => sum + x, 0),
      opened ?? Number.NaN,
      'taps',
    );
  }
  await choose('Compared with', 'The row’s largest other key');
  const sum = frame.locator('.lens-sum:not([data-difference=""])');
  await sum.waitFor();
  const lens = await lensAt(100, 40, 'mixed_scores');
  const n = expected.tokens.ids.length;
  const map = await headMap(expected, layer, Number(lens['head']), 'mixed_scores');
  const row = map.subarray(100 * n, 100 * n + 101);
  assertClose(lens['total'], row[40]! - row[largestOther(row, 40)!]!, 'difference to the largest other key');
  // Taps go by the keyboard, and say what they are.
  await frame.locator('.tap[tabindex="0"]').focus();
  await frame.locator('.tap:focus').waitFor();
  await workbench.page.keyboard.press('ArrowUp');
  const above = frame.locator('.tap:focus[data-query="99"]');
  await above.waitFor();
  assert.match((await above.getAttribute('title')) ?? '', /^query line \d+ `.* weight .* = /);
  await choose('Compared with', 'Nothing: the value itself');
});

test('all heads of the layer: one crosshair, exact values once few cells are on screen, a click chooses the head', async () => {
  const { nHeads } = expected.engine.model;
  await show('Layer');
  const canvas = frame.locator(`canvas[data-heads="${nHeads}"][data-overviews="all"]`);
  await canvas.waitFor();
  await workbench.screenshot('layer');
  await choose('Stage', 'Mixed pattern');
  await canvas.focus();
  for (let i = 0; i < 5; i++) await workbench.page.keyboard.press('+');
  await frame.locator(`canvas[data-heads="${nHeads}"][data-values="exact"]`).waitFor();
  const [query, key] = [101, 40];
  await workbench.page.keyboard.press('ArrowDown');
  // The same is said to screen readers, a moment later.
  await frame.locator(`.cell-line[data-query="${query}"][data-key="${key}"]:visible`).first().waitFor();
  const said = await frame.locator('.layer-values li').allTextContents();
  assert.equal(said.length, nHeads);
  for (const [headIdx, text] of said.entries()) {
    const want = formatValue(await valueAt(headIdx, 'mixed_pattern', query, key));
    assert.equal(text, `head ${headIdx}: ${want}`);
  }
  const places = await frame
    .locator('.head-bands .mark-cell')
    .evaluateAll(bands => bands.map(band => (band as HTMLElement).style.cssText));
  assert.equal(places.length, nHeads);
  assert.equal(new Set(places).size, 1, 'the mark stands at the same place in all heads');
  const plate = frame.locator('.head-plate').nth(5);
  await plate.evaluate(element => element.scrollIntoView());
  const [box, whole] = [(await plate.boundingBox())!, (await canvas.boundingBox())!];
  await canvas.click({ position: { x: box.x - whole.x + 20, y: box.y - whole.y + box.height - 20 } });
  await frame.locator('.head-plate.head-shown', { hasText: 'Head 5' }).waitFor();
  await canvas.focus();
  await workbench.page.keyboard.press('PageUp');
  await frame.locator('.head-plate.head-shown', { hasText: 'Head 4' }).waitFor();
  await workbench.screenshot('layer-exact');
});

test('the gallery names every kernel and leads to where it changed most', async () => {
  await show('Kernels');
  const { layers } = expected.engine.model;
  const kernels = layers.map(({ layerIdx }) => expected.engine.details.kernels({ analysisId: 1, layerIdx }));
  const entries = (await Promise.all(kernels)).flatMap((ofLayer, layerIdx) => entriesOf(layerIdx, ofLayer));
  const cards = frame.locator('.card');
  await cards.nth(entries.length - 1).waitFor();
  await choose('Order', 'Changed most in this document');
  await choose('Order', 'What they do');
  const shown = await cards.evaluateAll(all => all.map(card => ({ ...(card as HTMLElement).dataset })));
  assert.deepEqual(
    shown.map(({ key, name }) => [key, name]),
    sortEntries(entries, 'name').map(({ key, features }) => [key, features.name]),
  );
  await frame.locator('.card[data-key="2/pre_softmax_conv/2"]').click();
  const place = { analysisId: 1, layerIdx: layer, headIdx: 2, part: 'pre_softmax_conv' } as const;
  const [first] = await expected.engine.details.largestChanges({ ...place, k: 12 });
  const row = frame.locator('.changes tbody tr').first();
  await row.waitFor();
  assertClose(await row.getAttribute('data-change'), first!.change, 'largest change');
  await workbench.screenshot('kernels');
  await row.getByRole('button').click();
  const { queryIdx, keyIdx } = first!;
  const lens = await lensAt(queryIdx, keyIdx, 'convolved_scores');
  assertClose(lens['total'], await valueAt(2, 'convolved_scores', queryIdx, keyIdx), 'the cell in the lens');
  assert.equal(await frame.locator('#tab-lens').getAttribute('aria-expanded'), 'true');
});

test('another model while the lens is open: 200 heads, a kernel that is no number, a map of one cell', async () => {
  await show('Map');
  await show('Lens');
  await workbench.changeSettings({ 'mtaInspector.model': oddModel });
  for (const [file, nTokens] of [
    [sample, 64],
    ['one.txt', 1],
  ] as const) {
    // Not over the panel.
    await workbench.runCommand('View: Focus First Editor Group');
    await inspectFile(workbench, file);
    const canvas = frame.locator(`#panel-map canvas[data-n-tokens="${nTokens}"][data-source="tiles"]`);
    await canvas.waitFor();
    assert.equal(await frame.locator('.lens-body:visible').count(), 0, 'the cell of the other model is gone');
    await canvas.focus();
    await workbench.page.keyboard.press('0');
    await workbench.page.keyboard.press('ArrowDown');
    await workbench.page.keyboard.press('ArrowDown');
    const lens = await lensAt(nTokens === 1 ? 0 : 1, 0, 'mixed_pattern');
    // The broken kernel is mixed into every head.
    assert.equal(lens['total'], 'NaN');
    assert.equal(lens['value'], 'NaN');
  }
  await show('Stages');
  await frame.locator('.pane[data-stage="scores"][data-source="tiles"]').waitFor();
  await show('Kernels');
  await choose('Order', 'Layer and head');
  await frame.locator('.card[data-name="not a number"]').first().click();
  await frame.getByText('What it made is not a number anywhere.').waitFor();
  await frame.getByRole('button', { name: /Show more of 402/ }).click();
  await frame.locator('.card').nth(100).waitFor();
  await workbench.screenshot('explorer-odd');
  assert.deepEqual(pageErrors(), []);
});

test('200 heads in every other view', async () => {
  await show('Map');
  await workbench.runCommand('View: Focus First Editor Group');
  await inspectFile(workbench, sample);
  await frame.locator('#panel-map canvas[data-n-tokens="64"][data-source="tiles"]').waitFor();
  await show('All heads');
  await frame.locator('.head-card[data-head="199"][aria-disabled="false"]').waitFor();
  await show('Layer');
  await frame.locator('canvas[data-heads="32"][data-overviews="all"]').waitFor();
  await choose('Heads', '192–199');
  await frame.locator('canvas[data-heads="8"][data-overviews="all"]').waitFor();
  await frame.locator('.head-plate.head-shown', { hasText: 'Head 192' }).waitFor();
  await show('Other text or model');
  await frame.getByRole('button', { name: 'Compare With…' }).click();
  await workbench.page.locator('.quick-input-list').getByText('The saved file', { exact: true }).first().click();
  await frame.locator('.compare[data-status="done"]').waitFor();
  await frame.getByRole('button', { name: 'End the comparison' }).click();
  await frame.locator('.compare[data-status="none"]').waitFor();
  await show('Tokens');
  await frame.locator('#panel-tokens [role="option"]').nth(20).click();
  await frame.locator('#panel-tokens tbody tr').first().waitFor();
  for (const name of ['Context', 'Table', 'Export'] as const) {
    await show(name);
    await frame.locator(`#panel-${name.toLowerCase()}`).waitFor();
  }
  await show('Kernels');
  assert.deepEqual(pageErrors(), []);
});

test('a reload brings the panel back as an editor, with the view that was chosen', async () => {
  const gone = frame.waitForFunction(() => false).catch(() => {});
  await workbench.runCommand('Developer: Reload Window');
  await gone;
  frame = await workbench.webviewFrame('MTA Inspector: Attention');
  await frame.locator('#tab-kernels[aria-selected="true"]').waitFor({ state: 'attached' });
});
