// `npm run test:desktop`: the end-to-end tests in a desktop VS Code instead of the browser workbench.
//   npm run test:desktop                              all files, in the latest stable VS Code, which is downloaded
//   npm run test:desktop -- inspect newUser           only files whose name contains one of these
//   npm run test:desktop -- --vscode PATH             in the VS Code whose program this is (or that VSCODE_PATH names)
//   npm run test:desktop -- --vscode-version 1.100.0  in another version
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { packageExtension } from './package.mjs';
import { ensureNodeModules, root, SetupError } from './setup.mjs';

/** @param {readonly string[]} filter parts of names @returns {string[]} the files that the browser workbench runs, too */
function testFiles(filter) {
  const all = readdirSync(join(root, 'test', 'e2e')).filter(name => name.endsWith('.test.ts'));
  const files = all.filter(name => filter.length === 0 || filter.some(part => name.includes(part)));
  if (files.length === 0) {
    throw new SetupError(`No file of test/e2e has ${filter.join(' or ')} in its name. There are ${all.join(', ')}.`);
  }
  return files.map(name => join('test', 'e2e', name));
}

/**
 * The program of VS Code.
 * @param {string | undefined} given a path
 * @param {string} version to download without one
 */
async function findVsCode(given, version) {
  if (given !== undefined) {
    const path = resolve(process.env['INIT_CWD'] ?? '.', given);
    if (!existsSync(path)) throw new SetupError(`There is no VS Code at ${path}. Give the path of its program.`);
    return path;
  }
  const { downloadAndUnzipVSCode } = await import('@vscode/test-electron');
  return downloadAndUnzipVSCode(version).catch(error => {
    throw new SetupError(
      `VS Code ${version} could not be downloaded: ${error?.message ?? error}. Without a way to ` +
        'update.code.visualstudio.com, give the path of an installed one: npm run test:desktop -- --vscode PATH.',
    );
  });
}

async function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { vscode: { type: 'string' }, 'vscode-version': { type: 'string', default: 'stable' } },
  });
  ensureNodeModules();
  const files = testFiles(positionals);
  const executable = await findVsCode(values.vscode ?? process.env['VSCODE_PATH'], values['vscode-version']);
  packageExtension();
  const args = ['--import', 'tsx', '--test', '--test-concurrency=1', ...files];
  const { status } = spawnSync(process.execPath, args, {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, MTA_DESKTOP: executable },
  });
  process.exitCode = status ?? 1;
}

main().catch(error => {
  console.error(error instanceof SetupError ? error.message : error);
  process.exitCode = 1;
});
