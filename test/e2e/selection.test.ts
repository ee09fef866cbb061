/** The panel and the marks in the text follow the cursor, whatever moves it. */

import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { createVSIX } from '@vscode/vsce';
import type { Frame } from 'playwright-core';
import { root } from '../fixtures/paths';
import { inspectFile } from './harness/panel';
import { startWorkbench, type Workbench } from './harness/workbench';

const folder = mkdtempSync(join(tmpdir(), 'mta-e2e-selection-'));
let workbench: Workbench;
let frame: Frame;

before(async () => {
  cpSync(join(root, 'test', 'fixtures', 'documents', 'inventory.ts'), join(folder, 'inventory.ts'));
  const symbols = join(folder, 'symbols.vsix');
  const cwd = join(root, 'test', 'fixtures', 'symbols-extension');
  await createVSIX({ cwd, packagePath: symbols, allowMissingRepository: true, skipLicense: true });
  workbench = await startWorkbench({ folder, more: [symbols] });
  await workbench.statusItem('symbols ready').waitFor();
  await inspectFile(workbench, 'inventory.ts');
  frame = await workbench.webviewFrame('MTA Inspector');
  await frame.locator('.why[data-status="done"]').waitFor();
});

after(async () => {
  await workbench?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** The panel answers for this word, and the marks in the text are the word's. */
async function follows(word: string, line: number): Promise<void> {
  await frame.locator('.why-title', { hasText: new RegExp(`^${word} line ${line}\\b`) }).waitFor();
  await workbench.statusItem(`‘${word}’ ←`).waitFor();
}

/** Presses a key once the editor has the focus. */
async function press(key: string): Promise<void> {
  await workbench.page.locator('.editor-group-container.active .monaco-editor.focused').first().waitFor();
  await workbench.page.keyboard.press(key);
}

/** Waits for what the status bar says of the cursor, such as "2 selections". */
const cursorIs = (text: string | RegExp) => workbench.statusItem(text).first().waitFor();

async function startAt(word: string, line: number, column: number): Promise<void> {
  await workbench.goTo({ line, column });
  await cursorIs(`Ln ${line}, Col ${column}`);
  await follows(word, line);
}

test('go to definition, and back', async () => {
  await startAt('known', 14, 12);
  await press('F12');
  await follows('known', 13);
  await workbench.runCommand('Go Back');
  await follows('known', 14);
});

test('go to symbol', async () => {
  await startAt('items', 10, 22);
  await press('Control+Shift+O');
  const symbol = workbench.page.locator('.quick-input-widget .monaco-list-row', { hasText: 'toOrder' });
  await symbol.click();
  await follows('toOrder', 35);
});

test('find, and find again', async () => {
  await startAt('items', 10, 22);
  await press('Control+F');
  const input = workbench.page.locator('.find-widget.visible .find-part textarea').first();
  await input.fill('stock.`');
  await input.press('Enter');
  await frame.locator('.why-title', { hasText: /line 23\b/ }).waitFor();
  await input.fill('least)');
  await input.press('Enter');
  await frame.locator('.why-title', { hasText: /^least.* line 36\b/ }).waitFor();
  await input.press('Escape');
});

test('of several cursors the newest one counts; without them it is the first again', async () => {
  await startAt('known', 13, 12);
  await press('Control+D');
  await cursorIs(/\(5 selected\)/);
  await press('Control+D');
  await cursorIs('2 selections');
  await follows('known', 14);
  await press('Control+D');
  await cursorIs('3 selections');
  await follows('known', 15);
  await press('Escape');
  await follows('known', 13);
});

test('a cursor added below, and taken back', async () => {
  await startAt('item', 22, 12);
  await workbench.runCommand('Add Cursor Below');
  await cursorIs('2 selections');
  await frame.locator('.why-title', { hasText: /line 23\b/ }).waitFor();
  await press('Control+U');
  await follows('item', 22);
});

test('expand and shrink selection', async () => {
  await startAt('item', 30, 18);
  await press('Shift+Alt+ArrowRight');
  await cursorIs(/\(4 selected\)/);
  await press('Shift+Alt+ArrowRight');
  await cursorIs(/\((?!4 )\d+ selected\)/);
  await frame.locator('.why-title', { hasText: /^const␣item␣of␣this\.items.* line 30\b/ }).waitFor();
  await press('Shift+Alt+ArrowLeft');
  await follows('item', 30);
});

test('go to bracket, and another extension that moves the cursor', async () => {
  await workbench.goTo({ line: 9, column: 24 });
  await workbench.runCommand('Go to Bracket');
  await frame.locator('.why-title', { hasText: /line 38\b/ }).waitFor();
  await startAt('Inventory', 9, 16);
  await workbench.runCommand('Symbols: Select the Last Word Like This');
  await follows('Inventory', 40);
});

test('nothing failed meanwhile', async () => {
  const errors = workbench.consoleErrors().filter(error => /Error: /.test(error) && !/workbench\.js/.test(error));
  assert.deepEqual(errors, []);
});
