/**
 * Fetches the files of a plan into the Hugging Face cache, laid out as Python's `huggingface_hub` does, so that nothing is
 * stored twice. `@huggingface/hub` (2.17.5) is not used for it: its downloads hold a file in one request without progress,
 * cannot be cancelled or resumed, check no hash, take no lock, know no file patterns and make no plain files where links
 * are impossible; and it reads no token, endpoint or offline flag.
 */

import { createHash, type Hash } from 'node:crypto';
import {
  copyFile,
  type FileHandle,
  lstat,
  mkdir,
  open,
  readFile,
  rename,
  rm,
  stat,
  statfs,
  symlink,
} from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { isCommit, repositoryFolder } from '../shared/repository';
import { Cancelled, Failure } from '../shared/tools/failure';
import { t } from '../shared/tools/l10n';
import { lockFile, partSuffix, recordFetched, replaceFile } from './fetched';
import { hubRequest, maxIdleMs, waited } from './hubRequest';
import type { HubSettings } from './hubSettings';
import { lock } from './lock';
import { type DownloadPlan, filePath } from './planDownload';
import type { RemoteFile } from './repositoryFiles';

export interface DownloadProgress {
  readonly name: string;
  readonly doneBytes: number;
  readonly totalBytes: number;
  /** Null as long as it cannot be known. */
  readonly secondsLeft: number | null;
}

type Report = (progress: DownloadProgress) => void;

/** Left on the disk beside the model. */
const spareBytes = 64 << 20;
/** A file is asked for again where the connection is cut, as long as something comes. */
const maxCutsWithoutBytes = 5;

/** @returns the snapshot, which can be opened. @throws Failure in words; Cancelled. What came stays for the next time. */
export async function download(
  hub: HubSettings,
  plan: DownloadPlan,
  signal: AbortSignal,
  report: Report,
): Promise<string> {
  const { facts, revision, files } = plan;
  const { id, commit } = facts;
  const repository = join(hub.cache, repositoryFolder(id));
  const snapshot = join(repository, 'snapshots', commit);
  try {
    for (const folder of [snapshot, join(repository, 'blobs'), dirname(lockFile(hub.cache, id))]) {
      await mkdir(folder, { recursive: true });
    }
    const release = await lock(lockFile(hub.cache, id), id);
    try {
      await checkSpace(hub.cache, plan.missingBytes);
      const progress = new Progress(plan, report);
      for (const file of files) await placeFile({ hub, plan, repository, snapshot, signal, progress }, file);
      // Last: a name without its snapshot, or of one that is not complete, would mislead other programs.
      if (!isCommit(revision)) await writeRef(repository, revision, commit);
    } finally {
      await release();
    }
  } catch (error) {
    throw inWords(error, hub.cache);
  }
  return snapshot;
}

interface Place {
  readonly hub: HubSettings;
  readonly plan: DownloadPlan;
  readonly repository: string;
  readonly snapshot: string;
  readonly signal: AbortSignal;
  readonly progress: Progress;
}

async function placeFile(place: Place, file: RemoteFile): Promise<void> {
  const { repository, snapshot, plan, progress } = place;
  const blob = join(repository, 'blobs', file.hash);
  const path = join(snapshot, file.name);
  progress.start(file);
  if (await hasSize(path, file.sizeBytes)) return progress.skip(file);
  const { commit } = plan.facts;
  const isThere = await hasSize(blob, file.sizeBytes);
  if (isThere) progress.skip(file);
  else await fetchBlob(place, file, blob);
  await recordFetched(repository, commit, { name: file.name, hash: file.hash, isOwnBlob: !isThere });
  await rm(path, { force: true });
  await linkOrCopy(blob, path, place.hub.hasLinks, !isThere);
}

async function hasSize(path: string, sizeBytes: number): Promise<boolean> {
  const file = await stat(path).catch(() => null);
  return Boolean(file?.isFile() && file.size === sizeBytes);
}

/** A link where the system makes them. Otherwise a plain file, as Python's library has it on such systems. */
async function linkOrCopy(blob: string, path: string, hasLinks: boolean, isOwnBlob: boolean): Promise<void> {
  if (hasLinks) {
    const isLinked = await symlink(relative(dirname(path), blob), path).then(
      () => true,
      error => {
        if (!['EPERM', 'EACCES', 'ENOSYS', 'ENOTSUP', 'EINVAL', 'UNKNOWN'].includes(error.code)) throw error;
        return false;
      },
    );
    if (isLinked) return;
  }
  if (isOwnBlob) await rename(blob, path);
  else await copyFile(blob, path);
}

/** Fetches the contents beside the blob, checks them and names them. */
async function fetchBlob(place: Place, file: RemoteFile, blob: string): Promise<void> {
  const part = `${blob}${partSuffix}`;
  const entry = await lstat(part).catch(() => null);
  if (entry && !entry.isFile()) await rm(part, { recursive: true });
  for (let isAgain = false; ; isAgain = true) {
    const hash = await fetchPart(place, file, part);
    if (hash === file.hash) break;
    await rm(part, { force: true });
    if (isAgain) {
      throw new Failure(
        'bad-download',
        t('What was sent of {0} is not what the hub lists: its hash is {1}. Try again later.', file.name, hash),
      );
    }
    place.progress.resume(0);
  }
  await rename(part, blob);
}

/** Goes on where the part ends, after each cut. @returns the hash of the whole. */
async function fetchPart(place: Place, file: RemoteFile, part: string): Promise<string> {
  const { hub, plan, signal, progress } = place;
  const { id, commit } = plan.facts;
  const out = await open(part, (await lstat(part).catch(() => null)) ? 'r+' : 'w+');
  try {
    let { hash, length } = await hashOf(out, file);
    progress.resume(length);
    for (let nCuts = 0; length < file.sizeBytes; ) {
      const headers = { 'accept-encoding': 'identity', ...(length > 0 ? { range: `bytes=${length}-` } : {}) };
      const request = { subject: { id, revision: plan.revision }, signal, headers };
      const response = await hubRequest(hub, filePath(id, commit, file.name), request);
      const isRest = response.status === 206 && startOf(response.headers.get('content-range')) === length;
      if (!isRest && length > 0) {
        if (response.status === 206) throw badRange(file);
        [hash, length] = [newHash(file), 0]; // the server sends the whole file
        await out.truncate(0);
        progress.resume(0);
      }
      const before = length;
      try {
        for await (const chunk of chunksOf(response, signal)) {
          const bytes = chunk.subarray(0, file.sizeBytes - length);
          await out.write(bytes, 0, bytes.length, length);
          hash.update(bytes);
          length += bytes.length;
          progress.set(length);
          if (bytes.length < chunk.length) return 'of more bytes'; // longer than listed
        }
      } catch (error) {
        if (signal.aborted) throw new Cancelled(t('The download was cancelled.'));
        if (isDiskError(error)) throw error;
      }
      if (length >= file.sizeBytes) break;
      nCuts = length > before ? 0 : nCuts + 1;
      if (nCuts >= maxCutsWithoutBytes) {
        throw new Failure(
          'unreachable',
          t('The connection is cut again and again at {0}. Try again later.', file.name),
        );
      }
      await waited(Math.min(200 * 2 ** nCuts, 10_000), signal);
    }
    return hash.digest('hex');
  } finally {
    await out.close();
  }
}

/** Chunks of a body, as long as something comes. */
async function* chunksOf(response: Response, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const reader = response.body!.getReader();
  try {
    for (;;) {
      let timer: NodeJS.Timeout | undefined;
      const silence = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new Error('nothing comes')), maxIdleMs);
      });
      const { done, value } = await Promise.race([reader.read(), silence]).finally(() => clearTimeout(timer));
      if (done || signal.aborted) return;
      yield value;
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}

function newHash({ hash, sizeBytes }: RemoteFile): Hash {
  if (hash.length === 64) return createHash('sha256');
  return createHash('sha1').update(`blob ${sizeBytes}\0`); // as git names contents
}

/** The hash of what has come before; more than there should be is begun anew. */
async function hashOf(part: FileHandle, file: RemoteFile): Promise<{ hash: Hash; length: number }> {
  const { size } = await part.stat();
  if (size > file.sizeBytes) {
    await part.truncate(0);
    return { hash: newHash(file), length: 0 };
  }
  const hash = newHash(file);
  const chunk = new Uint8Array(1 << 20);
  for (let at = 0; at < size; ) {
    const { bytesRead } = await part.read(chunk, 0, chunk.length, at);
    if (bytesRead === 0) break;
    hash.update(chunk.subarray(0, bytesRead));
    at += bytesRead;
  }
  return { hash, length: size };
}

function startOf(contentRange: string | null): number | null {
  const start = /^bytes (\d{1,15})-/.exec(contentRange ?? '')?.[1];
  return start === undefined ? null : Number(start);
}

function badRange(file: RemoteFile): Failure {
  return new Failure(
    'bad-answer',
    t('The server sends another part of {0} than it was asked for. Try again.', file.name),
  );
}

async function writeRef(repository: string, revision: string, commit: string): Promise<void> {
  const path = join(repository, 'refs', ...revision.split('/'));
  const old = await readFile(path, 'latin1').catch(() => null);
  if (old !== null && old.trim() === commit) return;
  await mkdir(dirname(path), { recursive: true });
  await replaceFile(path, commit);
  await recordFetched(repository, commit, null, revision);
}

async function checkSpace(folder: string, missingBytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  const free = bavail * bsize;
  if (missingBytes + spareBytes <= free) return;
  const [needed, left] = [missingBytes + spareBytes, free].map(bytes => Math.ceil(bytes / 1e6));
  throw new Failure(
    'no-space',
    t(
      'Cannot download: {0} MB are needed and {1} has {2} MB left. Free some space, or set HF_HUB_CACHE.',
      needed!,
      folder,
      left!,
    ),
  );
}

function isDiskError(error: unknown): boolean {
  const { code, syscall } = error as NodeJS.ErrnoException;
  return code === 'ENOSPC' || code === 'EDQUOT' || syscall === 'write';
}

/** A failure of the file system says which folder cannot be written. */
function inWords(error: unknown, cache: string): unknown {
  const { code, syscall } = error as NodeJS.ErrnoException;
  if (error instanceof Failure || typeof code !== 'string' || !syscall) return error;
  return new Failure(
    'no-write',
    t('Cannot write to the cache {0} ({1}). Set HF_HUB_CACHE to another folder.', cache, code),
  );
}

/** Counts bytes over all files, and how long the rest takes at the speed so far. */
class Progress {
  private before = 0;
  private name = '';
  private done = 0;
  private fetched = 0;
  private readonly startMs = performance.now();
  private lastMs = 0;

  constructor(
    private readonly plan: DownloadPlan,
    private readonly report: Report,
  ) {}

  start({ name }: RemoteFile): void {
    this.before += this.done;
    [this.name, this.done] = [name, 0];
  }

  /** What is there already counts as done, not as fast. */
  skip({ sizeBytes }: RemoteFile): void {
    this.resume(sizeBytes);
  }

  /** What came earlier, of the current file. */
  resume(length: number): void {
    this.done = length;
    this.send();
  }

  set(length: number): void {
    this.fetched += Math.max(0, length - this.done);
    this.done = length;
    this.send();
  }

  private send(): void {
    const now = performance.now();
    const doneBytes = this.before + this.done;
    const { sizeBytes: totalBytes } = this.plan;
    if (now - this.lastMs < 200 && doneBytes < totalBytes) return;
    this.lastMs = now;
    const elapsed = (now - this.startMs) / 1000;
    const isKnown = elapsed > 1 && this.fetched > 0;
    const secondsLeft = isKnown ? ((totalBytes - doneBytes) * elapsed) / this.fetched : null;
    this.report({ name: this.name, doneBytes, totalBytes, secondsLeft });
  }
}
