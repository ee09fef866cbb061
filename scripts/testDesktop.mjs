// `npm run test:desktop [-- FILTER]`: the end-to-end tests in a desktop VS Code instead of the browser workbench.
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { downloadAndUnzipVSCode } from '@vscode/test-electron';
import { packageExtension } from './package.mjs';
import { ensureNodeModules, root } from './setup.mjs';

ensureNodeModules();
packageExtension();
const executable = process.env['VSCODE_PATH'] ?? (await downloadAndUnzipVSCode('stable'));
const filter = process.argv.slice(2);
const files = readdirSync(join(root, 'test', 'e2e'))
  .filter(name => name.endsWith('.test.ts') && (filter.length === 0 || filter.some(part => name.includes(part))))
  .map(name => join('test', 'e2e', name));
const args = ['--import', 'tsx', '--test', '--test-concurrency=1', ...files];
const { status } = spawnSync(process.execPath, args, {
  cwd: root,
  stdio: 'inherit',
  env: { ...process.env, MTA_DESKTOP: executable },
});
process.exitCode = status ?? 1;
