/**
 * What changing the model costs: time until the other model has run, and memory that stays once it has. Both begin with a
 * model that has just been loaded. Prints lines for people and, last, one line of JSON for scripts/bench.mjs.
 */

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { benchLines, median } from '../../src/cli/benchLines';
import { InferenceClient } from '../../src/inference/client';
import { startProcess } from '../../src/inference/startProcess';
import { bundledModelDirectory, root } from '../fixtures/paths';

const nChanges = 10;
const limitMs = 2000;
const other = join(root, 'models', 'comparison', 'transformer-base');
const text = 'const total = items.reduce((sum, item) => sum + item.price * item.quantity, 0);\n'.repeat(20);

function residentMb(pid: number): number {
  const { stdout } = spawnSync('ps', ['-o', 'rss=', '-p', String(pid)], { encoding: 'utf8' });
  if (!(Number(stdout) > 0)) throw new Error(`Cannot read the memory of process ${pid}`);
  return Number(stdout) / 1000;
}

async function main(): Promise<void> {
  const path = join(root, 'dist', 'inference.cjs');
  const client = new InferenceClient(() => startProcess(path, { debug() {}, info() {} }));
  let analysisId = 0;
  /** @returns how long it took, in ms. */
  const run = async (modelDirectory: string): Promise<number> => {
    const start = performance.now();
    await client.load({ modelDirectory, provider: 'cpu', nThreads: 2 });
    const window = { text, textStart: 0, documentLength: text.length, anchor: 0, maxTokens: 128, topK: 16 };
    await client.analyze({ ...window, analysisId: ++analysisId }, new AbortController().signal);
    return performance.now() - start;
  };
  try {
    await run(bundledModelDirectory);
    const firstMb = residentMb(client.pid!);
    const times: number[] = [];
    for (let i = 0; i < nChanges; i++) times.push(await run(i % 2 === 0 ? other : bundledModelDirectory));
    const { lines, add } = benchLines(console.log);
    add('another model and a run on 128 tokens with it', median(times), 'ms', limitMs, 'limit');
    const kept = `resident memory of the model after ${nChanges} changes of the model`;
    add(kept, residentMb(client.pid!), 'MB', firstMb, 'before them');
    console.log(JSON.stringify(lines));
  } finally {
    client.dispose();
  }
}

main().catch(error => {
  console.error(error);
  process.exitCode = 1;
});
