/**
 * Time from the command to the first layer's map on screen, in the real workbench, with the process warm.
 * Prints one line for people and, last, one line of JSON for scripts/bench.mjs.
 */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { median } from '../../src/cli/benchLines';
import { startWorkbench } from '../e2e/harness/workbench';
import { root } from '../fixtures/paths';

const limitMs = 1000;
const nRepeats = 5;

async function main(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'mta-bench-'));
  const text = readFileSync(join(root, 'test', 'fixtures', 'documents', 'inventory.ts'), 'utf8');
  writeFileSync(join(folder, 'inventory.ts'), text.repeat(4)); // longer than 512 tokens
  const workbench = await startWorkbench({ folder, builtIn: 'all' });
  try {
    await workbench.openFile('inventory.ts');
    await workbench.runCommand('MTA Inspector: Inspect Document');
    const frame = await workbench.webviewFrame('MTA Inspector');
    await frame.locator('canvas[data-source="tiles"]').waitFor();
    const times: number[] = [];
    for (let i = 0; i < nRepeats; i++) {
      await workbench.statusItem(/MTA: (CPU|WebGPU)$/).waitFor();
      // The clock of the browser and ours are the same machine's.
      const drawn = frame.evaluate(
        () =>
          new Promise<number>(resolve => {
            const canvas = document.querySelector<HTMLElement>('canvas[data-source]')!;
            const old = canvas.dataset['analysisId'];
            const look = () => {
              const { analysisId, source } = canvas.dataset;
              const isNew = analysisId !== undefined && analysisId !== old && source !== 'none';
              if (isNew) requestAnimationFrame(() => resolve(Date.now()));
              else requestAnimationFrame(look);
            };
            look();
          }),
      );
      const action = workbench.page.getByRole('button', { name: 'Inspect Document' }).first();
      await workbench.page.locator('.pane-header, .composite.title').first().hover();
      const start = Date.now();
      await action.click();
      times.push((await drawn) - start);
    }
    const value = median(times);
    const name = 'first layer on screen after the command, T=512';
    console.log(`${name}: ${value} ms against ${limitMs} ms (limit), ratio ${(value / limitMs).toFixed(2)}`);
    const line = { name, value, unit: 'ms', reference: limitMs, referenceName: 'limit', ratio: value / limitMs };
    console.log(JSON.stringify(line));
  } finally {
    await workbench.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

main().catch(error => {
  console.error(error);
  process.exitCode = 1;
});
