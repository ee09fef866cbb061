/**
 * How long a new user waits: from the package to the first map. Installs the packaged extension in a fresh workbench,
 * opens it, and inspects a sample. The workbench's own start is not counted. Last, one line of JSON.
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startWorkbench } from '../e2e/harness/workbench';

const limitMs = 10_000;
const title = 'MTA Inspector: Open Samples…';

async function main(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'mta-bench-first-'));
  const workbench = await startWorkbench({ folder });
  try {
    // The workbench starts its extension host in its own time; a reader installs into one that runs.
    const { page } = workbench;
    const command = page.locator('.quick-input-widget .monaco-list-row').filter({ hasText: title }).first();
    const isListed = async () => {
      await page.keyboard.press('F1');
      await page.locator('.quick-input-widget input.input').fill(`>${title}`);
      return command.waitFor({ timeout: 2000 }).then(
        () => true,
        () => page.keyboard.press('Escape').then(() => false),
      );
    };
    while (!(await isListed()));
    const start = performance.now();
    await command.click();
    const sample = page.locator('.quick-input-widget .monaco-list-row').filter({ hasText: 'inventory.ts' });
    await sample.first().click();
    const frame = await workbench.webviewFrame('MTA Inspector');
    await frame.locator('canvas[data-source]').waitFor();
    const value = workbench.installMs + performance.now() - start;
    const line = { name: 'from the package to the first map', value, unit: 'ms', reference: limitMs };
    console.log(`${line.name}: ${value.toFixed(0)} ms, of which ${workbench.installMs.toFixed(0)} to install it`);
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
