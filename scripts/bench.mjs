// `npm run bench`: every claim of speed and memory as a ratio; a table for people, `--json OUT` for machines.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { packageExtension } from './package.mjs';
import { ensureBuild, ensureChromium, ensureNodeModules, ensurePeers, ensureWorkbench, root } from './setup.mjs';

/** @param {string[]} args @returns {string} what it printed; it is shown too */
function runNode(args) {
  const { status, stdout, error } = spawnSync(process.execPath, args, {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (error) throw error;
  if (status !== 0) throw new Error(`${args.join(' ')} ended with code ${status}:\n${stdout}`);
  return stdout;
}

function main() {
  const { values } = parseArgs({ options: { json: { type: 'string' } } });
  ensureNodeModules();
  ensureBuild();
  const scratch = mkdtempSync(join(tmpdir(), 'mta-bench-'));
  try {
    const engineJson = join(scratch, 'engine.json');
    process.stdout.write(runNode([join(root, 'dist', 'cli.cjs'), 'bench', '--json', engineJson]));
    ensureChromium();
    ensureWorkbench();
    packageExtension();
    ensurePeers();
    const lines = JSON.parse(readFileSync(engineJson, 'utf8'));
    for (const file of [
      'cursorMove',
      'cursorAnswer',
      'modelChange',
      'hostileFolders',
      'hostPauses',
      'panel',
      'browser',
      'firstMap',
      'peers',
      'prefill',
      'tokenize',
    ]) {
      // The numbers for people come first, those for machines in the last line.
      const printed = runNode(['--import', 'tsx', `test/bench/${file}.ts`]).trimEnd();
      const lastLine = printed.lastIndexOf('\n');
      console.log(printed.slice(0, Math.max(0, lastLine)));
      lines.push(...[JSON.parse(printed.slice(lastLine + 1))].flat());
    }
    if (values.json) {
      writeFileSync(resolve(process.env['INIT_CWD'] ?? '.', values.json), `${JSON.stringify(lines, null, 1)}\n`);
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

main();
