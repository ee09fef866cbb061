// `npm start`: sets everything up and shows the extension at work on a real document.
//   npm start                           this project's README.md in VS Code, or in a workbench in the browser
//   npm start -- FILE                   another document
//   npm start -- --headless FILE        a self-contained HTML report instead; [--model NAME|DIR] [--out OUT]
import { execFileSync, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { packageExtension } from './package.mjs';
import { ensureBuild, ensureNodeModules, ensureWorkbench, findProgram, root } from './setup.mjs';
import { startServer, workbenchAddress } from './workbench.mjs';

/** npm runs scripts in the project's folder and says here from where it was called. */
const callerFolder = process.env['INIT_CWD'] ?? process.cwd();
const command = 'MTA Inspector: Inspect Document';
const cli = join(root, 'dist', 'cli.cjs');

/** The first language model that is installed. */
function defaultModel() {
  const { models } = JSON.parse(execFileSync(process.execPath, [cli, 'models', '--json'], { encoding: 'utf8' }));
  if (!models[0]) throw new Error('No model is installed. Name a model folder with --model.');
  return models[0].name;
}

/**
 * @param {string} file
 * @param {string} [model]
 * @param {string} [out]
 */
function writeReport(file, model = defaultModel(), out = resolve(callerFolder, `${basename(file)}.mta.html`)) {
  const args = ['export', file, '--model', model, '--format', 'html', '--out', out];
  const { status } = spawnSync(process.execPath, [cli, ...args], { stdio: 'inherit' });
  if (status !== 0) throw new Error(`No report was written for ${file}: the reason is above.`);
  console.log(`The report is ${out}. Open it in a browser.`);
}

/**
 * Opens VS Code with the extension of this checkout.
 * @param {string} file
 * @returns {boolean} false when it did not start
 */
function openVsCode(file) {
  ensureBuild();
  const args = [`--extensionDevelopmentPath=${root}`, '--new-window', dirname(file), file];
  if (spawnSync('code', args, { stdio: 'inherit', shell: process.platform === 'win32' }).status !== 0) return false;
  console.log(`VS Code is open on ${file}. Press F1 there and run "${command}".`);
  return true;
}

/**
 * Serves the workbench with the packaged extension until Ctrl-C.
 * @param {string} file
 */
async function serveWorkbench(file) {
  ensureWorkbench();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(0));
  const server = await startServer({ vsix: packageExtension() });
  console.log(`\nThe workbench is at ${workbenchAddress(server, dirname(file), file)}`);
  console.log('The address holds a secret that lets its reader use this account: keep it to yourself.');
  console.log(`Press F1 there and run "${command}". Ctrl-C here ends it.`);
  await once(server.server, 'exit');
  throw new Error(`The workbench ended by itself:\n${server.log()}`);
}

async function main() {
  const { values, positionals } = parseArgs({
    options: { headless: { type: 'boolean' }, model: { type: 'string' }, out: { type: 'string' } },
    allowPositionals: true,
  });
  const file = positionals[0] ? resolve(callerFolder, positionals[0]) : join(root, 'README.md');
  if (!existsSync(file)) throw new Error(`There is no file ${file}.`);
  ensureNodeModules();
  if (values.headless) {
    ensureBuild();
    return writeReport(file, values.model, values.out && resolve(callerFolder, values.out));
  }
  if (findProgram('code') && openVsCode(file)) return;
  try {
    await serveWorkbench(file);
  } catch (error) {
    console.log(error instanceof Error ? error.message : error);
    console.log('Writing a report instead of opening an editor.');
    ensureBuild();
    writeReport(file, values.model);
  }
}

main().catch(error => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
