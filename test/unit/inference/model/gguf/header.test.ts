import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseGgufHeader } from '../../../../../src/inference/model/gguf/header';
import { type GgufContent, ggufBytes, smallGguf } from '../../../../fixtures/ggufWriter';

const bytes = new Uint8Array(18).fill(1);
const content: GgufContent = {
  metadata: {
    'general.architecture': 'llama',
    count: 7,
    large: { u64: 5_000_000_000n },
    eps: { f32: 0.5 },
    flag: true,
    list: { i32s: [1, 2, 3] },
    words: { texts: ['a', '', 'é🙂'] },
  },
  tensors: new Map([['w', { shape: [2, 16], type: 'Q4_0', bytes }]]),
};

for (const version of [2, 3]) {
  test(`version ${version}: metadata of every kind, shapes with the fastest dimension last, ranges in the file`, () => {
    const file = ggufBytes({
      ...content,
      version,
      tensors: new Map([['w', { shape: [3, 32], type: 'Q4_0', bytes: new Uint8Array(54) }]]),
    });
    const header = parseGgufHeader(file, file.length, 'f')!;
    assert.equal(header.version, version);
    assert.deepEqual(
      [...header.metadata.values()],
      ['llama', 7, 5_000_000_000, 0.5, true, Int32Array.of(1, 2, 3), ['a', '', 'é🙂']],
    );
    const { shape, start, end } = header.tensors.get('w')!;
    assert.deepEqual([shape, end - start, start % 32], [[3, 32], 54, 0]);
  });
}

test('a part of the header asks for more, at every length', () => {
  const file = ggufBytes(smallGguf());
  const whole = parseGgufHeader(file, file.length, 'f')!;
  const headerEnd = Math.min(...[...whole.tensors.values()].map(({ start }) => start)) - 32;
  for (let length = 0; length < headerEnd; length += 97) {
    assert.equal(parseGgufHeader(file.subarray(0, length), file.length, 'f'), null);
    assert.throws(() => parseGgufHeader(file.subarray(0, length), length, 'f'), { code: 'bad-model-file' });
  }
});

const changed = (change: (view: DataView) => void, given = content) => {
  const file = ggufBytes(given);
  change(new DataView(file.buffer));
  return file;
};
const tensor = (shape: readonly number[], type: number | 'F32', length: number): GgufContent => ({
  metadata: {},
  tensors: new Map([['blk.0.attn_q.weight', { shape, type, bytes: new Uint8Array(length) }]]),
});

const broken: readonly (readonly [string, Uint8Array, RegExp])[] = [
  ['another magic', changed(view => view.setUint8(0, 0x50)), /does not begin with "GGUF"/],
  ['version 1', changed(view => view.setUint32(4, 1, true)), /version 1; versions 2 and 3 are read/],
  ['version 4', changed(view => view.setUint32(4, 4, true)), /version 4/],
  ['big-endian numbers', changed(view => view.setUint32(4, 3, false)), /big-endian/],
  ['a huge number of tensors', changed(view => view.setBigUint64(8, 2n ** 40n, true)), /states 1099511627776 tensors/],
  ['a number beyond all', changed(view => view.setBigUint64(16, 2n ** 64n - 1n, true)), /which no file has/],
  ['a cut file', ggufBytes(content).subarray(0, 100), /ends within its header|more than its 100 bytes/],
  ['a cut tensor', ggufBytes(smallGguf()).subarray(0, -4000), /ends at byte \d+, but the file has only/],
  ['an unknown type', ggufBytes(tensor([1, 256], 16, 66)), /has the type IQ2_XXS, which is not read/],
  ['a type no one has', ggufBytes(tensor([1, 32], 99, 66)), /has the type 99/],
  ['a row that is no whole number of blocks', ggufBytes(tensor([2, 16], 2, 18)), /blocks of 32 values/],
  ['an empty tensor', ggufBytes(tensor([0, 32], 0, 0)), /shape \[0,32\]/],
  ['a size that overflows', ggufBytes(tensor([2 ** 40, 2 ** 40], 0, 4)), /ends at byte/],
  ['five dimensions', ggufBytes(tensor([1, 1, 1, 1, 1], 0, 4)), /5 dimensions/],
  ['an alignment of 0', ggufBytes({ ...content, metadata: { 'general.alignment': 0 } }), /general.alignment/],
];
for (const [what, file, message] of broken) {
  test(`refused: ${what}`, () => {
    assert.throws(
      () => parseGgufHeader(file, file.length, 'a.gguf'),
      (error: Error & { code?: string }) => {
        assert.equal(error.code, 'bad-model-file');
        assert.match(error.message, message);
        assert.match(error.message, /^Cannot read a\.gguf: .*\. Download the file again or pick another model\.$/);
        return true;
      },
    );
  });
}
