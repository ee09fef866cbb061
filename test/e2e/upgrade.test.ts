/**
 * What an update may meet: an older version with state that this one does not know, a machine that ONNX Runtime has no
 * build for (the universal package), a home folder that nobody can write to. And two windows at once.
 */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { packageTarget } from '../../scripts/package.mjs';
import { workbench as program } from '../../scripts/setup.mjs';
import { root } from '../fixtures/paths';
import { inspectFile, mapOf, untilDone } from './harness/panel';
import { startWorkbench, type Workbench } from './harness/workbench';

/** What is done here is code-server's: its command line, and pages of one server. */
const skip = process.env['MTA_DESKTOP'] !== undefined;
const folder = mkdtempSync(join(tmpdir(), 'mta-e2e-upgrade-'));
const sample = 'inventory.ts';
let workbench: Workbench;

/** What another version might have kept under our keys. */
const oldState = `
const vscode = require('vscode');
exports.activate = async ({ globalState, workspaceState, subscriptions }) => {
  await globalState.update('mtaInspector.addedModels', { folders: 7 });
  await workspaceState.update('mtaInspector.lastView', 'layer 99');
  await workspaceState.update('mtaInspector.relevance', { method: 'sorcery', heads: -1 });
  subscriptions.push(vscode.window.registerWebviewViewProvider('mtaInspector.attention', {
    resolveWebviewView({ webview }) {
      webview.options = { enableScripts: true };
      webview.html = '<title>Old</title><script>acquireVsCodeApi().setState({ tab: 7, map: [] }); document.title = "Kept"</script>';
    },
  }));
};
`;

/** A package with our name and a lower version. */
function packOldVersion(): string {
  const old = join(folder, 'old');
  mkdirSync(old, { recursive: true });
  const id = 'mtaInspector';
  const manifest = {
    ...{ name: 'mta-inspector', publisher: 'mta-inspector', version: '0.0.1', main: './extension.js' },
    ...{ engines: { vscode: '^1.100.0' }, activationEvents: ['onStartupFinished'] },
    contributes: {
      viewsContainers: { activitybar: [{ id, title: 'MTA Inspector', icon: '$(eye)' }] },
      views: { [id]: [{ id: `${id}.attention`, name: 'Attention', type: 'webview' }] },
    },
  };
  writeFileSync(join(old, 'package.json'), JSON.stringify(manifest));
  writeFileSync(join(old, 'extension.js'), oldState);
  writeFileSync(join(old, 'README.md'), 'An older version.');
  writeFileSync(join(old, '.vscodeignore'), ''); // else it is asked whether everything is meant
  const vsix = join(folder, 'old.vsix');
  const vsce = join(root, 'node_modules', '@vscode', 'vsce', 'vsce');
  const options = ['--no-dependencies', '--allow-missing-repository', '--skip-license', '--out', vsix];
  execFileSync(process.execPath, [vsce, 'package', ...options], { cwd: old, stdio: ['ignore', 'ignore', 'inherit'] });
  return vsix;
}

before(async () => {
  if (skip) return;
  cpSync(join(root, 'test', 'fixtures', 'documents', sample), join(folder, 'work', sample));
  workbench = await startWorkbench({
    folder: join(folder, 'work'),
    vsix: packOldVersion(),
    // As an older version had it; `undefined` takes the harness's own value away.
    settings: { 'mtaInspector.maxTokens': 128, 'mtaInspector.range.maxTokens': undefined },
    environment: { HOME: '/dev/null' }, // where not even root can make a folder
  });
});

after(async () => {
  await workbench?.close();
  rmSync(folder, { recursive: true, force: true });
});

test('over an older version with its state, no home to write to, in WebAssembly: a map', { skip }, async () => {
  await workbench.runCommand('View: Show MTA Inspector');
  await workbench.webviewFrame('Kept');
  const data = dirname(workbench.userData);
  const folders = ['--user-data-dir', workbench.userData, '--extensions-dir', join(data, 'extensions')];
  const install = ['--install-extension', packageTarget('universal')];
  execFileSync(program.node, [program.entry, '--config', join(data, 'config.yaml'), ...folders, ...install], {
    env: { ...process.env, HOME: '/dev/null', NODE_OPTIONS: undefined, NODE_TEST_CONTEXT: undefined },
  });
  await workbench.page.reload();
  const frame = await untilDone(workbench, () => inspectFile(workbench, sample));
  assert.equal((await mapOf(frame)).nTokens, 128);
  assert.match(workbench.logFiles('MTA Inspector'), /WebAssembly/);
  assert.equal(await frame.locator('#tab-map').getAttribute('aria-selected'), 'true');
  await workbench.screenshot('upgraded');
});

test('a second window on the same folder has a process and a map of its own; the first goes on', { skip }, async () => {
  const { page } = workbench;
  const first = await workbench.webviewFrame('MTA Inspector');
  const before = await mapOf(first);
  const storageState = await page.context().storageState(); // the cookie that the server lets us in with
  const context = await page.context().browser()!.newContext({ viewport: page.viewportSize(), storageState });
  const second = await context.newPage();
  await second.addInitScript('globalThis.__name ??= value => value');
  second.setDefaultTimeout(120_000);
  await second.goto(page.url());
  const other = workbench.inPage(second);
  await untilDone(other, () => inspectFile(other, sample));
  assert.equal(workbench.inferenceProcesses().length, 2);
  assert.deepEqual(await mapOf(first), before);
  await other.screenshot('second-window');
  await context.close();
  await untilDone(workbench);
});
