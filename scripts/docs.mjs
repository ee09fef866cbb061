// `npm run docs`: builds the documentation site into docs/site/.vitepress/dist; a link that leads nowhere fails it.
//   npm run docs -- --watch     serves it and follows what changes
import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { ensureSite, siteFolder } from './setup.mjs';

const { values } = parseArgs({ options: { watch: { type: 'boolean' } } });
const program = ensureSite();
const { status, error } = spawnSync(process.execPath, [program, values.watch ? 'dev' : 'build', siteFolder], {
  stdio: 'inherit',
});
if (error) throw error;
process.exitCode = status ?? 1;
