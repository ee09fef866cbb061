// `npm run docs`: builds the documentation site into docs/site/.vitepress/dist, with the reference of the API made of its
// docstrings (docs/api, not in git); a link that leads nowhere fails it.
//   npm run docs -- --watch     serves it and follows what changes
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ensureNodeModules, ensureSite, siteFolder } from './setup.mjs';

const { values } = parseArgs({ options: { watch: { type: 'boolean' } } });
ensureNodeModules(); // the API's types refer to those of VS Code
const program = ensureSite();

/** @param {string[]} args */
function run(...args) {
  const { status, error } = spawnSync(process.execPath, args, { stdio: 'inherit' });
  if (error) throw error;
  return status ?? 1;
}

const typedoc = join(siteFolder, 'node_modules', 'typedoc', 'bin', 'typedoc');
const failed = run(typedoc, '--options', join(siteFolder, 'typedoc.json'), '--logLevel', 'Warn');
process.exitCode = failed || run(program, values.watch ? 'dev' : 'build', siteFolder);
