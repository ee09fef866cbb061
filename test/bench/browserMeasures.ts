/** Drives the benchmark's page in a browser, whichever draws it, and says what was measured. */

import { readFileSync } from 'node:fs';
import type { Browser, CDPSession, Page } from 'playwright-core';
import type { Bench } from './page';

const address = 'http://localhost/bench';
const nSelections = 10_000;
const nRounds = 5;

/** One number and what it is held against. */
export interface Line {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly reference: number;
  readonly referenceName: string;
  readonly ratio: number;
}

/** Prints one line per number. @param script and `style` of page.ts, bundled. */
export async function measureInBrowser(browser: Browser, script: string, style: string): Promise<readonly Line[]> {
  const lines: Line[] = [];
  const add: Add = (name, value, unit, reference, referenceName) => {
    lines.push({ name, value, unit, reference, referenceName, ratio: value / reference });
    const [got, want] = [value, reference].map(x => x.toFixed(1));
    console.log(
      `${name}: ${got} ${unit} against ${want} ${unit} (${referenceName}), ratio ${(value / reference).toFixed(2)}`,
    );
  };
  const page = await openPage(browser, script, style);
  const run: Run = work => page.evaluate(`(${work.toString()})(globalThis.bench)`) as ReturnType<typeof work>;
  await measure(run, add, await page.context().newCDPSession(page), await browser.newBrowserCDPSession());
  return lines;
}

/** A page of its own with the panel's place, a style and a script that has run. */
export async function openPage(browser: Browser, script: string, style: string): Promise<Page> {
  const page = await browser.newPage({ viewport: { width: 1200, height: 900 } });
  const body = `<!DOCTYPE html><html><head><meta charset="utf-8"><style>${style}</style></head>
<body class="report"><div id="app"></div><script>${script.replaceAll('</script', '<\\/script')}</script></body></html>`;
  await page.route(address, route => route.fulfill({ contentType: 'text/html', body }));
  await page.addInitScript('globalThis.__name ??= value => value');
  await page.goto(address);
  return page;
}

type Add = (name: string, value: number, unit: string, reference: number, referenceName: string) => void;
type Run = <T>(work: (bench: Bench) => Promise<T>) => Promise<T>;

async function measure(run: Run, add: Add, session: CDPSession, browserSession: CDPSession): Promise<void> {
  await run(bench => bench.start());
  await run(bench => bench.everyHead());
  await measureFrames('one head', run, add);
  await run(bench => bench.openLayer());
  await measureFrames('all heads of a layer', run, add);
  await run(bench => bench.openMap());
  add('hover to tooltip from the cache, p95', await run(bench => bench.hover()), 'ms', 50, 'limit');
  await run(bench => bench.select(1000));
  const before = await heapBytes(session);
  for (let i = 0; i < nSelections / 1000; i++) await run(bench => bench.select(1000));
  const after = await heapBytes(session);
  add(`heap after ${nSelections} selections`, after / 1e6, 'MB', before / 1e6, 'heap before them');
  const memoryMb = await pageMemoryMb(browserSession);
  if (Number.isNaN(memoryMb)) console.log('memory: this system keeps no /proc to read it from');
  else add('private memory of the webview, T=2048', memoryMb, 'MB', 300, 'limit');
}

/** Other work on the machine hits both sides when they take turns; the middle of the rounds is reported. */
async function measureFrames(what: string, run: Run, add: Add): Promise<void> {
  const rounds: { quadMs: number; mapMs: number }[] = [];
  for (let i = 0; i < nRounds; i++) {
    rounds.push({ quadMs: await run(bench => bench.quad()), mapMs: await run(bench => bench.map()) });
  }
  rounds.sort((a, b) => a.mapMs / a.quadMs - b.mapMs / b.quadMs);
  const { quadMs, mapMs } = rounds[Math.floor(nRounds / 2)]!;
  add(`pan and zoom at T=2048, ${what}, p95 frame`, mapMs, 'ms', quadMs, 'bare WebGL2 quad, limit 3 times');
}

/** Heap in use after a collection, in bytes. */
async function heapBytes(session: CDPSession): Promise<number> {
  for (let i = 0; i < 3; i++) await session.send('HeapProfiler.collectGarbage');
  return (await session.send('Runtime.getHeapUsage')).usedSize;
}

/** Private memory of the page's process, from the kernel's books, in MB; NaN where there are none to read. */
export async function pageMemoryMb(browserSession: CDPSession): Promise<number> {
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
