/**
 * The panel and CircuitsVis draw the same maps, all heads of one layer, in the same browser: time to the first picture,
 * private memory of the page, and how long a window each can still show. Prints one line per number and, last, one line
 * of JSON.
 */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';
import { findChromium, peersFolder } from '../../scripts/setup.mjs';
import { benchLines } from '../../src/cli/benchLines';
import { openPage, pageMemoryMb } from './browserMeasures';
import { bundlePage } from './bundlePage';

const lengths = [64, 128, 256, 512, 1024, 2048, 4096];
/** Windows that both show are compared at this length. */
const comparedTokens = 128;
/** Who waits longer for a picture takes the page for dead. */
const patienceMs = 60_000;

interface Shown {
  readonly ms: number;
  readonly memoryMb: number;
}

type Draw = (page: Page, nTokens: number) => Promise<number>;

interface Side {
  readonly name: string;
  readonly script: string;
  readonly style: string;
  readonly draw: Draw;
}

/** A page of its own for every picture. @returns null when none came in time, or the page died. */
async function show(browser: Browser, { script, style, draw }: Side, nTokens: number): Promise<Shown | null> {
  const page = await openPage(browser, script, style);
  page.setDefaultTimeout(patienceMs);
  try {
    const late = new Promise<null>(resolve => setTimeout(resolve, patienceMs, null));
    const ms = await Promise.race([draw(page, nTokens).catch(() => null), late]);
    if (ms === null) return null;
    return { ms, memoryMb: await pageMemoryMb(await browser.newBrowserCDPSession()) };
  } finally {
    await page.close();
  }
}

const drawPanel: Draw = (page, nTokens) =>
  page.evaluate(async length => {
    const { bench } = globalThis as unknown as { bench: import('./page').Bench };
    return bench.firstPicture(length);
  }, nTokens);

/** As its Python side calls it. The numbers are there, as lists, before the clock starts. */
const drawCircuitsVis: Draw = (page, nTokens) =>
  page.evaluate(async length => {
    const { CircuitsVis } = globalThis as unknown as {
      CircuitsVis: { AttentionHeads: unknown; render(id: string, element: unknown, props: object): void };
    };
    const row = (i: number) => Array.from({ length }, (_, j) => (j <= i ? ((i * 31 + j * 17) % 101) / 101 : 0));
    const attention = Array.from({ length: 8 }, () => Array.from({ length }, (_, i) => row(i)));
    const tokens = Array.from({ length }, (_, i) => ` t${i % 97}`);
    const start = performance.now();
    CircuitsVis.render('app', CircuitsVis.AttentionHeads, { attention, tokens });
    const frame = () => new Promise(resolve => requestAnimationFrame(resolve));
    do await frame();
    while (!document.querySelector('#app canvas, #app img'));
    await frame();
    return performance.now() - start;
  }, nTokens);

async function main(): Promise<void> {
  const executablePath = findChromium();
  if (!executablePath) throw new Error('No Chromium was found. Install it or set CHROMIUM_PATH.');
  const circuitsVis = readFileSync(join(peersFolder, 'python', 'circuitsvis', 'dist', 'cdn', 'iife.js'), 'utf8');
  const sides: Side[] = [
    { name: 'panel', ...(await bundlePage()), draw: drawPanel },
    { name: 'CircuitsVis', script: circuitsVis, style: '', draw: drawCircuitsVis },
  ];
  const { lines, add } = benchLines(line => console.log(line));
  const shown = sides.map(() => new Map<number, Shown>());
  for (const [i, side] of sides.entries()) {
    const { name } = side;
    for (const nTokens of lengths) {
      const browser = await chromium.launch({
        executablePath,
        args: ['--no-sandbox', '--disable-gpu', '--enable-unsafe-swiftshader'],
      });
      const picture = await show(browser, side, nTokens).catch(() => null);
      await browser.close();
      if (!picture) {
        console.log(`${name}, T=${nTokens}: no picture within ${patienceMs / 1000} s, or the page died`);
        break;
      }
      shown[i]!.set(nTokens, picture);
      console.log(`${name}, T=${nTokens}: ${picture.ms.toFixed(0)} ms, ${picture.memoryMb.toFixed(0)} MB`);
    }
  }
  const [panel, peer] = shown as [Map<number, Shown>, Map<number, Shown>];
  const largest = (pictures: Map<number, Shown>) => Math.max(0, ...pictures.keys());
  const what = 'CircuitsVis 1.43.3, 8 heads';
  const common = [...peer.keys()].filter(nTokens => panel.has(nTokens) && nTokens >= comparedTokens);
  for (const nTokens of new Set([comparedTokens, Math.max(comparedTokens, ...common)])) {
    const [ours, theirs] = [panel.get(nTokens), peer.get(nTokens)];
    if (!ours || !theirs) continue;
    add(`first picture of all heads of a layer, T=${nTokens}`, ours.ms, 'ms', theirs.ms, what);
    add(`memory of the page with it, T=${nTokens}`, ours.memoryMb, 'MB', theirs.memoryMb, what);
  }
  add(`longest window with a picture within ${patienceMs / 1000} s`, largest(panel), 'tokens', largest(peer), what);
  console.log(JSON.stringify(lines));
}

main().catch(error => {
  console.error(error);
  process.exitCode = 1;
});
