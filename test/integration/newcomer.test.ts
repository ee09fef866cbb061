/** The README's commands in order, in a folder that holds what git tracks and nothing else: none changes what the next says. */

import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { root } from '../fixtures/paths';

const clone = join(mkdtempSync(join(tmpdir(), 'mta-newcomer-')), 'checkout');
const git = (args: string[], cwd: string) => execFileSync('git', args, { cwd, encoding: 'utf8', maxBuffer: 2 ** 26 });

/** Runs npm in the clone as in a terminal; returns what it printed. */
function npm(...args: string[]): string {
  // Node's own variable would tell the tests inside that they are part of these.
  const env = { ...process.env, INIT_CWD: clone, NODE_TEST_CONTEXT: undefined };
  const { status, stdout, stderr } = spawnSync('npm', args, { cwd: clone, env, encoding: 'utf8' });
  assert.equal(status, 0, `npm ${args.join(' ')}\n${stdout}${stderr}`);
  return stdout;
}

before(() => {
  for (const name of git(['ls-files', '-z'], root).split('\0')) {
    if (name && existsSync(join(root, name))) cpSync(join(root, name), join(clone, name));
  }
  git(['init', '--quiet'], clone);
  git(['add', '--all'], clone);
  // Instead of half a minute of `npm ci`: hard links to the packages that are here.
  execFileSync('cp', ['-al', join(root, 'node_modules'), join(clone, 'node_modules')]);
});
after(() => rmSync(dirname(clone), { recursive: true, force: true }));

test('npm start -- --headless FILE writes a report that git and the checks do not see', () => {
  assert.match(npm('start', '--', '--headless', 'README.md'), /The report is .*README\.md\.mta\.html/);
  assert.ok(existsSync(join(clone, 'README.md.mta.html')));
  assert.equal(git(['ls-files', '--others', '--exclude-standard'], clone), '');
  // Named by whoever runs a command, and not to anybody's taste.
  writeFileSync(join(clone, 'report.html'), '<p onclick=x>');
  writeFileSync(join(clone, 'out.json'), '{"a":1,\n\n"b":[1,2]}');
  writeFileSync(join(clone, 'notes.md'), '[gone](missing.md)');
  npm('run', 'check', '--', '--style');
  npm('test', '--', '--tier', 'unit', 'scripts/docs', 'supplyChain');
});

test('what the tests leave is ignored too', () => {
  const left = git(['ls-files', '--others', '--exclude-standard'], clone).trim().split('\n').sort();
  assert.deepEqual(left, ['notes.md', 'out.json', 'report.html']);
  git(['diff', '--exit-code'], clone); // no tracked file was changed
});
