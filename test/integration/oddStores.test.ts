/** Stores as broken programs, other versions and attackers leave them: each model is listed with a reason or refused with a sentence. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { openModelFolder } from '../../src/inference/model/openModelFolder';
import { findModels } from '../../src/inference/stores/findModels';
import { Failure } from '../../src/shared/tools/failure';
import { type GgufContent, ggufBytes, smallGguf, type WrittenValue } from '../fixtures/ggufWriter';
import { tinyModelDirectory } from '../fixtures/paths';

const [commit, otherCommit, sha] = ['a'.repeat(40), 'b'.repeat(40), 'c'.repeat(64)];
const small = smallGguf();
const good = Buffer.from(ggufBytes(small));
const repository = 'hub/models--o--n/';
const snapshot = `${repository}snapshots/${commit}/`;
const manifest = 'ollama/manifests/registry.ollama.ai/library/m/t';
const modelLayer = 'application/vnd.ollama.image.model';

function write(path: string, data: string | Uint8Array = 'x'): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, data);
}
function link(target: string, path: string): void {
  mkdirSync(dirname(path), { recursive: true });
  symlinkSync(target, path);
}
const manifestOf = (layers: unknown) => JSON.stringify({ layers });
const withMetadata = (changes: Record<string, WrittenValue>, content: GgufContent = small) =>
  ggufBytes({ ...content, metadata: { ...content.metadata, ...changes } });
function changed(change: (bytes: Buffer) => void): Buffer {
  const bytes = Buffer.from(good);
  change(bytes);
  return bytes;
}

/** Each writes a store into an empty folder. */
const cases: readonly (readonly [string, (home: string) => void])[] = [
  ['broken link', home => link('../../blobs/none', `${home + snapshot}model.safetensors`)],
  ['broken GGUF link', home => link('../../blobs/none', `${home + snapshot}m.gguf`)],
  [
    'link cycle',
    home => {
      link('b.gguf', `${home + snapshot}a.gguf`);
      link('a.gguf', `${home + snapshot}b.gguf`);
    },
  ],
  ['link to itself', home => link('model.gguf', `${home + snapshot}model.gguf`)],
  [
    'link out of repo',
    home => {
      write(`${home}secret.gguf`, good);
      link('../../../../secret.gguf', `${home + snapshot}m.gguf`);
    },
  ],
  [
    'link to other repo',
    home => {
      write(`${home}hub/models--p--q/blobs/x`, good);
      link('../../../models--p--q/blobs/x', `${home + snapshot}m.gguf`);
    },
  ],
  ['absolute link', home => link('/etc/passwd', `${home + snapshot}m.gguf`)],
  ['snapshot is a link to /', home => link('/', `${home + repository}snapshots/${commit}`)],
  ['snapshots is a link cycle', home => link('snapshots', `${home + repository}snapshots`)],
  ['snapshot is a file', home => write(`${home + repository}snapshots/${commit}`)],
  [
    'blobs missing',
    home => {
      for (const f of ['config.json', 'tokenizer.json', 'model.safetensors'])
        link(`../../blobs/${f}`, home + snapshot + f);
    },
  ],
  ['only incomplete', home => write(`${home + repository}blobs/${sha}.incomplete`)],
  [
    'incomplete linked',
    home => {
      write(`${home + repository}blobs/z.incomplete`, good.subarray(0, 900));
      link('../../blobs/z.incomplete', `${home + snapshot}m.gguf`);
    },
  ],
  [
    'two snapshots',
    home => {
      write(`${home + snapshot}a.gguf`, good);
      write(`${home + repository}snapshots/${otherCommit}/a.gguf`, good);
      write(`${home + repository}refs/main`, otherCommit);
    },
  ],
  [
    'ref with ..',
    home => {
      write(`${home + snapshot}a.gguf`, good);
      write(`${home + repository}refs/main`, '../../../etc');
    },
  ],
  [
    'ref huge',
    home => {
      write(`${home + snapshot}a.gguf`, good);
      write(`${home + repository}refs/main`, Buffer.alloc(5e6, 97));
    },
  ],
  [
    'ref is a folder',
    home => {
      write(`${home + snapshot}a.gguf`, good);
      write(`${home + repository}refs/main/x`);
    },
  ],
  [
    'ref of control characters',
    home => {
      write(`${home + snapshot}a.gguf`, good);
      write(`${home + repository}refs/\u001b[31mred\n`, commit);
    },
  ],
  [
    'ref to an absent commit',
    home => {
      write(`${home + snapshot}a.gguf`, good);
      write(`${home + repository}refs/main`, 'f'.repeat(40));
    },
  ],
  ['plain files', home => write(`${home + snapshot}a.gguf`, good)],
  ['repo with strange name', home => write(`${home}hub/models--..--../snapshots/${commit}/a.gguf`, good)],
  ['repo with markup name', home => write(`${home}hub/models--o--<img src=x>/snapshots/${commit}/a.gguf`, good)],
  ['dataset', home => write(`${home}hub/datasets--o--n/snapshots/${commit}/a.gguf`, good)],
  [
    'fifo as a file',
    home => {
      mkdirSync(home + snapshot, { recursive: true });
      execFileSync('mkfifo', [`${home + snapshot}a.gguf`]);
    },
  ],
  [
    'config fifo',
    home => {
      write(`${home + snapshot}model.safetensors`);
      execFileSync('mkfifo', [`${home + snapshot}config.json`]);
    },
  ],
  ['directory as a gguf', home => write(`${home + snapshot}a.gguf/x`)],
  [
    'pickle only',
    home => {
      write(`${home + snapshot}pytorch_model.bin`);
      write(`${home + snapshot}config.json`, '{}');
    },
  ],
  [
    'ollama: good',
    home => {
      write(home + manifest, manifestOf([{ mediaType: modelLayer, digest: `sha256:${sha}` }]));
      write(`${home}ollama/blobs/sha256-${sha}`, good);
    },
  ],
  [
    'ollama: missing blob',
    home => write(home + manifest, manifestOf([{ mediaType: modelLayer, digest: `sha256:${sha}` }])),
  ],
  ['ollama: no layers', home => write(home + manifest, '{}')],
  ['ollama: layers null', home => write(home + manifest, manifestOf(null))],
  ['ollama: null layers inside', home => write(home + manifest, manifestOf([null, 3, 'x']))],
  [
    'ollama: other media type',
    home =>
      write(
        home + manifest,
        manifestOf([{ mediaType: 'application/vnd.ollama.image.projector', digest: `sha256:${sha}` }]),
      ),
  ],
  [
    'ollama: two models',
    home =>
      write(
        home + manifest,
        manifestOf([
          { mediaType: modelLayer, digest: `sha256:${sha}` },
          { mediaType: modelLayer, digest: `sha256:${sha}` },
        ]),
      ),
  ],
  [
    'ollama: tensors',
    home =>
      write(
        home + manifest,
        manifestOf([{ mediaType: 'application/vnd.ollama.image.tensor', digest: `sha256:${sha}` }]),
      ),
  ],
  [
    'ollama: ../ digest',
    home => write(home + manifest, manifestOf([{ mediaType: modelLayer, digest: 'sha256:../../../../etc/passwd' }])),
  ],
  ['ollama: number digest', home => write(home + manifest, manifestOf([{ mediaType: modelLayer, digest: 7 }]))],
  [
    'ollama: array digest',
    home => write(home + manifest, manifestOf([{ mediaType: modelLayer, digest: [`sha256:${sha}`] }])),
  ],
  ['ollama: not json', home => write(home + manifest, '{"layers":[')],
  ['ollama: deep json', home => write(home + manifest, '['.repeat(200000))],
  ['ollama: huge', home => write(home + manifest, Buffer.alloc(3e6, 32))],
  ['ollama: binary', home => write(home + manifest, Buffer.from([0xff, 0xfe, 0, 0]))],
  [
    'ollama: manifest link out',
    home => {
      write(`${home}m.json`, manifestOf([]));
      link('../../../../../m.json', home + manifest);
    },
  ],
  [
    'ollama: blob link out',
    home => {
      write(home + manifest, manifestOf([{ mediaType: modelLayer, digest: `sha256:${sha}` }]));
      write(`${home}x.gguf`, good);
      link('../../x.gguf', `${home}ollama/blobs/sha256-${sha}`);
    },
  ],
  [
    'ollama: blob is a folder',
    home => {
      write(home + manifest, manifestOf([{ mediaType: modelLayer, digest: `sha256:${sha}` }]));
      mkdirSync(`${home}ollama/blobs/sha256-${sha}`, { recursive: true });
    },
  ],
  [
    'ollama: blob not gguf',
    home => {
      write(home + manifest, manifestOf([{ mediaType: modelLayer, digest: `sha256:${sha}` }]));
      write(`${home}ollama/blobs/sha256-${sha}`, 'hello');
    },
  ],
  [
    'ollama: empty blob',
    home => {
      write(home + manifest, manifestOf([{ mediaType: modelLayer, digest: `sha256:${sha}` }]));
      write(`${home}ollama/blobs/sha256-${sha}`, '');
    },
  ],
  [
    'ollama: blob of two bytes',
    home => {
      write(home + manifest, manifestOf([{ mediaType: modelLayer, digest: `sha256:${sha}` }]));
      write(`${home}ollama/blobs/sha256-${sha}`, 'GG');
    },
  ],
  ['ollama: manifest a folder', home => mkdirSync(home + manifest, { recursive: true })],
  ['lm: in the root', home => write(`${home}home/.lmstudio/models/a.gguf`, good)],
  [
    'lm: link out',
    home => {
      write(`${home}y.gguf`, good);
      link('../../../../../y.gguf', `${home}home/.lmstudio/models/p/m/a.gguf`);
    },
  ],
  ['lm: broken link', home => link('none.gguf', `${home}home/.lmstudio/models/p/m/a.gguf`)],
  [
    'split: part 2 missing',
    home => write(`${home + snapshot}m-00001-of-00002.gguf`, withMetadata({ 'split.count': 2, 'split.no': 0 })),
  ],
  [
    'split: out of order',
    home => {
      write(`${home + snapshot}m-00001-of-00002.gguf`, withMetadata({ 'split.count': 2, 'split.no': 1 }));
      write(`${home + snapshot}m-00002-of-00002.gguf`, withMetadata({ 'split.count': 2, 'split.no': 0 }));
    },
  ],
  [
    'split: duplicated',
    home => {
      for (const k of [1, 2])
        write(`${home + snapshot}m-0000${k}-of-00002.gguf`, withMetadata({ 'split.count': 2, 'split.no': k - 1 }));
    },
  ],
  [
    'split: second only',
    home => write(`${home + snapshot}m-00002-of-00002.gguf`, withMetadata({ 'split.count': 2, 'split.no': 1 })),
  ],
  [
    'ollama: adapter',
    home => {
      const adapter = { mediaType: 'application/vnd.ollama.image.adapter', digest: `sha256:${otherCommit}` };
      write(home + manifest, manifestOf([{ mediaType: modelLayer, digest: `sha256:${sha}` }, adapter]));
      write(`${home}ollama/blobs/sha256-${sha}`, good);
    },
  ],
  ['ollama: .DS_Store beside tags', home => write(`${home + dirname(manifest)}/.DS_Store`)],
  [
    'weights are a pointer of Git LFS',
    home => {
      for (const name of ['config.json', 'tokenizer.json']) {
        mkdirSync(home + snapshot, { recursive: true });
        copyFileSync(join(tinyModelDirectory, name), home + snapshot + name);
      }
      write(
        `${home + snapshot}model.safetensors`,
        'version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 7\n',
      );
    },
  ],
  [
    'split: 99999 parts',
    home => write(`${home + snapshot}m-00001-of-99999.gguf`, withMetadata({ 'split.count': 99999, 'split.no': 0 })),
  ],
  [
    'split: part 0',
    home => write(`${home + snapshot}m-00000-of-00002.gguf`, withMetadata({ 'split.count': 2, 'split.no': 0 })),
  ],
  [
    'gguf: v1',
    home =>
      write(
        `${home + snapshot}a.gguf`,
        changed(b => b.writeUInt32LE(1, 4)),
      ),
  ],
  [
    'gguf: big endian',
    home =>
      write(
        `${home + snapshot}a.gguf`,
        changed(b => b.writeUInt32BE(3, 4)),
      ),
  ],
  [
    'gguf: tensor count +1',
    home =>
      write(
        `${home + snapshot}a.gguf`,
        changed(b => b.writeBigUInt64LE(b.readBigUInt64LE(8) + 1n, 8)),
      ),
  ],
  [
    'gguf: tensor count 0',
    home =>
      write(
        `${home + snapshot}a.gguf`,
        changed(b => b.writeBigUInt64LE(0n, 8)),
      ),
  ],
  [
    'gguf: metadata count -1',
    home =>
      write(
        `${home + snapshot}a.gguf`,
        changed(b => b.writeBigUInt64LE(b.readBigUInt64LE(16) - 1n, 16)),
      ),
  ],
  [
    'gguf: counts 2^63',
    home =>
      write(
        `${home + snapshot}a.gguf`,
        changed(b => {
          b.writeBigUInt64LE(1n << 63n, 8);
          b.writeBigUInt64LE(1n << 63n, 16);
        }),
      ),
  ],
  [
    'gguf: name of 64 KiB',
    home =>
      write(
        `${home + snapshot}a.gguf`,
        Buffer.from(
          ggufBytes({
            ...small,
            tensors: new Map([
              ...small.tensors,
              ['n'.repeat(65536), { shape: [32], type: 'F32', bytes: new Uint8Array(128) }],
            ]),
          }),
        ),
      ),
  ],
  ['gguf: key of 64 KiB', home => write(`${home + snapshot}a.gguf`, withMetadata({ ['k'.repeat(65536)]: 1 }))],
  [
    'gguf: duplicate tensor',
    home =>
      write(
        `${home + snapshot}a.gguf`,
        changed(b => {
          const i = b.indexOf('blk.1.attn_norm.weight');
          b.write('blk.0', i);
        }),
      ),
  ],
  ['gguf: empty', home => write(`${home + snapshot}a.gguf`, '')],
  ['gguf: 4 bytes', home => write(`${home + snapshot}a.gguf`, 'GGUF')],
  ['gguf: cut at half', home => write(`${home + snapshot}a.gguf`, good.subarray(0, good.length >> 1))],
  ['gguf: html page', home => write(`${home + snapshot}a.gguf`, '<!doctype html><title>401</title>')],
  [
    'gguf: git lfs pointer',
    home => write(`${home + snapshot}a.gguf`, 'version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 7\n'),
  ],
  [
    'olmo2: pattern of another length',
    home =>
      write(
        `${home + snapshot}a.gguf`,
        withMetadata({
          'general.architecture': 'olmo2',
          'olmo2.context_length': 16,
          'olmo2.embedding_length': 32,
          'olmo2.block_count': 2,
          'olmo2.feed_forward_length': 48,
          'olmo2.attention.head_count': 4,
          'olmo2.attention.layer_norm_rms_epsilon': { f32: 1e-6 },
          'olmo2.attention.sliding_window': 4,
          'olmo2.attention.sliding_window_pattern': { flags: [true, false, true] },
        }),
      ),
  ],
];

const readable = new Set([
  'two snapshots',
  'ref with ..',
  'ref huge',
  'ref is a folder',
  'ref of control characters',
  'ref to an absent commit',
  'plain files',
  'ollama: good',
  'gguf: key of 64 KiB',
]);
/** Not models of the store, as its own program has it. */
const unlisted = new Set([
  'snapshots is a link cycle',
  'repo with strange name',
  'repo with markup name',
  'dataset',
  'lm: in the root',
  'ollama: .DS_Store beside tags',
]);

const notThere = 'is a link to a file that is not there. Download the model again, or pick another one.';
const notRegular =
  'it is not a regular file. Pick a GGUF file, or a folder with config.json, tokenizer.json and model.safetensors.';
const notGguf = 'Cannot load m:t. Its weights are not a GGUF file, which begins with "GGUF". Pull it again.';
/** Refusals in full: what the file is, and what is wrong with it. */
const sentences: Readonly<Record<string, readonly string[]>> = {
  'link cycle': ['a', 'b'].map(name => `Cannot load ${name}.gguf: it ${notThere}`),
  'link to itself': [`Cannot load model.gguf: it ${notThere}`],
  'blobs missing': [`Cannot load model "o/n": config.json ${notThere}`],
  'broken GGUF link': [`Cannot load m.gguf: it ${notThere}`],
  'lm: broken link': [`Cannot load a.gguf: it ${notThere}`],
  'fifo as a file': [`Cannot load a.gguf: ${notRegular}`],
  'ollama: blob not gguf': [notGguf],
  'ollama: blob of two bytes': [notGguf],
  'ollama: adapter': [
    'Cannot load m:t. It has an adapter, which changes its weights and is not read here. Select the model without it.',
  ],
  'weights are a pointer of Git LFS': [
    'Cannot read model.safetensors of model "o/n": it is a pointer of Git LFS, not the file. Download the file again or pick another model.',
  ],
  'ollama: manifest a folder': ['Cannot load m:t. Its manifest is an empty file or none. Pull it again.'],
};

for (const [what, make] of cases) {
  test(`a store with ${what}`, { skip: process.platform === 'win32', timeout: 20_000 }, async () => {
    const home = `${mkdtempSync(join(tmpdir(), 'mta-odd-'))}/`;
    try {
      make(home);
      const env = { HF_HUB_CACHE: `${home}hub`, OLLAMA_MODELS: `${home}ollama` };
      const found = await findModels({ env, home: `${home}home`, platform: 'linux', join });
      const outcomes: string[] = [];
      for (const { path, problem } of found) {
        const opened = problem === null ? await openModelFolder(path).then(() => 'opens', refusal) : problem;
        outcomes.push(opened.replaceAll(home, ''));
      }
      const expected = readable.has(what) ? /^opens$/ : /^(Cannot (load|read) .+\.|The download of .+\.)/s;
      if (unlisted.has(what)) assert.deepEqual(outcomes, []);
      else assert.ok(outcomes.length > 0);
      for (const outcome of outcomes) assert.match(outcome, expected);
      if (sentences[what]) assert.deepEqual(outcomes, sentences[what]);
    } finally {
      rmSync(home, { recursive: true, force: true });
    }
  });
}

test('a file without an ending that is not GGUF, and one that is not there, are refused as files', async () => {
  const home = `${mkdtempSync(join(tmpdir(), 'mta-odd-'))}/`;
  try {
    write(`${home}sha256-${sha}`, 'hello');
    await assert.rejects(openModelFolder(`${home}sha256-${sha}`), {
      message:
        `Cannot load sha256-${sha}: it is not a GGUF file, which begins with "GGUF". ` +
        'Pick a GGUF file, or a folder with config.json, tokenizer.json and model.safetensors.',
    });
    for (const [name, kind] of [
      ['none.gguf', 'file'],
      ['none', 'folder'],
    ] as const) {
      const message = `There is no model ${kind} ${home}${name}. Pick another model.`;
      await assert.rejects(openModelFolder(home + name), { message });
    }
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
});

test('a file that the system cannot read is refused in words', { skip: process.platform !== 'linux' }, async () => {
  // A regular file, whose first bytes nobody can read.
  await assert.rejects(openModelFolder('/proc/self/mem'), {
    message:
      'Cannot load model "mem": a file cannot be read, the system answers EIO. Install it again or pick another model.',
  });
});

function refusal(error: unknown): string {
  if (error instanceof Failure) return error.message;
  throw error;
}
