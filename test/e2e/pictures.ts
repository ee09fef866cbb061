// `npm run pictures`: makes every picture of the walkthrough and the documentation anew, from the real workbench.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decode, encode } from 'fast-png';
import type { Frame } from 'playwright-core';
import { root } from '../fixtures/paths';
import { apng } from './harness/apng';
import { showView, untilDone, untilStill, type ViewName } from './harness/panel';
import { startWorkbench } from './harness/workbench';

const walkthrough = join(root, 'media', 'walkthrough');
const docs = join(root, 'docs', 'pictures');
const frameMs = 2500;

/** Waits until every map of the panel has exact values and nothing is left to compute or draw. */
async function untilDrawn(frame: Frame): Promise<void> {
  const unfinished = ['[data-source="none"]', '[data-source="overview"]', '[aria-busy="true"]'];
  const visible = unfinished.map(selector => `${selector}:visible`).join();
  await frame.locator(visible).first().waitFor({ state: 'hidden' });
  await untilStill(frame);
}

async function main(): Promise<void> {
  execFileSync(process.execPath, [join(root, 'scripts', 'package.mjs')], { stdio: 'inherit' });
  for (const folder of [walkthrough, docs]) mkdirSync(folder, { recursive: true });
  const folder = mkdtempSync(join(tmpdir(), 'mta-pictures-'));
  cpSync(join(root, 'samples'), folder, { recursive: true });
  const settings = {
    'editor.minimap.enabled': false,
    'workbench.activityBar.location': 'default',
    'editor.fontSize': 13,
    'editor.cursorBlinking': 'solid',
  };
  const workbench = await startWorkbench({ folder, settings });
  const { page } = workbench;
  try {
    await page.setViewportSize({ width: 1120, height: 720 });
    const picture = async (path: string) => {
      await page.mouse.move(1, 400);
      await untilStill(page);
      const { width, height, channels, data } = decode(await page.screenshot({ animations: 'disabled' }));
      // Without an alpha channel and row filters, which interfaces do not gain by, files are a fifth smaller.
      const rgb = channels === 4 ? data.filter((_, i) => i % 4 !== 3) : data;
      const png = Buffer.from(encode({ width, height, channels: 3, data: rgb }, { zlib: { level: 9 } }));
      writeFileSync(path, png);
      return png;
    };
    const tab = async (name: ViewName) => {
      const frame = await workbench.webviewFrame('MTA Inspector: Attention');
      await showView(frame, name);
      return frame;
    };
    await workbench.openFile('inventory.ts');
    await untilDone(workbench);
    // The editor-sized panel says more in a picture.
    await workbench.runCommand('MTA Inspector: Open Attention Panel in Editor');
    await workbench.runCommand('View: Close Primary Side Bar');
    const panel = await workbench.webviewFrame('MTA Inspector: Attention');
    await showView(panel, 'Map');
    await panel.locator('canvas[data-source="tiles"]').waitFor();
    await page.locator('.tab[data-resource-name="inventory.ts"]').first().click();
    const text = readFileSync(join(folder, 'inventory.ts'), 'utf8');
    await workbench.goTo({ offset: text.indexOf('toOrder(least') + 2 });
    await page.keyboard.press('ArrowRight');
    await picture(join(walkthrough, 'inspect.png'));
    for (const [name, file] of [
      ['Stages', 'stages'],
      ['All heads', 'heads'],
      ['Kernels', 'kernels'],
      ['Context', 'context'],
      ['Tokens', 'tokens'],
      ['Kernels changed', 'ablation'],
      ['Table', 'table'],
      ['Export', 'export'],
    ] as const) {
      await untilDrawn(await tab(name));
      const isStep = name === 'Stages' || name === 'Context';
      await picture(join(isStep ? walkthrough : docs, `${file}.png`));
    }
    await tab('Map');
    await workbench.runCommand('View: Close All Editors');
    await workbench.runCommand('View: Toggle Primary Side Bar Visibility');
    const frames: Buffer[] = [];
    await workbench.runCommand('MTA Inspector: Take the Tour');
    for (let step = 1; step <= 4; step++) {
      const message = workbench.notification(new RegExp(`${step} of 4`)).first();
      await message.waitFor({ timeout: 60_000 });
      await untilDrawn(await workbench.webviewFrame('MTA Inspector'));
      frames.push(await picture(join(docs, `tour-${step}.png`)));
      if (step === 3) writeFileSync(join(walkthrough, 'lens.png'), frames.at(-1)!);
      await message.getByRole('button', { name: step === 4 ? 'Done' : 'Next' }).click();
    }
    writeFileSync(join(docs, 'tour.png'), apng(frames, frameMs));
    for (let step = 1; step <= 4; step++) rmSync(join(docs, `tour-${step}.png`));
    await page.locator('.pane-header', { hasText: 'Models' }).click();
    await page.locator('.pane', { hasText: 'Models' }).getByText('mta-base').first().waitFor();
    await picture(join(walkthrough, 'models.png'));
  } catch (error) {
    await workbench.screenshot('pictures-failed');
    throw error;
  } finally {
    await workbench.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

void main();
