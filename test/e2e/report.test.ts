/** The exported HTML page, opened from the disk in a browser that reaches nothing else. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { decode } from 'fast-png';
import { chromium } from 'playwright-core';
import { findChromium, root } from '../../scripts/setup.mjs';
import { bakeColors, colorOf, levelOf, parseColor } from '../../src/shared/colorScale';
import { canvasPixels } from './harness/canvas';
import { mapOf } from './harness/panel';

const folder = mkdtempSync(join(tmpdir(), 'mta-report-'));
after(() => rmSync(folder, { recursive: true, force: true }));

test('an SVG, drawn by a browser, and the PNG show the same figure', async () => {
  const [svg, png] = ['svg', 'png'].map(format => {
    const out = join(folder, `figure.${format}`);
    const choice = ['--layer', '6', '--head', '6', '--queries', '3:6', '--unit', 'lines'];
    const args = [join(root, 'dist', 'cli.cjs'), 'export', join(root, 'samples', 'lighthouse.md')];
    const run = spawnSync(process.execPath, [...args, '--format', format, '--out', out, ...choice]);
    assert.equal(run.status, 0, String(run.stderr));
    return out;
  }) as [string, string];
  const want = decode(readFileSync(png));
  const browser = await chromium.launch({ executablePath: findChromium()!, args: ['--no-sandbox', '--disable-gpu'] });
  try {
    const viewport = { width: want.width / 2, height: want.height / 2 };
    const page = await browser.newPage({ viewport, deviceScaleFactor: 2, offline: true });
    await page.goto(pathToFileURL(svg).href);
    const got = decode(await page.screenshot());
    assert.deepEqual([got.width, got.height], [want.width, want.height]);
    // Letters are drawn otherwise, and fonts differ: what counts is how much ink is where.
    const edge = 16;
    const meanOf = ({ data, width, channels }: typeof got, x: number, y: number, channel: number) => {
      let sum = 0;
      for (let i = 0; i < edge * edge; i++) {
        sum += data[((y + Math.floor(i / edge)) * width + x + (i % edge)) * channels + channel]!;
      }
      return sum / edge ** 2;
    };
    const far: string[] = [];
    let nBlocks = 0;
    for (let y = 0; y + edge <= want.height; y += edge) {
      for (let x = 0; x + edge <= want.width; x += edge, nBlocks++) {
        const difference = Math.max(...[0, 1, 2].map(c => Math.abs(meanOf(got, x, y, c) - meanOf(want, x, y, c))));
        if (difference > 40) far.push(`${x}, ${y}: ${difference.toFixed(0)}`);
      }
    }
    assert.ok(far.length < 0.003 * nBlocks, `${far.length} of ${nBlocks} blocks differ: ${far.slice(0, 8).join('; ')}`);
  } finally {
    await browser.close();
  }
});

test('a report stands alone: its map shows the engine’s values, its pickers work, nothing is fetched', async () => {
  const source = join(folder, 'short.ts');
  const text = readFileSync(join(root, 'test', 'fixtures', 'documents', 'inventory.ts'), 'utf8').slice(0, 500);
  writeFileSync(
    source,
    `${text}\n// </script><img src="https://example.org/x.png" onerror="document.title='broken'">\n`,
  );
  const cli = (...args: string[]) => {
    const run = spawnSync(process.execPath, [join(root, 'dist', 'cli.cjs'), ...args], {
      encoding: 'utf8',
      maxBuffer: 1e9,
    });
    assert.equal(run.status, 0, run.stderr);
    return run.stdout;
  };
  const report = join(folder, 'report.html');
  cli('export', source, '--format', 'html', '--out', report);

  const browser = await chromium.launch({ executablePath: findChromium()!, args: ['--no-sandbox', '--disable-gpu'] });
  try {
    const page = await browser.newPage({ viewport: { width: 1100, height: 900 }, offline: true });
    await page.addInitScript('globalThis.__name ??= value => value');
    const requests: string[] = [];
    const errors: string[] = [];
    page.on('request', request => requests.push(request.url()));
    page.on('pageerror', error => errors.push(String(error)));
    page.on('console', message => message.type() === 'error' && errors.push(message.text()));
    const address = pathToFileURL(report).href;
    await page.goto(address);
    const canvas = page.locator('canvas[data-source]');
    await canvas.waitFor();
    const map = await mapOf(page);
    const choice = ['--layer', String(map.layer), '--head', String(map.head), '--stage', map.stage!];
    const exported = JSON.parse(cli('export', source, '--format', 'json', '--out', '-', ...choice)) as {
      map: number[][];
    };
    assert.equal(exported.map.length, map.nTokens);

    const max = Number(await page.locator('[data-scale-max]').getAttribute('data-scale-max'));
    const largest = Math.max(...exported.map.flat().map(Math.abs));
    assert.ok(max > 0 && max <= largest * 1.01, `the scale ends at ${max}, the largest value is ${largest}`);
    await canvas.focus();
    while ((await mapOf(page)).cellSize < 6) await page.keyboard.press('+');
    const zoomed = await mapOf(page);
    const pixels = await canvasPixels(page.mainFrame(), 'canvas[data-source]');
    const background = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const table = bakeColors(parseColor(background)!);
    let compared = 0;
    for (const [query, row] of exported.map.entries()) {
      for (const [key, value] of row.entries()) {
        const x = zoomed.originX + (key + 0.5) * zoomed.cellSize;
        const y = zoomed.originY + (query + 0.5) * zoomed.cellSize;
        if (x < 4 || y < 4 || x > pixels.width - 4 || y > pixels.height - 4) continue;
        const got = pixels.at(x, y);
        // The head that the page opens on is exact; JSON has its values in as many digits as they need.
        const level = levelOf(value, max, 'power');
        const near = [level - 1, level, level + 1].map(next => colorOf(table, next));
        const isNear = near.some(want => Math.max(...want.map((channel, i) => Math.abs(channel - got[i]!))) <= 6);
        assert.ok(isNear, `cell (${query}, ${key}) = ${value} is ${got}, expected one of ${near.join(' | ')}`);
        compared++;
      }
    }
    assert.ok(compared > 100, `${compared} cells compared`);

    await page.getByRole('tab', { name: 'Table', exact: true }).click();
    const cells = (await page.locator('table td.number').allInnerTexts()).filter(text => /\d/.test(text));
    assert.ok(cells.length > 20 && cells.every(text => /^[+−]?[\d.]+(e−?\d+)?$/.test(text)), cells.slice(0, 9).join());
    await page.getByRole('tab', { name: 'Stages', exact: true }).click();
    await page.locator('.stages canvas').first().waitFor();
    await page.getByRole('tab', { name: 'Map', exact: true }).click();
    const names = await page.locator('.head-card').allInnerTexts();
    assert.ok(names.length > 20, `${names.length} heads`);
    await page.getByRole('combobox', { name: 'Stage' }).click();
    await page.getByRole('option', { name: 'Scores', exact: true }).click();
    await page.locator('canvas[data-stage="scores"]').waitFor();
    // The only view of its page, so without a heading that could open it.
    await page.getByRole('tab', { name: 'Token', exact: true }).click();
    await page.locator('#panel-tokens [role="option"]').nth(20).click();
    await page.locator('#panel-tokens tbody tr').first().waitFor();
    await page.getByRole('tab', { name: 'Heads', exact: true }).click();
    await canvas.waitFor();
    assert.notEqual(await page.title(), 'broken');
    assert.equal(await page.locator('img').count(), 0);
    // B10: an error on load, cells that were sentences (above), and the time of a run that had taken over an earlier one.
    assert.deepEqual(errors, []);
    assert.deepEqual(requests, [address]);
    assert.doesNotMatch((await page.locator('body').textContent()) ?? '', /\d\sm?s\b/);
  } finally {
    await browser.close();
  }
});
