/** Models that other programs have put on this machine: found, opened in place, and no path out of a store. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import Ajv from 'ajv';
import type { FoundListing as Listing } from '../../src/cli/models';
import { Engine } from '../../src/inference/engine';
import { openModelFolder } from '../../src/inference/model/openModelFolder';
import { modelFacts } from '../../src/inference/modelFacts';
import { findModels } from '../../src/inference/stores/findModels';
import { cachedModels, cachedSnapshot } from '../../src/inference/stores/huggingFaceCache';
import { huggingFaceCases, writeHuggingFaceModel } from '../fixtures/huggingFace';
import { commit, writeManifest, writeOllamaModel, writeSnapshot } from '../fixtures/modelStores';
import { root, tinyModelDirectory } from '../fixtures/paths';
import { cliProgram } from '../fixtures/programs';

const scratch = mkdtempSync(join(tmpdir(), 'mta-stores-'));
after(() => rmSync(scratch, { recursive: true, force: true }));
let count = 0;
const newFolder = () => join(scratch, String(count++));
const canLink = process.platform !== 'win32';
const document = join(root, 'test', 'fixtures', 'documents', 'inventory.ts');

/** Predictions for a text: the weights have been read. */
async function predictions(modelDirectory: string) {
  const engine = await Engine.load({ modelDirectory, provider: 'cpu', nThreads: 1 }, () => {});
  const place = { text: 'one two three', textStart: 0, documentLength: 13, anchor: 0 };
  const { predictions } = await engine.analyze({ analysisId: 1, ...place, maxTokens: 32, topK: 4 });
  return predictions;
}

for (const hasLinks of [true, false]) {
  test(`a snapshot of ${hasLinks ? 'links to blobs' : 'plain files'} runs in place`, {
    skip: hasLinks && !canLink,
  }, async () => {
    const cache = newFolder();
    const snapshot = writeSnapshot(cache, 'owner/tiny', tinyModelDirectory, { hasLinks });
    assert.deepEqual(await cachedModels(cache), [
      {
        ...{ source: 'huggingface', name: 'owner/tiny', revision: 'main', path: snapshot, problem: null },
        sizeBytes: readFileSync(join(tinyModelDirectory, 'model.safetensors')).length,
      },
    ]);
    const [copy, original] = [await predictions(snapshot), await predictions(tinyModelDirectory)];
    // Where the weights lie in memory changes the last digits.
    for (const [i, p] of copy.topProbabilities.entries()) assert.ok(Math.abs(p - original.topProbabilities[i]!) < 1e-5);
    const facts = await modelFacts(snapshot);
    assert.deepEqual([facts.family, facts.problem, facts.fitsInMemory], ['mta', null, true]);
  });
}

test('shards of a snapshot run in place, and what is refused is named by its repository', {
  skip: !canLink,
}, async () => {
  const [folder, cache] = [newFolder(), newFolder()];
  const example = huggingFaceCases().find(({ name }) => name === 'llama')!;
  writeHuggingFaceModel(folder, example, 3);
  const snapshot = writeSnapshot(cache, 'llama', folder);
  const { problem, family, nParameters } = await modelFacts(snapshot);
  assert.deepEqual([problem, family], [null, 'llama']);
  assert.ok(nParameters! > 1000);
  const { weights, weightFolder } = await openModelFolder(snapshot);
  const { source } = weights('layers.0.attention.wq.weight');
  assert.ok('file' in source && /^blobs\/[0-9a-f]{64}$/.test(source.file), JSON.stringify(source));
  assert.equal(weightFolder, realpathSync(join(cache, 'models--llama')));
  unlinkSync(join(snapshot, 'config.json'));
  await assert.rejects(predictions(snapshot), /Cannot load model "llama": config\.json is missing/);
});

const escapes: [string, (snapshot: string, cache: string) => void][] = [
  ['another repository of the cache', (_, cache) => void writeSnapshot(cache, 'other/tiny', tinyModelDirectory)],
  ['a file beside the blobs', (_, cache) => writeFileSync(join(cache, 'models--owner--tiny', 'weights'), 'x')],
  ['a file out of the cache', () => {}],
];
for (const [what, prepare] of escapes) {
  test(`a link of a snapshot to ${what} is refused`, { skip: !canLink }, async () => {
    const cache = newFolder();
    const snapshot = writeSnapshot(cache, 'owner/tiny', tinyModelDirectory);
    prepare(snapshot, cache);
    const targets = [
      join(cache, 'models--other--tiny', 'snapshots', commit, 'model.safetensors'),
      join(cache, 'models--owner--tiny', 'weights'),
      join(tinyModelDirectory, 'model.safetensors'),
    ];
    unlinkSync(join(snapshot, 'model.safetensors'));
    symlinkSync(targets[escapes.findIndex(([name]) => name === what)]!, join(snapshot, 'model.safetensors'));
    await assert.rejects(predictions(snapshot), /model\.safetensors cannot be read, it leads out of the model folder/);
  });
}

test('blobs that lead out of the repository are refused, one file or all', { skip: !canLink }, async () => {
  for (const isWhole of [true, false]) {
    const cache = newFolder();
    const snapshot = writeSnapshot(cache, 'owner/tiny', tinyModelDirectory);
    const blobs = join(cache, 'models--owner--tiny', 'blobs');
    const elsewhere = newFolder();
    renameSync(blobs, elsewhere);
    if (isWhole) symlinkSync(elsewhere, blobs);
    else {
      mkdirSync(blobs);
      for (const name of ['config.json', 'tokenizer.json', 'model.safetensors']) {
        const blob = join(blobs, name);
        unlinkSync(join(snapshot, name));
        symlinkSync(join('..', '..', 'blobs', name), join(snapshot, name));
        symlinkSync(join(tinyModelDirectory, name), blob);
      }
    }
    await assert.rejects(predictions(snapshot), /cannot be read, it leads out of the model folder/);
  }
});

test('a folder that is only named like a snapshot follows no links', { skip: !canLink }, async () => {
  const folder = join(newFolder(), 'models--a', 'snapshots', 'main');
  mkdirSync(join(folder, '..', '..', 'blobs'), { recursive: true });
  mkdirSync(folder, { recursive: true });
  for (const name of ['config.json', 'tokenizer.json', 'model.safetensors']) {
    const blob = join(folder, '..', '..', 'blobs', name);
    writeFileSync(blob, readFileSync(join(tinyModelDirectory, name)));
    symlinkSync(blob, join(folder, name));
  }
  await assert.rejects(predictions(folder), /leads out of the model folder/);
});

test('revisions: a branch, a pull request, a commit, its beginning; what is not there is listed', async () => {
  const cache = newFolder();
  const [first, second] = [commit, 'f'.repeat(40)];
  const files = { hasLinks: false };
  const main = writeSnapshot(cache, 'owner/tiny', tinyModelDirectory, files);
  const pull = writeSnapshot(cache, 'owner/tiny', tinyModelDirectory, { ...files, commit: second, ref: 'refs/pr/3' });
  const of = (revision: string | null) => cachedSnapshot(cache, { id: 'owner/tiny', revision });
  assert.deepEqual(await Promise.all([null, 'main', first, first.slice(0, 8)].map(of)), [main, main, main, main]);
  assert.deepEqual(await Promise.all(['refs/pr/3', second].map(of)), [pull, pull]);
  await assert.rejects(of('v2'), /has owner\/tiny without revision v2; it has main, refs\/pr\/3/);
  await assert.rejects(cachedSnapshot(cache, { id: 'owner/none', revision: null }), /mta-inspect download owner\/none/);
  assert.deepEqual(
    (await cachedModels(cache)).map(({ revision }) => revision),
    ['main', 'refs/pr/3'],
  );
});

test('a download that was cut is listed with what to do', async () => {
  const cache = newFolder();
  mkdirSync(join(cache, 'models--owner--cut', 'blobs'), { recursive: true });
  writeFileSync(join(cache, 'models--owner--cut', 'blobs', 'abc.incomplete'), 'x');
  const [model] = await cachedModels(cache);
  assert.match(model!.problem!, /download of owner\/cut is not complete/);
});

/** A home folder with something in every store. */
function home(): string {
  const folder = newFolder();
  const at = (...parts: string[]) => join(folder, ...parts);
  writeSnapshot(at('.cache', 'huggingface', 'hub'), 'owner/tiny', tinyModelDirectory, { hasLinks: false });
  const ollama = at('.ollama', 'models');
  const gguf = new TextEncoder().encode('GGUF and more');
  writeOllamaModel(ollama, ['registry.ollama.ai', 'library', 'smollm', '135m'], gguf);
  writeOllamaModel(ollama, ['registry.ollama.ai', 'someone', 'tuned', 'latest'], gguf);
  writeManifest(ollama, ['hf.co', 'a', 'b', 'cloud'], '{"layers":[]}');
  const layers = [{ mediaType: 'application/vnd.ollama.image.model', digest: 'sha256:../../../../secret' }];
  writeManifest(ollama, ['hf.co', 'a', 'b', 'evil'], JSON.stringify({ layers }));
  writeManifest(ollama, ['hf.co', 'a', 'b', 'broken'], '{');
  mkdirSync(at('.lmstudio', 'models', 'lm', 'small'), { recursive: true });
  for (const name of ['s-00001-of-00002.gguf', 's-00002-of-00002.gguf', 'mmproj-s.gguf', 'readme.md'])
    writeFileSync(at('.lmstudio', 'models', 'lm', 'small', name), 'GGUF');
  mkdirSync(at('.cache', 'llama.cpp'), { recursive: true });
  writeFileSync(at('.cache', 'llama.cpp', 'one.gguf'), 'GGUF');
  if (canLink) symlinkSync(document, at('.cache', 'llama.cpp', 'two.gguf'));
  return folder;
}

test('every store is read: names, sizes and what each cannot give', { skip: !canLink }, async () => {
  const models = await findModels({ env: {}, home: home(), platform: 'linux', join });
  const reason = (problem: string | null) => problem?.replace(/^.*(\. |: )(Its|it) /, 'it ') ?? null;
  assert.deepEqual(
    models.map(({ source, name, sizeBytes, problem }) => [source, name, sizeBytes > 0, reason(problem)]),
    [
      ['huggingface', 'owner/tiny', true, null],
      ['ollama', 'hf.co/a/b:broken', false, 'it manifest is not valid JSON.'],
      [
        'ollama',
        'hf.co/a/b:cloud',
        false,
        'it manifest names 0 files with weights, expected one. Models in the cloud have none.',
      ],
      ['ollama', 'hf.co/a/b:evil', false, 'it manifest names its weights by something else than a SHA-256 digest.'],
      ['ollama', 'smollm:135m', true, null],
      ['ollama', 'someone/tuned:latest', true, null],
      ['lmstudio', 'lm/small/s-00001-of-00002.gguf', true, null],
      ['llamacpp', 'one.gguf', true, null],
      ['llamacpp', 'two.gguf', true, problemOfLink(models)],
    ],
  );
  assert.match(problemOfLink(models) ?? '', /it is a link that leads out of/);
  assert.equal(models.find(({ source }) => source === 'lmstudio')!.sizeBytes, 8);
});

function problemOfLink(models: Awaited<ReturnType<typeof findModels>>) {
  return models.at(-1)!.problem?.replace(/^.*: it /, 'it ') ?? null;
}

test('the command line lists them as its schema says, and --model takes a repository', async () => {
  const folder = home();
  const env = { PATH: process.env['PATH'], HOME: folder, USERPROFILE: folder };
  const run = (...args: string[]) =>
    spawnSync(process.execPath, [cliProgram, ...args], { cwd: root, encoding: 'utf8', env });
  const json = run('models', '--json');
  assert.equal(json.status, 0, json.stderr);
  const schema = readFileSync(join(root, 'src', 'cli', 'schemas', 'models.schema.json'), 'utf8');
  const validate = new Ajv().compile(JSON.parse(schema));
  const listed: { found: Listing[] } = JSON.parse(json.stdout);
  assert.ok(validate(listed as unknown), JSON.stringify(validate.errors));
  const tiny = listed.found.find(({ name }) => name === 'owner/tiny')!;
  assert.deepEqual([tiny.family, tiny.fits_in_memory, tiny.problem], ['mta', true, null]);
  assert.ok(tiny.parameters! > 1000 && tiny.memory_bytes! > tiny.size_bytes);
  const text = run('models').stdout;
  assert.match(text, /Hugging Face:\nowner\/tiny@main: mta, 0\.1 M parameters, /);
  assert.match(text, /Ollama:\n.*\n {4}Cannot load hf\.co\/a\/b:broken\. Its manifest/);
  const heads = run('heads', document, '--model', 'owner/tiny@main', '--max-tokens', '16');
  assert.equal(heads.status, 0, heads.stderr);
  const missing = run('heads', document, '--model', 'owner/none');
  assert.match(missing.stderr, /There is no model owner\/none in the Hugging Face cache .*mta-inspect download/);
});
