/**
 * How long this extension holds up VS Code's extension host: a book with a window that follows the cursor, fifty keys typed at
 * ten a second, one line of 5 MB. In a real workbench, by a profile of the extension host; loading the extension is not in it.
 * Prints lines for people and, last, one line of JSON for scripts/bench.mjs.
 */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { benchLines } from '../../src/cli/benchLines';
import { done, untilDone } from '../e2e/harness/panel';
import { watchPauses } from '../e2e/harness/pauses';
import { startWorkbench } from '../e2e/harness/workbench';

const limitMs = 50;
const book = Array.from({ length: 2000 }, (_, i) => `stock.item${i % 7} = ${(i * 37) % 101};\n`).join('');
const oneLine = `[${Array.from({ length: 400_000 }, (_, i) => `"item ${i % 1000}"`).join()}]`;

async function main(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'mta-pauses-'));
  try {
    writeFileSync(join(folder, 'book.ts'), book);
    writeFileSync(join(folder, 'line.json'), oneLine);
    const pauses = await watchPauses('host');
    const settings = { 'mtaInspector.range.maxTokens': 512 };
    const workbench = await startWorkbench({ folder, settings, ...pauses.options });
    try {
      await workbench.openFile('book.ts');
      for (const line of [1000, 1800, 20]) {
        await workbench.goTo({ line, column: 1 });
        await untilDone(workbench);
      }
      await workbench.page.keyboard.type('// every key is an edit of its own, and none is lost\n', { delay: 100 });
      await workbench.statusItem(done).waitFor();
      await workbench.openFile('line.json');
      await workbench.goTo({ line: 1, column: 2_500_000 });
      await untilDone(workbench);
      await new Promise(resolve => setTimeout(resolve, 3000)); // until the last profile is read
    } finally {
      await workbench.close();
    }
    // A sample may span a wait for a processor, which is no work.
    const own = pauses.read().flatMap(({ ownMs, workMs, isStarting }) => (isStarting ? [] : [Math.min(ownMs, workMs)]));
    const { lines, add } = benchLines(console.log);
    add('longest pause of the extension host that is ours', Math.max(0, ...own), 'ms', limitMs, 'limit');
    console.log(JSON.stringify(lines));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

main().catch(error => {
  console.error(error);
  process.exitCode = 1;
});
