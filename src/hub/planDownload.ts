/** Looks at a repository before anything of it is kept: what it is, what would be fetched, what is in the cache already. */

import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type RepositoryRevision, repositoryFolder } from '../shared/repository';
import { Failure } from '../shared/tools/failure';
import { t } from '../shared/tools/l10n';
import { holdsToken } from '../shared/tools/redact';
import { hubRequest, readBody } from './hubRequest';
import type { HubSettings } from './hubSettings';
import {
  badAnswer,
  chooseFiles,
  parseModelInfo,
  parseSearch,
  parseTree,
  type RemoteFile,
  type RepositoryFacts,
  type SearchResult,
  shardNames,
} from './repositoryFiles';

export interface DownloadPlan {
  readonly facts: RepositoryFacts;
  /** As it was asked for. */
  readonly revision: string;
  readonly files: readonly RemoteFile[];
  /** GGUF files to choose from, where there is nothing else to fetch. */
  readonly ggufs: readonly string[];
  /** config.json, read and not kept; null for a GGUF file, which has its own. */
  readonly config: unknown;
  readonly sizeBytes: number;
  /** Of the weights alone. */
  readonly weightBytes: number;
  /** What the cache has not got yet. */
  readonly missingBytes: number;
}

const maxInfoBytes = 16 << 20;
const maxConfigBytes = 4 << 20;
const maxIndexBytes = 64 << 20;
const maxPages = 50;

/**
 * @param repository as typed; `main` unless it names a revision.
 * @param gguf the GGUF file to fetch, where one was chosen.
 * @throws Failure with the reason where it cannot be fetched.
 */
export async function planDownload(
  hub: HubSettings,
  { id, revision: named }: RepositoryRevision,
  gguf: string | null,
  signal: AbortSignal,
): Promise<DownloadPlan> {
  const revision = named ?? 'main';
  const subject = { id, revision };
  const json = async (path: string, maxBytes: number, what: string) =>
    parseJson(hub, await readBody(await hubRequest(hub, path, { subject, signal }), maxBytes, what), what);
  const info = await json(`/api/models/${id}/revision/${encodeURIComponent(revision)}`, maxInfoBytes, id);
  const facts = parseModelInfo(info);
  if (facts.id.toLowerCase() !== id.toLowerCase()) {
    // A repository that was renamed answers by its new name; files belong under that.
    throw new Failure('no-model', t('{0} is called {1} now. Use that name.', id, facts.id));
  }
  const tree = await readTree(hub, { ...subject, revision: facts.commit }, signal);
  const read = (name: string, maxBytes: number) => json(filePath(id, facts.commit, name), maxBytes, name);
  let chosen = chooseFiles(id, tree, gguf);
  if (chosen.index) chosen = chooseFiles(id, tree, gguf, shardNames(await read(chosen.index.name, maxIndexBytes)));
  const { files, ggufs } = chosen;
  const hasConfig = files.some(({ name }) => name === 'config.json');
  const total = (some: readonly RemoteFile[]) => some.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const isHere = await Promise.all(files.map(file => isCached(hub.cache, id, facts.commit, file)));
  return {
    facts: { ...facts, id },
    revision,
    files,
    ggufs,
    config: hasConfig ? await read('config.json', maxConfigBytes) : null,
    sizeBytes: total(files),
    weightBytes: total(files.filter(({ name }) => /\.(safetensors|gguf)$/i.test(name))),
    missingBytes: total(files.filter((_, i) => !isHere[i])),
  };
}

async function readTree(
  hub: HubSettings,
  subject: { readonly id: string; readonly revision: string },
  signal: AbortSignal,
): Promise<RemoteFile[]> {
  const files: RemoteFile[] = [];
  let path: string | null = `/api/models/${subject.id}/tree/${subject.revision}`;
  for (let n = 0; path !== null && n < maxPages; n++) {
    const response: Response = await hubRequest(hub, path, { subject, signal });
    files.push(...parseTree(parseJson(hub, await readBody(response, maxInfoBytes, subject.id), subject.id)));
    path = nextPage(response.headers.get('link'), hub.endpoint);
  }
  return files;
}

/** The address of the next page, on the endpoint only. */
export function nextPage(link: string | null, endpoint: string): string | null {
  const next = /<([^<>]{1,2000})>;\s*rel="next"/.exec(link ?? '')?.[1];
  if (next === undefined) return null;
  return next.startsWith(`${endpoint}/`) || (next.startsWith('/') && !next.startsWith('//')) ? next : null;
}

/** Models with safetensors whose names have these words, most downloaded first. */
export async function searchModels(hub: HubSettings, words: string, signal: AbortSignal): Promise<SearchResult[]> {
  const query = new URLSearchParams({ search: words, filter: 'safetensors', sort: 'downloads', limit: '30' });
  const request = { subject: { id: words }, signal };
  const response = await hubRequest(hub, `/api/models?${query}`, request);
  return parseSearch(parseJson(hub, await readBody(response, maxInfoBytes, words), words));
}

/** Where the contents of a file are. */
export function filePath(id: string, commit: string, name: string): string {
  return `/${id}/resolve/${commit}/${encodeURIComponent(name)}`;
}

async function isCached(cache: string, id: string, commit: string, { name, hash, sizeBytes }: RemoteFile) {
  const repository = join(cache, repositoryFolder(id));
  const paths = [join(repository, 'snapshots', commit, name), join(repository, 'blobs', hash)];
  const found = await Promise.all(paths.map(path => stat(path).catch(() => null)));
  return found.some(file => file?.isFile() && file.size === sizeBytes);
}

/** @throws Failure also for an answer with the token in it: names and facts of an answer are shown. */
function parseJson({ token }: HubSettings, bytes: Uint8Array, what: string): unknown {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    throw new Failure('bad-answer', t('What the hub sent of {0} is not valid JSON. Try again later.', what));
  }
  if (holdsToken(json, token)) throw badAnswer();
  return json;
}
