/** Repositories of the Hugging Face hub: their ids, their revisions, and their names in the cache. Pure. */

/** A repository, and a branch, a tag or a commit of it where one was named. */
export interface RepositoryRevision {
  readonly id: string;
  readonly revision: string | null;
}

const namePart = /^(?!.*(--|\.\.))[A-Za-z0-9](?:[\w.-]{0,94}[A-Za-z0-9_])?$/;
const commit = /^[0-9a-f]{40}$/;

/** Whether a text is `NAME` or `OWNER/NAME`, as the hub has them. */
export function isRepositoryId(text: string): boolean {
  const parts = text.split('/');
  return parts.length <= 2 && parts.every(part => namePart.test(part));
}

export function isCommit(text: string): boolean {
  return commit.test(text);
}

/** Names of branches and tags are paths: no part of one may lead out of a folder. */
export function isRevision(text: string): boolean {
  return text.length <= 200 && text.split('/').every(part => /^[\w-][\w.+-]*$/.test(part) && !part.includes('..'));
}

/** @param text `OWNER/NAME` or `OWNER/NAME@REVISION`. @returns null for anything else. */
export function parseRepository(text: string): RepositoryRevision | null {
  const at = text.indexOf('@');
  const [id, revision] = at === -1 ? [text, null] : [text.slice(0, at), text.slice(at + 1)];
  return isRepositoryId(id) && (revision === null || isRevision(revision)) ? { id, revision } : null;
}

/** The folder of a model's repository in the cache. */
export function repositoryFolder(id: string): string {
  return `models--${id.replace('/', '--')}`;
}

/** @returns null for folders of other kinds (data sets, spaces) and for names that no repository has. */
export function repositoryOfFolder(name: string): string | null {
  if (!name.startsWith('models--')) return null;
  const id = name.slice('models--'.length).replace('--', '/');
  return isRepositoryId(id) ? id : null;
}

/** Where a path lies in a cache. */
export interface SnapshotPlace {
  readonly id: string;
  readonly commit: string;
  /** The folder of the repository, in which `blobs` and `snapshots` are. */
  readonly folder: string;
}

/** @param path of a snapshot, or below it, in either system's spelling. */
export function snapshotPlace(path: string): SnapshotPlace | null {
  const found = /^(.*[\\/](models--[^\\/]+))[\\/]snapshots[\\/]([0-9a-f]{40})(?:[\\/]|$)/.exec(path);
  const id = found && repositoryOfFolder(found[2]!);
  return found && id ? { id, commit: found[3]!, folder: found[1]! } : null;
}

/** How a model folder is named: by its repository where it is a snapshot of one, whose own name is a commit. */
export function modelNameOf(directory: string, folderName: string): string {
  return snapshotPlace(directory)?.id ?? folderName;
}
