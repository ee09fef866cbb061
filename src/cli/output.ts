/** Where results go: files are whole or not there, standard output ends with an error where it was cut. */

import { randomBytes } from 'node:crypto';
import {
  accessSync,
  constants,
  fstatSync,
  realpathSync,
  rmSync,
  type Stats,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { chmod, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { Failure } from '../shared/tools/failure';
import { printable } from './terminal';

/** The reader of standard output closed it early, as `head` does. */
let isClosed = false;
/** Whether something that was to be read from standard output got lost. */
export const isOutputCut = () => isClosed;

process.stdout.on('error', () => {}); // writes report their own errors
process.stderr.on('error', () => {});

/** Prints lines for people. A closed pipe does not end the command: files may still be to write. @throws Failure `no-write` */
export async function print(text: string): Promise<void> {
  await toStandardOutput(Buffer.from(`${printable(text)}\n`));
}

/** Prints what goes on, beside the results. */
export function report(text: string): void {
  process.stderr.write(`${printable(text)}\n`);
}

/** Of a model's folder, the names of what is read. */
const modelFile =
  /^(config|tokenizer|tokenizer_config|generation_config|.*\.index)\.json$|^chat_template\.jinja$|\.(safetensors|onnx|gguf)$/;

/**
 * Says ahead of the work whether a result can be written.
 * @param option that names the output, for the message; @param out a path, or - for standard output.
 * @param inputs files that the command reads, and folders of models: a result takes the place of none of them.
 * @throws Failure `no-write`
 */
export function checkOutput(option: string, out: string, inputs: readonly string[] = []): void {
  if (out === '-') return;
  const fail = (why: string) => new Failure('no-write', `Cannot write ${option} ${out}: ${why}.`);
  const path = targetOf(out);
  // A file of a model's folder may be a link to where it really is.
  const place = targetOf(dirname(resolve(out)));
  const isRead = (input: string) =>
    targetOf(input) === path || (targetOf(input) === place && modelFile.test(basename(out)));
  if (inputs.some(isRead)) throw fail('the command reads this file. Name another one');
  if (Buffer.byteLength(basename(path)) > 255) throw fail('the name is longer than 255 bytes');
  const stats = statsOf(path, fail);
  if (stats?.isDirectory()) throw fail('it is a folder. Name a file in it');
  if (stats && isFull(stats)) throw fail('the device is always full');
  if (stats && !isAccessible(path, constants.W_OK)) throw fail('the file is read-only');
  if (stats && !stats.isFile()) return;
  const folder = dirname(path);
  const parent = statsOf(folder, fail);
  if (!parent) throw fail(`the folder ${folder} does not exist. Make it first`);
  if (!parent.isDirectory()) throw fail(`${folder} is not a folder`);
  if (!isAccessible(folder, constants.W_OK | constants.X_OK)) throw fail(`the folder ${folder} is read-only`);
}

/**
 * Writes a result. A file is written under another name beside its place and renamed when it is whole, so that an older
 * one stays until then.
 * @throws Failure `no-write`
 */
export async function writeOutput(out: string, content: string | Uint8Array): Promise<void> {
  const bytes = typeof content === 'string' ? Buffer.from(content) : content;
  if (out === '-') return toStandardOutput(bytes);
  const path = targetOf(out);
  const older = statSync(path, { throwIfNoEntry: false });
  try {
    if (older && !older.isFile()) writeFileSync(path, bytes);
    else {
      await whole(dirname(path), async temporary => {
        await writeFile(temporary, bytes, { flag: 'wx', flush: true });
        if (older) await chmod(temporary, older.mode & 0o7777);
        await rename(temporary, path);
      });
    }
  } catch (error) {
    throw noWrite(out, error, older?.isFile() ? 'The older file is unchanged.' : 'Name another place.');
  }
}

/**
 * Lets `make` fill a folder that nobody sees, and moves what is in it into `out` when all of it is there.
 * @param last entries that are moved after all others: those by which readers know that the rest is there.
 * @throws Failure `no-write`
 */
export async function writeFolder<T>(
  out: string,
  last: readonly string[],
  make: (folder: string) => Promise<{ readonly names: readonly string[]; readonly result: T }>,
): Promise<T> {
  const path = resolve(out);
  try {
    await mkdir(dirname(path), { recursive: true });
    return await whole(dirname(path), async temporary => {
      await mkdir(temporary);
      const { names, result } = await make(temporary);
      if (statSync(path, { throwIfNoEntry: false }) === undefined) await rename(temporary, path);
      else {
        const [late, early] = [names.filter(name => last.includes(name)), names.filter(name => !last.includes(name))];
        for (const name of late) await rm(join(path, name), { recursive: true, force: true });
        for (const name of [...early, ...late]) {
          await rm(join(path, name), { recursive: true, force: true });
          await rename(join(temporary, name), join(path, name));
        }
        await rm(temporary, { recursive: true, force: true });
      }
      return result;
    });
  } catch (error) {
    if (error instanceof Failure) throw error;
    throw noWrite(out, error, 'Name another folder with --out.');
  }
}

/** @throws Failure `no-write` where a folder cannot be made or filled at `out`. */
export function checkFolderOutput(out: string): void {
  const path = resolve(out);
  const fail = (why: string) => new Failure('no-write', `Cannot write --out ${out}: ${why}.`);
  const stats = statsOf(path, fail);
  if (stats && !stats.isDirectory()) throw fail('it is not a folder');
  for (const folder of stats ? [path, dirname(path)] : [existingAncestor(path)]) {
    if (!statSync(folder).isDirectory()) throw fail(`${folder} is not a folder`);
    if (!isAccessible(folder, constants.W_OK | constants.X_OK)) throw fail(`the folder ${folder} is read-only`);
  }
}

function existingAncestor(path: string): string {
  const parent = dirname(path);
  return parent === path || statSync(parent, { throwIfNoEntry: false }) ? parent : existingAncestor(parent);
}

const signals = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;

/** Gives `work` a name beside the result; whatever happens, also by a signal, nothing stays there. */
async function whole<T>(folder: string, work: (temporary: string) => Promise<T>): Promise<T> {
  const temporary = join(folder, `.mta-inspect-${randomBytes(6).toString('hex')}.tmp`);
  const clean = () => rmSync(temporary, { recursive: true, force: true });
  const onSignal = (name: NodeJS.Signals) => {
    clean();
    process.exit(signals[name as keyof typeof signals]);
  };
  for (const name of Object.keys(signals)) process.once(name, onSignal);
  try {
    return await work(temporary);
  } catch (error) {
    clean();
    throw error;
  } finally {
    for (const name of Object.keys(signals)) process.off(name, onSignal);
  }
}

/** @throws Failure `no-write`, but for a closed pipe */
async function toStandardOutput(bytes: Uint8Array): Promise<void> {
  if (isClosed) return;
  try {
    const stats = fstatSync(1);
    if (stats.isFIFO() || stats.isSocket() || process.stdout.isTTY) {
      await new Promise<void>((written, failed) =>
        process.stdout.write(bytes, error => (error ? failed(error) : written())),
      );
    } else {
      // Node's stream takes a write to a file for done when the disk was full half-way.
      for (let at = 0; at < bytes.length; ) at += writeSync(1, bytes, at);
    }
  } catch (error) {
    if ((error as { code?: string }).code !== 'EPIPE')
      throw noWrite('to standard output', error, 'What was written is cut.');
    isClosed = true;
  }
}

function noWrite(what: string, error: unknown, todo: string): Failure {
  return new Failure('no-write', `Cannot write ${what}: ${(error as Error).message}. ${todo}`);
}

/** A link is followed: what it leads to is replaced, not the link. */
function targetOf(out: string): string {
  try {
    return realpathSync(out);
  } catch {
    return resolve(out);
  }
}

/** @returns undefined where nothing is there. */
function statsOf(path: string, fail: (why: string) => Failure): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch (error) {
    throw fail((error as Error).message);
  }
}

function isAccessible(path: string, mode: number): boolean {
  try {
    accessSync(path, mode);
    return true;
  } catch {
    return false;
  }
}

/** Linux's /dev/full, device 1:7. */
function isFull(stats: Stats): boolean {
  return stats.isCharacterDevice() && stats.rdev === 0x107;
}
