/**
 * Which files an assistant, a link or a `vscode://` address may name: those inside a folder of the workspace, judged by where
 * they really are. Code that opens a file named by others asks here first.
 */

import { realpath } from 'node:fs/promises';
import platformPath, { type PlatformPath, posix } from 'node:path';
import type * as vscode from 'vscode';
import { isInside } from './shared/tools/isInside';

/** What is needed from the workspace; passed in, so that tests can replace it. */
export interface Workspace {
  readonly workspaceFolders: readonly { readonly uri: vscode.Uri }[] | undefined;
  readonly fs: { stat(uri: vscode.Uri): Thenable<{ readonly type: number }> };
}

/** VS Code's `FileType`: the bits of a file and of a symbolic link. */
const [file, symbolicLink] = [1, 64];

/**
 * The address without `..`, if a regular file is there, inside a folder of the workspace with all links resolved; else null.
 * A link that leads out of the workspace is not followed: what it names is for the person to open.
 */
export async function fileInWorkspace(
  uri: vscode.Uri,
  { workspaceFolders = [], fs }: Workspace,
  paths: PlatformPath = platformPath,
): Promise<vscode.Uri | null> {
  const path = posix.normalize(uri.path);
  if (isOdd(path, paths)) return null;
  const resolved = uri.with({ path, query: '', fragment: '' });
  const isLocal = uri.scheme === 'file';
  const folders = workspaceFolders.map(folder => folder.uri).filter(folder => isSameRoot(folder, resolved));
  const isBelow = (folder: vscode.Uri) =>
    isLocal ? isInside(folder.fsPath, resolved.fsPath, paths) : isInside(folder.path, path, posix);
  if (!folders.some(isBelow)) return null;
  try {
    const { type } = await fs.stat(resolved);
    if ((type & file) === 0) return null;
    // Where a link of a virtual workspace leads cannot be known.
    if (!isLocal) return (type & symbolicLink) === 0 ? resolved : null;
    const target = await realpath(resolved.fsPath);
    const roots = await Promise.all(folders.map(folder => realpath(folder.fsPath)));
    return roots.some(root => isInside(root, target, paths)) ? resolved : null;
  } catch {
    return null; // not there
  }
}

function isSameRoot(a: vscode.Uri, b: vscode.Uri): boolean {
  return a.scheme === b.scheme && a.authority.toLowerCase() === b.authority.toLowerCase();
}

/** Parts that a system overlooks or reads otherwise: dots and blanks alone, control characters, backslashes on Windows. */
function isOdd(path: string, { sep }: PlatformPath): boolean {
  return (
    /\p{Cc}/u.test(path) ||
    path.split('/').some(part => /^[. ]+$/.test(part)) ||
    (sep === '\\' && /\\|:(?!\/)/.test(path.slice(3)))
  );
}
