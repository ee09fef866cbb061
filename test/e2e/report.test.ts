/** The exported HTML page, opened from the disk in a browser that reaches nothing else. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { chromium } from 'playwright-core';
import { findChromium, root } from '../../scripts/setup.mjs';
import { bakeColors, colorOf, levelOf, parseColor } from '../../src/shared/colorScale';
import { canvasPixels } from './harness/canvas';
import { mapOf } from './harness/panel';

const folder = mkdtempSync(join(tmpdir(), 'mta-report-'));
after(() => rmSync(folder, { recursive: true, force: true }));

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
        // Reports hold values in 1/127 of the head's largest: half a step more or less is theirs to differ.
        const half = (0.51 * largest) / 127;
        const [low, high] = [levelOf(value - half, max, 'power'), levelOf(value + half, max, 'power')];
        const near = Array.from({ length: high - low + 1 }, (_, i) => colorOf(table, low + i));
        const isNear = near.some(want => Math.max(...want.map((channel, i) => Math.abs(channel - got[i]!))) <= 6);
        assert.ok(isNear, `cell (${query}, ${key}) = ${value} is ${got}, expected one of ${near.join(' | ')}`);
        compared++;
      }
    }
    assert.ok(compared > 100, `${compared} cells compared`);

    await page.getByRole('combobox', { name: 'Stage' }).click();
    await page.getByRole('option', { name: 'Scores', exact: true }).click();
    await page.locator('canvas[data-stage="scores"]').waitFor();
    await page.screenshot({ path: join(root, 'test-results', 'screenshots', 'report.png') });
    assert.notEqual(await page.title(), 'broken');
    assert.equal(await page.locator('img').count(), 0);
    assert.deepEqual(errors, []);
    assert.deepEqual(requests, [address]);
  } finally {
    await browser.close();
  }
});
