/** Ablation, heads and compare as their users meet them, with the figures of engine and command line. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Frame } from 'playwright-core';
import { strongestWords } from '../../src/attention/strongestWords';
import { type AnalyzedDocument, analyzeFile, headMap } from '../../src/cli/document';
import type { Ablation } from '../../src/shared/ablation';
import { bundledModelDirectory, root } from '../fixtures/paths';
import { writeRandomModel } from '../fixtures/randomModel';
import {
  acceptPath,
  inspectFile,
  mapOf,
  measureByShownHead,
  showView,
  untilDone,
  untilStill,
  type ViewName,
} from './harness/panel';
import { appears, startWorkbench, type Workbench } from './harness/workbench';

const folder = mkdtempSync(join(tmpdir(), 'mta-e2e-ablation-'));
const sample = 'inventory.ts';
const themes = { dark: 'Default Dark Modern', light: 'Default Light Modern', contrast: 'Default High Contrast' };
/** The bundled model's weights without its kernels: a plain transformer. */
const plainModel = mkdtempSync(join(tmpdir(), 'mta-e2e-plain-'));
const manyHeads = join(plainModel, 'many-heads');
const options = { model: undefined, provider: 'cpu', maxTokens: 512, at: 0, topK: 16 } as const;
const otherText = 'export const answer = 42; // in another document\n';
let workbench: Workbench;
let frame: Frame;
/** The same document in plain Node. */
let expected: AnalyzedDocument;

before(async () => {
  cpSync(join(root, 'test', 'fixtures', 'documents'), folder, { recursive: true });
  cpSync(bundledModelDirectory, plainModel, { recursive: true });
  writeFileSync(join(folder, 'other.ts'), otherText);
  const git = (...args: string[]) =>
    assert.equal(
      spawnSync('git', ['-c', 'user.name=test', '-c', 'user.email=test@localhost', ...args], { cwd: folder }).status,
      0,
    );
  git('init', '-q');
  git('add', '.');
  git('commit', '-q', '-m', 'inventory');
  const config = JSON.parse(readFileSync(join(plainModel, 'config.json'), 'utf8'));
  const plain = { ...config, name: 'plain', mta: { ...config.mta, use_mta: false } };
  writeFileSync(join(plainModel, 'config.json'), JSON.stringify(plain));
  const heads = { n_heads: 200, n_kv_heads: 200, head_dim: 2, dim: 400, n_layers: 1 };
  const mixing = { use_mta: true, pre_sm_linear_head: true, head_kernel_size: 200, group_norm: true };
  writeRandomModel(manyHeads, { ...heads, name: 'many-heads', mta: mixing });
  expected = await analyzeFile(join(folder, sample), options);
  workbench = await startWorkbench({
    folder,
    settings: { 'workbench.colorTheme': themes.dark },
    builtIn: ['git', 'git-base'],
  });
  frame = await untilDone(workbench, () => inspectFile(workbench, sample));
});

after(async () => {
  await workbench?.close();
  await expected?.engine.release();
  for (const path of [folder, plainModel]) rmSync(path, { recursive: true, force: true });
});

const banner = '.ablation-banner';
const showTab = (name: ViewName) => showView(frame, name);
const number = (text: string | null | undefined) => Number((text ?? '').replace('−', '-').replace('+', ''));

/** What the banner says once it has what was asked for. */
async function ablated(text: RegExp): Promise<string> {
  await frame.locator(`${banner}[data-ablated="true"][data-running="false"]`).filter({ hasText: text }).waitFor();
  return (await frame.locator(banner).textContent()) ?? '';
}

function cli(...args: string[]) {
  const run = spawnSync(process.execPath, [join(root, 'dist', 'cli.cjs'), ...args, '--json', '-'], {
    encoding: 'utf8',
    maxBuffer: 1e9,
  });
  assert.equal(run.status, 0, run.stderr);
  return JSON.parse(run.stdout);
}

test('everything off: banner, status bar, hover and prediction are of the ablated model, as the engine computes it', async () => {
  await showTab('Kernels changed');
  await frame.getByRole('button', { name: 'All of MTA off' }).click();
  const said = await ablated(/all of MTA off/);
  const ablation: Ablation = { scope: 'model', edits: [{ part: null, layerIdx: null, headIdx: null, weights: null }] };
  const answer = await expected.engine.ablate({ analysisId: 77, baseId: 1, ablation, topK: 16 });
  const mean = answer.klBits.reduce((sum, kl) => sum + kl, 0) / answer.klBits.length;
  assert.ok(
    Math.abs(number(/divergence (\S+) bits/.exec(said)?.[1]) - mean) < 2e-3 * mean,
    `${said}; expected ${mean}`,
  );
  await workbench.statusItem(/MTA: ablated, /).waitFor();

  await measureByShownHead(workbench);
  const text = readFileSync(join(folder, sample), 'utf8');
  const offset = text.indexOf('total += item.price');
  const token = expected.tokens.offsets.findLastIndex((start, i) => start <= offset && i < expected.tokens.ids.length);
  const hover = await workbench.hoverText({ offset: offset + 1 });
  assert.match(hover, /Ablated: all of MTA off\. Not the model as trained/);
  const [, layer, head] = /Layer (\d+), head (\d+)/.exec(hover)!.map(Number);
  const nTokens = expected.tokens.ids.length;
  const rectangle = { queryStart: token, keyStart: 0, nQueries: 1, nKeys: nTokens };
  const row = await expected.engine.details.tile({
    analysisId: 77,
    layerIdx: layer!,
    headIdx: head!,
    stage: 'mixed_pattern',
    ...rectangle,
  });
  const { labels, offsets } = expected.tokens;
  const isText = (idx: number) => idx < token && offsets[idx + 1]! > offsets[idx]!;
  const strongest = strongestWords(row.values, labels, 1, isText)[0]!;
  const weight = number(/█ ([+−]\d+\.\d+)/.exec(hover)?.[1]);
  assert.ok(Math.abs(weight - strongest.weight) < 2e-3 * Math.abs(strongest.weight), `${hover}; ${strongest.weight}`);

  // The map before and after it, read at one cell of all three panes.
  const panes = frame.locator('.side-panes .pane');
  await panes.first().locator('.map-canvas').focus();
  for (const key of ['ArrowDown', 'Shift+ArrowDown', 'Shift+ArrowDown']) await workbench.page.keyboard.press(key);
  await frame.locator('.side-panes .pane[data-minus="mixed_pattern"]:not([data-value=""])').waitFor();
  const [trained, now, difference] = await panes.evaluateAll(all =>
    all.map(pane => Number((pane as HTMLElement).dataset['value'])),
  );
  const [query, key] = await frame
    .locator('.result .cell-line')
    .evaluate(({ dataset }) => [Number(dataset['query']), Number(dataset['key'])] as const);
  const asTrained = (await headMap(expected, layer!, head!, 'mixed_pattern'))[query * nTokens + key]!;
  const ablatedRow = await expected.engine.details.tile({
    ...{ analysisId: 77, layerIdx: layer!, headIdx: head!, stage: 'mixed_pattern' },
    ...{ queryStart: query, keyStart: 0, nQueries: 1, nKeys: nTokens },
  });
  assert.ok(Math.abs(trained! - asTrained) < 2e-5, `as trained ${trained}, expected ${asTrained}`);
  assert.ok(Math.abs(now! - ablatedRow.values[key]!) < 2e-5, `ablated ${now}, expected ${ablatedRow.values[key]}`);
  assert.ok(Math.abs(difference! - (now! - trained!)) < 2e-5, `difference ${difference}`);
  await workbench.screenshot('ablation');
});

test('the kernel is edited by keyboard; what is not a number is refused; undo, redo and reset', async () => {
  await frame.getByRole('button', { name: 'Reset ablation' }).click();
  await frame.locator(`${banner}[data-ablated="false"]`).waitFor({ state: 'attached' });
  const cell = frame.locator('.kernel-grid input').first();
  await cell.focus();
  await workbench.page.keyboard.press('ArrowRight');
  await workbench.page.keyboard.press('ArrowDown');
  await workbench.page.keyboard.type('mu');
  // What is drawn again meanwhile, here in other colours, leaves what is being typed alone.
  await workbench.changeSettings({ 'workbench.colorTheme': themes.light });
  await frame.waitForFunction(() => document.body.dataset['vscodeThemeKind'] === 'vscode-light');
  await workbench.page.keyboard.type('ch');
  await workbench.page.keyboard.press('Enter');
  await frame.getByText('“much” is not a number').waitFor();
  await workbench.changeSettings({ 'workbench.colorTheme': themes.dark });
  await workbench.page.keyboard.press('Escape');
  await workbench.page.keyboard.type('1.5');
  await workbench.page.keyboard.press('Enter');
  assert.match(await ablated(/edited/), /layer \d+ head \d+ convolution before softmax edited/);
  await workbench.page.keyboard.press('Control+Z');
  await frame.locator(`${banner}[data-ablated="false"]`).waitFor({ state: 'attached' });
  await frame.getByRole('button', { name: 'Redo ablation change' }).click();
  await ablated(/edited/);
  // The button is switched off now; the keys go on.
  await workbench.page.keyboard.press('Control+Z');
  await frame.locator(`${banner}[data-ablated="false"]`).waitFor({ state: 'attached' });
  await workbench.page.keyboard.press('Control+Y');
  await ablated(/edited/);
  await workbench.runCommand('MTA Inspector: Reset Ablation');
  await frame.locator(`${banner}[data-ablated="false"]`).waitFor({ state: 'attached' });
});

test('what is switched by keyboard keeps the focus, and what is taken back leaves it to its neighbour', async () => {
  const { keyboard } = workbench.page;
  const focused = () =>
    frame.evaluate(() => {
      const { dataset, ariaLabel } = document.activeElement as HTMLElement;
      return dataset['name'] ?? ariaLabel;
    });
  const parts = frame.locator('.ablation-parts vscode-checkbox');
  await parts.first().focus();
  const first = await focused();
  await keyboard.press('Space');
  await ablated(/convolution before softmax off/);
  assert.equal(await focused(), first);
  await parts.nth(2).focus();
  await keyboard.press('Space');
  const changes = frame.locator('.ablation-edits li');
  await changes.nth(1).waitFor();
  await changes.first().getByRole('button').focus();
  await keyboard.press('Enter');
  await changes.nth(1).waitFor({ state: 'detached' });
  assert.match((await focused()) ?? '', /^Take back: /);
  await keyboard.press('Enter');
  await frame.locator(`${banner}[data-ablated="false"]`).waitFor({ state: 'attached' });
});

test('the ranking equals the command line’s', async () => {
  const reference = cli('ablate', join(folder, sample), '--parts-only', '--max-tokens', '512');
  await frame.locator('.ablation .ranking-section summary').click();
  await frame.getByRole('button', { name: 'Rank every part of every layer' }).click();
  // Twenty runs: on a machine with other work to do they take minutes.
  await frame.locator('div[data-status="done"]:has(> .details-table .ranking)').waitFor({ timeout: 600_000 });
  const rows = await frame
    .locator('.ranking tbody tr')
    .evaluateAll(all => all.map(row => ({ ...(row as HTMLElement).dataset }) as { kl: string; what: string }));
  assert.equal(rows.length, reference.effects.length);
  for (const [i, { kl, what }] of rows.entries()) {
    assert.ok(Math.abs(Number(kl) - reference.effects[i].mean_kl_bits) < 1e-5, `${what}: ${kl}`);
  }
  assert.ok(rows[0]!.what.startsWith(`layer ${reference.effects[0].layer} `));
  await frame.locator('.ranking').scrollIntoViewIfNeeded();
  await workbench.screenshot('ranking');
});

test('heads are ranked as on the command line; Enter opens the first one’s map', async () => {
  const reference = cli('heads', join(folder, sample), '--max-tokens', '512').heads[0];
  await showTab('All heads');
  const first = frame.locator('.head-card[data-rank="1"]');
  await frame.waitForFunction(
    n => document.querySelectorAll('.head-card:not([data-value=""])').length === n,
    expected.engine.model.nLayers * expected.engine.model.nHeads,
  );
  const { layer, head, value } = await first.evaluate(
    card => ({ ...(card as HTMLElement).dataset }) as Record<string, string>,
  );
  assert.deepEqual([Number(layer), Number(head)], [reference.layer, reference.head]);
  assert.ok(Math.abs(Number(value) - reference.context_score) < 1e-6);
  await workbench.screenshot('heads');
  await first.focus();
  await workbench.page.keyboard.press('Enter');
  await frame.locator(`canvas[data-source="tiles"][data-layer="${layer}"][data-head="${head}"]`).waitFor();
  assert.equal((await mapOf(frame)).head, reference.head);
});

const pane = (side: number) => frame.locator('.side-panes .pane').nth(side);
/** The exact value that a side shows of the cell that is looked at. */
const paneValue = async (side: number) => {
  await frame.waitForFunction(
    i => document.querySelectorAll<HTMLElement>('.side-panes .pane')[i]?.dataset['value'] !== '',
    side,
  );
  return Number(await pane(side).getAttribute('data-value'));
};
/** The result is there, and says what. */
const compared = (what: RegExp) =>
  frame.locator('.page-experiment:has(.result[data-status="done"])').filter({ hasText: what }).waitFor();

async function compareWith(item: string): Promise<void> {
  await frame.getByRole('button', { name: 'Compare With…' }).click();
  await workbench.page.locator('.quick-input-list').getByText(item, { exact: true }).first().click();
}

/** Asks until it is compared: an editor that is still opening takes the focus from the list, and the click is lost. */
async function compareUntil(item: string, what: RegExp): Promise<void> {
  const shown = frame.locator('.compare[data-status="done"]').filter({ hasText: what });
  do await compareWith(item);
  while (!(await appears(shown, 60_000)));
}

/** Looks at the cell (query, key) of the shown text's map, by keyboard. */
async function lookAt(queryIdx: number, keyIdx: number): Promise<void> {
  await pane(1).locator('.map-canvas').focus();
  await workbench.page.keyboard.press('Escape');
  await workbench.page.keyboard.press('Escape');
  await untilStill(frame); // the selection is the extension host's to clear
  // From the first cell in sight to (0, 0), where no step leads further.
  for (const key of ['Shift+ArrowUp', 'Shift+ArrowLeft']) {
    for (let i = 0; i <= expected.tokens.ids.length / 10; i++) await workbench.page.keyboard.press(key);
  }
  for (let i = 0; i < queryIdx; i++) await workbench.page.keyboard.press('ArrowDown');
  for (let i = 0; i < keyIdx; i++) await workbench.page.keyboard.press('ArrowRight');
  await untilStill(frame); // until then the panes show a cell on the way
}

test('compare: another model beside the shown one, and the difference of what the engine computes', async () => {
  const other = await analyzeFile(join(folder, sample), { ...options, model: plainModel });
  const { layer, head } = await mapOf(frame);
  await showTab('Other text or model');
  await compareWith('Browse for a model folder…');
  await acceptPath(workbench, plainModel, 'Add Model');
  await compared(/Compared with: plain/);
  await lookAt(5, 3);
  const nTokens = expected.tokens.ids.length;
  const at = (map: Float32Array) => map[5 * nTokens + 3]!;
  const [left, right] = [
    at(await headMap(expected, layer, head, 'mixed_pattern')),
    at(await headMap(other, layer, head, 'mixed_pattern')),
  ];
  await other.engine.release();
  const near = (got: number, want: number) => assert.ok(Math.abs(got - want) < 1e-5, `${got} instead of ${want}`);
  near(await paneValue(0), right);
  near(await paneValue(1), left);
  near(await paneValue(2), left - right);
  await workbench.screenshot('compare-model');
});

test('compare: the saved file beside an edited one, aligned by tokens', async () => {
  await compareUntil('The saved file', /Compared with: The saved file/);
  await typeAtStart('// A line that the saved file does not have.\n');
  await compared(/The tokens differ/);
  const text = (await frame.locator('.result .notes').textContent()) ?? '';
  const [, aligned, all] = /(\d+) of (\d+) have a counterpart/.exec(text)!.map(Number);
  // The new line may be cut into tokens together with the first of the file.
  assert.ok(aligned! >= expected.tokens.ids.length - 2, `${aligned} of ${expected.tokens.ids.length}`);
  assert.ok(all! > aligned!);
  // The difference is of the tokens that both have, and the change of surprisal too.
  await pane(2).waitFor();
  await frame.locator('.result .data-table tbody tr').first().waitFor();
  await workbench.screenshot('compare-text');
  await frame.getByRole('button', { name: 'End the comparison' }).click();
  await frame.locator('.compare[data-status="none"]').waitFor();
});

test('compare: the last commit, the clipboard and another open document', async () => {
  await compareUntil('The last commit', /Compared with: The last commit/);
  await compared(/The tokens differ/);
  await workbench.page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
  const text = readFileSync(join(folder, sample), 'utf8');
  await workbench.page.evaluate(
    copied => navigator.clipboard.writeText(copied),
    text.slice(0, text.indexOf('toOrder')),
  );
  await compareUntil('The clipboard', /Compared with: The clipboard/);
  await workbench.runCommand('MTA Inspector: Copy View Link');
  await workbench.page
    .getByText(/without the comparison: it cannot bring back The clipboard/)
    .first()
    .waitFor();
  await workbench.openFile('other.ts');
  await workbench.openFile(sample);
  await compareUntil('other.ts', /Compared with: other\.ts/);
  await workbench.screenshot('compare-document');
  await frame.getByRole('button', { name: 'End the comparison' }).click();
  await frame.locator('.compare[data-status="none"]').waitFor();
});

/** Types at the document's start; the analysis follows by itself. */
async function typeAtStart(text: string): Promise<void> {
  await workbench.page.locator('.editor-group-container.active .view-lines').click();
  await workbench.goTo({ offset: 0 });
  await workbench.page.keyboard.insertText(text);
}

test('an ablation stays over an edit and goes with another model', async () => {
  await showTab('Kernels changed');
  await frame.getByRole('button', { name: 'Convolution before softmax off' }).click();
  await ablated(/convolution before softmax off/);
  await workbench.page.locator('.editor-group-container.active .view-lines').click();
  const run = () => frame.evaluate(() => Number(document.getElementById('app')!.dataset['run']));
  const before = await run();
  await workbench.page.keyboard.insertText(' ');
  // The text is run as trained first, then without what is off; meanwhile the pages stay as they were.
  await frame.waitForFunction(
    n =>
      Number(document.getElementById('app')!.dataset['run']) > n &&
      document.querySelector('.content.is-waiting') === null,
    before + 1,
  );
  await ablated(/convolution before softmax off/);
  // The theme tells when the changed settings have been read.
  await workbench.changeSettings({ 'mtaInspector.model': manyHeads, 'workbench.colorTheme': themes.light });
  await frame.locator('body.vscode-light').waitFor();
  await workbench.runCommand('MTA Inspector: Inspect Document');
  await frame.getByText('The ablation was reset: another model runs now.').waitFor();
});

test('200 heads: all of them are pictures with a rank, and one of them is switched off', async () => {
  await showTab('All heads');
  await frame.waitForFunction(() => document.querySelectorAll('.head-card:not([data-value=""])').length === 200);
  await frame.waitForFunction(() => document.querySelector<HTMLCanvasElement>('.head-card canvas')!.width > 1);
  const last = frame.locator('.head-card[data-rank="200"]');
  const head = await last.getAttribute('data-head');
  await last.click();
  // The map before stays until this one is there.
  await frame.locator(`canvas[data-source][data-head="${head}"]`).waitFor();
  await showTab('Kernels changed');
  await frame.getByRole('checkbox', { name: `Head mixing before softmax, layer 0, head ${head}` }).click();
  await ablated(new RegExp(`layer 0 head ${head} head mixing before softmax off`));
  await workbench.screenshot('ablation-200-heads');
});
