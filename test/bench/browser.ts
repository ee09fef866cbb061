/**
 * The panel's numbers in the browser, on made-up maps of 2048 tokens: frames while panning and zooming against a bare
 * quad in the same browser, hover, memory, growth. Prints one line per number and, last, one line of JSON.
 */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { type CDPSession, chromium, type Page } from 'playwright-core';
import { findChromium } from '../../scripts/setup.mjs';
import { root } from '../fixtures/paths';
import type { Bench } from './page';

const address = 'http://localhost/bench';
const nSelections = 10_000;
const nRounds = 5;

interface Line {
  name: string;
  value: number;
  unit: string;
  reference: number;
  referenceName: string;
  ratio: number;
}

/** The page's script and style, bundled as the webview's are. */
async function bundle(): Promise<{ script: string; style: string }> {
  const { outputFiles } = await build({
    ...{ entryPoints: [join(root, 'test', 'bench', 'page.ts')], bundle: true, write: false, outdir: 'out' },
    ...{ format: 'iife', platform: 'browser', target: 'es2022' },
  });
  const text = (extension: string) => outputFiles.find(({ path }) => path.endsWith(extension))!.text;
  return { script: text('.js'), style: text('.css') };
}

/** Heap in use after a collection, in bytes. */
async function heapBytes(session: CDPSession): Promise<number> {
  for (let i = 0; i < 3; i++) await session.send('HeapProfiler.collectGarbage');
  return (await session.send('Runtime.getHeapUsage')).usedSize;
}

/** Private memory of the page's process, from the kernel's books, in MB; NaN where there are none to read. */
async function pageMemoryMb(browserSession: CDPSession): Promise<number> {
  const { processInfo } = await browserSession.send('SystemInfo.getProcessInfo');
  const sizes = processInfo
    .filter(({ type }) => type === 'renderer')
    .map(({ id }) => {
      try {
        const books = readFileSync(`/proc/${id}/smaps_rollup`, 'utf8');
        return (
          [...books.matchAll(/^Private_(?:Clean|Dirty): +(\d+) kB/gm)].reduce((sum, [, kb]) => sum + Number(kb), 0) /
          1000
        );
      } catch {
        return Number.NaN;
      }
    });
  return Math.max(...sizes);
}

async function main(): Promise<void> {
  const executablePath = findChromium();
  if (!executablePath) throw new Error('No Chromium was found. Install it or set CHROMIUM_PATH.');
  const { script, style } = await bundle();
  const lines: Line[] = [];
  const add = (name: string, value: number, unit: string, reference: number, referenceName: string) => {
    lines.push({ name, value, unit, reference, referenceName, ratio: value / reference });
    const [got, want] = [value, reference].map(x => x.toFixed(1));
    console.log(
      `${name}: ${got} ${unit} against ${want} ${unit} (${referenceName}), ratio ${(value / reference).toFixed(2)}`,
    );
  };
  const browser = await chromium.launch({
    executablePath,
    args: [
      ...['--no-sandbox', '--disable-gpu', '--enable-unsafe-swiftshader', '--js-flags=--expose-gc'],
      // Frames as fast as they can be drawn: at the screen's rate both sides of a ratio would look alike.
      ...['--disable-frame-rate-limit', '--disable-gpu-vsync'],
    ],
  });
  try {
    const page = await browser.newPage({ viewport: { width: 1200, height: 900 } });
    const body = `<!DOCTYPE html><html><head><meta charset="utf-8"><style>${style}</style></head>
<body class="report"><div id="app"></div><script>${script.replaceAll('</script', '<\\/script')}</script></body></html>`;
    await page.route(address, route => route.fulfill({ contentType: 'text/html', body }));
    await page.addInitScript('globalThis.__name ??= value => value');
    await page.goto(address);
    await measure(page, add, await page.context().newCDPSession(page), await browser.newBrowserCDPSession());
  } finally {
    await browser.close();
  }
  console.log(JSON.stringify(lines));
}

async function measure(
  page: Page,
  add: (name: string, value: number, unit: string, reference: number, referenceName: string) => void,
  session: CDPSession,
  browserSession: CDPSession,
): Promise<void> {
  const run = <T>(work: (bench: Bench) => Promise<T>) =>
    page.evaluate(`(${work.toString()})(globalThis.bench)`) as Promise<T>;
  await run(bench => bench.start());
  await run(bench => bench.everyHead());
  // Other work on the machine hits both sides when they take turns; the middle of the rounds is reported.
  const rounds: { quadMs: number; mapMs: number }[] = [];
  for (let i = 0; i < nRounds; i++) {
    rounds.push({ quadMs: await run(bench => bench.quad()), mapMs: await run(bench => bench.map()) });
  }
  rounds.sort((a, b) => a.mapMs / a.quadMs - b.mapMs / b.quadMs);
  const { quadMs, mapMs } = rounds[Math.floor(nRounds / 2)]!;
  add('pan and zoom at T=2048, p95 frame', mapMs, 'ms', quadMs, 'bare WebGL2 quad, limit 3 times');
  add('hover to tooltip from the cache, p95', await run(bench => bench.hover()), 'ms', 50, 'limit');
  await run(bench => bench.select(1000));
  const before = await heapBytes(session);
  await page.evaluate(`globalThis.bench.select(${nSelections})`);
  const after = await heapBytes(session);
  add(`heap after ${nSelections} selections`, after / 1e6, 'MB', before / 1e6, 'heap before them');
  const memoryMb = await pageMemoryMb(browserSession);
  if (Number.isNaN(memoryMb)) console.log('memory: this system keeps no /proc to read it from');
  else add('private memory of the webview, T=2048', memoryMb, 'MB', 300, 'limit');
}

main().catch(error => {
  console.error(error);
  process.exitCode = 1;
});
