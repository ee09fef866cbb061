/** Models that other extensions bring; `test/fixtures/model-extension` is such an extension, without its model. */

import assert from 'node:assert/strict';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, posix, win32 } from 'node:path';
import { after, test } from 'node:test';
import '../../fixtures/vscode';
import { AddedModels } from '../../../src/analysis/addedModels';
import { contributedModels, withinExtensions } from '../../../src/analysis/contributedModels';
import { chooseModelDirectory } from '../../../src/analysis/modelChoice';
import { bundledModelsDirectory } from '../../../src/cli/modelPaths';
import { root, tinyModelDirectory } from '../../fixtures/paths';

const scratch = mkdtempSync(join(tmpdir(), 'mta-extension-'));
after(() => rmSync(scratch, { recursive: true, force: true }));
const manifest = JSON.parse(
  readFileSync(join(root, 'test', 'fixtures', 'model-extension', 'package.json'), 'utf8'),
) as object;

test('the example extension: its model is listed under its name and chosen by a setting that outlives updates', async () => {
  cpSync(tinyModelDirectory, join(scratch, 'tiny-model'), { recursive: true });
  const extension = { id: 'example.example-model', extensionPath: scratch, packageJSON: manifest };
  const contributed = contributedModels([extension]);
  const setting = 'example.example-model/Example model';
  const directory = join(scratch, 'tiny-model');
  const origin = 'example.example-model';
  assert.deepEqual(contributed, [{ name: 'Example model', directory, origin, extensionPath: scratch, setting }]);
  const state = { keys: () => [], get: () => [] as never, update: async () => {} };
  const listed = await new AddedModels(state, '/nowhere', undefined, undefined, async () => contributed).list();
  assert.deepEqual(
    listed.map(({ name, setting, origin }) => [name, setting, origin]),
    [['Example model', setting, origin]],
  );
  assert.match(listed[0]!.description, /3 layers, 4 heads/);
  const bundled = bundledModelsDirectory();
  assert.equal(await chooseModelDirectory(setting, bundled, true, undefined, contributed), directory);
  await assert.rejects(chooseModelDirectory(setting, bundled, false, undefined, contributed), { code: 'untrusted' });
  await assert.rejects(chooseModelDirectory(setting, bundled, true), { code: 'no-model' });
});

const entries: readonly (readonly [entry: unknown, isTaken: boolean])[] = [
  [{ path: './a', name: 'A' }, true],
  [{ path: 'models/a', name: 'A b' }, true],
  [{ path: '../other', name: 'A' }, false],
  [{ path: 'a/../../other', name: 'A' }, false],
  [{ path: '/etc', name: 'A' }, false],
  [{ path: '.', name: 'A' }, false],
  [{ path: 'a\0', name: 'A' }, false],
  [{ path: './a', name: 'A/B' }, false],
  [{ path: './a', name: 'A\nB' }, false],
  [{ path: './a', name: '' }, false],
  [{ path: './a' }, false],
  [{ path: 7, name: 'A' }, false],
  [null, false],
  ['./a', false],
];
for (const [entry, isTaken] of entries) {
  test(`an entry ${JSON.stringify(entry)} is ${isTaken ? 'taken' : 'left out'}`, () => {
    const packageJSON = { contributes: { 'mtaInspector.models': [entry] } };
    for (const [paths, extensionPath] of [
      [posix, '/extensions/x-1.0.0'],
      [win32, 'C:\\extensions\\x-1.0.0'],
    ] as const) {
      assert.equal(contributedModels([{ id: 'a.x', extensionPath, packageJSON }], paths).length, isTaken ? 1 : 0);
    }
  });
}

test('a drive or a share of Windows is another place', () => {
  for (const path of ['D:\\m', '\\\\server\\share\\m', '..\\m']) {
    const packageJSON = { contributes: { 'mtaInspector.models': [{ path, name: 'A' }] } };
    assert.deepEqual(contributedModels([{ id: 'a.x', extensionPath: 'C:\\extensions\\x', packageJSON }], win32), []);
  }
});

test('a package.json of another kind has none', () => {
  for (const packageJSON of [null, 'x', {}, { contributes: null }, { contributes: { 'mtaInspector.models': {} } }]) {
    assert.deepEqual(contributedModels([{ id: 'a.x', extensionPath: '/x', packageJSON }]), []);
  }
});

test('a folder that is a link out of its extension is left out, as is one that is not there', {
  skip: process.platform === 'win32',
}, async () => {
  const [extensionPath, elsewhere] = [join(scratch, 'linking'), join(scratch, 'elsewhere')];
  for (const folder of [join(extensionPath, 'own'), join(elsewhere, 'model')]) mkdirSync(folder, { recursive: true });
  symlinkSync(join(elsewhere, 'model'), join(extensionPath, 'out'));
  symlinkSync(elsewhere, join(extensionPath, 'between'));
  symlinkSync(join(extensionPath, 'own'), join(extensionPath, 'within'));
  symlinkSync(extensionPath, join(extensionPath, 'itself'));
  const paths = ['own', 'out', 'between/model', 'within', 'itself', 'missing', 'itself/own'];
  const entries = paths.map(path => ({ path, name: path.replace('/', ' ') }));
  const packageJSON = { contributes: { 'mtaInspector.models': entries } };
  // What an extension under development is: installed through a link.
  symlinkSync(extensionPath, join(scratch, 'installed'));
  for (const installed of [extensionPath, join(scratch, 'installed')]) {
    const kept = await withinExtensions(contributedModels([{ id: 'a.x', extensionPath: installed, packageJSON }]));
    assert.deepEqual(
      kept.map(({ name }) => name),
      ['own', 'within', 'itself own'],
    );
  }
});

test('of several models with one name the first counts', async () => {
  mkdirSync(join(scratch, 'twice', 'a'), { recursive: true });
  mkdirSync(join(scratch, 'twice', 'b'), { recursive: true });
  const entries = ['a', 'b'].map(path => ({ path, name: 'A' }));
  const packageJSON = { contributes: { 'mtaInspector.models': entries } };
  const extension = { id: 'a.x', extensionPath: join(scratch, 'twice'), packageJSON };
  const kept = await withinExtensions(contributedModels([extension]));
  assert.deepEqual(
    kept.map(({ directory }) => directory),
    [join(scratch, 'twice', 'a')],
  );
});
