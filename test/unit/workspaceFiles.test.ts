/** Every way to name a file outside the workspace, on a real file system with real links. */

import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, win32 } from 'node:path';
import { after, test } from 'node:test';
import type * as vscode from 'vscode';
import { fileInWorkspace, type Workspace } from '../../src/workspaceFiles';

const base = realpathSync(mkdtempSync(join(tmpdir(), 'mta-workspace-')));
after(() => rmSync(base, { recursive: true, force: true }));
const [folder, other] = [join(base, 'ws'), join(base, 'other')];
for (const path of [folder, other, join(folder, 'x')]) mkdirSync(path);
for (const path of ['ws/a.txt', 'ws/x/b.txt', 'ws/..c.txt', 'secret.txt', 'ws-secret.txt', 'other/d.txt']) {
  writeFileSync(join(base, path), 'text');
}

/** What of `vscode.Uri` is used; parsed as VS Code does: decoded, `..` kept. */
function uri(address: string): vscode.Uri {
  const [, scheme, authority, path] = /^([\w-]+):\/\/([^/]*)(.*)$/.exec(address)!;
  const make = (path: string): unknown => ({
    ...{ scheme, authority, path, fsPath: path },
    with: (change: { path: string }) => make(change.path),
    toString: () => `${scheme}://${authority}${path}`,
  });
  return make(decodeURIComponent(path!)) as vscode.Uri;
}
const workspace: Workspace = {
  workspaceFolders: [{ uri: uri(`file://${folder}`) }, { uri: uri('vscode-vfs://github/repo') }],
  fs: {
    stat: async ({ scheme, path }) => {
      if (scheme !== 'file') return { type: path.endsWith('link') ? 65 : 1 };
      return { type: statSync(path).isFile() ? 1 : 2 };
    },
  },
};

if (process.platform !== 'win32') {
  symlinkSync(join(base, 'secret.txt'), join(folder, 'linked.txt'));
  symlinkSync(other, join(folder, 'out'));
  symlinkSync(join(folder, 'a.txt'), join(folder, 'inner.txt'));
  const rows: [address: string, path: string | null][] = [
    [`file://${folder}/a.txt`, '/a.txt'],
    [`file://${folder}/x/../a.txt`, '/a.txt'],
    [`file://${folder}/x/%2e%2e/x/b.txt`, '/x/b.txt'],
    [`file://${folder}/..c.txt`, '/..c.txt'],
    [`file://${folder}/inner.txt`, '/inner.txt'],
    [`file://${folder}/x`, null],
    [`file://${folder}/nothing.txt`, null],
    [`file://${folder}`, null],
    [`file://${base}/secret.txt`, null],
    [`file://${base}/ws-secret.txt`, null],
    [`file://${folder}/../secret.txt`, null],
    [`file://${folder}/./../secret.txt`, null],
    [`file://${folder}/%2e%2e/secret.txt`, null],
    [`file://${folder}/x/..%2f..%2fsecret.txt`, null],
    [`file://${folder}/a.txt%00`, null],
    [`file://${folder}/linked.txt`, null],
    [`file://${folder}/out/d.txt`, null],
    [`file://${folder}/out/../a.txt`, '/a.txt'],
    [`file://host${folder}/a.txt`, null],
    [`vscode-remote://localhost${folder}/a.txt`, null],
    ['vscode-userdata:///User/settings.json', null],
  ];
  for (const [address, path] of rows) {
    test(`${address.replace(base, 'BASE')} is ${path === null ? 'refused' : path}`, async () => {
      const found = await fileInWorkspace(uri(address), workspace);
      assert.equal(found?.path ?? null, path === null ? null : folder + path);
    });
  }
}

test('in a virtual workspace files are read and links are not', async () => {
  const read = async (address: string) => (await fileInWorkspace(uri(address), workspace))?.path ?? null;
  assert.equal(await read('vscode-vfs://github/repo/src/a.ts'), '/repo/src/a.ts');
  assert.equal(await read('vscode-vfs://GitHub/repo/a.ts'), '/repo/a.ts');
  assert.equal(await read('vscode-vfs://github/repo/link'), null);
  assert.equal(await read('vscode-vfs://github/repo/../other/a.ts'), null);
  assert.equal(await read('vscode-vfs://gitlab/repo/a.ts'), null);
});

test('on Windows no part is one that it overlooks', async () => {
  for (const path of ['/repo/x/.. /a.ts', '/repo/x\\..\\..\\a.ts', '/repo/a.ts:stream', '/repo/. ./a.ts']) {
    assert.equal(
      await fileInWorkspace(uri(`vscode-vfs://github${path.replaceAll(' ', '%20')}`), workspace, win32),
      null,
    );
  }
});
