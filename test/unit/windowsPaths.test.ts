/** Paths as Windows has them: drives, shares, backslashes, names in any case, names of devices. */

import assert from 'node:assert/strict';
import { posix, win32 } from 'node:path';
import { test } from 'node:test';
import '../fixtures/vscode';
import { AddedModels } from '../../src/analysis/addedModels';
import { chooseModelDirectory } from '../../src/analysis/modelChoice';
import { bundledModelsDirectory } from '../../src/cli/modelPaths';
import { exportName, type MapFacts } from '../../src/export/source';
import { parseLink } from '../../src/shared/link';
import { isInside } from '../../src/shared/tools/isInside';

const places: readonly [folder: string, path: string, isInside: boolean][] = [
  ['C:\\models\\a', 'C:\\models\\a\\config.json', true],
  ['C:\\models\\a', 'c:\\Models\\A\\config.json', true],
  ['C:\\models\\a', 'C:/models/a/sub/x', true],
  ['C:\\models\\a', 'C:\\models\\a\\..name', true],
  ['C:\\', 'C:\\config.json', true],
  ['\\\\server\\share\\a', '\\\\SERVER\\share\\a\\x', true],
  ['C:\\models\\a', 'C:\\models\\a', false],
  ['C:\\models\\a', 'C:\\models\\ab\\x', false],
  ['C:\\models\\a', 'C:\\models\\b', false],
  ['C:\\models\\a', 'C:\\', false],
  ['C:\\models\\a', 'D:\\models\\a\\x', false],
  ['C:\\models\\a', '\\\\server\\share\\a\\x', false],
  ['C:\\models\\a', '\\\\.\\nul', false],
  ['\\\\server\\share\\a', '\\\\other\\share\\a\\x', false],
  ['\\\\server\\share\\a', '\\\\server\\share2\\a\\x', false],
];
for (const [folder, path, expected] of places) {
  test(`${path} is ${expected ? '' : 'not '}inside ${folder}`, () => {
    assert.equal(isInside(folder, path, win32), expected);
  });
}

test('elsewhere case and backslashes count', () => {
  assert.equal(isInside('/models/a', '/models/a/x', posix), true);
  assert.equal(isInside('/models/a', '/models/a/..\\x', posix), true);
  assert.equal(isInside('/models/a', '/models/A/x', posix), false);
  assert.equal(isInside('/models/a', '/models/ab', posix), false);
  assert.equal(isInside('/', '/x', posix), true);
});

test('one folder written in several ways is added once', async () => {
  let held: unknown = [];
  const state = {
    keys: () => [],
    get: () => held as never,
    update: async (_: string, next: unknown) => {
      held = next;
    },
  };
  const models = new AddedModels(state, 'C:\\bundled', win32);
  for (const path of [
    'C:\\Models\\A',
    'D:\\Models\\A',
    'c:/models/a',
    '\\\\server\\share\\a',
    '\\\\Server\\Share\\A\\',
  ]) {
    await models.add(path);
  }
  assert.deepEqual(held, ['\\\\Server\\Share\\A\\', 'c:/models/a', 'D:\\Models\\A']);
});

test('a model is set by an absolute path; one relative to a drive or to nothing is none', async () => {
  const choose = (setting: string) => chooseModelDirectory(setting, bundledModelsDirectory(), true, win32);
  for (const setting of ['C:\\models\\a', 'c:/models/a', '\\\\server\\share\\a']) {
    assert.equal(await choose(setting), setting);
    await assert.rejects(chooseModelDirectory(setting, bundledModelsDirectory(), false, win32), { code: 'untrusted' });
  }
  for (const setting of ['C:models', 'models\\a', '..\\a', 'CON']) {
    await assert.rejects(choose(setting), { code: 'no-model' });
  }
});

const facts = { layer: 1, head: 2, stage: 'pattern', minus: null } as MapFacts;
const names: readonly [document: string, base: string][] = [
  ['C:\\src\\main.ts', 'main.ts'],
  ['\\\\server\\share\\main.ts', 'main.ts'],
  ['CON', '_CON'],
  ['con.ts', '_con.ts'],
  ['Aux.tar.gz', '_Aux.tar.gz'],
  ['com1', '_com1'],
  ['LPT9.txt', '_LPT9.txt'],
  ['NUL:', 'NUL_'],
  ['console.ts', 'console.ts'],
  ['com10.txt', 'com10.txt'],
  ['a:b?c*"<>|.md', 'a_b_c_.md'],
  ['name. ', 'name._'],
  ['...', 'map'],
  ['é'.repeat(300), 'é'.repeat(60)],
];
for (const [document, base] of names) {
  test(`a map of ${JSON.stringify(document.slice(0, 30))} is saved as ${base.slice(0, 30)}…`, () => {
    assert.equal(exportName({ ...facts, file: document }, 'csv'), `${base}.layer1.head2.pattern.csv`);
  });
}

test('a link names no drive, share, stream or parent, however Windows would write it', () => {
  for (const file of [
    'C:/x',
    'C:x',
    '\\\\server\\x',
    'a\\..\\b',
    'a/.. /b',
    'a/. ./b',
    'a/.../b',
    ' /x',
    'a.ts:stream',
    '//server/x',
  ]) {
    assert.throws(() => parseLink(`file=${encodeURIComponent(file)}`), RangeError, file);
  }
  assert.equal(parseLink('file=..a/.b/c..d').file, '..a/.b/c..d');
});
