/** GGUF files on disk: quantized and split ones, folders, the command line, and what is refused. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, relative } from 'node:path';
import { after, test } from 'node:test';
import { describeModel } from '../../src/inference/model/describeModel';
import { dequantize } from '../../src/inference/model/gguf/dequantize';
import { openModelFolder } from '../../src/inference/model/openModelFolder';
import { ModelRuntime } from '../../src/inference/runtime/modelRuntime';
import { relativeDifference } from '../../src/inference/runtime/relativeDifference';
import type { QuantizedWeights } from '../../src/shared/analysis';
import { decodeFloats, float16Bytes } from '../../src/shared/tools/float16';
import { type GgufContent, ggufBytes, smallGguf, type WrittenGgufTensor } from '../fixtures/ggufWriter';
import { root } from '../fixtures/paths';
import { cliProgram } from '../fixtures/programs';

const scratch = mkdtempSync(join(tmpdir(), 'mta-gguf-open-'));
after(() => rmSync(scratch, { recursive: true, force: true }));

const small = smallGguf();

function write(name: string, content: GgufContent): string {
  const path = join(scratch, name);
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, ggufBytes(content));
  return path;
}

const withMetadata = (metadata: GgufContent['metadata']) => ({
  ...small,
  metadata: { ...small.metadata, ...metadata },
});
const withTensor = (name: string, tensor: WrittenGgufTensor) => ({
  ...small,
  tensors: new Map([...small.tensors, [name, tensor]]),
});

const valuesOf = ({ type, bytes }: WrittenGgufTensor) => decodeFloats(String(type), bytes);

function toQ8(values: Float32Array): Uint8Array {
  const blocks = Array.from({ length: values.length / 32 }, (_, block) => {
    const part = values.subarray(32 * block, 32 * block + 32);
    const scale = part.reduce((most, value) => Math.max(most, Math.abs(value)), 0) / 127;
    return [...float16Bytes(Float32Array.of(scale)), ...Int8Array.from(part, value => Math.round(value / scale))];
  });
  return Uint8Array.from(blocks.flat());
}

async function logitsOf(path: string, kept: QuantizedWeights = 'packed'): Promise<Float32Array> {
  const runtime = new ModelRuntime(await openModelFolder(path, kept), 'cpu', 1);
  try {
    let hidden = await runtime.embed(Int32Array.of(5, 4, 3, 2, 1));
    for (let i = 0; i < runtime.folder.config.n_layers; i++) hidden = await runtime.bareBlock(i, hidden);
    return (await runtime.logits(hidden)).data as Float32Array;
  } finally {
    await runtime.release();
  }
}

test('a quantized file computes what the same values as fp32 compute', async () => {
  const [quantized, plain] = [new Map<string, WrittenGgufTensor>(), new Map<string, WrittenGgufTensor>()];
  for (const [name, tensor] of small.tensors) {
    const { shape } = tensor;
    const values = valuesOf(tensor);
    if (shape.length === 2 && shape[1]! % 32 === 0) {
      const bytes = toQ8(values);
      quantized.set(name, { shape, type: 'Q8_0', bytes });
      dequantize('Q8_0', bytes, values);
    } else quantized.set(name, tensor);
    plain.set(name, { shape, type: 'F32', bytes: new Uint8Array(values.slice().buffer) });
  }
  assert.ok(new Set([...quantized.values()].map(({ type }) => type)).size > 1, 'a mixture');
  const paths = [
    write('q.gguf', { metadata: { ...small.metadata, 'general.file_type': 7 }, tensors: quantized }),
    write('f.gguf', { ...small, tensors: plain }),
  ] as const;
  const expected = await logitsOf(paths[1]);
  assert.deepEqual(await logitsOf(paths[0], 'float32'), expected);
  const packed = await logitsOf(paths[0]);
  assert.ok(relativeDifference(packed, expected) < 1e-6, `${relativeDifference(packed, expected)}`);
  const [small8, large] = [await openModelFolder(paths[0]), await openModelFolder(paths[0], 'float32')];
  assert.equal(small8.summary.weightType, 'Q8_0');
  assert.deepEqual(
    [small8, large].map(({ summary }) => summary.weightsKeptAs),
    ['packed', 'float32'],
  );
  assert.equal((await openModelFolder(paths[1])).summary.weightsKeptAs, undefined);
  assert.ok(small8.sizeBytes < 0.4 * large.sizeBytes, `${small8.sizeBytes} and ${large.sizeBytes} bytes`);
  assert.match((await describeModel(paths[0])).description, /^2 layers, 4 heads, context 64, Q8_0$/);
});

test('a split model is opened by any of its parts, links to them included', async () => {
  const whole = write('whole.gguf', small);
  const tensors = [...small.tensors];
  const part = (no: number) => ({
    metadata: { ...(no === 0 ? small.metadata : {}), 'split.no': no, 'split.count': 2 },
    tensors: new Map(no === 0 ? tensors.slice(0, 4) : tensors.slice(4)),
  });
  const first = write(join('split', 'm-00001-of-00002.gguf'), part(0));
  await assert.rejects(openModelFolder(first), {
    message: 'Cannot read m-00002-of-00002.gguf: it is missing. Put all 2 parts of the model into one folder.',
  });
  const second = write(join('split', 'm-00002-of-00002.gguf'), part(1));
  const expected = await logitsOf(whole);
  for (const path of [first, second, join(scratch, 'split')]) assert.deepEqual(await logitsOf(path), expected);
  assert.equal((await openModelFolder(second)).summary.name, 'm');
  if (process.platform !== 'win32') {
    // As a snapshot of the Hugging Face cache has them; links elsewhere are not followed.
    const repository = join(scratch, 'models--owner--m');
    const snapshot = join(repository, 'snapshots', '0'.repeat(40));
    const outside = join(scratch, 'links');
    for (const folder of [join(repository, 'blobs'), snapshot, outside]) mkdirSync(folder, { recursive: true });
    for (const [i, path] of [first, second].entries()) {
      const blob = join(repository, 'blobs', String(i).repeat(64));
      copyFileSync(path, blob);
      symlinkSync(relative(snapshot, blob), join(snapshot, basename(path)));
      symlinkSync(path, join(outside, basename(path)));
    }
    assert.deepEqual(await logitsOf(snapshot), expected);
    await assert.rejects(openModelFolder(outside), /m-00001-of-00002\.gguf cannot be read, it leads out/);
  }
  writeFileSync(second, ggufBytes(part(0)));
  await assert.rejects(openModelFolder(first), /m-00002-of-00002\.gguf: it says that it is part 1\./);
});

test('a file without an ending, as in Ollama’s store, and a folder with several', async () => {
  const blob = write('sha256-0123', small);
  assert.equal((await openModelFolder(blob)).config.n_layers, 2);
  const digest = `sha256-74701a8c${'0'.repeat(56)}`;
  const namedBy = async (name?: string) => {
    const path = write(digest, name === undefined ? small : withMetadata({ 'general.name': name }));
    const names = [(await openModelFolder(path)).summary.name, (await describeModel(path)).name];
    assert.equal(names[0], names[1]);
    return names[0];
  };
  assert.equal(await namedBy('Llama 3.2 1B Instruct'), 'Llama 3.2 1B Instruct (74701a8c)');
  assert.equal(await namedBy(' '), digest);
  assert.equal(await namedBy(), digest);
  write(join('several', 'a.gguf'), small);
  write(join('several', 'mmproj-a.gguf'), small);
  assert.equal((await openModelFolder(join(scratch, 'several'))).summary.name, 'a');
  write(join('several', 'b.gguf'), small);
  await assert.rejects(
    openModelFolder(join(scratch, 'several')),
    /several GGUF files\. Pick one of a\.gguf, b\.gguf\./,
  );
});

const bytes = new Uint8Array(4 * 32);
const refused: readonly (readonly [string, GgufContent, RegExp])[] = [
  [
    'an architecture',
    withMetadata({ 'general.architecture': 'mamba' }),
    /general\.architecture is "mamba", expected one of llama, /,
  ],
  [
    'a key that may change the result',
    withMetadata({ 'llama.logit_scale': { f32: 2 } }),
    /llama\.logit_scale is 2, expected no such key/,
  ],
  [
    'experts',
    withMetadata({ 'llama.expert_count': 8 }),
    /expert_count is 8, expected 0: models with experts are not read/,
  ],
  [
    'a part of a head that is rotated',
    withMetadata({ 'llama.rope.dimension_count': 4 }),
    /rope\.dimension_count is 4, expected 16/,
  ],
  [
    'heads that differ by layer',
    withMetadata({ 'llama.attention.head_count': { i32s: [4, 2] } }),
    /head_count is \[4, 2\], expected a whole number/,
  ],
  [
    'another scaling',
    withMetadata({ 'llama.rope.scaling.type': 'longrope' }),
    /rope\.scaling\.type is "longrope", expected "none" beside/,
  ],
  [
    'a tensor of other models',
    withTensor('blk.0.attn_sinks.weight', { shape: [32], type: 'F32', bytes }),
    /tensor "blk\.0\.attn_sinks\.weight" has no place in the architecture "llama"/,
  ],
  [
    'another shape',
    withTensor('output_norm.weight', { shape: [16], type: 'F32', bytes: bytes.subarray(64) }),
    /output_norm\.weight is 16, its metadata asks for 32/,
  ],
  [
    'another table of positions',
    withTensor('rope_freqs.weight', {
      shape: [8],
      type: 'F32',
      bytes: new Uint8Array(Float32Array.of(1, 2, 3, 4, 5, 6, 7, 1).buffer),
    }),
    /rope_freqs\.weight is another table, expected the factors of Llama 3/,
  ],
  [
    'a name without its parts',
    withMetadata({ 'split.count': 3 }),
    /it says that it is one of 3 parts, its name says 1\. Give it back the name it had\./,
  ],
];
for (const [what, content, message] of refused) {
  test(`refused by its name: ${what}`, async () => {
    await assert.rejects(openModelFolder(write('refused.gguf', content)), (error: Error) => {
      assert.match(error.message, message);
      assert.equal(error.name, 'Failure');
      return true;
    });
  });
}

test('the command line takes the file and says which weights were read', () => {
  const { texts } = small.metadata['tokenizer.ggml.tokens'] as { readonly texts: readonly string[] };
  const path = write(
    'cli.gguf',
    withMetadata({
      'general.file_type': 15,
      'tokenizer.ggml.tokens': { texts: ['a', 'b', 'ab', ...texts.slice(3)] },
      'tokenizer.ggml.merges': { texts: ['a b'] },
    }),
  );
  const text = join(scratch, 'text.txt');
  writeFileSync(text, 'abba');
  const args = [cliProgram, 'analyze', text, '--model', path, '--json', '-'];
  const run = spawnSync(process.execPath, args, { encoding: 'utf8', cwd: root });
  assert.equal(run.status, 0, run.stderr);
  const { model, tokens } = JSON.parse(run.stdout);
  assert.deepEqual(model, { name: 'cli', n_layers: 2, n_heads: 4, weights: 'Q4_K_M' });
  assert.deepEqual(
    tokens.map(({ text }: { readonly text: string }) => text),
    ['ab', 'b', 'a'],
  );
});
