/** The files of a model folder: found from what a person picked, read within the folder and within limits. */

import { constants } from 'node:fs';
import { type FileHandle, lstat, open, readdir, realpath, stat } from 'node:fs/promises';
import platformPath, { basename, dirname, join } from 'node:path';
import { modelNameOf, snapshotPlace } from '../../shared/repository';
import { Failure } from '../../shared/tools/failure';
import { isInside } from '../../shared/tools/isInside';
import { parsePythonJson } from '../../shared/tools/pythonJson';

/** A configuration has some kilobytes, a tokenizer of a large vocabulary 20 MB. */
const maxJsonBytes = 64 * 1024 * 1024;
const maxConfigBytes = 4 * 1024 * 1024;
const pickled = /\.(bin|pt|pth|ckpt|pkl|pickle)$/i;
const archive = /\.(zip|tar|t?gz|tgz|bz2|xz|zst|7z|rar)$/i;

/**
 * The folder that is meant by a folder or by one of its files.
 * @throws Failure for what is not there, and for files that are never opened: pickles and archives.
 */
export async function modelDirectoryOf(path: string): Promise<string> {
  const entry = await stat(path).catch(() => null);
  const name = basename(path);
  if (!entry) {
    if (await isLink(path)) throw brokenLink(`${name}: it`);
    const kind = /\.(gguf|onnx|safetensors|json)$/i.test(name) ? 'file' : 'folder';
    throw new Failure('no-model', `There is no model ${kind} ${path}. Pick another model.`, ['selectModel']);
  }
  if (entry.isDirectory()) return path;
  if (pickled.test(name)) throw pickledFile(folderName(dirname(path)), name);
  if (archive.test(name)) {
    throw new Failure(
      'bad-model-file',
      `Cannot load ${name}: archives are not unpacked here. Unpack it and pick the folder with config.json.`,
      ['selectModel'],
    );
  }
  if (/\.(safetensors|json)$/i.test(name)) return dirname(path);
  const why = !entry.isFile()
    ? 'it is not a regular file'
    : /\.\w+$/.test(name)
      ? 'it is not a model file'
      : 'it is not a GGUF file, which begins with "GGUF"';
  throw new Failure(
    'bad-model-file',
    `Cannot load ${name}: ${why}. Pick a GGUF file, or a folder with config.json, tokenizer.json and model.safetensors.`,
    ['selectModel'],
  );
}

/**
 * The ONNX file that is meant by a path: itself, or the only one of a folder without safetensors.
 * @throws Failure listing them where a folder has several. @returns null for anything else.
 */
export async function onnxFileOf(path: string): Promise<string | null> {
  if (isOnnx(path)) return (await stat(path).catch(() => null))?.isFile() ? path : null;
  return onlyFileOf(path, 'ONNX', names => names.filter(isOnnx));
}

/**
 * The one file of a kind that a folder without safetensors means.
 * @param kind for the message. @param choose the files of the kind among the names in the folder.
 * @throws Failure listing them where there are several. @returns null where there is none.
 */
export async function onlyFileOf(
  folder: string,
  kind: string,
  choose: (names: readonly string[]) => readonly string[],
): Promise<string | null> {
  const names = await readdir(folder).catch((): string[] => []);
  if (names.some(name => /\.safetensors(\.index\.json)?$/.test(name))) return null;
  const found = [...new Set(choose(names))].sort();
  if (found.length <= 1) return found[0] === undefined ? null : join(folder, found[0]);
  throw new Failure(
    'bad-model-file',
    `Cannot load model "${basename(folder)}": it has several ${kind} files. Pick one of ${found.slice(0, 8).join(', ')}.`,
    ['selectModel'],
  );
}

export function isOnnx(path: string): boolean {
  return /\.onnx$/i.test(path);
}

/**
 * Path of a file that must be in the folder, links resolved. From a snapshot of the Hugging Face cache a link may lead to
 * `blobs` of the same repository, where the cache keeps the contents; nowhere else.
 * @throws Failure if it is missing or elsewhere.
 */
export async function inside(directory: string, name: string): Promise<string> {
  const root = await realpath(directory).catch(() => {
    throw new Failure('no-model', `There is no model folder ${directory}. Pick another model.`, ['selectModel']);
  });
  const path = await realpath(join(root, name)).catch(async () => {
    throw await missing(directory, name);
  });
  const repository = snapshotPlace(root)?.folder;
  const isBlob = repository !== undefined && isInside(join(repository, 'blobs'), path, platformPath);
  if (!isBlob && !isInside(root, path, platformPath)) {
    throw unreadable(
      directory,
      name,
      'it leads out of the model folder (links are followed only from a snapshot of the Hugging Face cache to the blobs of ' +
        'its repository; copy the folder with `cp -rL`)',
    );
  }
  return path;
}

/**
 * The folder that holds a model folder's files, links resolved: of a snapshot the repository's, as the runtime follows no
 * link out of the folder that it is given.
 */
export async function weightFolderOf(directory: string): Promise<string> {
  const root = await realpath(directory);
  return snapshotPlace(root)?.folder ?? root;
}

/** What a model folder is called. */
export function folderName(directory: string): string {
  return modelNameOf(directory, basename(directory));
}

/**
 * Opens a file for reading, if it is one: opening a pipe would wait for a writer, a device has no end.
 * @throws Failure `bad-model-file`; the caller closes it.
 */
export async function regularFile(path: string): Promise<FileHandle> {
  const [directory, name] = [dirname(path), basename(path)];
  const file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)).catch(error => {
    throw unreadable(directory, name, `it cannot be opened (${(error as NodeJS.ErrnoException).code})`);
  });
  if ((await file.stat()).isFile()) return file;
  await file.close();
  throw unreadable(directory, name, 'it is not a regular file');
}

/** All bytes of a regular file. @throws Failure `bad-model-file`. */
export async function readWhole(path: string): Promise<Uint8Array<ArrayBuffer>> {
  const file = await regularFile(path);
  try {
    return new Uint8Array(await readable(path, file.readFile()));
  } finally {
    await file.close();
  }
}

/**
 * What is read of a model folder or file.
 * @throws Failure for errors of the system, as of a disk that is broken or went away.
 */
export function readable<T>(path: string, read: Promise<T>): Promise<T> {
  return read.catch((error: NodeJS.ErrnoException) => {
    if (error.syscall === undefined) throw error;
    throw unreadable(path, 'a file', `the system answers ${error.code}`);
  });
}

/** Most bytes that one call of the system reads. */
const maxReadBytes = 2 ** 30;

/**
 * Some bytes of a regular file.
 * @param bytes of that length, which they are read into.
 * @throws Failure `bad-model-file` where it has fewer.
 */
export async function readRange(
  path: string,
  offset: number,
  length: number,
  bytes = new Uint8Array(length),
): Promise<Uint8Array<ArrayBuffer>> {
  const file = await regularFile(path);
  try {
    for (let at = 0; at < length; ) {
      const nBytes = Math.min(maxReadBytes, length - at);
      const { bytesRead } = await readable(path, file.read(bytes, at, nBytes, offset + at));
      if (bytesRead === 0) throw unreadable(dirname(path), basename(path), 'it was cut since it was opened');
      at += bytesRead;
    }
  } finally {
    await file.close();
  }
  return bytes;
}

/** A JSON file of the folder. @throws Failure if it is missing, not a regular file, too large or not JSON. */
export async function readJson(directory: string, name: string): Promise<unknown> {
  const file = await regularFile(await inside(directory, name));
  try {
    const { size } = await file.stat();
    const limit = name === 'config.json' ? maxConfigBytes : maxJsonBytes;
    if (size > limit) throw unreadable(directory, name, `it has ${size} bytes, more than ${limit}`);
    const text = await file.readFile('utf8');
    try {
      return parsePythonJson(text);
    } catch {
      throw unreadable(directory, name, 'it is not valid JSON');
    }
  } finally {
    await file.close();
  }
}

/** Advice for a missing file: a folder with pickled weights needs a converter. */
async function missing(directory: string, name: string): Promise<Failure> {
  const names: string[] = await readdir(directory).catch(() => []);
  const found = names.find(
    candidate => pickled.test(candidate) && !/^(training_args|optimizer|scheduler)/.test(candidate),
  );
  if (found && !names.some(candidate => candidate.endsWith('.safetensors'))) {
    return pickledFile(folderName(directory), found, names.includes('params.json'));
  }
  if (await isLink(join(directory, name))) return brokenLink(`model "${folderName(directory)}": ${name}`);
  return new Failure(
    'no-model',
    `Cannot load model "${folderName(directory)}": ${name} is missing. Pick another model.`,
    ['selectModel'],
  );
}

async function isLink(path: string): Promise<boolean> {
  return Boolean((await lstat(path).catch(() => null))?.isSymbolicLink());
}

/** @param what the link, as the subject of the sentence. */
function brokenLink(what: string): Failure {
  return new Failure(
    'no-model',
    `Cannot load ${what} is a link to a file that is not there. Download the model again, or pick another one.`,
    ['selectModel'],
  );
}

/** @param isLingua whether the authors' training code wrote the folder. */
function pickledFile(model: string, name: string, isLingua = name.startsWith('consolidated')): Failure {
  const converter = isLingua ? 'export.from_lingua' : 'export.from_huggingface';
  return new Failure(
    'pickled',
    `Cannot load model "${model}": ${name} is a pickled file, which could run code and is never opened here. ` +
      `Convert its folder with "python3 -m ${converter} FOLDER --out OUT" (models/README.md), or pick another model.`,
    ['selectModel'],
  );
}

export function unreadable(directory: string, name: string, why: string): Failure {
  return new Failure(
    'bad-model-file',
    `Cannot load model "${folderName(directory)}": ${name} cannot be read, ${why}. Install it again or pick another model.`,
    ['selectModel', 'showLog'],
  );
}
