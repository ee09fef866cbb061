/**
 * What opening a hostile model folder costs who asks: the longest pause of the asking process, and the time until an ONNX
 * file is refused. Prints lines for people and, last, one line of JSON for scripts/bench.mjs.
 */

import { spawnSync } from 'node:child_process';
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { FolderReader } from '../../src/analysis/folderReader';
import { benchLines } from '../../src/cli/benchLines';
import { startProcess } from '../../src/inference/startProcess';
import { root, tinyModelDirectory } from '../fixtures/paths';

const longestPauseMs = 50;
const refusalMs = 100;
const openMs = 20_000;

const pipe = (path: string) => {
  rmSync(path, { force: true });
  const { status, error } = spawnSync('mkfifo', [path]);
  if (status !== 0) throw error ?? new Error(`mkfifo ${path} ended with code ${status}`);
};
const sparse = (path: string, nBytes: number) => {
  writeFileSync(path, '');
  truncateSync(path, nBytes);
};
const emptyNodes = (path: string) => {
  const nodes = Buffer.alloc(200e6, Buffer.from([0x0a, 0]));
  writeFileSync(path, Buffer.concat([Buffer.from([0x3a, 0x80, 0x84, 0xaf, 0x5f]), nodes]));
};
/** A header of the stated length and of that text. */
const safetensors = (path: string, header: Buffer) => {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  writeFileSync(path, Buffer.concat([length, header]));
};

const onnxFiles: [what: string, write: (path: string) => void][] = [
  ['a pipe', pipe],
  ['4 GB of zeros', path => sparse(path, 4e9)],
  ['1 TB of zeros', path => sparse(path, 1e12)],
  ['2 GB of zeros', path => sparse(path, 2e9)],
  ['100 million empty nodes', emptyNodes],
];
const modelFolders: [what: string, spoil: (folder: string) => void][] = [
  ...['config.json', 'tokenizer.json', 'model.safetensors'].flatMap((file): typeof modelFolders => [
    [`${file} is a pipe`, folder => pipe(join(folder, file))],
    [`${file} of 1.5 GB`, folder => sparse(join(folder, file), 1.5e9)],
  ]),
  ['a header of nested lists', folder => safetensors(join(folder, 'model.safetensors'), Buffer.alloc(100e6, '['))],
  ['a header of empty objects', folder => safetensors(join(folder, 'model.safetensors'), Buffer.alloc(99e6, '{},'))],
];

async function main(): Promise<void> {
  const scratch = mkdtempSync(join(tmpdir(), 'mta-hostile-'));
  const path = join(root, 'dist', 'inference.cjs');
  const reader = new FolderReader(() => startProcess(path, { debug() {}, info() {} }));
  const pauses = monitorEventLoopDelay({ resolution: 1 });
  const open = async (folder: string) => {
    const start = performance.now();
    const outcome = await reader.read('summarizeFolder', folder, openMs).then(
      () => 'opened',
      (error: Error) => error.message,
    );
    console.log(`${(performance.now() - start).toFixed(0)} ms: ${outcome}`);
    if (outcome === 'opened') throw new Error(`Expected ${folder} to be refused`);
    return performance.now() - start;
  };
  let slowestMs = 0;
  try {
    const folders = [
      ...onnxFiles.map(([, write], i) => {
        const folder = join(scratch, `onnx-${i}`);
        mkdirSync(folder);
        copyFileSync(join(tinyModelDirectory, 'tokenizer.json'), join(folder, 'tokenizer.json'));
        write(join(folder, 'x.onnx'));
        return folder;
      }),
      ...modelFolders.map(([, spoil], i) => {
        const folder = join(scratch, `model-${i}`);
        cpSync(tinyModelDirectory, folder, { recursive: true });
        spoil(folder);
        return folder;
      }),
    ];
    await reader.read('summarizeFolder', tinyModelDirectory, openMs); // starts the process
    await new Promise(resolve => setTimeout(resolve, 100)); // after what the preparations left
    pauses.enable();
    for (const [i, folder] of folders.entries()) {
      const nMs = await open(folder);
      if (i < onnxFiles.length) slowestMs = Math.max(slowestMs, nMs);
    }
    pauses.disable();
    const { lines, add } = benchLines(console.log);
    add(
      `longest pause of who opens ${folders.length} hostile model folders`,
      pauses.max / 1e6,
      'ms',
      longestPauseMs,
      'limit',
    );
    add(`slowest of ${onnxFiles.length} ONNX files to be refused`, slowestMs, 'ms', refusalMs, 'limit');
    console.log(JSON.stringify(lines));
  } finally {
    reader.dispose();
    rmSync(scratch, { recursive: true, force: true });
  }
}

main().catch(error => {
  console.error(error);
  process.exitCode = 1;
});
