/** Reading folders of stores that other programs keep: within limits, and never out of a store. */

import { readdir, realpath, stat } from 'node:fs/promises';
import platformPath, { join } from 'node:path';
import { Failure } from '../../shared/tools/failure';
import { isInside } from '../../shared/tools/isInside';
import { readable, regularFile } from '../model/folderFiles';

/** More entries than any folder of a store has; the rest is not listed. */
const maxEntries = 2000;

/** Names in a folder, in order; none where there is no such folder. */
export async function namesIn(directory: string): Promise<string[]> {
  const names: string[] = await readdir(directory).catch(() => []);
  return names.sort().slice(0, maxEntries);
}

/** Size of a file, links followed; 0 for what is not a file. */
export async function sizeOf(path: string): Promise<number> {
  const found = await stat(path).catch(() => null);
  return found?.isFile() ? found.size : 0;
}

/** The text of a small file. @throws Failure for what is larger than `maxBytes` or not a file. */
export async function readSmall(path: string, maxBytes: number): Promise<string> {
  const file = await regularFile(path);
  try {
    const { size } = await file.stat();
    if (size > maxBytes) throw new Failure('bad-model-file', `${path} has ${size} bytes, more than ${maxBytes}`);
    return await readable(path, file.readFile('utf8'));
  } finally {
    await file.close();
  }
}

/** Whether a path, links resolved, lies in a folder, links resolved. */
export async function liesIn(folder: string, path: string): Promise<boolean> {
  const [root, file] = await Promise.all([folder, path].map(each => realpath(each).catch(() => null)));
  return Boolean(root && file && isInside(root, file, platformPath));
}

const laterShard = /-(\d{5})-of-\d{5}\.gguf$/i;

/** GGUF files of a folder that are models: of split files the first, and no projectors of pictures. */
export function ggufModels(names: readonly string[]): string[] {
  return names.filter(
    name =>
      /\.gguf$/i.test(name) &&
      !/^mmproj|-mmproj/i.test(name) &&
      [undefined, '00001'].includes(laterShard.exec(name)?.[1]),
  );
}

/** Sizes of a GGUF file and of those that it was split into. */
export async function ggufSize(directory: string, name: string, names: readonly string[]): Promise<number> {
  const start = name.replace(laterShard, '');
  const files = start === name ? [name] : names.filter(other => other.replace(laterShard, '') === start);
  const sizes = await Promise.all(files.map(file => sizeOf(join(directory, file))));
  return sizes.reduce((sum, size) => sum + size, 0);
}
