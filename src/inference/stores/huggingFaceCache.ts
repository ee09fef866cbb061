/** Models in the Hugging Face cache: a repository's snapshots, whose files lead to its blobs. */

import { join } from 'node:path';
import type { FoundModel } from '../../shared/foundModels';
import {
  isCommit,
  isRevision,
  type RepositoryRevision,
  repositoryFolder,
  repositoryOfFolder,
} from '../../shared/repository';
import { Failure } from '../../shared/tools/failure';
import { ggufModels, ggufSize, namesIn, readSmall, sizeOf } from './storeFiles';

/** A commit has 40 characters, with a line end 41. */
const maxRefBytes = 100;

/** Every snapshot of every model in a cache; one entry for each GGUF file in it. */
export async function cachedModels(cache: string): Promise<FoundModel[]> {
  const repositories = (await namesIn(cache)).filter(name => repositoryOfFolder(name) !== null);
  const lists = await Promise.all(repositories.map(name => modelsOf(join(cache, name), repositoryOfFolder(name)!)));
  return lists.flat();
}

async function modelsOf(repository: string, id: string): Promise<FoundModel[]> {
  const common = { source: 'huggingface', name: id } as const;
  const commits = (await namesIn(join(repository, 'snapshots'))).filter(isCommit);
  if (commits.length === 0) {
    const blobs = await namesIn(join(repository, 'blobs'));
    if (!blobs.some(name => name.endsWith('.incomplete'))) return [];
    const problem = `The download of ${id} is not complete. Download it again, which goes on where it stopped.`;
    return [{ ...common, revision: null, path: repository, sizeBytes: 0, problem }];
  }
  const names = await revisionsOf(repository);
  const found: FoundModel[] = [];
  for (const commit of commits) {
    const path = join(repository, 'snapshots', commit);
    const files = await namesIn(path);
    const revision = names.get(commit) ?? commit.slice(0, 8);
    const ggufs = ggufModels(files);
    for (const file of ggufs) {
      const sizeBytes = await ggufSize(path, file, files);
      found.push({ ...common, name: `${id}/${file}`, revision, path: join(path, file), sizeBytes, problem: null });
    }
    const weights = files.filter(name => /\.(safetensors|bin|onnx)$/.test(name));
    if (ggufs.length > 0 && weights.length === 0) continue;
    const sizes = await Promise.all(weights.map(name => sizeOf(join(path, name))));
    found.push({ ...common, revision, path, sizeBytes: sizes.reduce((sum, size) => sum + size, 0), problem: null });
  }
  return found;
}

/** Names of branches and tags by the commit that they stand for. */
async function revisionsOf(repository: string): Promise<Map<string, string>> {
  const refs = join(repository, 'refs');
  const names = await namesIn(refs);
  // Of pull requests, which the cache keeps as refs/refs/pr/N.
  const pulls = names.includes('refs') ? await namesIn(join(refs, 'refs', 'pr')) : [];
  const found = new Map<string, string>();
  for (const name of [...pulls.map(number => `refs/pr/${number}`), ...names].filter(isRevision)) {
    const commit = (await readSmall(join(refs, ...name.split('/')), maxRefBytes).catch(() => '')).trim();
    if (isCommit(commit) && found.get(commit) !== 'main') found.set(commit, name);
  }
  return found;
}

/**
 * The snapshot of a revision, `main` unless one is named; of a commit its first letters will do.
 * @throws Failure where the cache has none, listing the revisions that it has.
 */
export async function cachedSnapshot(cache: string, { id, revision }: RepositoryRevision): Promise<string> {
  const repository = join(cache, repositoryFolder(id));
  const commits = (await namesIn(join(repository, 'snapshots'))).filter(isCommit);
  const expected = revision ?? 'main';
  const ref = await readSmall(join(repository, 'refs', ...expected.split('/')), maxRefBytes).catch(() => '');
  const commit = commits.find(name => name === ref.trim()) ?? byBeginning(commits, expected);
  if (commit) return join(repository, 'snapshots', commit);
  // A cache that was filled by commit has no names.
  if (revision === null && commits.length === 1) return join(repository, 'snapshots', commits[0]!);
  const names = await revisionsOf(repository);
  const has = commits.map(name => names.get(name) ?? name.slice(0, 8)).join(', ');
  throw new Failure(
    'no-model',
    commits.length === 0
      ? `There is no model ${id} in the Hugging Face cache ${cache}. Download it with "mta-inspect download ${id}".`
      : `The Hugging Face cache has ${id} without revision ${expected}; it has ${has}. Name one of these, or download it.`,
    ['selectModel'],
  );
}

function byBeginning(commits: readonly string[], beginning: string): string | undefined {
  if (!/^[0-9a-f]{7,40}$/.test(beginning)) return undefined;
  const found = commits.filter(commit => commit.startsWith(beginning));
  return found.length === 1 ? found[0] : undefined;
}
