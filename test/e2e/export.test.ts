/** Every form in which the panel saves and copies a map, in the real workbench, read back. */

import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { decode } from 'fast-png';
import { unzipSync } from 'fflate';
import type { Frame } from 'playwright-core';
import { type AnalyzedDocument, analyzeFile, headMap } from '../../src/cli/document';
import { exportDocument } from '../../src/cli/export';
import type { Stage } from '../../src/shared/operators';
import { root } from '../fixtures/paths';
import { writeRandomModel } from '../fixtures/randomModel';
import { Random } from '../random';
import { inspectFile, mapOf, showView, untilDone } from './harness/panel';
import { startWorkbench, type Workbench } from './harness/workbench';

const folder = mkdtempSync(join(tmpdir(), 'mta-take-away-'));
const sample = 'inventory.ts';
const longModel = join(folder, 'models', 'long');
let workbench: Workbench;
let expected: AnalyzedDocument;
let frame: Frame;
let map: Awaited<ReturnType<typeof mapOf>>;

before(async () => {
  cpSync(join(root, 'test', 'fixtures', 'documents'), folder, { recursive: true });
  writeRandomModel(longModel, { max_seqlen: 2048 });
  const random = new Random(3);
  writeFileSync(join(folder, 'long.txt'), Array.from({ length: 4000 }, () => random.pick([...'abcdefgh '])).join(''));
  expected = await analyzeFile(join(folder, sample), {
    ...{ model: undefined, provider: 'cpu', maxTokens: 512, at: 0, topK: 16 },
  });
  workbench = await startWorkbench({ folder });
  await workbench.page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
  frame = await untilDone(workbench, () => inspectFile(workbench, sample));
  map = await mapOf(frame);
  await showView(frame, 'Export');
});

after(async () => {
  await workbench?.close();
  await expected?.engine.release();
  rmSync(folder, { recursive: true, force: true });
});

/** Saves by the button and the dialog, and reads what was written. */
async function saved(title: string, extension: string): Promise<Buffer> {
  await frame.getByRole('button', { name: `Save… as ${title}` }).click();
  const dialog = workbench.page.locator('.quick-input-widget input.input');
  await workbench.page.waitForFunction(
    end => document.querySelector<HTMLInputElement>('.quick-input-widget input.input')?.value.endsWith(end),
    `.${extension}`,
  );
  const path = await dialog.inputValue();
  await workbench.page.keyboard.press('Enter');
  await frame.getByText(`Saved as ${title}.`).waitFor();
  return readFileSync(path);
}

async function copied(title: string): Promise<void> {
  await frame.getByRole('button', { name: `Copy as ${title}` }).click();
  await frame.getByText(`Copied as ${title}.`).waitFor();
}

const copiedText = () => workbench.page.evaluate(() => navigator.clipboard.readText());

/** The picture on the clipboard. */
async function copiedPicture() {
  const base64 = await workbench.page.evaluate(async () => {
    const [item] = await navigator.clipboard.read();
    const bytes = new Uint8Array(await (await item!.getType('image/png')).arrayBuffer());
    let binary = '';
    for (let i = 0; i < bytes.length; i += 8192) binary += String.fromCharCode(...bytes.subarray(i, i + 8192));
    return btoa(binary);
  });
  return decode(Buffer.from(base64, 'base64'));
}

function written(format: 'png' | 'svg' | 'csv' | 'json'): Promise<string | Uint8Array> {
  return exportDocument(expected, format, { layer: map.layer, head: map.head, stage: map.stage as Stage, topK: 16 });
}

/** Share of bytes that differ by more than rounding of a colour. */
function difference(got: ArrayLike<number>, want: ArrayLike<number>, channels: number): number {
  let count = 0;
  const nPixels = want.length / 3;
  for (let i = 0; i < nPixels; i++) {
    const isOther = [0, 1, 2].some(c => Math.abs(got[i * channels + c]! - want[i * 3 + c]!) > 4);
    if (isOther) count++;
  }
  return count / nPixels;
}

test('PNG: saved and copied pictures are the command line’s, caption included', async () => {
  const want = decode((await written('png')) as Uint8Array);
  const file = decode(await saved('PNG', 'png'));
  assert.deepEqual([file.width, file.height], [want.width, want.height]);
  assert.ok(difference(file.data, want.data, 3) < 1e-3);
  assert.deepEqual(JSON.parse(file.text['Comment']!), JSON.parse(want.text['Comment']!));
  await copied('PNG');
  const picture = await copiedPicture();
  assert.deepEqual([picture.width, picture.height], [want.width, want.height]);
  assert.ok(difference(picture.data, want.data, picture.channels) < 1e-3);
});

test('SVG and CSV: what is copied is what is saved', async () => {
  for (const [title, format] of [
    ['SVG', 'svg'],
    ['CSV', 'csv'],
  ] as const) {
    const file = (await saved(title, format)).toString('utf8');
    await copied(title);
    assert.equal(await copiedText(), file);
    const want = (await written(format)) as string;
    if (format === 'svg') {
      const texts = (svg: string) => Array.from(svg.matchAll(/<text [^>]*>([^<]*)</g), ([, said]) => said);
      // The scale's ends may differ in their last digit.
      assert.equal(texts(file).length, texts(want).length);
      assert.deepEqual(texts(file).slice(0, 20), texts(want).slice(0, 20));
      const { layer, head } = map;
      assert.match(file, new RegExp(`· layer ${layer} · head ${head} · .*</text>`));
      assert.match(file, /inventory\.ts, lines 1–\d+, \d+ tokens · MTA Inspector \d.*<\/text>/);
    } else {
      assert.equal(file.trimEnd().split('\n').length, want.trimEnd().split('\n').length);
    }
  }
});

test('what is seen is exported: the visible part by default, the whole range and all stages on request', async () => {
  await showView(frame, 'Map');
  const canvas = frame.locator('canvas[data-layer]').first();
  await canvas.focus();
  for (let i = 0; i < 8; i++) await workbench.page.keyboard.press('+');
  const zoomed = await mapOf(frame);
  await showView(frame, 'Export');
  await frame.getByText(/Visible: lines? \d+.* queries × \d+ keys\./).waitFor();
  await copied('SVG');
  const part = (svg: string) => JSON.parse(/<metadata>(.*)<\/metadata>/.exec(svg)![1]!.replaceAll('&quot;', '"')).part;
  const seen = part(await copiedText());
  const first = Math.max(0, Math.floor(-zoomed.originY / zoomed.cellSize));
  assert.equal(seen.first_query, first);
  assert.ok(seen.last_query - seen.first_query < map.nTokens / 2);
  await copied('CSV');
  // Tokens may hold line ends.
  const queries = Array.from((await copiedText()).matchAll(/^(\d+),\d+,"/gm), ([, query]) => Number(query));
  assert.ok(queries.length > 0 && queries.every(query => query >= seen.first_query), 'only visible rows');
  const name = frame.locator('.export-extent');
  await name.getByText('All stages side by side').click();
  await copied('SVG');
  assert.match(await copiedText(), /All stages/);
  await workbench.screenshot('export-visible');
  await name.getByText('All stages side by side').click();
  await name.getByText('The whole range').click();
  await copied('SVG');
  assert.equal(part(await copiedText()), null);
  await showView(frame, 'Map');
  await frame.getByRole('button', { name: 'Fit the whole map' }).first().click();
  await showView(frame, 'Export');
});

test('JSON and npz: the maps are the engine’s', async () => {
  const file = (await saved('JSON', 'json')).toString('utf8');
  await copied('JSON');
  assert.equal(await copiedText(), file);
  const [got, want] = [JSON.parse(file), JSON.parse((await written('json')) as string)];
  assert.deepEqual(got.tokens.length, want.tokens.length);
  for (const key of ['model', 'layer', 'head', 'stage', 'window', 'version'])
    assert.deepEqual(got[key], want[key], key);
  const close = (a: number, b: number, what: string) => assert.ok(Math.abs(a - b) < 2e-5, `${what}: ${a}, not ${b}`);
  for (const [query, row] of (want.map as number[][]).entries()) {
    for (const [key, value] of row.entries()) close(got.map[query][key], value, `${query}, ${key}`);
  }
  const arrays = unzipSync(await saved('NumPy', 'npz'));
  const name = `layer_${map.layer}.${map.stage}.npy`;
  assert.ok(arrays[name], Object.keys(arrays).join(', '));
  const bytes = arrays[name]!;
  const start = 10 + new DataView(bytes.buffer, bytes.byteOffset).getUint16(8, true);
  const values = new Float32Array(bytes.slice(start).buffer);
  const { nHeads } = expected.engine.model;
  assert.equal(values.length, nHeads * map.nTokens ** 2);
  for (const head of [0, nHeads - 1]) {
    const exact = await headMap(expected, map.layer, head, map.stage as Stage);
    const at = head * map.nTokens ** 2;
    for (let i = 0; i < exact.length; i += 97) close(values[at + i]!, exact[i]!, `head ${head}, ${i}`);
  }
});

test('HTML: one page that names what it shows and shows its map without the editor', async () => {
  const html = await saved('HTML', 'html');
  const page = await workbench.page.context().browser()!.newPage();
  try {
    await page.addInitScript('globalThis.__name ??= value => value');
    await page.setContent(html.toString('utf8'));
    await page.locator('canvas[data-source="tiles"]').waitFor();
    const { layer, head, nTokens } = await mapOf(page);
    assert.deepEqual([layer, head, nTokens], [map.layer, map.head, map.nTokens]);
    assert.match((await page.locator('body').textContent()) ?? '', /inventory\.ts/);
  } finally {
    await page.close();
  }
});

test('a dialog that is left saves nothing and says so', async () => {
  await frame.getByRole('button', { name: 'Save… as CSV' }).click();
  await workbench.page.locator('.quick-input-widget input.input').waitFor();
  await workbench.page.keyboard.press('Escape');
  await frame.getByText('Nothing was saved.').waitFor();
});

test('a link names tab, ablation and comparison, and opens them; a reload brings both back', async () => {
  await frame.getByRole('button', { name: 'Copy View Link' }).click();
  await workbench.statusItem('link copied').waitFor();
  const link = await copiedText();
  assert.match(link, /&tab=map(&|$)/);
  await workbench.runCommand('MTA Inspector: Open View Link…');
  await workbench.page.getByPlaceholder(/view\?path=/).waitFor();
  const ablated = link.replace('tab=map', `tab=stages&off=${map.layer}.*.*&scope=layer&compare=saved`);
  await workbench.page.keyboard.insertText(ablated);
  await workbench.page.keyboard.press('Enter');
  await frame.locator('#tab-stages[aria-selected="true"]').waitFor();
  const banner = frame.locator('.ablation-banner[data-ablated="true"]');
  await banner.getByText(`layer ${map.layer} all parts off (this layer only)`).waitFor();
  await workbench.screenshot('link-ablated');
  const compared = frame.locator('.compare[data-status="done"]', { hasText: 'Compared with: The saved file' });
  await showView(frame, 'Other text or model');
  await compared.waitFor();
  await workbench.runCommand('MTA Inspector: Copy View Link');
  await workbench.page.waitForFunction(async () => /compare=saved/.test(await navigator.clipboard.readText()));
  await showView(frame, 'Stages');
  const gone = frame.waitForFunction(() => false).catch(() => {});
  await workbench.runCommand('Developer: Reload Window');
  await gone;
  frame = await workbench.webviewFrame('MTA Inspector');
  await frame.locator('#tab-stages[aria-selected="true"]').waitFor();
  await frame
    .locator('.ablation-banner[data-ablated="true"]')
    .getByText(/all parts off/)
    .waitFor();
  await frame.getByRole('button', { name: 'Reset ablation' }).click();
  await frame.locator('.ablation-banner[data-ablated="false"]').waitFor({ state: 'attached' });
  await showView(frame, 'Other text or model');
  await frame.locator('.compare[data-status="done"]').waitFor();
  await frame.getByRole('button', { name: 'End the comparison' }).click();
  await frame.locator('.compare[data-status="none"]').waitFor();
});

test('T=2048: a picture larger than a message is copied in parts, a text too large for a clipboard says so', async () => {
  await workbench.changeSettings({ 'mtaInspector.model': longModel, 'mtaInspector.range.maxTokens': 2048 });
  await showView(frame, 'Map');
  await inspectFile(workbench, 'long.txt');
  await frame.locator('canvas[data-n-tokens="2048"]:not([data-source="none"])').waitFor();
  await workbench.statusItem(/MTA: (CPU|WebGPU)$/).waitFor();
  await frame.getByRole('combobox', { name: 'Stage', exact: true }).click();
  await frame.getByRole('option', { name: 'Scores', exact: true }).click();
  await showView(frame, 'Export');
  const sizes = await frame.evaluateHandle(() => {
    const seen: number[] = [];
    window.addEventListener('message', ({ data }) => {
      const bytes = data?.value?.bytes;
      if (bytes?.byteLength > 0) seen.push(bytes.byteLength);
    });
    return seen;
  });
  await copied('PNG');
  const parts = await sizes.jsonValue();
  assert.ok(parts.length > 1 && Math.max(...parts) <= 1_000_000, `parts of ${parts.join(', ')} bytes`);
  const { width } = await copiedPicture();
  assert.ok(width > 2048 && width < 2800, `${width} pixels: one for each token, and the axes`);
  await frame.getByRole('button', { name: 'Copy as CSV' }).click();
  await frame.getByText(/Cannot copy as CSV: \d+ MB is too much for the clipboard/).waitFor();
});
