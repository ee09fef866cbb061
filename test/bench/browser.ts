/**
 * The panel's numbers in the browser, on made-up maps of 2048 tokens: frames while panning and zooming against a bare
 * quad in the same browser, hover, memory, growth. Prints one line per number and, last, one line of JSON.
 */

import { join } from 'node:path';
import { build } from 'esbuild';
import { chromium } from 'playwright-core';
import { findChromium } from '../../scripts/setup.mjs';
import { root } from '../fixtures/paths';
import { measureInBrowser } from './browserMeasures';

/** The page's script and style, bundled as the webview's are. */
async function bundle(): Promise<{ script: string; style: string }> {
  const { outputFiles } = await build({
    ...{ entryPoints: [join(root, 'test', 'bench', 'page.ts')], bundle: true, write: false, outdir: 'out' },
    ...{ format: 'iife', platform: 'browser', target: 'es2022' },
  });
  const text = (extension: string) => outputFiles.find(({ path }) => path.endsWith(extension))!.text;
  return { script: text('.js'), style: text('.css') };
}

async function main(): Promise<void> {
  const executablePath = findChromium();
  if (!executablePath) throw new Error('No Chromium was found. Install it or set CHROMIUM_PATH.');
  const { script, style } = await bundle();
  const browser = await chromium.launch({
    executablePath,
    args: [
      ...['--no-sandbox', '--disable-gpu', '--enable-unsafe-swiftshader', '--js-flags=--expose-gc'],
      // Frames as fast as they can be drawn: at the screen's rate both sides of a ratio would look alike.
      ...['--disable-frame-rate-limit', '--disable-gpu-vsync'],
    ],
  });
  try {
    console.log(JSON.stringify(await measureInBrowser(browser, script, style)));
  } finally {
    await browser.close();
  }
}

main().catch(error => {
  console.error(error);
  process.exitCode = 1;
});
