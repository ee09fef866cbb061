/**
 * How long a new user waits: from the click on "Install", in a workbench that has long been running, to the first map.
 * The package is installed as a file of this machine, so nothing is counted of a download. Last, one line of JSON.
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { vsixPath } from '../../scripts/package.mjs';
import { descendants } from '../../scripts/workbench.mjs';
import { acceptPath } from '../e2e/harness/panel';
import { startWorkbench, type Workbench } from '../e2e/harness/workbench';

const limitMs = 10_000;
const title = 'MTA Inspector: Open Sample Document…';

/** Processor time that the workbench, its server and its browser have used, in hundredths of a second. */
const usedTicks = () => descendants(process.pid).reduce((sum, { ticks }) => sum + ticks, 0);

/** Waits until the workbench and its own extensions have started: a second in which it uses a tenth of a processor. */
async function untilQuiet(): Promise<void> {
  for (let attempt = 0; attempt < 60; attempt++) {
    const before = usedTicks();
    await sleep(1000);
    if (usedTicks() - before < 10) return;
  }
}

/** Installs the package from the running workbench. @returns when the button was clicked. */
async function install(workbench: Workbench): Promise<number> {
  const { page } = workbench;
  await page.evaluate(() =>
    addEventListener('click', () => document.body.setAttribute('data-clicked-at', String(Date.now())), true),
  );
  await workbench.runCommand('Extensions: Install from VSIX...');
  await acceptPath(workbench, vsixPath(), 'Install');
  return Number(await page.locator('body').getAttribute('data-clicked-at'));
}

async function main(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'mta-bench-first-'));
  const workbench = await startWorkbench({ folder, vsix: null, builtIn: 'all' });
  try {
    const { page } = workbench;
    await untilQuiet();
    const start = await install(workbench);
    const steps: string[] = [];
    const tell = (step: string) => steps.push(`${step} after ${Date.now() - start} ms`);
    await workbench.notification('Completed installing').waitFor();
    tell('installed');
    await workbench.runCommand(title);
    const sample = page.locator('.quick-input-widget .monaco-list-row').filter({ hasText: 'inventory.ts' });
    await sample.first().click();
    tell('sample chosen');
    const frame = await workbench.webviewFrame('MTA Inspector');
    tell('panel there');
    await frame.locator('canvas[data-source]').waitFor();
    const value = Date.now() - start;
    const line = { name: 'from the click on "Install" to the first map', value, unit: 'ms', reference: limitMs };
    console.log(`${line.name}: ${value} ms (${steps.join(', ')})`);
    console.log(JSON.stringify({ ...line, referenceName: 'limit', ratio: value / limitMs }));
  } finally {
    await workbench.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

main().catch(error => {
  console.error(error);
  process.exitCode = 1;
});
