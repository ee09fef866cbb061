// A page in a real browser, without a workbench: seconds instead of half a minute for what needs no editor.
import { build } from 'esbuild';
import { chromium, type Page, type ViewportSize } from 'playwright-core';
import { findChromium } from '../../../scripts/setup.mjs';
import { root } from '../../fixtures/paths';

/**
 * @param entry what the page runs: a module, whose imports start at the project's root.
 * @param options the page's size, and arguments of the browser.
 * @returns the page, and what closes its browser.
 */
export async function openPage(
  entry: string,
  { viewport, args = ['--disable-gpu'] }: { viewport?: ViewportSize; args?: readonly string[] } = {},
): Promise<{ page: Page; close(): Promise<void> }> {
  const { outputFiles } = await build({
    stdin: { contents: entry, resolveDir: root, loader: 'js' },
    ...{ bundle: true, write: false, outdir: 'out', format: 'iife', platform: 'browser', target: 'es2022' },
  });
  const text = (extension: string) => outputFiles.find(({ path }) => path.endsWith(extension))?.text ?? '';
  const browser = await chromium.launch({ executablePath: findChromium()!, args: ['--no-sandbox', ...args] });
  const page = await browser.newPage(viewport ? { viewport } : {});
  await page.setContent(`<style>${text('.css')}</style><div id="app"></div>`);
  await page.addScriptTag({ content: text('.js') });
  return { page, close: () => browser.close() };
}
