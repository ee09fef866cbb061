/**
 * The panel's numbers in the browser, on made-up maps of 2048 tokens: frames while panning and zooming against a bare
 * quad in the same browser, hover, memory, growth. Prints one line per number and, last, one line of JSON.
 */

import { chromium } from 'playwright-core';
import { findChromium } from '../../scripts/setup.mjs';
import { measureInBrowser } from './browserMeasures';
import { bundlePage } from './bundlePage';

async function main(): Promise<void> {
  const executablePath = findChromium();
  if (!executablePath) throw new Error('No Chromium was found. Install it or set CHROMIUM_PATH.');
  const { script, style } = await bundlePage();
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
