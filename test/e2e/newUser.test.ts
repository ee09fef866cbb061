/** The first hour of a new user whose settings are nonsense, and of one who writes an extension of their own. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { keysOfRow } from '../../src/attention/topKeys';
import { type AnalyzedDocument, analyzeFile, headMap } from '../../src/cli/document';
import { root } from '../fixtures/paths';
import { inspectFile, mapOf, untilDone } from './harness/panel';
import { startWorkbench, type Workbench } from './harness/workbench';

const folder = mkdtempSync(join(tmpdir(), 'mta-e2e-new-'));
const sample = 'inventory.ts';
const report = join(folder, 'attention-report.json');
const nonsense = {
  'mtaInspector.model': { name: 7 },
  'mtaInspector.backend': 'abacus',
  'mtaInspector.range.maxTokens': 'many',
  'mtaInspector.inference.threads': -3,
  'mtaInspector.topK': 1e9,
  'mtaInspector.threads': 'former',
  'mtaInspector.hover.enabled': 'perhaps',
  'mtaInspector.highlight.count': null,
  'mtaInspector.inspect.onEdit': [],
  'mtaInspector.range.followsCursor': 0,
};
const isDesktop = Boolean(process.env['MTA_DESKTOP']);
let workbench: Workbench;
/** The same document analysed by the engine, as the command line does. */
let expected: AnalyzedDocument;

before(async () => {
  cpSync(join(root, 'test', 'fixtures', 'documents'), folder, { recursive: true });
  const cell = { cell_type: 'code', source: ['width = 3\n', 'area = width * 2\n'], outputs: [], metadata: {} };
  writeFileSync(
    join(folder, 'areas.ipynb'),
    JSON.stringify({ cells: [{ ...cell, execution_count: null }], metadata: {}, nbformat: 4, nbformat_minor: 5 }),
  );
  const options = { model: undefined, provider: 'cpu', maxTokens: 512, at: 0, topK: 16 } as const;
  expected = await analyzeFile(join(folder, sample), options);
  const example = join(folder, 'example.vsix');
  const vsce = join(root, 'node_modules', '@vscode', 'vsce', 'vsce');
  execFileSync(process.execPath, [vsce, 'package', '--allow-missing-repository', '--out', example], {
    cwd: join(root, 'examples', 'attention-report'),
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  // As a user has it, beside all of VS Code's own extensions.
  workbench = await startWorkbench({ folder, more: [example], builtIn: 'all', settings: nonsense });
});

after(async () => {
  await workbench?.close();
  await expected?.engine.release();
  rmSync(folder, { recursive: true, force: true });
});

test('settings full of nonsense: the defaults apply, and the first inspection works', async () => {
  const frame = await untilDone(workbench, () => inspectFile(workbench, sample));
  assert.equal((await mapOf(frame)).nTokens, expected.tokens.ids.length);
});

test('the workbench answers the owner of its address and nobody else', { skip: isDesktop }, async () => {
  const { origin, host } = new URL(workbench.page.url());
  const cookie = (await workbench.page.context().cookies(origin))
    .map(({ name, value }) => `${name}=${value}`)
    .join('; ');
  const secret = join(folder, 'private.txt');
  writeFileSync(secret, 'only for the owner', { mode: 0o600 });
  const file = `/vscode-remote-resource?path=${encodeURIComponent(secret)}`;
  const socket = `/?reconnectionToken=${randomUUID()}&reconnection=false&skipWebSocketFrames=false`;
  /** Status and body of an answer, for a file or for the web socket that terminals run over. */
  const ask = async (headers: Record<string, string>, isSocket: boolean) => {
    const upgrade = { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13' };
    const more = isSocket ? { ...upgrade, 'sec-websocket-key': Buffer.alloc(16).toString('base64') } : {};
    const sent = request(origin + (isSocket ? socket : file), { headers: { host, ...headers, ...more } }).end();
    const [response] = await Promise.race([once(sent, 'response'), once(sent, 'upgrade')]);
    const body = isSocket ? '' : (await response.toArray()).join('');
    sent.destroy();
    return [response.statusCode, body];
  };
  assert.deepEqual(await ask({ cookie, origin }, false), [200, 'only for the owner']);
  assert.deepEqual(await ask({ cookie, origin }, true), [101, '']);
  const rebound = `rebound.example:${new URL(origin).port}`;
  const refused: [number, Record<string, string>][] = [
    [401, {}],
    [401, { origin }],
    [403, { cookie, origin: 'http://evil.example' }],
    [403, { cookie, host: rebound, origin: `http://${rebound}` }],
    [403, { host: rebound }],
  ];
  for (const [status, headers] of refused) {
    for (const isSocket of [false, true]) {
      const [found, body] = await ask(headers, isSocket);
      assert.equal(found, status, JSON.stringify(headers));
      assert.doesNotMatch(String(body), /only for the owner/);
    }
  }
});

/** Runs the example's command and reads what it wrote. */
async function writtenReport() {
  rmSync(report, { force: true });
  await workbench.runCommand('Example: Write Attention Report');
  for (const end = Date.now() + 30_000; !existsSync(report) && Date.now() < end; ) await sleep(50);
  await sleep(50); // the file is there before its text is
  return JSON.parse(readFileSync(report, 'utf8'));
}

test('another extension gets tokens, layers, rows, tiles and relevance: the engine’s own', async () => {
  const text = readFileSync(join(folder, sample), 'utf8');
  const offset = text.indexOf('total += item.price');
  await workbench.goTo({ offset: offset + 1 });
  const got = await writtenReport();
  const nTokens = expected.tokens.ids.length;
  const { nLayers } = expected.engine.model;
  const queryIdx = expected.tokens.offsets.findLastIndex((start, i) => start <= offset + 1 && i < nTokens);
  assert.equal(got.nTokens, nTokens);
  assert.deepEqual(
    got.layers,
    Array.from({ length: nLayers }, (_, i) => i),
  );
  assert.deepEqual(got.shown, { layers: got.layers, nTokens }, 'the attention view’s layers are announced too');
  assert.equal(got.queryIdx, queryIdx);
  assert.equal(got.token.label, expected.tokens.labels[queryIdx]);
  assert.ok(Math.abs(got.surprisalBits - expected.predictions.surprisalBits[queryIdx]!) < 1e-3);
  const rowOf = async (stage: 'scores' | 'mixed_pattern') =>
    (await headMap(expected, nLayers - 1, 0, stage)).subarray(queryIdx * nTokens, queryIdx * nTokens + queryIdx + 1);
  assert.equal(got.row.length, queryIdx + 1);
  for (const [i, value] of (await rowOf('scores')).entries()) assert.ok(Math.abs(got.row[i] - value) < 1e-3, `${i}`);
  const strongest = keysOfRow(await rowOf('mixed_pattern'), queryIdx, 5);
  assert.deepEqual(
    got.strongest.map((key: { keyIdx: number }) => key.keyIdx),
    strongest.map(({ keyIdx }) => keyIdx),
  );
  assert.deepEqual([got.tile[0], got.tile[1]], [1, null], 'the first row has one key; the rest is masked');
  assert.equal(got.relevance.length, nTokens);
  assert.ok(got.relevance.some((weight: number) => weight > 0));
  // The tool for assistants, asked about the cursor's line.
  assert.match(got.tool, /Model: mta-base/);
  assert.match(got.tool, /inventory\.ts, lines 1 to \d+/);
  assert.match(got.tool, /- line \d+, \d/);
});

test('a cell of a notebook is a document to other extensions as well', async () => {
  await workbench.openFile('areas.ipynb');
  await workbench.page.locator('.notebookOverlay .view-lines').first().click();
  const got = await writtenReport();
  assert.ok(got.nTokens > 5 && got.nTokens < 30, `${got.nTokens} tokens`);
  assert.match(got.tool, /areas\.ipynb, cell 1, lines 1 to/);
});

test('the walkthrough has its pictures', async () => {
  await workbench.runCommand('Welcome: Open Walkthrough...');
  await workbench.page.locator('.quick-input-widget input.input').fill('MTA Inspector');
  await workbench.page.locator('.quick-input-widget .monaco-list-row').first().click();
  const page = workbench.page.locator('.gettingStartedContainer');
  await page.getByText('Follow one finding').first().waitFor();
  await page.locator('.getting-started-media img').first().waitFor();
  await page
    .locator('.getting-started-media img')
    .first()
    .evaluate(image => (image as HTMLImageElement).decode());
  await workbench.screenshot('walkthrough');
  await workbench.runCommand('View: Close Editor');
});

test('the tour leads through the panel, on “Margaret” → “ E”, and ends where the reader likes', async () => {
  await workbench.runCommand('MTA Inspector: Take the Tour');
  const frame = await workbench.webviewFrame('MTA Inspector');
  const tour = frame.getByRole('region', { name: 'Tour' });
  await tour.getByText('1 of 5').waitFor();
  await tour.getByText('“Ellery”').waitFor();
  const predicted = frame.locator('.why-predicted.tour-target li.is-actual');
  await predicted.waitFor();
  assert.match((await predicted.textContent()) ?? '', /E/);
  for (const [step, tab] of [
    [2, 'page-token'],
    [3, 'page-heads'],
    [4, 'page-heads'],
    [5, 'page-experiment'],
  ] as const) {
    await tour.getByRole('button', { name: 'Next' }).click();
    await tour.getByText(`${step} of 5`).waitFor();
    await frame.locator(`.page.${tab}:not([hidden])`).waitFor();
    await frame.locator('.tour-target:visible').first().waitFor();
    if (step === 3) await tour.getByText(/L\dH\d added most/).waitFor();
    await workbench.screenshot(`tour-${step}`);
  }
  await tour.getByRole('button', { name: 'Back' }).click();
  await tour.getByText('4 of 5').waitFor();
  await tour.getByRole('button', { name: 'Next' }).press('Escape');
  await tour.waitFor({ state: 'hidden' });
  assert.equal(await frame.locator('.tour-target').count(), 0);
});

test('the toy task is explained where it opens', async () => {
  await workbench.runCommand('MTA Inspector: Open Sample Document…');
  await workbench.page.locator('.quick-input-widget .monaco-list-row', { hasText: 'letters.blocks' }).click();
  const frame = await workbench.webviewFrame('MTA Inspector');
  const note = frame.getByRole('region', { name: 'Tour' });
  await note.getByText(/The toy task: blocks of five letters/).waitFor();
  await note.getByRole('button', { name: 'End the tour' }).click();
  await note.waitFor({ state: 'hidden' });
});

test('keys collide with none of the workbench’s own', async () => {
  const { contributes } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  await workbench.runCommand('Preferences: Open Keyboard Shortcuts');
  const search = workbench.page.locator('.keybindings-header input.input').first();
  const rows = workbench.page.locator('.keybindings-editor .monaco-list-row');
  for (const { key, command } of contributes.keybindings) {
    await search.fill(`"${key}"`);
    const title = rows.filter({ hasText: 'MTA Inspector' }).first();
    await title.waitFor();
    await workbench.page.waitForFunction(
      () => [...document.querySelectorAll('.keybindings-editor .monaco-list-row')].length < 6,
    );
    for (const row of await rows.allInnerTexts()) assert.match(row, /MTA Inspector/, `${command}, ${key}: ${row}`);
  }
  // The editor lies over the workbench, and its first Escape clears the search.
  const modal = workbench.page.locator('.monaco-modal-editor-block');
  for (let i = 0; i < 5 && (await modal.count()) > 0; i++) {
    await workbench.page.keyboard.press('Escape');
    await sleep(200);
  }
});

test('the models are listed, the one in use marked', async () => {
  await workbench.page.locator('.pane-header', { hasText: 'Models' }).click();
  const rows = workbench.page.locator('.pane', { hasText: 'Models' }).locator('.monaco-list-row');
  await rows.first().getByText('mta-base').waitFor();
  // The toy task was opened last, with a model of its own.
  const used = rows.filter({ hasText: 'in use' });
  await used.waitFor();
  assert.match((await used.textContent()) ?? '', /^toy-mta-n5\d+ layers.*in use/s);
});
