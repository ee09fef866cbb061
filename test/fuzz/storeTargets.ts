/** What the hub answers, and what stores of other programs hold: no answer leads out of a folder. */

import { join } from 'node:path';
import fc from 'fast-check';
import { parseRecord } from '../../src/hub/fetched';
import { nextPage } from '../../src/hub/planDownload';
import { chooseFiles, parseModelInfo, parseSearch, parseTree, shardNames } from '../../src/hub/repositoryFiles';
import { blobOfManifest } from '../../src/inference/stores/ollama';
import {
  isRevision,
  parseRepository,
  repositoryFolder,
  repositoryOfFolder,
  snapshotPlace,
} from '../../src/shared/repository';
import { changedJson, changedJsonBytes } from './mutate';
import type { Target } from './target';

const hash = 'a'.repeat(64);
const oid = 'b'.repeat(40);
const info = {
  ...{ id: 'owner/name', sha: oid, private: false, gated: 'manual', tags: ['license:mit'] },
  ...{ cardData: { license: ['mit', 'other'] }, config: { model_type: 'llama' }, safetensors: { total: 9 } },
};
const tree = [
  { type: 'file', path: 'config.json', size: 9, oid },
  { type: 'file', path: 'model.safetensors', size: 130, oid, lfs: { oid: hash, size: 5000, pointerSize: 130 } },
  { type: 'file', path: 'model-00001-of-00002.gguf', size: 9, oid },
  { type: 'directory', path: 'onnx', size: 0, oid },
];
const index = {
  metadata: { total_size: 9 },
  weight_map: { a: 'model-00001-of-00002.safetensors', b: 'x.safetensors' },
};
const search = [{ id: 'owner/name', tags: ['license:mit'], gated: false, downloads: 3 }];

/** A name that stays in the folder it is put into. */
function checkName(name: string): void {
  if (join('/store', name) !== `/store/${name}` || /[\\/]/.test(name) || name.startsWith('.')) {
    throw new Error(`the name ${JSON.stringify(name)} may lead elsewhere`);
  }
}

const readers: Readonly<Record<string, (json: unknown) => void>> = {
  info: json => void parseModelInfo(json),
  tree: json => {
    const files = parseTree(json);
    for (const { name, hash: blob, sizeBytes } of files) {
      checkName(name);
      checkName(blob);
      if (!(Number.isSafeInteger(sizeBytes) && sizeBytes >= 0)) throw new Error(`size ${sizeBytes}`);
    }
    const { files: chosen, ggufs } = chooseFiles('owner/name', files, null);
    if (ggufs[0] !== undefined) chooseFiles('owner/name', files, ggufs[0]);
    for (const { name } of chosen) {
      if (!/\.(json|txt|model|safetensors)$/.test(name)) throw new Error(`${name} would be fetched`);
    }
  },
  index: json => {
    for (const name of shardNames(json)) checkName(name);
  },
  search: json => void parseSearch(json),
};
const seeds = { info, tree, index, search };

export const hubAnswer: Target<{ kind: keyof typeof seeds; json: unknown }> = {
  name: 'hub answer',
  inputs: fc
    .constantFrom(...(Object.keys(seeds) as (keyof typeof seeds)[]))
    .chain(kind => fc.record({ kind: fc.constant(kind), json: changedJson([seeds[kind]]) })),
  sizeOf: ({ json }) => JSON.stringify(json)?.length ?? 0,
  run: ({ kind, json }) => readers[kind]!(json),
};

const model = { mediaType: 'application/vnd.ollama.image.model', digest: `sha256:${hash}`, size: 9 };
export const ollamaManifest: Target<Uint8Array> = {
  name: 'ollama manifest',
  inputs: changedJsonBytes([
    { schemaVersion: 2, layers: [{ mediaType: 'application/vnd.ollama.image.license', digest: '' }, model] },
    { layers: [model] },
  ]),
  sizeOf: bytes => bytes.length,
  run: bytes => checkName(blobOfManifest(new TextDecoder().decode(bytes))),
};

export const fetchedRecord: Target<Uint8Array> = {
  name: 'fetched record',
  inputs: changedJsonBytes([
    {
      format: 'mta-inspector-fetched-1',
      revisions: { [oid]: { files: [{ name: 'config.json', hash, isOwnBlob: true }], refs: ['main', 'refs/pr/1'] } },
    },
  ]),
  sizeOf: bytes => bytes.length,
  run(bytes) {
    for (const [commit, { files, refs }] of Object.entries(parseRecord(new TextDecoder().decode(bytes)))) {
      for (const name of [commit, ...refs.flatMap(ref => ref.split('/'))]) checkName(name);
      for (const { name, hash: blob } of files) for (const each of [name, blob]) checkName(each);
    }
  },
};

const parts = [
  'models--',
  'owner',
  '--',
  'name',
  '..',
  '.',
  '/',
  '\\',
  '@',
  'main',
  'snapshots',
  oid,
  '\0',
  '~',
  'C:',
  ' ',
];
/** Names of folders in a cache, of repositories and revisions as a person types them, and links to the next page. */
export const cacheNames: Target<string> = {
  name: 'cache names',
  inputs: fc.oneof(
    fc
      .array(fc.oneof(fc.constantFrom(...parts), fc.string({ unit: 'binary', maxLength: 4 })), { maxLength: 12 })
      .map(all => all.join('')),
    fc.nat(50_000).map(n => 'a-'.repeat(n)),
  ),
  sizeOf: text => 2 * text.length,
  run(text) {
    const id = repositoryOfFolder(text);
    if (id !== null && repositoryFolder(id) !== text) throw new Error(`${text} is not the folder of ${id}`);
    const parsed = parseRepository(text);
    if (parsed) checkName(repositoryFolder(parsed.id));
    if (parsed && parsed.revision !== null) for (const part of parsed.revision.split('/')) checkName(part);
    if (isRevision(text)) for (const part of text.split('/')) checkName(part);
    const place = snapshotPlace(text);
    if (place && !text.startsWith(place.folder)) throw new Error(`${place.folder} is not before ${text}`);
    const endpoint = 'https://hub.example';
    const next = nextPage(`<${text}>; rel="next"`, endpoint);
    // As a request takes it: what begins with a slash comes after the endpoint.
    const address = next === null || next.startsWith('/') ? `${endpoint}${next ?? ''}` : next;
    if (new URL(address).origin !== endpoint) throw new Error(`${address} is on another host`);
  },
};
