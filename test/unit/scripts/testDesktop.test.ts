import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { root } from '../../fixtures/paths';

/** Runs the desktop runner where nothing can be downloaded: no proxy listens there. */
function run(...args: string[]) {
  const proxy = 'http://127.0.0.1:9';
  const { VSCODE_PATH: _, ...env } = process.env;
  return spawnSync(process.execPath, [join(root, 'scripts', 'testDesktop.mjs'), ...args], {
    encoding: 'utf8',
    env: { ...env, https_proxy: proxy, HTTPS_PROXY: proxy, npm_config_https_proxy: proxy },
  });
}

for (const [args, words] of [
  [['--vscode', '/nowhere/code'], /There is no VS Code at \/nowhere\/code\. Give the path of its program\./],
  [['no-such-file'], /No file of test\/e2e has no-such-file in its name\. There are .*inspect\.test\.ts/],
  // A version of its own, so that none that was downloaded before serves.
  [
    ['--vscode-version', '0.0.1', 'inspect'],
    /VS Code 0\.0\.1 could not be downloaded: .*give the path of an installed/s,
  ],
] as const) {
  test(`the desktop runner says why it cannot: ${args.join(' ')}`, { skip: process.platform === 'win32' }, () => {
    const { status, stderr } = run(...args);
    assert.match(stderr, words);
    assert.equal(status, 1);
  });
}
