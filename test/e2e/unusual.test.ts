/** Documents, models, modes and themes that are not the usual ones, in a real workbench. */

import assert from 'node:assert/strict';
import {
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { huggingFaceCases, withVocabulary, writeHuggingFaceModel } from '../fixtures/huggingFace';
import { serveModel } from '../fixtures/oipServer';
import { writeDecoder } from '../fixtures/onnxDecoder';
import { root, tinyModelDirectory } from '../fixtures/paths';
import { canvasPixels } from './harness/canvas';
import { acceptPath, inspect, inspectFile, mapOf, panelOf, takeNotification, untilDone } from './harness/panel';
import { startWorkbench, type Workbench } from './harness/workbench';

const folder = mkdtempSync(join(tmpdir(), 'mta-e2e-unusual-'));
const brokenModel = join(folder, 'models', 'broken');
const goodModel = 'mta-base';
const line = 'const answer = question(42); // asked of everyone\n';
/** Keys of the user's own. */
const keys = { cancel: 'F7', cancelFirstRun: 'F8' };
let workbench: Workbench;

before(async () => {
  cpSync(join(root, 'test', 'fixtures', 'documents'), folder, { recursive: true });
  writeFileSync(
    join(folder, 'binary.dat'),
    Uint8Array.from({ length: 4096 }, (_, i) => (i * 37) % 256),
  );
  writeFileSync(join(folder, 'zeros.txt'), `text\0with\0zeros\n${'x\n'.repeat(50)}`);
  writeFileSync(join(folder, 'late-zero.txt'), `${'x\n'.repeat(5000)}\0\n`);
  writeFileSync(join(folder, 'large.txt'), line.repeat(980_000)); // 49 MB
  // Extensions are given up to 50 * 1024 * 1024 characters.
  writeFileSync(join(folder, 'huge.txt'), line.repeat(1_060_000));
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
  const whole = join(root, 'models', 'bundled', goodModel);
  for (const name of ['config.json', 'tokenizer.json', 'model.safetensors'])
    copyFileSync(join(whole, name), join(brokenModel, name));
  const weights = join(brokenModel, 'model.safetensors');
  truncateSync(weights, Math.floor(statSync(weights).size / 2));
  const command = 'mtaInspector.cancel';
  const keybindings = [
    { key: keys.cancel, command },
    { key: keys.cancelFirstRun, command, args: 1 },
  ];
  workbench = await startWorkbench({ folder, builtIn: ['ipynb'], keybindings });
});

after(async () => {
  await workbench?.close();
  rmSync(folder, { recursive: true, force: true });
});

async function worksAgain(): Promise<void> {
  await untilDone(workbench, () => inspectFile(workbench, 'inventory.ts'));
}

const notGiven = /There is no text to inspect/;
const noText: [string, RegExp][] = [
  ['binary.dat', notGiven],
  ['zeros.txt', notGiven],
  // VS Code looks for NULs at the start only, and opens this one as text.
  ['late-zero.txt', /"late-zero\.txt" contains NUL bytes and is not a text/],
];
for (const [name, message] of noText) {
  test(`${name}: says that there is no text to inspect, and the next command works`, async () => {
    await inspectFile(workbench, name);
    await takeNotification(workbench, message);
    await worksAgain();
  });
}

test('a file of 49 MB: nothing to inspect until VS Code may open it, then a window around the cursor', async () => {
  await inspectFile(workbench, 'large.txt');
  assert.match(await takeNotification(workbench, notGiven), /large files before "Open Anyway"/);
  await openAnyway();
  await workbench.goTo({ line: 2000, column: 5 });
  const frame = await untilDone(workbench);
  await frame.getByText(/large\.txt: 512 tokens · lines 19\d\d–20\d\d of 980000; the rest was left out/).waitFor();
  await workbench.screenshot('large');
  await closeEditor();
  await worksAgain();
});

test('a file above 50 MB: VS Code keeps its text from extensions, which is said', async () => {
  await workbench.openFile('huge.txt');
  await openAnyway();
  await workbench.runCommand(inspect);
  assert.match(await takeNotification(workbench, notGiven), /files above 50 MB/);
  await closeEditor();
  await worksAgain();
});

/** Large files open on the reader's word only. */
async function openAnyway(): Promise<void> {
  await workbench.page.getByRole('button', { name: 'Open Anyway', exact: true }).click();
  await workbench.page.locator('.editor-group-container.active .view-line').first().waitFor();
}

/** A large document would slow down what follows. */
const closeEditor = () => workbench.runCommand('View: Close Editor');

test('a diff view: the side with the cursor is inspected', async () => {
  await workbench.openFile('other.ts');
  await workbench.runCommand('File: Compare Active File With...');
  const row = workbench.page.locator('.quick-input-widget .monaco-list-row').filter({ hasText: 'inventory.ts' });
  await row.first().click();
  for (const [side, name] of [
    ['original', 'other.ts'],
    ['modified', 'inventory.ts'],
  ] as const) {
    await workbench.page.locator(`.monaco-diff-editor .editor.${side} .view-lines`).click();
    const frame = await untilDone(workbench);
    await frame.getByText(`${name}: `).first().waitFor();
  }
  await workbench.screenshot('diff');
});

test('a notebook: the cell with the cursor is inspected', async () => {
  await workbench.openFile('areas.ipynb');
  await workbench.page.locator('.notebookOverlay .view-lines').first().click();
  const frame = await untilDone(workbench);
  const { nTokens } = await mapOf(frame);
  assert.ok(nTokens > 5 && nTokens < 40, `${nTokens} tokens`);
  await frame.getByText('areas.ipynb, cell 1').first().waitFor();
  await workbench.screenshot('notebook');
});

test('a truncated model: the error names file, tensor, expected and found; the document stays', async () => {
  const before = readFileSync(join(folder, 'inventory.ts'));
  await workbench.openFile('inventory.ts');
  await workbench.changeSettings({ 'mtaInspector.model': brokenModel });
  const message = workbench.notification(/model\.safetensors/).first();
  // The workbench takes a moment to notice the changed settings.
  for (let i = 0; i < 10 && !(await message.isVisible()); i++) {
    await workbench.runCommand(inspect);
    await workbench.statusItem(/MTA: (CPU|WebGPU|failed)$/).waitFor();
  }
  await workbench.screenshot('broken-model');
  const said = await takeNotification(workbench, /model\.safetensors/);
  const wrong = /model\.safetensors of model "broken": tensor [\w.]+ ends at byte (\d+), but the file has only (\d+)/;
  const [, expected, found] = wrong.exec(said) ?? assert.fail(said);
  assert.equal(Number(found), statSync(join(brokenModel, 'model.safetensors')).size);
  assert.ok(Number(expected) > Number(found), said);
  // Back to the good one, as the reader would: the command inspects again by itself.
  await untilDone(workbench, async () => {
    await workbench.runCommand('MTA Inspector: Select Model…');
    await workbench.page.locator('.quick-input-widget .monaco-list-row').filter({ hasText: goodModel }).click();
  });
  assert.deepEqual(readFileSync(join(folder, 'inventory.ts')), before);
});

/** Adds a model by its path, as a reader who types it into the dialog. */
async function addModel(path: string): Promise<void> {
  await workbench.runCommand('MTA Inspector: Add Model…');
  await acceptPath(workbench, path, 'Add Model');
}

test('models of one’s own are added by their paths: Hugging Face’s, an ONNX file, and a broken one, which is named', async () => {
  const llama = join(folder, 'models', 'tiny-llama');
  const example = huggingFaceCases().find(({ name }) => name === 'llama-grouped-bias')!;
  writeHuggingFaceModel(llama, withVocabulary(example, 320));
  copyFileSync(join(tinyModelDirectory, 'tokenizer.json'), join(llama, 'tokenizer.json'));
  const onnx = writeDecoder(join(folder, 'models', 'onnx'));
  await workbench.openFile('inventory.ts');
  await workbench.changeSettings({ 'mtaInspector.range.maxTokens': 64 });

  let frame = await untilDone(workbench, () => addModel(llama));
  await takeNotification(workbench, /Added the model "tiny-llama": 0 million parameters, 2 layers, \d heads/);
  await frame.getByText(/inventory\.ts: 64 tokens .* tiny-llama on/).waitFor();

  await addModel(brokenModel);
  await takeNotification(workbench, /model\.safetensors of model "broken": tensor \S+ ends at byte/);
  frame = await untilDone(workbench);
  await frame.getByText(/tiny-llama on/).waitFor();

  frame = await untilDone(workbench, () => addModel(onnx));
  await takeNotification(workbench, /Added the model "decoder"/);
  await frame.getByText(/decoder on CPU · an ONNX file: attention patterns only/).waitFor();
  await frame.locator('canvas[data-effective-stage="pattern"]').first().waitFor();
  for (const absent of ['lens', 'kernels', 'stages', 'ablation']) {
    assert.equal(await frame.locator(`#tab-${absent}`).isVisible(), false, absent);
  }
  await workbench.screenshot('onnx-file');
  await workbench.changeSettings({ 'mtaInspector.range.maxTokens': undefined, 'mtaInspector.model': goodModel });
  await worksAgain();
});

test('a server that wants a token: it is asked for, kept secret, and the maps come from there', async () => {
  const token = 'e2e-secret-7d1f';
  const server = await serveModel(tinyModelDirectory, token);
  try {
    await workbench.openFile('inventory.ts');
    await workbench.changeSettings({ 'mtaInspector.range.maxTokens': 64 });
    await workbench.changeSettings({ 'mtaInspector.remote.url': server.url }, 'machine');
    await workbench.runCommand(inspect);
    await takeNotification(workbench, /asks for a token\. Set it with "Set Remote Token"/);
    assert.deepEqual([...server.heard], [undefined]);
    await workbench.runCommand('MTA Inspector: Set Remote Token…');
    const input = workbench.page.locator('.quick-input-widget input.input');
    await input.fill(token);
    assert.equal(await input.getAttribute('type'), 'password');
    await workbench.page.keyboard.press('Enter');
    await takeNotification(workbench, /The remote token is kept/);
    await workbench.runCommand(inspect);
    const frame = await workbench.webviewFrame('MTA Inspector');
    await frame.getByText(/inventory\.ts: 64 tokens .* tiny-model on remote server/).waitFor();
    assert.ok(server.heard.has(`Bearer ${token}`));
    await workbench.screenshot('remote');
  } finally {
    await workbench.changeSettings({ 'mtaInspector.remote.url': undefined }, 'machine');
    await workbench.changeSettings({ 'mtaInspector.range.maxTokens': undefined });
    await workbench.runCommand('MTA Inspector: Clear Remote Token');
    await takeNotification(workbench, /The remote token is deleted/);
    await server.close();
  }
  await worksAgain();
  assert.ok(!workbench.logFiles('').includes(token) && !workbench.serverLog().includes(token), 'the token is in a log');
});

const inferencePid = () => workbench.inferenceProcesses()[0]?.pid;

test('cancel while running: a process that hangs is left, which is said, and the next run works', async () => {
  await workbench.openFile('inventory.ts');
  const pid = inferencePid()!;
  process.kill(pid, 'SIGSTOP');
  await workbench.runCommand(inspect);
  await workbench.statusItem(/MTA: layer 0/).waitFor();
  // A click that VS Code held back while another run began.
  await workbench.page.keyboard.press(keys.cancelFirstRun);
  // Commands reach the extension in order: once a later one shows something, that one was heard.
  await workbench.runCommand('MTA Inspector: Open View Link…');
  const laterOne = workbench.page.getByPlaceholder(/view\?path=/);
  await laterOne.waitFor();
  await workbench.page.keyboard.press('Escape');
  await laterOne.waitFor({ state: 'hidden' });
  assert.ok(await workbench.statusItem(/MTA: layer 0/).isVisible());
  await workbench.page.keyboard.press(keys.cancel);
  await workbench.statusItem('MTA: cancelled').waitFor();
  // The next run waits behind what hangs, until that process is killed and a new one started.
  await worksAgain();
  assert.notEqual(inferencePid(), pid);
});

test('another model while the process hangs, cancelled while the next one hangs too: the next run works', async () => {
  await workbench.openFile('inventory.ts');
  const pids = [inferencePid()!];
  process.kill(pids[0]!, 'SIGSTOP');
  await workbench.changeSettings({ 'mtaInspector.inference.threads': 1 });
  const asked = workbench.runCommand(inspect);
  while (inferencePid() === undefined || inferencePid() === pids[0]) await sleep(5);
  pids.push(inferencePid()!);
  process.kill(pids[1]!, 'SIGSTOP');
  await asked;
  await workbench.statusItem(/MTA: loading model/).click();
  await workbench.statusItem('MTA: cancelled').waitFor();
  await worksAgain();
  assert.ok(!pids.includes(inferencePid()!));
});

const themes = [
  ['light', 'Default Light Modern'],
  ['dark', 'Default Dark Modern'],
  ['high-contrast', 'Default High Contrast'],
  ['high-contrast-light', 'Default High Contrast Light'],
] as const;

test('every theme: text stands out from its background, zero is drawn in the background’s colour', async () => {
  await workbench.openFile('inventory.ts');
  await workbench.page.mouse.move(1, 1);
  const seen = new Set<string>();
  for (const [name, theme] of themes) {
    await workbench.changeSettings({ 'workbench.colorTheme': theme });
    const frame = await panelOf(workbench);
    await frame.waitForFunction(
      old =>
        !old.includes(
          getComputedStyle(document.body).getPropertyValue('--vscode-editor-background') + document.body.className,
        ),
      [...seen],
    );
    const look = await frame.evaluate(() => {
      const variable = (id: string) => getComputedStyle(document.body).getPropertyValue(id);
      const colorOf = (selector: string) => getComputedStyle(document.querySelector(selector)!).color;
      const editor = variable('--vscode-editor-background');
      const background = variable('--vscode-sideBar-background') || editor;
      return {
        editor,
        background,
        colors: { text: colorOf('#app'), facts: colorOf('.facts') },
        key: editor + document.body.className,
      };
    });
    seen.add(look.key);
    for (const [what, color] of Object.entries(look.colors)) {
      const ratio = contrast(parse(color, parse(look.background)), parse(look.background));
      assert.ok(ratio >= 4.5, `${theme}: ${what} in ${color} on ${look.background} has a contrast of ${ratio}`);
    }
    // Below the diagonal most weights are next to nothing.
    await frame.evaluate(() => new Promise(drawn => requestAnimationFrame(() => requestAnimationFrame(drawn))));
    const pixels = await canvasPixels(frame, 'canvas[data-source]');
    const counts = new Map<string, number>();
    for (let y = 20; y < pixels.height - 4; y += 2) {
      for (let x = 8; x < y - 8; x += 2) {
        const color = String(pixels.at(x, y));
        counts.set(color, (counts.get(color) ?? 0) + 1);
      }
    }
    const [[usual = ''] = []] = [...counts].sort(([, a], [, b]) => b - a);
    const far = Math.max(...parse(usual).map((channel, i) => Math.abs(channel - parse(look.editor)[i]!)));
    assert.ok(far <= 6, `${theme}: zero is drawn in ${usual}, the editor's background is ${look.editor}`);
    await workbench.screenshot(`theme-${name}`);
  }
  assert.equal(seen.size, themes.length);
});

/** Red, green, blue, 0 to 255, of `#rrggbb` or numbers such as `rgba(…)`, laid over a background where translucent. */
function parse(color: string, under = [0, 0, 0]): number[] {
  const hex = /^#([0-9a-f]{6})$/i.exec(color.trim());
  if (hex) return [0, 2, 4].map(at => Number.parseInt(hex[1]!.slice(at, at + 2), 16));
  const [red = 0, green = 0, blue = 0, alpha = 1] = [...color.matchAll(/[\d.]+/g)].map(Number);
  return [red, green, blue].map((channel, i) => alpha * channel + (1 - alpha) * under[i]!);
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
