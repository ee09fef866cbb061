/** `npm run fuzz -- [--runs 100000] [--seed N] [TARGET…]`: every parser, or those whose name holds a word. */

import { parseArgs } from 'node:util';
import { cacheFolders } from './folderTarget';
import { fuzz } from './fuzz';
import { processRequest } from './processTargets';
import { targets as withoutModel } from './targets';

const { values, positionals } = parseArgs({
  options: { runs: { type: 'string', default: '100000' }, seed: { type: 'string' } },
  allowPositionals: true,
});
const seed = Number(values.seed ?? Date.now() % 2 ** 31);
const targets = [...withoutModel, processRequest, cacheFolders];
const chosen = targets.filter(({ name }) => positionals.length === 0 || positionals.some(word => name.includes(word)));
console.log(`seed ${seed}`);
console.warn = () => {}; // the tokenizer library remarks on what it does not know
async function main(): Promise<void> {
  for (const target of chosen) {
    const start = performance.now();
    try {
      const { runs, refused, slowestMs, mostBytes } = await fuzz(target, { runs: Number(values.runs), seed });
      const seconds = ((performance.now() - start) / 1000).toFixed(0);
      console.log(
        `${target.name.padEnd(20)} ${runs} inputs, ${refused} refused, slowest ${slowestMs.toFixed(0)} ms, ` +
          `at most ${(mostBytes / 1e6).toFixed(1)} MB, ${seconds} s`,
      );
    } catch (error) {
      // A counterexample may be long; seed and path, which come first, bring it back.
      console.error(`${target.name}: ${String(error instanceof Error ? error.message : error).slice(0, 800)}`);
      if (error instanceof Error && error.cause instanceof Error)
        console.error(String(error.cause.stack).slice(0, 2000));
      process.exitCode = 1;
    }
  }
}

void main();
if (chosen.length === 0) process.exitCode = 2;
