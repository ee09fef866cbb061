/** Broken model folders: every error names the file, and the tensor with what was expected and found. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { AddedModels } from '../../src/analysis/addedModels';
import { Engine } from '../../src/inference/engine';
import { readOnnxFile } from '../../src/inference/model/onnxView/onnxFile';
import { huggingFaceCases, writeHuggingFaceModel } from '../fixtures/huggingFace';
import { tinyModelDirectory } from '../fixtures/paths';
import { Random } from '../random';

const scratch = mkdtempSync(join(tmpdir(), 'mta-models-'));
after(() => rmSync(scratch, { recursive: true, force: true }));

let count = 0;
function brokenCopy(change: (directory: string) => void): string {
  const directory = join(scratch, `broken-${count++}`);
  cpSync(tinyModelDirectory, directory, { recursive: true });
  change(directory);
  return directory;
}

const load = (modelDirectory: string) => Engine.load({ modelDirectory, provider: 'cpu', nThreads: 1 }, () => {});

function editConfig(edit: (config: Record<string, unknown>) => void) {
  return (directory: string) => {
    const path = join(directory, 'config.json');
    const config = JSON.parse(readFileSync(path, 'utf8'));
    edit(config);
    writeFileSync(path, JSON.stringify(config));
  };
}

/** An index in place of the whole file, which would count. */
function index(weight_map: unknown) {
  return (directory: string) => {
    renameSync(join(directory, 'model.safetensors'), join(directory, 'moved.safetensors'));
    writeFileSync(join(directory, 'model.safetensors.index.json'), JSON.stringify({ weight_map }));
  };
}

function replaceWith(directory: string, make: (path: string) => void): void {
  const path = join(directory, 'model.safetensors');
  unlinkSync(path);
  make(path);
}

const cases: [string, (directory: string) => void, RegExp][] = [
  ['no config', d => unlinkSync(join(d, 'config.json')), /config\.json is missing/],
  [
    'a config that is no JSON',
    d => writeFileSync(join(d, 'config.json'), '{'),
    /config\.json cannot be read, it is not valid JSON/,
  ],
  ['no weights', d => unlinkSync(join(d, 'model.safetensors')), /model\.safetensors is missing/],
  ['empty weights', d => truncateSync(join(d, 'model.safetensors')), /model\.safetensors .*it has only 0 bytes/],
  [
    'truncated weights',
    d => truncateSync(join(d, 'model.safetensors'), 50_000),
    /tensor \S+ ends at byte \d+, but the file has only 50000/,
  ],
  [
    'weights that are no safetensors',
    d => writeFileSync(join(d, 'model.safetensors'), 'x'.repeat(5000)),
    /its header claims/,
  ],
  [
    'a wider config',
    editConfig(c => {
      c['dim'] = 64;
      c['head_dim'] = 16;
    }),
    /Cannot load model "broken-\d+": tok_embeddings\.weight is \d+×32 in model\.safetensors, config\.json asks for \d+×64/,
  ],
  [
    'a missing kernel',
    editConfig(c => {
      (c['mta'] as Record<string, unknown>)['mta_layers'] = [0, 1, 2];
    }),
    /layers\.1\.attention\.mta_kernel is missing in model\.safetensors, config\.json asks for 4×1×6×11/,
  ],
  [
    'an untied head without weights',
    editConfig(c => {
      c['weight_tying'] = false;
    }),
    /output\.weight is missing/,
  ],
  [
    'a tokenizer without a model',
    d => writeFileSync(join(d, 'tokenizer.json'), '{}'),
    /tokenizer\.json cannot be used/,
  ],
  [
    'a tokenizer without vocabulary',
    d => writeFileSync(join(d, 'tokenizer.json'), JSON.stringify({ model: { type: 'BPE', vocab: {}, merges: [] } })),
    /tokenizer\.json cannot be used \(it has no vocabulary\)/,
  ],
  [
    'pickled weights',
    d => renameSync(join(d, 'model.safetensors'), join(d, 'pytorch_model.bin')),
    /pytorch_model\.bin is a pickled file, which could run code.*python3 -m export\.from_huggingface FOLDER/,
  ],
  [
    'a checkpoint of the authors’ code',
    d => {
      renameSync(join(d, 'config.json'), join(d, 'params.json'));
      renameSync(join(d, 'model.safetensors'), join(d, 'consolidated.pth'));
    },
    /consolidated\.pth is a pickled file.*export\.from_lingua/,
  ],
  [
    'a zip archive named as weights',
    d => writeFileSync(join(d, 'model.safetensors'), Buffer.concat([Buffer.from('PK\x03\x04'), Buffer.alloc(5000)])),
    /model\.safetensors cannot be read, it is a zip archive/,
  ],
  [
    'weights that are a folder',
    d => replaceWith(d, path => mkdirSync(path)),
    /model\.safetensors cannot be read, it is not a regular file/,
  ],
  [
    'weights linked out of the folder',
    d => replaceWith(d, path => symlinkSync(join(tinyModelDirectory, 'model.safetensors'), path)),
    /model\.safetensors cannot be read, it leads out of the model folder .*cp -rL/,
  ],
  [
    'an index that leads out',
    index({ a: '../model.safetensors' }),
    /cannot be read, it leads out of|\.\.\/model\.safetensors is missing/,
  ],
  ['an index without a map', index(undefined), /index\.json cannot be read, it has no weight_map/],
  ['an index of no names', index({ a: 5 }), /index\.json cannot be read, it has no weight_map/],
  ['an index with a shard that is not there', index({ a: 'model-2.safetensors' }), /model-2\.safetensors is missing/],
  [
    'a link out of the folder',
    d => {
      unlinkSync(join(d, 'tokenizer.json'));
      symlinkSync(join(tinyModelDirectory, 'tokenizer.json'), join(d, 'tokenizer.json'));
    },
    /tokenizer\.json cannot be read, it leads out of the model folder/,
  ],
];
for (const [what, change, message] of cases) {
  test(`refuses ${what}`, async () => {
    await assert.rejects(load(brokenCopy(change)), error => {
      assert.match((error as Error).message, message);
      assert.ok((error as { code?: string }).code !== 'internal');
      return true;
    });
  });
}

test('a folder that is not there', async () => {
  await assert.rejects(load(join(scratch, 'nothing')), { code: 'no-model' });
});

test('a model is opened by one of its files, and other files say what to pick', async () => {
  const engine = await load(join(tinyModelDirectory, 'model.safetensors'));
  await engine.release();
  const directory = brokenCopy(() => {});
  const picks: [string, RegExp][] = [
    ['pytorch_model.bin', /pytorch_model\.bin is a pickled file.*export\.from_huggingface/],
    ['consolidated.00.pth', /consolidated\.00\.pth is a pickled file.*export\.from_lingua/],
    ['model.zip', /model\.zip: archives are not unpacked here/],
    ['model.tar.gz', /archives are not unpacked here/],
  ];
  for (const [name, message] of picks) {
    writeFileSync(join(directory, name), 'anything');
    await assert.rejects(load(join(directory, name)), { message });
  }
});

test('Hugging Face folders: wrong shapes and sizes are refused by their names', async () => {
  const example = huggingFaceCases().find(({ name }) => name === 'llama')!;
  const changes: [object, RegExp][] = [
    [{ intermediate_size: 64 }, /model\.layers\.0\.mlp\.gate_proj\.weight is 48×32 in .*config\.json asks for 64×32/],
    [{ num_hidden_layers: 3 }, /model\.layers\.2\.self_attn\.q_proj\.weight is missing/],
    [{ tie_word_embeddings: true, hidden_size: 1e12 }, /hidden_size is 1000000000000/],
    [{ model_type: 'mamba' }, /model_type is "mamba", expected one of/],
  ];
  for (const [i, [change, message]] of changes.entries()) {
    const directory = join(scratch, `theirs-${i}`);
    writeHuggingFaceModel(directory, { ...example, config: { ...example.config, ...change } });
    await assert.rejects(load(directory), { message });
  }
});

const noFile: [string, (directory: string) => string, RegExp][] = [
  ...['config.json', 'tokenizer.json', 'model.safetensors', 'model.safetensors.index.json'].map(
    (name): [string, (directory: string) => string, RegExp] => [
      `${name} is a pipe`,
      directory => {
        rmSync(join(directory, name), { force: true });
        // Beside a whole file, an index does not count.
        if (name.endsWith('.index.json')) rmSync(join(directory, 'model.safetensors'));
        execFileSync('mkfifo', [join(directory, name)]);
        return directory;
      },
      /is not a regular file/,
    ],
  ),
  [
    'a pipe is the only ONNX file',
    directory => {
      for (const name of ['config.json', 'model.safetensors']) rmSync(join(directory, name));
      execFileSync('mkfifo', [join(directory, 'x.onnx')]);
      return directory;
    },
    /is not a regular file/,
  ],
  [
    'a shard is a device',
    directory => {
      index({ w: 'shard.safetensors' })(directory);
      symlinkSync('/dev/zero', join(directory, 'shard.safetensors'));
      return directory;
    },
    /leads out of the model folder/,
  ],
];
for (const [what, make, message] of noFile) {
  test(`refused at once: ${what}`, { skip: process.platform === 'win32', timeout: 10_000 }, async () => {
    let folder = '';
    brokenCopy(copy => {
      folder = make(copy);
    });
    await assert.rejects(load(folder), { message });
  });
}

test('a list of models leaves out a folder whose configuration is a pipe or huge', { timeout: 10_000 }, async () => {
  const huge = brokenCopy(copy => truncateSync(join(copy, 'config.json'), 1.5e9));
  const pipe = brokenCopy(copy => {
    rmSync(join(copy, 'config.json'));
    if (process.platform !== 'win32') execFileSync('mkfifo', [join(copy, 'config.json')]);
  });
  const state = { keys: () => [], get: () => [huge, pipe, tinyModelDirectory] as never, update: async () => {} };
  const listed = await new AddedModels(state, join(scratch, 'nothing')).list();
  assert.deepEqual(
    listed.map(({ directory }) => directory),
    [tinyModelDirectory],
  );
});

test('an index of shards that are gone does not count beside a whole file', async () => {
  const directory = brokenCopy(copy => {
    const weight_map = { w: 'model-00001-of-00002.safetensors' };
    writeFileSync(join(copy, 'model.safetensors.index.json'), JSON.stringify({ weight_map }));
  });
  await (await load(directory)).release();
});

test('a token above the embedding is refused only in a text that has it', async () => {
  const directory = brokenCopy(copy => {
    const path = join(copy, 'tokenizer.json');
    const tokenizer = JSON.parse(readFileSync(path, 'utf8'));
    tokenizer.model.vocab['<pad>'] = 999; // an added token outside the vocabulary gets the next free id
    tokenizer.added_tokens.push({ ...tokenizer.added_tokens[0], id: 999, content: '<pad>' });
    writeFileSync(path, JSON.stringify(tokenizer));
  });
  const engine = await load(directory);
  const run = (text: string) => {
    const place = { textStart: 0, anchor: 0, documentLength: text.length, maxTokens: 8 };
    return engine.analyze({ analysisId: 1, text, topK: 2, ...place });
  };
  await run('some text');
  await assert.rejects(run('some <pad>'), {
    code: 'bad-tokenizer',
    message: /tokenizer\.json gives the token id 999, config\.json says vocab_size \d+/,
  });
  await engine.release();
});

test('one shard under many names is read once, and all headers together have a limit', async () => {
  const aliases = brokenCopy(copy => {
    const names = Array.from({ length: 40 }, (_, i) => [String(i), `${'./'.repeat(i)}moved.safetensors`]);
    index(Object.fromEntries(names))(copy);
  });
  const engine = await load(aliases);
  await engine.release();
  const wide = brokenCopy(copy => {
    const path = join(copy, 'model.safetensors');
    const bytes = readFileSync(path);
    const length = Number(bytes.readBigUInt64LE(0));
    const empty = '{"dtype":"U8","shape":[0],"data_offsets":[0,0]}';
    const more = Array.from({ length: 20_000 }, (_, i) => `"${i}_":${empty}`).join(',');
    const header = Buffer.from(
      bytes
        .subarray(8, 8 + length)
        .toString()
        .trimEnd()
        .replace(/\}$/, `,${more}}`),
    );
    const first = Buffer.alloc(8);
    first.writeBigUInt64LE(BigInt(header.length));
    writeFileSync(path, Buffer.concat([first, header, bytes.subarray(8 + length)]));
  });
  await assert.rejects(load(wide), { message: /names more than \d+ tensors/ });
});

const field = (number: number, content: Uint8Array) => {
  const length: number[] = [];
  for (let n = content.length; ; n = Math.floor(n / 128)) {
    length.push(n > 127 ? (n % 128) | 128 : n);
    if (n <= 127) break;
  }
  return Buffer.concat([Buffer.from([number * 8 + 2, ...length]), content]);
};
const onnx: [string, (path: string) => void, RegExp][] = [
  ['4 GB of zeros', path => sparse(path, 4e9), /an ONNX file can have 2147483648/],
  ['1 TB of zeros', path => sparse(path, 1e12), /an ONNX file can have/],
  ['2 GB of zeros', path => sparse(path, 2e9), /not an ONNX file, or it is damaged/],
  [
    'a million empty nodes',
    path => writeFileSync(path, field(7, Buffer.alloc(2e6, Buffer.from([0x0a, 0])))),
    /more than 131072 parts/,
  ],
];
function sparse(path: string, size: number): void {
  writeFileSync(path, '');
  truncateSync(path, size);
}
for (const [what, make, message] of onnx) {
  test(`an ONNX file of ${what} is refused before much of it is read`, { timeout: 10_000 }, () => {
    const path = join(scratch, `bomb-${count++}.onnx`);
    make(path);
    assert.throws(() => readOnnxFile(path), message);
    rmSync(path);
  });
}

test('external data of an ONNX file is found in whichever order its parts are written', () => {
  const location = [field(1, Buffer.from('location')), field(2, Buffer.from('../weights.bin'))];
  for (const parts of [location, [...location].reverse()]) {
    const path = join(scratch, `external-${count++}.onnx`);
    writeFileSync(
      path,
      field(7, field(5, Buffer.concat([field(8, Buffer.from('w')), field(13, Buffer.concat(parts))]))),
    );
    assert.deepEqual(readOnnxFile(path).externalFiles, ['../weights.bin']);
  }
});

test('random damage to the files never crashes and never hangs', { timeout: 60_000 }, async () => {
  const random = new Random(77);
  for (let round = 0; round < 60; round++) {
    const directory = brokenCopy(copy => {
      const path = join(copy, random.pick(['config.json', 'tokenizer.json', 'model.safetensors']));
      const bytes = readFileSync(path);
      const length = path.endsWith('safetensors') ? 4000 : bytes.length; // the header, not the numbers
      for (let flip = 0; flip < 3; flip++) bytes[random.below(length)]! ^= 1 << random.below(8);
      writeFileSync(path, bytes);
    });
    const engine = await load(directory).catch(error => {
      assert.ok(error instanceof Error && error.message.length > 10);
    });
    await engine?.release(); // damage that leaves everything readable is no damage to see here
  }
});
