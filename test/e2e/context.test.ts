/** Tokens, relevant context, table, export and links in a real workbench; figures are those of the command line. */

import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Frame } from 'playwright-core';
import { addRangeWeights } from '../../src/attention/aggregate';
import { type ContextJson, contextJson } from '../../src/cli/context';
import { type AnalyzedDocument, analyzeFile, headMap } from '../../src/cli/document';
import { exportDocument } from '../../src/cli/export';
import type { Stage } from '../../src/shared/operators';
import { Places } from '../../webview/places';
import { root } from '../fixtures/paths';
import {
  inspectFile,
  mapOf,
  panelOf,
  showView,
  untilDone,
  untilStill,
  type ViewName,
  viewNames,
} from './harness/panel';
import { startWorkbench, type Workbench } from './harness/workbench';

const folder = mkdtempSync(join(tmpdir(), 'mta-context-'));
const sample = 'inventory.ts';
const text = readFileSync(join(root, 'test', 'fixtures', 'documents', sample), 'utf8');
const place = text.indexOf('total;');
let workbench: Workbench;
let expected: AnalyzedDocument;
let frame: Frame;

before(async () => {
  cpSync(join(root, 'test', 'fixtures', 'documents'), folder, { recursive: true });
  expected = await analyzeFile(join(folder, sample), {
    ...{ model: undefined, provider: 'cpu', maxTokens: 512, at: 0, topK: 16 },
  });
  workbench = await startWorkbench({ folder });
  await workbench.page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
  frame = await untilDone(workbench, () => inspectFile(workbench, sample));
});

after(async () => {
  await workbench?.close();
  await expected?.engine.release();
  rmSync(folder, { recursive: true, force: true });
});

const tab = (name: ViewName) => showView(frame, name);
const cells = (table: string) =>
  frame
    .getByRole('table', { name: table, exact: true })
    .locator('tbody tr')
    .evaluateAll(rows => rows.map(row => [...row.querySelectorAll('td')].map(cell => cell.textContent ?? '')));
/** Bits under 0.0001 are written as such. */
const number = (written: string) =>
  written.startsWith('under ') ? 0 : Number(written.replaceAll('−', '-').replace('+', ''));

function context(change: Partial<Parameters<typeof contextJson>[1]> = {}): Promise<ContextJson> {
  return contextJson(join(folder, sample), {
    ...{ model: undefined, provider: 'cpu', maxTokens: 512, at: place, to: undefined, question: undefined },
    ...{ method: 'mean', direction: 'attends', heads: 'all', layer: undefined, head: undefined, stage: undefined },
    ...{ occlude: undefined, isVerified: false, row: 'reading', quantity: 'weight', ...change },
  });
}

/** Puts the cursor on the place by hand, so that it selects its token. */
async function selectPlace(): Promise<void> {
  await workbench.page.locator('.editor-group-container.active .view-lines').click();
  await workbench.goTo({ offset: place + 1 });
  await workbench.page.keyboard.press('ArrowRight');
}

async function choose(label: string, option: string): Promise<void> {
  await frame.getByRole('combobox', { name: label }).click();
  await frame.getByRole('option', { name: option, exact: true }).click();
}

test('tokens: a range by keyboard, both directions, surprisal and predictions are the engine’s', async () => {
  const map = await mapOf(frame);
  await tab('Tokens');
  const strip = frame.getByRole('listbox', { name: /Tokens of the window/ }).last();
  await strip.focus();
  await workbench.page.keyboard.type('toOrder');
  const { labels: spelled, offsets } = expected.tokens;
  const places = spelled.flatMap((_, i) => (/^\s*toOrder/.test(spelled.slice(i, i + 3).join('')) ? [i] : []));
  const found = strip.locator(places.map(i => `[aria-selected=true][data-token-idx="${i}"]`).join()).first();
  await found.waitFor();
  const first = Number(await found.getAttribute('data-token-idx'));
  for (let i = 0; i < 2; i++) await workbench.page.keyboard.press('Shift+ArrowRight');
  const range = { first, end: first + 3 };
  const nTokens = expected.tokens.ids.length;
  const values = await headMap(expected, map.layer, map.head, map.stage as Stage);
  for (const [direction, choice] of [
    ['attends', null],
    ['attendedBy', 'What attends to it'],
  ] as const) {
    if (choice) await frame.getByRole('radio', { name: choice }).click();
    await frame
      .getByText(direction === 'attends' ? /mean over the 3 selected queries/ : /mean over the 3 selected keys/)
      .waitFor();
    const want = new Float64Array(nTokens);
    addRangeWeights(want, { queryStart: 0, nKeys: nTokens, values }, range, direction);
    await frame.locator('.tokens-view [aria-busy=false]').waitFor();
    const rows = await cells('Weights of tokens');
    assert.ok(rows.length > 10);
    const indices = await frame
      .locator('.tokens-view .token-link[data-token]')
      .evaluateAll(links => links.map(link => Number((link as HTMLElement).dataset['token'])));
    for (const [i, [, line = '', value = '']] of rows.entries()) {
      const index = indices[i]!;
      assert.ok(Math.abs(number(value) - want[index]!) < 2e-3 * Math.abs(want[index]!) + 1e-6, `${index}: ${value}`);
      const [start, end] = [offsets[index]!, offsets[index + 1]!];
      assert.equal(line, start === end ? '–' : String(text.slice(0, start).split('\n').length));
    }
    if (!choice) await workbench.screenshot('tokens');
  }
  const surprisal = await cells('Surprisal and predictions of the selected tokens');
  assert.equal(surprisal.length, 3);
  for (const [i, [, , bits = '', predicted = '']] of surprisal.entries()) {
    const idx = first + i;
    assert.ok(Math.abs(Number(bits) - expected.predictions.surprisalBits[idx]!) < 0.011);
    const { k, topIds, topProbabilities, labels } = expected.predictions;
    const best = labels[topIds[(idx - 1) * k]!]!;
    assert.ok(predicted.includes(best.trim()), `${predicted} begins with ${best}`);
    assert.match(predicted, new RegExp(`${(topProbabilities[(idx - 1) * k]! * 100).toFixed(0).slice(0, 2)}`));
  }
  await frame.getByRole('textbox', { name: 'Filter' }).fill('item');
  const filtered = await cells('Weights of tokens');
  assert.ok(filtered.length > 0 && filtered.every(([token = '']) => /item/i.test(token)));
  await frame.locator('.tokens-view').getByRole('button', { name: 'Line', exact: true }).first().click();
  await frame.getByRole('textbox', { name: 'Filter' }).fill('');
  await frame.getByRole('radio', { name: 'What it attends to' }).click();
});

test('context: lines by relevance are those of the command line, and so is what occluding them does', async () => {
  await tab('Context');
  await selectPlace();
  await choose('Measured by', 'Mean of heads');
  const heads = frame.getByRole('textbox', { name: 'Heads' });
  await heads.fill('9.9');
  await heads.press('Enter');
  await frame.getByText(/"9\.9" is not a head/).waitFor();
  await heads.fill('all');
  await heads.press('Enter');
  const want = await context({ occlude: 'replace', isVerified: true });
  const shown = want.lines[0]!;
  await frame
    .getByRole('cell', { name: new RegExp(`^${shown.line}`) })
    .first()
    .waitFor();
  await frame.getByRole('button', { name: 'Check by Occluding' }).click();
  // Two runs a line: on a machine with other work to do they take minutes.
  await frame.getByText(/earlier lines occluded\./).waitFor({ timeout: 600_000 });
  await frame.getByText(/Ranked by hiding each line/).waitFor();
  const rows = await cells('Relevant lines');
  const byLine = new Map(want.lines.map(line => [line.line, line]));
  for (const [line = '', relevance = '', , , lost = '', surprisal = '', divergence = ''] of rows) {
    const {
      relevance_mean: weight,
      surprisal_bits,
      divergence_bits,
      lost_bits,
    } = byLine.get(Number.parseInt(line, 10))!;
    assert.ok(Math.abs(Number(relevance) - weight) < 6e-3 * weight + 1e-9, `${relevance}, not ${weight}`);
    if (divergence_bits === undefined) continue;
    if (lost_bits !== undefined)
      assert.ok(Math.abs(number(lost) - lost_bits) < 2e-3 * Math.abs(lost_bits) + 2e-4, `${lost}, not ${lost_bits}`);
    assert.ok(
      Math.abs(number(divergence) - divergence_bits) < 2e-3 * divergence_bits + 1e-4,
      `${divergence}, not ${divergence_bits}`,
    );
    assert.ok(
      Math.abs(number(surprisal) - surprisal_bits!) < 2e-3 * Math.abs(surprisal_bits!) + 2e-4,
      `${surprisal}, not ${surprisal_bits}`,
    );
  }
  const rho = want.occlusion!.rank_correlation.divergence.relevance_mean!.toFixed(2).replace('-', '−');
  await frame.getByText(`change of the predictions: ${rho} for relevance per token`).waitFor();
  await workbench.screenshot('context');
});

test('context: a check says how far it is and can be cancelled; the other direction says why it has none', async () => {
  await tab('Context');
  await choose('Occluded by', 'leaving the line out');
  await frame.getByRole('button', { name: 'Check by Occluding' }).click();
  // A check that is cancelled before its first line has nothing to keep.
  await frame.getByText(/^[1-9]\d* of \d+ earlier lines occluded.* …/).waitFor();
  assert.ok(await frame.getByRole('progressbar', { name: 'Lines occluded' }).isVisible());
  await frame.locator('.context-view').getByRole('button', { name: 'Cancel', exact: true }).click();
  await frame.getByText(/^Cancelled: \d+ of \d+ earlier lines occluded/).waitFor();
  await frame.getByRole('radio', { name: 'What attends to the selection' }).click();
  await frame.getByText(/Occluding can check only what the selection attends to/).waitFor();
  await workbench.screenshot('context-other-way');
  await frame.getByRole('radio', { name: 'What the selection attends to' }).click();
  await frame.getByText(/Occluding can check only/).waitFor({ state: 'hidden' });
  await choose('Occluded by', 'a neutral token in each place');
});

test('editor: places to step through, lines to pick from, a question that leaves the document as it is', async () => {
  const cursor = workbench.page.locator('.statusbar-item').filter({ hasText: /^Ln \d+/ });
  await selectPlace();
  const seen = new Set<string | null>();
  for (let i = 0; i < 3; i++) {
    const left = await cursor.textContent();
    await workbench.runCommand('MTA Inspector: Next Relevant Place');
    await workbench.page.waitForFunction(
      old => [...document.querySelectorAll('.statusbar-item')].every(item => item.textContent !== old),
      left,
    );
    seen.add(await cursor.textContent());
  }
  assert.equal(seen.size, 3, [...seen].join(', '));
  await workbench.runCommand('MTA Inspector: Show Relevant Lines…');
  const list = workbench.page.locator('.quick-input-widget .monaco-list-row');
  await workbench.page.getByPlaceholder('Most relevant lines for the selection').waitFor();
  const want = await context();
  assert.match((await list.first().textContent()) ?? '', new RegExp(`line ${want.lines[0]!.line}`));
  await workbench.screenshot('lines');
  await workbench.page.keyboard.press('Escape');

  await workbench.runCommand('MTA Inspector: Find Relevant Context…');
  await workbench.page.getByPlaceholder(/A question, or the beginning/).waitFor();
  await workbench.page.keyboard.type('Which items must be ordered?');
  await workbench.page.keyboard.press('Enter');
  await workbench.page.getByPlaceholder(/mta-base ranks the passages of the document by gain/).waitFor();
  // The document fits one range, whose lines are one passage.
  assert.match((await list.first().textContent()) ?? '', /line \d+, of lines 1–\d+.*gain \d+\.\d\d bits/);
  await workbench.screenshot('question');
  await workbench.page.keyboard.press('Escape');
  assert.equal(readFileSync(join(folder, sample), 'utf8'), text);
  assert.equal(await workbench.page.locator('.tab.active.dirty').count(), 0);
});

test('table: a page of the map, cell by cell', async () => {
  await untilDone(workbench, async () => {
    await workbench.runCommand('MTA Inspector: Inspect Document');
    await tab('Map');
  });
  const map = await mapOf(frame);
  await tab('Table');
  const places = new Places(expected.tokens, 1);
  const [query, key] = [places.firstOfLine(6)!, places.firstOfLine(4)!];
  for (const [name, line] of [
    ['First query, line', '6'],
    ['First key, line', '4'],
  ] as const) {
    await frame.getByRole('textbox', { name }).fill(line);
    await frame.getByRole('textbox', { name }).press('Enter');
  }
  await frame.locator(`.map-table caption[data-query="${query}"][data-key="${key}"]`).waitFor();
  await frame.getByText(/queries line 6 `.*` to line \d+ `.*`, keys line 4 `/).waitFor();
  const values = await headMap(expected, map.layer, map.head, map.stage as Stage);
  const rows = await frame
    .locator('.map-table tbody tr')
    .evaluateAll(all => all.map(row => [...row.querySelectorAll('td')].map(cell => cell.textContent ?? '')));
  assert.equal(rows.length, 16);
  for (const [i, row] of rows.entries()) {
    for (const [j, written] of row.entries()) {
      if (key + j > query + i) assert.equal(written, '–masked');
      else {
        const value = values[(query + i) * map.nTokens + key + j]!;
        assert.ok(Math.abs(number(written) - value) < 2e-3 * Math.abs(value) + 1e-6, `${written}, not ${value}`);
      }
    }
  }
  await workbench.screenshot('table');
});

test('export: what is saved is what the command line writes; a link opens the same view and nothing else', async () => {
  await tab('Export');
  const map = await mapOf(frame);
  // The map is zoomed to the selected word.
  await frame.getByText('The whole range', { exact: true }).click();
  await frame.getByRole('button', { name: 'Save… as CSV' }).click();
  const dialog = workbench.page.locator('.quick-input-widget input.input');
  await dialog.waitFor();
  await workbench.page.waitForFunction(() =>
    document.querySelector<HTMLInputElement>('.quick-input-widget input.input')?.value.endsWith('.csv'),
  );
  const path = await dialog.inputValue();
  await workbench.screenshot('export');
  await workbench.page.keyboard.press('Enter');
  await frame.getByText('Saved as CSV.').waitFor();
  assert.ok(existsSync(path), path);
  const options = { layer: map.layer, head: map.head, stage: map.stage as Stage, topK: 16 };
  const [got, want] = [readFileSync(path, 'utf8'), (await exportDocument(expected, 'csv', options)) as string].map(
    csv => csv.trimEnd().split('\n'),
  );
  assert.equal(got!.length, want!.length);
  assert.equal(got![0], want![0]);
  assert.deepEqual(JSON.parse(got!.at(-1)!.slice(2)), JSON.parse(want!.at(-1)!.slice(2)));

  await selectPlace();
  await workbench.runCommand('MTA Inspector: Copy View Link');
  await workbench.statusItem('link copied').waitFor();
  const link = await workbench.page.evaluate(() => navigator.clipboard.readText());
  assert.match(
    link,
    /^[\w-]+:\/\/mta-inspector\.mta-inspector\/view\?root=[^&]+&path=inventory\.ts&layer=\d+&head=\d+/,
  );
  const open = async (address: string) => {
    await workbench.runCommand('MTA Inspector: Open View Link…');
    await workbench.page.getByPlaceholder(/view\?path=/).waitFor();
    await workbench.page.keyboard.insertText(address);
    await workbench.page.keyboard.press('Enter');
  };
  const other = link.replace(/head=\d+/, `head=${map.head === 0 ? 1 : 0}`).replace(/tab=\w+/, 'tab=map');
  await untilDone(workbench, () => open(other));
  await panelOf(workbench);
  assert.equal((await mapOf(frame)).head, map.head === 0 ? 1 : 0);
  assert.equal((await frame.locator('[role=option][aria-selected=true]').count()) > 0, true);
  await open(link.replace('inventory.ts', 'no-such.ts'));
  await workbench.notification(/no folder of this workspace holds "no-such\.ts"/).waitFor();
  await workbench.runCommand('Notifications: Clear All Notifications');
});

test('the view comes back when the window is reloaded', async () => {
  const before = await mapOf(frame);
  // Not by the page, which VS Code would have no time to keep its views' state for.
  const gone = frame.waitForFunction(() => false).catch(() => {});
  await workbench.runCommand('Developer: Reload Window');
  await gone;
  frame = await panelOf(workbench);
  const now = await mapOf(frame);
  assert.deepEqual([now.layer, now.head, now.stage], [before.layer, before.head, before.stage]);
});

interface Axe {
  axe: { run(options: { runOnly?: string[]; resultTypes: string[] }): Promise<AxeResult> };
}

interface AxeResult {
  violations: { id: string; impact: string | null; nodes: { target: string[]; html: string }[] }[];
}

test('no tab has a serious finding by axe: side panel in dark and high contrast, editor-sized in light themes', async () => {
  const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
  const findings: string[] = [];
  // With something ablated and a word selected, the result is filled too.
  await selectPlace();
  await tab('Kernels changed');
  await frame.getByRole('button', { name: 'All of MTA off' }).click();
  await frame.locator('.ablation-banner[data-ablated="true"][data-running="false"]').waitFor();
  await frame.locator('.prediction-pair table').first().waitFor();
  for (const [name, theme, background] of [
    ['dark', 'Default Dark Modern', '--vscode-sideBar-background'],
    ['high-contrast', 'Default High Contrast', '--vscode-sideBar-background'],
    ['light', 'Default Light Modern', '--vscode-editor-background'],
    ['high-contrast-light', 'Default High Contrast Light', '--vscode-editor-background'],
  ] as const) {
    await workbench.changeSettings({ 'workbench.colorTheme': theme });
    if (name === 'light') {
      await workbench.runCommand('MTA Inspector: Open Attention Panel in Editor');
      frame = await workbench.webviewFrame('MTA Inspector: Attention');
      await frame.locator('.ablation-banner[data-ablated="true"]').waitFor();
    }
    await frame.locator(`body.vscode-${name}`).waitFor();
    await frame.evaluate(axe);
    for (const title of [...viewNames, 'Export'] as const) {
      await tab(title);
      await untilStill(frame);
      if (title === 'All heads') await frame.locator('.head-card canvas:not([width="1"])').first().waitFor();
      if (title === 'Kernels changed') await frame.locator('.result .pane .map-canvas').first().waitFor();
      await workbench.screenshot(`tab-${title.toLowerCase()}-${name}`);
      // What lies behind a webview is outside its frame, where axe cannot see it.
      await frame.evaluate(variable => {
        const { style } = document.documentElement;
        style.background = style.getPropertyValue(variable);
      }, background);
      // Themes differ in colours only.
      const rules = name === 'dark' ? {} : { runOnly: ['color-contrast'] };
      const { violations } = await frame.evaluate(
        options => (globalThis as unknown as Axe).axe.run({ ...options, resultTypes: ['violations'] }),
        rules,
      );
      await frame.evaluate(() => document.documentElement.style.removeProperty('background'));
      for (const { id, impact, nodes } of violations) {
        if (impact !== 'serious' && impact !== 'critical') continue;
        const html = nodes.slice(0, 3).map(node => node.html.slice(0, 160));
        findings.push(`${name}, ${title}: ${id} (${impact}), ${nodes.length} times: ${html.join(' | ')}`);
      }
    }
  }
  assert.deepEqual(findings, []);
});

test('the tour has no finding by axe in four themes', async () => {
  const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
  await workbench.runCommand('MTA Inspector: Take the Tour');
  // The sample takes the place of the panel in the editor: the side bar has the tour.
  frame = await workbench.webviewFrame('MTA Inspector');
  const tour = frame.getByRole('region', { name: 'Tour' });
  await tour.getByText('1 of 5').waitFor();
  const findings: unknown[] = [];
  for (const [name, theme] of [
    ['dark', 'Default Dark Modern'],
    ['light', 'Default Light Modern'],
    ['high-contrast', 'Default High Contrast'],
    ['high-contrast-light', 'Default High Contrast Light'],
  ] as const) {
    await workbench.changeSettings({ 'workbench.colorTheme': theme });
    await frame.locator(`body.vscode-${name}`).waitFor();
    await untilStill(frame);
    await frame.evaluate(axe);
    await frame.evaluate(() => {
      const { style } = document.documentElement;
      style.background = style.getPropertyValue('--vscode-editor-background');
    });
    const { violations } = await frame.evaluate(() =>
      (globalThis as unknown as Axe).axe.run({ resultTypes: ['violations'] }),
    );
    await frame.evaluate(() => document.documentElement.style.removeProperty('background'));
    findings.push(...violations.filter(({ impact }) => impact === 'serious' || impact === 'critical'));
  }
  assert.deepEqual(findings, []);
});
