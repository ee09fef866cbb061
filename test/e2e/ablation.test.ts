/** Ablation, heads and compare as their users meet them, with the figures of engine and command line. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Frame } from 'playwright-core';
import { keysOfRow } from '../../src/attention/topKeys';
import { type AnalyzedDocument, analyzeFile } from '../../src/cli/document';
import type { Ablation } from '../../src/shared/ablation';
import { root } from '../fixtures/paths';
import { inspectFile, mapOf, untilDone } from './harness/panel';
import { startWorkbench, type Workbench } from './harness/workbench';

const folder = mkdtempSync(join(tmpdir(), 'mta-e2e-ablation-'));
const sample = 'inventory.ts';
const themes = { dark: 'Default Dark Modern', light: 'Default Light Modern', contrast: 'Default High Contrast' };
let workbench: Workbench;
let frame: Frame;
/** The same document in plain Node. */
let expected: AnalyzedDocument;

before(async () => {
  cpSync(join(root, 'test', 'fixtures', 'documents'), folder, { recursive: true });
  const options = { model: undefined, provider: 'cpu', maxTokens: 512, at: 0, topK: 16 } as const;
  expected = await analyzeFile(join(folder, sample), options);
  workbench = await startWorkbench({ folder, settings: { 'workbench.colorTheme': themes.dark } });
  frame = await untilDone(workbench, () => inspectFile(workbench, sample));
});

after(async () => {
  await workbench?.close();
  await expected?.engine.release();
  rmSync(folder, { recursive: true, force: true });
});

const banner = '.ablation-banner';
const showTab = (name: string) => frame.getByRole('tab', { name, exact: true }).click();
const number = (text: string | null | undefined) => Number((text ?? '').replace('−', '-').replace('+', ''));

/** What the banner says once it has what was asked for. */
async function ablated(text: RegExp): Promise<string> {
  await frame.locator(`${banner}[data-ablated="true"][data-running="false"]`).filter({ hasText: text }).waitFor();
  return (await frame.locator(banner).textContent()) ?? '';
}

async function pictures(name: string): Promise<void> {
  for (const [theme, label] of Object.entries(themes)) {
    workbench.changeSettings({ 'workbench.colorTheme': label });
    await frame.waitForFunction(
      kind => document.body.dataset['vscodeThemeKind'] === kind,
      { dark: 'vscode-dark', light: 'vscode-light', contrast: 'vscode-high-contrast' }[theme],
    );
    await workbench.screenshot(`${name}-${theme}`);
  }
  workbench.changeSettings({ 'workbench.colorTheme': themes.dark });
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
  await showTab('Ablation');
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

  const text = readFileSync(join(folder, sample), 'utf8');
  const offset = text.indexOf('total += item.price');
  const token = expected.tokens.offsets.findLastIndex((start, i) => start <= offset && i < expected.tokens.ids.length);
  const hover = await workbench.hoverText({ offset: offset + 1 });
  assert.match(hover, /Ablated: all of MTA off\. Not the model as trained/);
  const [, layer, head] = /layer (\d+), head (\d+)/.exec(hover)!.map(Number);
  const nTokens = expected.tokens.ids.length;
  const rectangle = { queryStart: token, keyStart: 0, nQueries: 1, nKeys: nTokens };
  const row = await expected.engine.tile({
    analysisId: 77,
    layerIdx: layer!,
    headIdx: head!,
    stage: 'mixed_pattern',
    ...rectangle,
  });
  const strongest = keysOfRow(row.values, token, 1)[0]!;
  const weight = number(/([+−]\d+\.\d+)/.exec(hover)?.[1]);
  assert.ok(Math.abs(weight - strongest.weight) < 2e-3 * Math.abs(strongest.weight), `${hover}; ${strongest.weight}`);
  await pictures('ablation');
});

test('the kernel is edited by keyboard; what is no number is refused; undo, redo and reset', async () => {
  await frame.getByRole('button', { name: 'Reset ablation' }).click();
  await frame.locator(`${banner}[data-ablated="false"]`).waitFor({ state: 'attached' });
  const cell = frame.locator('.kernel-grid input').first();
  await cell.focus();
  await workbench.page.keyboard.press('ArrowRight');
  await workbench.page.keyboard.press('ArrowDown');
  await workbench.page.keyboard.type('much');
  await workbench.page.keyboard.press('Enter');
  await frame.getByText('“much” is no number').waitFor();
  await workbench.page.keyboard.press('Escape');
  await workbench.page.keyboard.type('1.5');
  await workbench.page.keyboard.press('Enter');
  assert.match(await ablated(/edited/), /layer \d+ head \d+ convolution before softmax edited/);
  await workbench.page.keyboard.press('Control+Z');
  await frame.locator(`${banner}[data-ablated="false"]`).waitFor({ state: 'attached' });
  await frame.getByRole('button', { name: 'Redo ablation change' }).click();
  await ablated(/edited/);
  await workbench.runCommand('MTA Inspector: Reset Ablation');
  await frame.locator(`${banner}[data-ablated="false"]`).waitFor({ state: 'attached' });
});

test('the ranking equals the command line’s', async () => {
  const wanted = cli('ablate', join(folder, sample), '--parts-only', '--max-tokens', '512');
  await frame.getByRole('button', { name: 'Rank every part of every layer' }).click();
  await frame.locator('[data-status="done"]').waitFor();
  const rows = await frame
    .locator('.ranking tbody tr')
    .evaluateAll(all => all.map(row => ({ ...(row as HTMLElement).dataset }) as { kl: string; what: string }));
  assert.equal(rows.length, wanted.effects.length);
  for (const [i, { kl, what }] of rows.entries()) {
    assert.ok(Math.abs(Number(kl) - wanted.effects[i].mean_kl_bits) < 1e-5, `${what}: ${kl}`);
  }
  assert.ok(rows[0]!.what.startsWith(`layer ${wanted.effects[0].layer} `));
  await frame.locator('.ranking').scrollIntoViewIfNeeded();
  await workbench.screenshot('ranking');
});

test('heads are ranked as on the command line; Enter opens the first one’s map', async () => {
  const wanted = cli('heads', join(folder, sample), '--max-tokens', '512').heads[0];
  await showTab('Heads');
  const first = frame.locator('.head-card[data-rank="1"]');
  await frame.waitForFunction(
    n => document.querySelectorAll('.head-card:not([data-value=""])').length === n,
    expected.engine.model.nLayers * expected.engine.model.nHeads,
  );
  const { layer, head, value } = await first.evaluate(
    card => ({ ...(card as HTMLElement).dataset }) as Record<string, string>,
  );
  assert.deepEqual([Number(layer), Number(head)], [wanted.layer, wanted.head]);
  assert.ok(Math.abs(Number(value) - wanted.context_score) < 1e-6);
  await pictures('heads');
  await first.focus();
  await workbench.page.keyboard.press('Enter');
  await frame.locator(`canvas[data-source="tiles"][data-layer="${layer}"][data-head="${head}"]`).waitFor();
  assert.equal((await mapOf(frame)).head, wanted.head);
});
