/** GGUF files: bytes changed at random, and metadata of other kinds, written as it should be. */

import fc from 'fast-check';
import { parseHuggingFaceConfig } from '../../src/graph/huggingFaceConfig';
import { expectedWeights } from '../../src/graph/modelGraphs';
import { dequantize } from '../../src/inference/model/gguf/dequantize';
import { parseGgufHeader } from '../../src/inference/model/gguf/header';
import { readModel } from '../../src/inference/model/gguf/metadata';
import { readTokenizer } from '../../src/inference/model/gguf/tokenizer';
import { ggmlType, ggmlTypes, layoutOf } from '../../src/inference/model/gguf/types';
import { beginTokenOf } from '../../src/tokenization/beginToken';
import { ggufBytes, smallGguf, type WrittenValue } from '../fixtures/ggufWriter';
import { changedBytes, changedJson } from './mutate';
import type { Target } from './target';

const small = smallGguf();
/** One block of every type, and names that a model has. */
const tensors = new Map(
  Object.entries(ggmlTypes).map(([type, code], i) => {
    const { blockValues, blockBytes } = layoutOf(code)!;
    const bytes = new Uint8Array(blockBytes).fill(i);
    return [i === 0 ? 'token_embd.weight' : `blk.0.${type}`, { shape: [1, blockValues], type: code, bytes }];
  }),
);
const common = Object.fromEntries(
  Object.entries(small.metadata).filter(([key]) => !key.startsWith('tokenizer.') && !key.includes('rope')),
);
const vocabulary = ['<unk>', '<s>', '▁a', '▁', 'a', 'aa', '<0x0A>'];
const tokenizers: readonly Record<string, WrittenValue>[] = [
  {
    ...{ 'tokenizer.ggml.model': 'gpt2', 'tokenizer.ggml.pre': 'llama-bpe', 'tokenizer.ggml.bos_token_id': 1 },
    'tokenizer.ggml.tokens': { texts: vocabulary },
    'tokenizer.ggml.token_type': { i32s: [2, 3, 1, 1, 1, 4, 6] },
    'tokenizer.ggml.merges': { texts: ['a a'] },
  },
  {
    ...{ 'tokenizer.ggml.model': 'llama', 'tokenizer.ggml.bos_token_id': 1, 'tokenizer.ggml.add_bos_token': true },
    'tokenizer.ggml.tokens': { texts: vocabulary },
    'tokenizer.ggml.scores': { f32s: [0, 0, -1, -2, -3, -4, -5] },
    'tokenizer.ggml.token_type': { i32s: [2, 3, 1, 1, 1, 1, 6] },
  },
];
const scalings: readonly Record<string, WrittenValue>[] = [
  {},
  { 'llama.rope.scaling.type': 'yarn', 'llama.rope.scaling.factor': { f32: 4 } },
  { 'llama.rope.scale_linear': { f32: 2 } },
];
const contents = tokenizers.flatMap(tokenizer => scalings.map(scaling => ({ ...common, ...scaling, ...tokenizer })));
const files = contents.map(metadata => ggufBytes({ metadata, tensors }));

/** Any JSON value as one that metadata can hold. */
function written(value: unknown): WrittenValue {
  if (typeof value === 'string' || typeof value === 'boolean') return value;
  if (typeof value === 'number') {
    return Number.isInteger(value) && value >= 0 && value < 2 ** 32 ? value : { f32: value };
  }
  if (typeof value !== 'object' || value === null) return '';
  const inner =
    'f32' in value || 'texts' in value || 'i32s' in value || 'f32s' in value ? Object.values(value)[0] : value;
  if (!Array.isArray(inner)) return typeof inner === 'number' ? { f32: inner } : '';
  if (inner.every(item => typeof item === 'string')) return { texts: inner };
  return { f32s: inner.map(item => (typeof item === 'number' ? item : 0)) };
}

const metadataInputs = changedJson(contents).map(json => {
  const entries = typeof json === 'object' && json !== null ? Object.entries(json) : [];
  return ggufBytes({ metadata: Object.fromEntries(entries.map(([key, value]) => [key, written(value)])), tensors });
});

export const gguf: Target<{ file: Uint8Array; missing: number; factors: readonly number[] | null }> = {
  name: 'gguf',
  inputs: fc.record({
    file: fc.oneof(metadataInputs, fc.constantFrom(...files).chain(changedBytes)),
    missing: fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, fc.constantFrom(1, 100, 2 ** 40)),
    factors: fc.option(fc.array(fc.float(), { minLength: 1, maxLength: 64 })),
  }),
  sizeOf: ({ file }) => file.length,
  run({ file, missing, factors }) {
    const fileSize = file.length + missing;
    const header = parseGgufHeader(file, fileSize, 'f');
    if (!header) {
      if (missing === 0) throw new Error('a whole file needs more');
      return;
    }
    for (const [name, { type, shape, start, end }] of header.tensors) {
      if (!(start >= 8 && start < end && end <= fileSize)) throw new Error(`range of ${name}`);
      if (end > file.length) continue;
      const values = new Float32Array(shape.reduce((product, n) => product * n, 1));
      dequantize(ggmlType(type)!, file.subarray(start, end), values);
    }
    const { metadata, tensors } = header;
    const vocabSize = tensors.get('token_embd.weight')?.shape[0] ?? 0;
    const model = readModel(
      metadata,
      'f',
      vocabSize,
      name => tensors.has(name),
      factors ? { 'rope_freqs.weight': Float32Array.from(factors) } : {},
    );
    const begin = beginTokenOf(readTokenizer(metadata, 'f'));
    for (const [key, shape] of expectedWeights(parseHuggingFaceConfig(model.configJson, 'f', begin))) {
      if (!shape.every(n => Number.isSafeInteger(n) && n > 0)) throw new Error(`shape of ${key}: ${shape}`);
    }
  },
};
