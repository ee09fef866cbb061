/** Documents, models, modes and themes that are not the usual ones, in a real workbench. */

import assert from 'node:assert/strict';
import {
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { root } from '../fixtures/paths';
import { done, inspect, inspectFile, mapOf, panelOf } from './harness/panel';
import { startWorkbench, type Workbench } from './harness/workbench';

const folder = mkdtempSync(join(tmpdir(), 'mta-e2e-unusual-'));
const brokenModel = join(folder, 'models', 'broken');
const line = 'const answer = question(42); // asked of everyone\n';
let workbench: Workbench;

before(async () => {
  cpSync(join(root, 'test', 'fixtures', 'documents'), folder, { recursive: true });
  writeFileSync(
    join(folder, 'binary.dat'),
    Uint8Array.from({ length: 4096 }, (_, i) => (i * 37) % 256),
  );
  writeFileSync(join(folder, 'zeros.txt'), `text\0with\0zeros\n${'x\n'.repeat(50)}`);
  writeFileSync(join(folder, 'large.txt'), line.repeat(Math.ceil(51e6 / line.length)));
  const cells = [
    {
      cell_type: 'code',
      source: ['def area(width, height):\n', '    return width * height\n'],
      outputs: [],
      metadata: {},
      execution_count: null,
    },
    { cell_type: 'markdown', source: ['# Areas\n'], metadata: {} },
  ];
  writeFileSync(join(folder, 'areas.ipynb'), JSON.stringify({ cells, metadata: {}, nbformat: 4, nbformat_minor: 5 }));
  writeFileSync(
    join(folder, 'other.ts'),
    readFileSync(join(folder, 'inventory.ts'), 'utf8').replaceAll('total', 'sum'),
  );
  mkdirSync(brokenModel, { recursive: true });
  const whole = join(root, 'models', 'bundled', 'mta-small');
  for (const name of ['config.json', 'tokenizer.json', 'model.safetensors'])
    copyFileSync(join(whole, name), join(brokenModel, name));
  truncateSync(join(brokenModel, 'model.safetensors'), 20_000_000);
  workbench = await startWorkbench({ folder });
});

after(async () => {
  await workbench?.close();
  rmSync(folder, { recursive: true, force: true });
});

async function worksAgain(): Promise<void> {
  await inspectFile(workbench, 'inventory.ts');
  await workbench.statusItem(done).waitFor();
  await panelOf(workbench);
}

for (const name of ['binary.dat', 'zeros.txt']) {
  test(`${name}: says that there is no text to inspect`, async () => {
    await inspectFile(workbench, name);
    await workbench
      .notification(/There is no text to inspect|is no text/)
      .first()
      .waitFor();
    await workbench.page.keyboard.press('Escape');
    await worksAgain();
  });
}

test('a file above 50 MB: VS Code keeps its text from extensions, which is said', async () => {
  await workbench.openFile('large.txt');
  await workbench.runCommand(inspect);
  await workbench
    .notification(/There is no text to inspect.*above 50 MB/)
    .first()
    .waitFor();
  await workbench.page.keyboard.press('Escape');
  await worksAgain();
});

test('a diff view: the side with the cursor is inspected', async () => {
  await workbench.openFile('other.ts');
  await workbench.runCommand('File: Compare Active File With...');
  const row = workbench.page.locator('.quick-input-widget .monaco-list-row').filter({ hasText: 'inventory.ts' });
  await row.first().click();
  await workbench.page.locator('.monaco-diff-editor .editor.modified .view-lines').click();
  await workbench.runCommand(inspect);
  await workbench.statusItem(done).waitFor();
  const frame = await panelOf(workbench);
  await frame.getByText('inventory.ts').first().waitFor();
  await workbench.screenshot('diff');
});

test('a notebook: the cell with the cursor is inspected', async () => {
  await workbench.openFile('areas.ipynb');
  await workbench.page.locator('.notebookOverlay .view-lines').first().click();
  await workbench.runCommand(inspect);
  await workbench.statusItem(done).waitFor();
  const frame = await panelOf(workbench);
  const { nTokens } = await mapOf(frame);
  assert.ok(nTokens > 5 && nTokens < 40, `${nTokens} tokens`);
  await frame.getByText('areas.ipynb, cell 1').first().waitFor();
  await workbench.screenshot('notebook');
});

test('a truncated model: the error names file, tensor, expected and found; the document stays', async () => {
  const before = readFileSync(join(folder, 'inventory.ts'));
  await workbench.openFile('inventory.ts');
  workbench.changeSettings({ 'mtaInspector.model': brokenModel });
  const message = workbench.notification(/model\.safetensors/).first();
  // The workbench takes a moment to notice the changed settings.
  for (let i = 0; i < 10 && !(await message.isVisible()); i++) {
    await workbench.runCommand(inspect);
    await workbench.statusItem(/MTA: (CPU|WebGPU|failed)$/).waitFor();
  }
  assert.match((await message.textContent()) ?? '', /model\.safetensors.*\d/s);
  await workbench.screenshot('broken-model');
  workbench.changeSettings({ 'mtaInspector.model': '' });
  await workbench.page.keyboard.press('Escape');
  await worksAgain();
  assert.deepEqual(readFileSync(join(folder, 'inventory.ts')), before);
});

test('cancel: a run that hangs ends, which is said, and the next one works', async () => {
  await workbench.openFile('inventory.ts');
  const [inference] = workbench.processes().filter(({ command }) => command.includes('inference.cjs'));
  process.kill(inference!.pid, 'SIGSTOP');
  await workbench.runCommand(inspect);
  await workbench.statusItem(/MTA: (loading model|layer)/).click();
  await workbench.statusItem('MTA: cancelled').waitFor();
  // The next run waits behind the one that hangs, until the process is killed and started anew.
  await worksAgain();
});

const themes = [
  ['light', 'Default Light Modern'],
  ['dark', 'Default Dark Modern'],
  ['high-contrast', 'Default High Contrast'],
  ['high-contrast-light', 'Default High Contrast Light'],
] as const;

test('every theme: text stands out from its background, zero is drawn in the background’s colour', async () => {
  await workbench.openFile('inventory.ts');
  const seen = new Set<string>();
  for (const [name, theme] of themes) {
    workbench.changeSettings({ 'workbench.colorTheme': theme });
    const frame = await panelOf(workbench);
    await frame.waitForFunction(
      old =>
        !old.includes(
          getComputedStyle(document.body).getPropertyValue('--vscode-editor-background') + document.body.className,
        ),
      [...seen],
    );
    const look = await frame.evaluate(() => {
      const { color } = getComputedStyle(document.querySelector('#app')!);
      const variable = (id: string) => getComputedStyle(document.body).getPropertyValue(id);
      const background = variable('--vscode-sideBar-background') || variable('--vscode-editor-background');
      return { color, background, key: variable('--vscode-editor-background') + document.body.className };
    });
    seen.add(look.key);
    const ratio = contrast(parse(look.color), parse(look.background));
    assert.ok(ratio >= 4.5, `${theme}: ${look.color} on ${look.background} has a contrast of ${ratio.toFixed(2)}`);
    await frame.locator('canvas[data-source="tiles"]').waitFor();
    await workbench.screenshot(`theme-${name}`);
  }
  assert.equal(seen.size, themes.length);
});

/** Red, green, blue of `rgb(…)` or `#rrggbb`, 0 to 255. */
function parse(color: string): number[] {
  const hex = /^#([0-9a-f]{6})/i.exec(color.trim());
  if (hex) return [0, 2, 4].map(at => Number.parseInt(hex[1]!.slice(at, at + 2), 16));
  return [...color.matchAll(/[\d.]+/g)].slice(0, 3).map(([digits]) => Number(digits));
}

/** Contrast ratio as WCAG 2 defines it, 1 to 21. */
function contrast(a: number[], b: number[]): number {
  const luminance = (rgb: number[]) =>
    rgb
      .map(channel => channel / 255)
      .map(c => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
      .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i]!, 0);
  const [dark, light] = [luminance(a), luminance(b)].sort((x, y) => x - y) as [number, number];
  return (light + 0.05) / (dark + 0.05);
}
