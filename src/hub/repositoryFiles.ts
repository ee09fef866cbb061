/** What the hub says about a repository, checked; and which of its files are fetched. Pure. */

import { isCommit } from '../shared/repository';
import { Failure } from '../shared/tools/failure';
import { t } from '../shared/tools/l10n';
import { plainLine, shorten } from '../shared/tools/plainText';

/** A repository, before anything of it is fetched. */
export interface RepositoryFacts {
  readonly id: string;
  readonly commit: string;
  readonly license: string | null;
  /** Access is given by its owner. */
  readonly isGated: boolean;
  readonly isPrivate: boolean;
  readonly family: string | null;
  readonly nParameters: number | null;
}

/** A file of a repository. */
export interface RemoteFile {
  readonly name: string;
  readonly sizeBytes: number;
  /** Its name in the cache's `blobs`: SHA-256 of large files, of the others what git calls them. */
  readonly hash: string;
}

export interface SearchResult {
  readonly id: string;
  readonly license: string | null;
  readonly isGated: boolean;
  readonly nDownloads: number | null;
}

type Json = Readonly<Record<string, unknown>>;
const maxFiles = 10_000;

/** Neither code nor pickles: configuration, tokenizer and chat template, which is rendered within limits. */
const smallFiles = new Set([
  ...['config.json', 'generation_config.json', 'tokenizer.json', 'tokenizer_config.json', 'special_tokens_map.json'],
  'chat_template.jinja',
  ...['added_tokens.json', 'vocab.json', 'merges.txt', 'vocab.txt', 'tokenizer.model', 'spiece.model'],
]);
const weightsName = 'model.safetensors';
export const indexName = 'model.safetensors.index.json';

/** @param json the answer of `/api/models/ID/revision/REVISION`. @throws Failure for what is not such an answer. */
export function parseModelInfo(json: unknown): RepositoryFacts {
  const info = objectOf(json);
  const { id, sha, gated, cardData, tags, config, safetensors, gguf } = info;
  if (typeof id !== 'string' || typeof sha !== 'string' || !isCommit(sha)) throw badAnswer();
  const tagged = Array.isArray(tags) ? tags.find(tag => typeof tag === 'string' && tag.startsWith('license:')) : null;
  const license = (cardData as Json | null | undefined)?.['license'] ?? tagged?.slice('license:'.length);
  const family =
    (config as Json | null | undefined)?.['model_type'] ?? (gguf as Json | null | undefined)?.['architecture'];
  const total = (safetensors as Json | null | undefined)?.['total'] ?? (gguf as Json | null | undefined)?.['total'];
  return {
    id: line(id) ?? '',
    commit: sha,
    license: line(Array.isArray(license) ? license.filter(each => typeof each === 'string').join(', ') : license),
    isGated: gated !== undefined && gated !== null && gated !== false,
    isPrivate: info['private'] === true,
    family: line(family),
    nParameters: Number.isSafeInteger(total) && (total as number) > 0 ? (total as number) : null,
  };
}

/** @param json one page of `/api/models/ID/tree/COMMIT`. @returns files of its root. @throws Failure. */
export function parseTree(json: unknown): RemoteFile[] {
  if (!Array.isArray(json) || json.length > maxFiles) throw badAnswer();
  return json.flatMap(item => {
    const { type, path, size, oid, lfs } = objectOf(item);
    if (type !== 'file' || typeof path !== 'string' || !isPlainName(path)) return [];
    const large = lfs === undefined || lfs === null ? null : objectOf(lfs);
    const [hash, sizeBytes] = large ? [large['oid'], large['size'] ?? size] : [oid, size];
    const isHash = typeof hash === 'string' && (large ? /^[0-9a-f]{64}$/ : /^[0-9a-f]{40}$/).test(hash);
    if (!isHash || !Number.isSafeInteger(sizeBytes) || (sizeBytes as number) < 0) throw badAnswer();
    return [{ name: path, sizeBytes: sizeBytes as number, hash }];
  });
}

/** Names that are safe in every folder of every system; folders of a repository are not fetched. */
export function isPlainName(name: string): boolean {
  return name.length <= 200 && /^[A-Za-z0-9_][\w.+-]*$/.test(name) && !name.endsWith('.') && !reserved.test(name);
}
const reserved = /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i;

/** What is fetched of a repository. */
export interface ChosenFiles {
  readonly files: readonly RemoteFile[];
  /** Set where the weights are in the files that this one names. */
  readonly index: RemoteFile | null;
  /** GGUF files; of split ones the first. */
  readonly ggufs: readonly string[];
}

/**
 * @param gguf the GGUF file to fetch, with those that it was split into.
 * @param shards names in the index, once that was read.
 * @throws Failure where there is nothing that could be opened, with the reason.
 */
export function chooseFiles(
  id: string,
  tree: readonly RemoteFile[],
  gguf: string | null,
  shards: readonly string[] | null = null,
): ChosenFiles {
  const named = new Map(tree.map(file => [file.name, file]));
  const ggufs = tree.map(({ name }) => name).filter(name => /\.gguf$/i.test(name) && !/^mmproj|-mmproj/i.test(name));
  const firsts = ggufs.filter(name => [undefined, '00001'].includes(splitName.exec(name)?.[1]));
  if (gguf !== null) {
    if (!firsts.includes(gguf)) {
      throw new Failure('no-model', t('{0} has no GGUF file {1}. It has {2}.', id, gguf, listed(firsts)));
    }
    const parts = splitName.test(gguf)
      ? ggufs.filter(name => name.replace(splitName, '') === gguf.replace(splitName, ''))
      : [gguf];
    return { files: parts.map(name => named.get(name)!), index: null, ggufs: firsts };
  }
  const small = tree.filter(({ name }) => smallFiles.has(name));
  const index = named.get(indexName) ?? null;
  const weights = index ? (shards ?? []) : named.has(weightsName) ? [weightsName] : [];
  if (!index && weights.length === 0) {
    if (firsts.length > 0) return { files: [], index: null, ggufs: firsts };
    const pickles = tree.find(({ name }) => /\.(bin|pt|pth|ckpt|pkl|msgpack|h5)$/.test(name));
    throw new Failure(
      'no-model',
      pickles
        ? t(
            'Cannot download {0}: its weights are in {1} only, which could run code. It needs safetensors.',
            id,
            pickles.name,
          )
        : t('Cannot download {0}: it has neither model.safetensors nor a GGUF file.', id),
    );
  }
  const missing = ['config.json', ...weights].find(name => !named.has(name));
  if (missing !== undefined) {
    throw new Failure('no-model', t('Cannot download {0}: {1} is missing in the repository.', id, missing));
  }
  return {
    files: [...small, ...(index ? [index] : []), ...weights.map(name => named.get(name)!)],
    index,
    ggufs: firsts,
  };
}

const splitName = /-(\d{5})-of-\d{5}\.gguf$/i;

/** Names of the files that an index of weights lists. @throws Failure for names that lead elsewhere. */
export function shardNames(json: unknown): string[] {
  const map = objectOf((json as Json | null)?.['weight_map']);
  const names = [...new Set(Object.values(map))];
  const isGood = (name: unknown): name is string =>
    typeof name === 'string' && isPlainName(name) && name.endsWith('.safetensors');
  if (names.length === 0 || names.length > maxFiles || !names.every(isGood)) {
    throw badAnswer();
  }
  return names.sort();
}

/** @param json the answer of a search. */
export function parseSearch(json: unknown): SearchResult[] {
  if (!Array.isArray(json) || json.length > 1000) throw badAnswer();
  return json.flatMap(item => {
    const { id, tags, gated, downloads } = objectOf(item);
    if (typeof id !== 'string' || id.length > 200) return [];
    const tagged = Array.isArray(tags) ? tags.find(tag => typeof tag === 'string' && tag.startsWith('license:')) : null;
    return [
      {
        id: plainLine(id),
        license: line(tagged?.slice('license:'.length)),
        isGated: gated !== undefined && gated !== null && gated !== false,
        nDownloads: Number.isSafeInteger(downloads) ? (downloads as number) : null,
      },
    ];
  });
}

function line(text: unknown): string | null {
  return typeof text === 'string' && text !== '' ? plainLine(shorten(text, 100)) : null;
}

function objectOf(json: unknown): Json {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) throw badAnswer();
  return json as Json;
}

function listed(names: readonly string[]): string {
  return names.slice(0, 8).join(', ') || t('none');
}

export function badAnswer(): Failure {
  return new Failure('bad-answer', t('The hub’s answer is not as expected. Try again later, or correct HF_ENDPOINT.'));
}
