// `npm run check`: types, then style and imports of the files that git tracks. What a command has left in the folder, such as a
// report, is nobody's source: it must not change what this says.
//   npm run check -- --style     without types
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { root } from './setup.mjs';

/** Files that are tracked and there, relative to the root; everything where this is not a checkout. */
function trackedFiles() {
  const { status, stdout } = spawnSync('git', ['ls-files', '-z'], { cwd: root, encoding: 'utf8', maxBuffer: 2 ** 26 });
  if (status !== 0) return ['.'];
  return stdout.split('\0').filter(name => name && existsSync(join(root, name)));
}

const isWindows = process.platform === 'win32';

/**
 * @param {string} program of `node_modules/.bin`
 * @param {readonly string[]} args
 */
function passes(program, args) {
  const path = join(root, 'node_modules', '.bin', isWindows ? `${program}.cmd` : program);
  return spawnSync(path, args, { cwd: root, stdio: 'inherit', shell: isWindows }).status === 0;
}

const { values } = parseArgs({ options: { style: { type: 'boolean' } } });
const projects = values.style ? [] : ['.', 'webview', 'test/e2e'];
// A command of Windows holds 8000 characters: there it takes the whole folder.
const files = isWindows ? ['.'] : trackedFiles();
const style = ['check', '--error-on-warnings', '--files-ignore-unknown=true', '--no-errors-on-unmatched', ...files];
if (!projects.every(project => passes('tsc', ['-p', project])) || !passes('biome', style)) process.exitCode = 1;
