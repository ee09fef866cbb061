/** What this program fetched into the cache, written down beside it: only that is removed again. */

import { lstat, mkdir, readdir, readFile, readlink, rename, rm, rmdir, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { isCommit, isRevision, repositoryFolder, repositoryOfFolder } from '../shared/repository';
import { lock } from './lock';
import { isPlainName } from './repositoryFiles';

/** A file in a snapshot, and the blob it leads to; without links there is none. */
interface FetchedFile {
  readonly name: string;
  readonly hash: string;
  /** The contents were fetched, not found in the cache. */
  readonly isOwnBlob: boolean;
}

interface FetchedRevision {
  readonly files: readonly FetchedFile[];
  readonly refs: readonly string[];
}

type Fetched = Readonly<Record<string, FetchedRevision>>;

/** A revision in the cache of which this program fetched something. */
export interface Download {
  readonly id: string;
  readonly commit: string;
  readonly refs: readonly string[];
  readonly sizeBytes: number;
}

const recordName = '.mta-inspector.json';
const format = 'mta-inspector-fetched-1';
const maxRecordBytes = 4 << 20;
export const partSuffix = '.mta-inspector.incomplete';

export function lockFile(cache: string, id: string): string {
  return join(cache, '.locks', repositoryFolder(id), 'mta-inspector.lock');
}

/** Puts a short file in place of an older one, which stays where this fails. */
export async function replaceFile(path: string, text: string): Promise<void> {
  const beside = `${path}.new`;
  try {
    await writeFile(beside, text);
    await rename(beside, path);
  } catch (error) {
    await rm(beside, { force: true });
    throw error;
  }
}

const writeRecord = (path: string, revisions: Fetched) =>
  replaceFile(path, JSON.stringify({ format, revisions }, null, 1));

async function readRecord(repository: string): Promise<Fetched> {
  const path = join(repository, recordName);
  const file = await stat(path).catch(() => null);
  if (!file?.isFile() || file.size > maxRecordBytes) return {};
  return parseRecord(await readFile(path, 'utf8').catch(() => ''));
}

/** Anything but what this program writes counts as nothing fetched. */
export function parseRecord(text: string): Fetched {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return {};
  }
  const { format: found, revisions } = (json ?? {}) as { format?: unknown; revisions?: unknown };
  if (found !== format || typeof revisions !== 'object' || revisions === null) return {};
  const good = Object.entries(revisions).filter(
    ([commit, revision]) => isCommit(commit) && isFetchedRevision(revision),
  );
  return Object.fromEntries(good);
}

function isFetchedRevision(json: unknown): json is FetchedRevision {
  const { files, refs } = (json ?? {}) as { files?: unknown; refs?: unknown };
  return (
    Array.isArray(files) &&
    Array.isArray(refs) &&
    refs.every(ref => typeof ref === 'string' && isRevision(ref)) &&
    files.every(
      file =>
        typeof file?.name === 'string' &&
        isPlainName(file.name) &&
        typeof file.hash === 'string' &&
        /^([0-9a-f]{40}|[0-9a-f]{64})$/.test(file.hash) &&
        typeof file.isOwnBlob === 'boolean',
    )
  );
}

/** Adds to what is written down. */
export async function recordFetched(
  repository: string,
  commit: string,
  file: FetchedFile | null,
  ref: string | null = null,
): Promise<void> {
  const record = await readRecord(repository);
  const { files, refs } = record[commit] ?? { files: [], refs: [] };
  const others = file ? files.filter(({ name }) => name !== file.name) : files;
  const wasOwn = files.some(({ name, isOwnBlob }) => name === file?.name && isOwnBlob);
  const added = file ? [{ ...file, isOwnBlob: file.isOwnBlob || wasOwn }] : [];
  const revision = { files: [...others, ...added], refs: ref === null ? refs : [...new Set([...refs, ref])] };
  const path = join(repository, recordName);
  await mkdir(repository, { recursive: true });
  await writeRecord(path, { ...record, [commit]: revision });
}

/** All that can be removed. */
export async function listDownloads(cache: string): Promise<Download[]> {
  const names: string[] = await readdir(cache).catch(() => []);
  const found: Download[] = [];
  for (const name of names.sort()) {
    const id = repositoryOfFolder(name);
    if (id === null) continue;
    const repository = join(cache, name);
    for (const [commit, { files, refs }] of Object.entries(await readRecord(repository))) {
      const sizes = files.map(
        async file => (await stat(join(repository, 'snapshots', commit, file.name)).catch(() => null))?.size,
      );
      const sizeBytes = (await Promise.all(sizes)).reduce<number>((sum, size) => sum + (size ?? 0), 0);
      found.push({ id, commit, refs, sizeBytes });
    }
  }
  return found;
}

/**
 * Removes what was fetched of a revision: its files in the snapshot, and those blobs that no other snapshot leads to. What
 * other programs put there stays. @throws Failure where it is being downloaded.
 */
export async function removeDownload(cache: string, { id, commit }: Pick<Download, 'id' | 'commit'>): Promise<void> {
  const repository = join(cache, repositoryFolder(id));
  await mkdir(dirname(lockFile(cache, id)), { recursive: true });
  const release = await lock(lockFile(cache, id), id);
  try {
    const { [commit]: revision, ...others } = await readRecord(repository);
    if (!revision) return;
    const snapshot = join(repository, 'snapshots', commit);
    for (const { name, hash } of revision.files) await removeEntry(join(snapshot, name), hash);
    const used = await usedBlobs(repository);
    for (const { hash, isOwnBlob } of revision.files) {
      if (isOwnBlob && !used.has(hash)) await rm(join(repository, 'blobs', hash), { force: true });
      await rm(join(repository, 'blobs', `${hash}${partSuffix}`), { force: true });
    }
    await rmdir(snapshot).catch(() => {}); // files of other programs keep it
    if (!(await stat(snapshot).catch(() => null))) await removeRefs(repository, revision.refs, commit);
    const path = join(repository, recordName);
    if (Object.keys(others).length > 0) await writeRecord(path, others);
    else await rm(path, { force: true });
    for (const name of ['snapshots', 'blobs', 'refs', '.']) await rmdir(join(repository, name)).catch(() => {});
  } finally {
    await release();
  }
}

/** A link to the blob, or a plain file where there are no links; anything else is not what was fetched. */
async function removeEntry(path: string, hash: string): Promise<void> {
  const entry = await lstat(path).catch(() => null);
  const isOwn = entry?.isSymbolicLink() ? basename(await readlink(path)) === hash : entry?.isFile();
  if (isOwn) await rm(path);
}

async function usedBlobs(repository: string): Promise<Set<string>> {
  const snapshots = join(repository, 'snapshots');
  const entries = await readdir(snapshots, { recursive: true, withFileTypes: true }).catch(() => []);
  const links = entries.filter(entry => entry.isSymbolicLink());
  return new Set(
    await Promise.all(links.map(async link => basename(await readlink(join(link.parentPath ?? link.path, link.name))))),
  );
}

/** Names that stand for the removed commit; Python's library takes a name without its snapshot for damage. */
async function removeRefs(repository: string, refs: readonly string[], commit: string): Promise<void> {
  for (const ref of refs) {
    const path = join(repository, 'refs', ...ref.split('/'));
    const file = await stat(path).catch(() => null);
    if (file?.isFile() && file.size < 100 && (await readFile(path, 'latin1')).trim() === commit) await rm(path);
  }
}
