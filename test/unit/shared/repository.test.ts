import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  isCommit,
  isRepositoryId,
  isRevision,
  modelNameOf,
  parseRepository,
  repositoryFolder,
  repositoryOfFolder,
  snapshotPlace,
} from '../../../src/shared/repository';

const commit = '0123456789abcdef0123456789abcdef01234567';

test('ids are a name or an owner and a name, as the hub has them', () => {
  for (const id of ['gpt2', 'a', 'o/m', 'meta-llama/Llama-3.2-1B', 'o/m_', `o/${'m'.repeat(96)}`])
    assert.ok(isRepositoryId(id), id);
  const wrong = [
    '',
    '/',
    'o/',
    '/m',
    'a/b/c',
    'o/..',
    'o/m..x',
    'o/m--x',
    'o/.m',
    'o/m-',
    'o m',
    `o/${'m'.repeat(97)}`,
  ];
  for (const id of wrong) assert.ok(!isRepositoryId(id), id);
});

test('a commit is forty hexadecimal digits, in small letters', () => {
  assert.ok(isCommit(commit));
  for (const text of ['', 'a', commit.slice(1), `${commit}0`, commit.toUpperCase(), `${commit}\n`])
    assert.ok(!isCommit(text), text);
});

test('a revision is a path that leads out of no folder', () => {
  for (const text of ['main', 'refs/pr/1', 'v1.0+x', commit, 'x'.repeat(200)]) assert.ok(isRevision(text), text);
  for (const text of ['', '..', 'a/../b', '/a', 'a/', 'a b', '.git', 'x'.repeat(201)])
    assert.ok(!isRevision(text), text);
});

test('a repository and its revision', () => {
  assert.deepEqual(parseRepository('o/m'), { id: 'o/m', revision: null });
  assert.deepEqual(parseRepository('o/m@refs/pr/1'), { id: 'o/m', revision: 'refs/pr/1' });
  for (const text of ['', '@', 'o/m@', '@main', 'o/m@a@b', 'o/m@../x']) assert.equal(parseRepository(text), null, text);
});

test('folders of the cache are named by their repository, and back', () => {
  for (const id of ['gpt2', 'o/m', 'o-p/m-q']) assert.equal(repositoryOfFolder(repositoryFolder(id)), id);
  for (const name of ['o--m', 'datasets--o--m', 'models--', 'models--o--m--n', 'models--..'])
    assert.equal(repositoryOfFolder(name), null, name);
});

test('a snapshot and what lies below it, in the spelling of either system', () => {
  const place = { id: 'o/m', commit, folder: '/c/models--o--m' };
  assert.deepEqual(snapshotPlace(`/c/models--o--m/snapshots/${commit}`), place);
  assert.deepEqual(snapshotPlace(`/c/models--o--m/snapshots/${commit}/sub/x.gguf`), place);
  const windows = `C:\\c\\models--o--m\\snapshots\\${commit}\\x.gguf`;
  assert.deepEqual(snapshotPlace(windows), { id: 'o/m', commit, folder: 'C:\\c\\models--o--m' });
  const others = [
    `/c/models--o--m/snapshots/${commit}0`,
    `/c/models--o--m/snapshots/main`,
    `/c/models--o--m/blobs/${commit}`,
    `/c/o--m/snapshots/${commit}`,
    `/c/models--o--m--n/snapshots/${commit}`,
  ];
  for (const path of others) assert.equal(snapshotPlace(path), null, path);
});

test('a snapshot is named by its repository, any other folder by its own name', () => {
  assert.equal(modelNameOf(`/c/models--o--m/snapshots/${commit}`, commit), 'o/m');
  assert.equal(modelNameOf('/c/mine', 'mine'), 'mine');
});
