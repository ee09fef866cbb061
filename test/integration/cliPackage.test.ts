/** The npm package of the command line, installed into an empty folder as a user would. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { root } from '../fixtures/paths';

const folder = mkdtempSync(join(tmpdir(), 'mta-cli-package-'));
after(() => rmSync(folder, { recursive: true, force: true }));

function run(command: string, args: readonly string[]) {
  // What npm sets for the scripts of this project is not there for a user.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(npm_|NODE_|INIT_CWD)/.test(name)));
  const { status, stdout, stderr } = spawnSync(command, args, { cwd: folder, env, encoding: 'utf8' });
  return { status, stdout, stderr };
}

/** Equal, but for the rounding of sums that ONNX Runtime shares out among threads anew in each process. */
function assertAgree(got: unknown, want: unknown, path = ''): void {
  if (typeof got === 'number' && typeof want === 'number') {
    assert.ok(Math.abs(got - want) <= 1e-5 * Math.max(1e-3, Math.abs(want)), `${path}: ${got}, expected ${want}`);
  } else if (typeof got === 'object' && typeof want === 'object' && got !== null && want !== null) {
    assert.deepEqual(Object.keys(got), Object.keys(want), path);
    for (const [key, value] of Object.entries(want)) {
      assertAgree((got as Record<string, unknown>)[key], value, `${path}/${key}`);
    }
  } else assert.equal(got, want, path);
}

before(() => {
  const packaged = spawnSync(process.execPath, [join(root, 'scripts', 'packageCli.mjs')], { encoding: 'utf8' });
  const [, archive] = /^Packaged (.*\.tgz): /m.exec(packaged.stdout) ?? [];
  assert.ok(archive, packaged.stdout + packaged.stderr);
  writeFileSync(join(folder, 'package.json'), '{"private":true}');
  writeFileSync(join(folder, 'text.md'), '# Tides\n\nThe tide table lists high and low water.\n');
  const installed = run('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline', archive]);
  assert.equal(installed.status, 0, installed.stderr);
});

const inspect = (...args: string[]) => run(join(folder, 'node_modules', '.bin', 'mta-inspect'), args);

test('the command says its version and lists the bundled models', () => {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  assert.equal(inspect('--version').stdout.trim(), `MTA Inspector ${version}`);
  const { models } = JSON.parse(inspect('models', '--json').stdout);
  assert.deepEqual(
    models.map(({ name }: { name: string }) => name),
    ['mta-base', 'toy-mta-n5', 'toy-transformer-n5'],
  );
});

test('it computes what the checkout computes, and its schemas are in it', () => {
  const options = ['--layer', '1', '--head', '0', '--json', '-'];
  const installed = inspect('analyze', 'text.md', ...options);
  assert.equal(installed.status, 0, installed.stderr);
  const checkout = run(process.execPath, [join(root, 'dist', 'cli.cjs'), 'analyze', 'text.md', ...options]);
  assert.equal(checkout.status, 0, checkout.stderr);
  assertAgree(JSON.parse(installed.stdout), JSON.parse(checkout.stdout));
  const schemas = readdirSync(join(folder, 'node_modules', 'mta-inspect', 'schemas'));
  assert.ok(schemas.includes('analyze.schema.json'));
});

test('a report is one page with its own script', () => {
  const { status, stderr } = inspect('export', 'text.md', '--format', 'html', '--out', 'report.html');
  assert.equal(status, 0, stderr);
  assert.match(readFileSync(join(folder, 'report.html'), 'utf8'), /<script/);
});

test('exit codes: 2 for wrong use, 1 for what could not be done', () => {
  assert.equal(inspect('analyse').status, 2);
  const missing = inspect('analyze', 'missing.md');
  assert.equal(missing.status, 1);
  assert.match(missing.stderr, /missing\.md/);
});
