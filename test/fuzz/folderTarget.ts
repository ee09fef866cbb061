/**
 * Stores of other programs on the disk: the Hugging Face cache, Ollama, LM Studio and llama.cpp, with entries replaced by
 * links, loops, pipes, devices, folders and rubbish. Each model is listed or refused in words, and none leads out of a store.
 */

import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { openModelFolder } from '../../src/inference/model/openModelFolder';
import { findModels } from '../../src/inference/stores/findModels';
import { cachedSnapshot } from '../../src/inference/stores/huggingFaceCache';
import { parseRepository } from '../../src/shared/repository';
import { Failure } from '../../src/shared/tools/failure';
import { ggufBytes, smallGguf } from '../fixtures/ggufWriter';
import { tinyModelDirectory } from '../fixtures/paths';
import type { Target } from './target';

const commit = 'a'.repeat(40);
const hash = 'b'.repeat(64);
const repository = 'hub/models--o--n';
const snapshot = `${repository}/snapshots/${commit}`;
const ollama = 'ollama/manifests/registry.ollama.ai/library/m/t';

const gguf = ggufBytes(smallGguf());
const manifest = (digest: unknown) =>
  JSON.stringify({ layers: [{ mediaType: 'application/vnd.ollama.image.model', digest }] });
const tiny = (name: string) => ({ from: join(tinyModelDirectory, name) });
const index = { metadata: {}, weight_map: { a: '../../../../../weights', b: 'x.safetensors' } };

/** What files hold. Each is written once; the stores have hard links to it. */
const contents: Readonly<Record<string, string | Uint8Array | { readonly from: string }>> = {
  ...{
    gguf,
    cut: gguf.subarray(0, 700),
    magic: 'GGUF',
    empty: '',
    rubbish: '\u0000\u001b]0;x\u0007[x](command:x)\n',
  },
  ...{ commit, long: 'a'.repeat(2 << 20), up: '../../../../../gguf', line: `${commit}\n`, deep: '['.repeat(50_000) },
  ...{ config: tiny('config.json'), tokenizer: tiny('tokenizer.json'), weights: tiny('model.safetensors') },
  ...{ index: JSON.stringify(index), mamba: '{"model_type": "mamba"}' },
  ...{
    manifest: manifest(`sha256:${hash}`),
    manifestUp: manifest('sha256:../../../gguf'),
    manifestList: manifest([]),
  },
};

type Kind = { readonly file: string } | { readonly link: string } | 'pipe' | 'folder' | 'nothing';
interface Entry {
  readonly path: string;
  readonly kind: Kind;
}

const blob = (name: string) => `${repository}/blobs/${name}`;
const linked = (name: string): Entry[] => [
  { path: blob(name), kind: { file: name } },
  {
    path: `${snapshot}/${{ config: 'config.json', tokenizer: 'tokenizer.json' }[name] ?? 'model.safetensors'}`,
    kind: { link: `../../blobs/${name}` },
  },
];
/** Stores as their programs leave them. */
const stores: readonly (readonly Entry[])[] = [
  [
    ...linked('config'),
    ...linked('tokenizer'),
    ...linked('weights'),
    { path: `${repository}/refs/main`, kind: { file: 'commit' } },
  ],
  [
    { path: blob('gguf'), kind: { file: 'gguf' } },
    { path: `${snapshot}/a.gguf`, kind: { link: '../../blobs/gguf' } },
    { path: `${repository}/refs/refs/pr/1`, kind: { file: 'line' } },
  ],
  [
    { path: ollama, kind: { file: 'manifest' } },
    { path: `ollama/blobs/sha256-${hash}`, kind: { file: 'gguf' } },
  ],
  [
    { path: '.lmstudio/models/p/m/a.gguf', kind: { file: 'gguf' } },
    { path: '.lmstudio/models/p/mlx/config.json', kind: { file: 'config' } },
    { path: '.lmstudio/models/p/mlx/tokenizer.json', kind: { file: 'tokenizer' } },
    { path: '.lmstudio/models/p/mlx/model.safetensors', kind: { file: 'weights' } },
  ],
  [
    { path: 'llama/a.gguf', kind: { file: 'gguf' } },
    { path: 'llama/s-00001-of-00002.gguf', kind: { file: 'gguf' } },
    { path: 'llama/s-00002-of-00002.gguf', kind: { file: 'cut' } },
  ],
];

const roots = ['hub', 'ollama', '.lmstudio', '.lmstudio/models', 'llama'];

/** What links lead to; five, three or two folders up are the contents above, outside of all stores. */
const targets = [
  ...['gguf', 'config', 'tokenizer', 'weights'].map(name => `../../../../../${name}`),
  ...['../../../gguf', '../../gguf', '../gguf', '../../blobs/gguf', '../../blobs/none', '..//..//blobs/gguf'],
  ...['.', '..', '/', '/dev/zero', '/dev/null', '/proc/self/environ', '/proc/self/mem', '\u001b[31m'],
  ...['a.gguf', 'model.safetensors', 'config.json', 'main', '../../../models--p--q/blobs/gguf'],
];
const names = [
  ...[
    'config.json',
    'tokenizer.json',
    'model.safetensors',
    'model.safetensors.index.json',
    'a.gguf',
    'm-00001-of-00099.gguf',
  ],
  ...[
    'pytorch_model.bin',
    'x.onnx',
    'n'.repeat(255),
    '.gguf',
    '..gguf',
    'a\nb.gguf',
    '\u202e.gguf',
    ' ',
    '__proto__',
    '%2e%2e',
  ],
  ...[
    'models--o--n',
    'models--..--..',
    'models--p--q',
    'models----',
    commit,
    commit.toUpperCase(),
    'main',
    'refs',
    'pr',
  ],
];
const kinds = fc.oneof(
  fc.constantFrom(...Object.keys(contents)).map(file => ({ file })),
  fc.constantFrom(...targets).map(link => ({ link })),
  fc.constantFrom<Kind>('pipe', 'folder', 'nothing'),
);
/** A store, what is replaced in it (any part of a path) and what is put beside it. */
const inputs = fc
  .tuple(
    fc.constantFrom(...stores),
    fc.array(fc.tuple(fc.nat(), fc.nat(6), fc.option(fc.constantFrom(...names)), kinds), { maxLength: 4 }),
  )
  .map(([store, changes]) => [
    ...store,
    ...changes.map(([which, upTo, name, kind]): Entry => {
      const parts = store[which % store.length]!.path.split('/');
      const kept = parts.slice(0, parts.length - (upTo % parts.length));
      return { path: [...(name === null ? kept : [...kept.slice(0, -1), name])].join('/'), kind };
    }),
  ]);

/** The folder with the contents and a pipe, made once and taken away when the process ends. */
let place: string | undefined;
function scratch(): string {
  if (place !== undefined) return place;
  const made = mkdtempSync(join(tmpdir(), 'mta-fuzz-'));
  for (const [name, content] of Object.entries(contents)) {
    if (typeof content === 'object' && 'from' in content) copyFileSync(content.from, join(made, name));
    else writeFileSync(join(made, name), content);
  }
  execFileSync('mkfifo', [join(made, 'pipe')]);
  process.on('exit', () => rmSync(made, { recursive: true, force: true }));
  place = made;
  return made;
}

/** Puts an entry in the place of what is there; entries that the system does not take (a name too long) are left out. */
function put(home: string, { path, kind }: Entry): void {
  const at = join(home, path);
  if (roots.includes(path)) return; // a person may put a store where they like
  try {
    rmSync(at, { recursive: true, force: true });
    if (kind === 'nothing') return;
    mkdirSync(kind === 'folder' ? at : dirname(at), { recursive: true });
    if (kind === 'folder') return;
    if (kind !== 'pipe' && 'link' in kind) symlinkSync(kind.link, at);
    else linkSync(join(scratch(), kind === 'pipe' ? 'pipe' : kind.file), at);
  } catch {
    // as an earlier entry may be a file where this one has a folder
  }
}

function refused(error: unknown): null {
  if (!(error instanceof Failure)) throw error;
  return null;
}

/** @throws Error where a model was opened with a file outside of the stores. */
async function open(home: string, path: string): Promise<void> {
  const model = await openModelFolder(path).catch(refused);
  if (!model) return;
  const names = statSync(path).isDirectory() ? readdirSync(path) : [];
  const read = ['config.json', 'tokenizer.json', 'model.safetensors'];
  const isRead = (name: string) => (model.summary.weightType ? /\.gguf$/i.test(name) : read.includes(name));
  for (const name of ['', ...names.filter(isRead)]) {
    const file = join(path, name);
    const real = existsSync(file) ? realpathSync(file) : null;
    if (real !== null && !real.startsWith(`${home}/`)) throw new Error(`${file} leads to ${real}`);
  }
}

const target: Target<readonly Entry[]> = {
  name: 'cache folders',
  inputs,
  sizeOf: entries => entries.length * 200_000, // the largest file
  async run(entries) {
    const home = realpathSync(mkdtempSync(join(scratch(), 'home-')));
    try {
      for (const entry of entries) put(home, entry);
      const env = {
        HF_HUB_CACHE: join(home, 'hub'),
        OLLAMA_MODELS: join(home, 'ollama'),
        LLAMA_CACHE: join(home, 'llama'),
      };
      const found = await findModels({ env, home, platform: 'linux', join });
      const paths = new Set<string>();
      for (const { path, problem, sizeBytes } of found) {
        if (!(Number.isSafeInteger(sizeBytes) && sizeBytes >= 0)) throw new Error(`size ${sizeBytes} of ${path}`);
        if (problem === null) paths.add(path);
      }
      for (const id of ['o/n', 'o/n@refs/pr/1', `o/n@${commit.slice(0, 8)}`]) {
        await cachedSnapshot(env.HF_HUB_CACHE, parseRepository(id)!).then(path => paths.add(path), refused);
      }
      for (const path of paths) await open(home, path);
    } finally {
      rmSync(home, { recursive: true, force: true });
    }
  },
};

export const cacheFolders = target as Target<unknown> as Target;
