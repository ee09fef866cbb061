import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseSafetensorsHeader, safetensorsHeaderLength } from '../../../../src/shared/tools/safetensors';

const encode = (text: string) => new TextEncoder().encode(text);
const parse = (text: string, nData: number, maxTensors?: number) =>
  parseSafetensorsHeader(encode(text), 8 + encode(text).length + nData, 'f', maxTensors);
const one = (dtype: string, shape: number[], end: number, begin = 0) =>
  JSON.stringify({ w: { dtype, shape, data_offsets: [begin, end] } });

const sizes = {
  F64: 8,
  I64: 8,
  U64: 8,
  F32: 4,
  I32: 4,
  U32: 4,
  F16: 2,
  BF16: 2,
  I16: 2,
  U16: 2,
  I8: 1,
  U8: 1,
  BOOL: 1,
};
for (const [dtype, size] of Object.entries(sizes)) {
  test(`${dtype} takes ${size} bytes an element`, () => {
    assert.equal(parse(one(dtype, [3, 2], 6 * size), 6 * size).get('w')!.dtype, dtype);
    assert.throws(() => parse(one(dtype, [3, 2], 6 * size + 1), 100), {
      message: new RegExp(`asks for ${6 * size}\\.`),
    });
  });
}

test('a single number and an empty tensor', () => {
  assert.deepEqual(parse(one('F32', [], 4), 4).get('w')!.shape, []);
  const { start, end } = parse(one('F32', [0, 5], 0), 0).get('w')!;
  assert.equal(start, end);
});

test('a tensor may end where the file ends, no byte later', () => {
  assert.ok(parse(one('U8', [4], 4), 4).has('w'));
  assert.throws(() => parse(one('U8', [4], 4), 3), { message: /tensor w ends at byte/ });
});

const refused: [what: string, header: string, message: RegExp][] = [
  ['what is not JSON', '{"w": }', /its header is not JSON\./],
  ['an empty header', '', /its header is not JSON\./],
  ['a number', '3', /is not a JSON object/],
  ['text', '"x"', /is not a JSON object/],
  ['a tensor that is null', '{"w": null}', /tensor w has the unknown dtype/],
  ['a list for a tensor', '{"w": []}', /not a list of tensors/],
  ['an object in a shape', '{"w": {"shape": {}}}', /not a list of tensors/],
  ['one level more', '{"w": {"shape": [[]]}}', /not a list of tensors/],
  ['no shape', '{"w": {"dtype": "U8", "data_offsets": [0, 1]}}', /tensor w has no valid shape/],
  ['a broken shape', '{"w": {"dtype": "U8", "shape": [1.5], "data_offsets": [0, 1]}}', /tensor w has no valid shape/],
  [
    'a text in a shape',
    '{"w": {"dtype": "U8", "shape": ["1"], "data_offsets": [0, 1]}}',
    /tensor w has no valid shape/,
  ],
  [
    'three offsets',
    '{"w": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1, 1]}}',
    /tensor w has no valid data_offsets/,
  ],
  [
    'a broken offset',
    '{"w": {"dtype": "U8", "shape": [1], "data_offsets": [0.5, 1.5]}}',
    /tensor w has no valid data_offsets/,
  ],
  [
    'an offset below 0',
    '{"w": {"dtype": "U8", "shape": [1], "data_offsets": [-1, 0]}}',
    /tensor w has no valid data_offsets/,
  ],
  ['a dtype that is a number', '{"w": {"dtype": 3, "shape": [1], "data_offsets": [0, 1]}}', /unknown dtype 3/],
];
for (const [what, header, message] of refused) {
  test(`refuses ${what}`, () => assert.throws(() => parse(header, 10), { code: 'bad-weights', message }));
}

test('brackets and quotes in names do not count as structure', () => {
  const names = ['a[[[', 'b}}}', 'c"{"', 'd\\', 'e\\"{['];
  const header = JSON.stringify(
    Object.fromEntries(names.map(name => [name, { dtype: 'U8', shape: [1], data_offsets: [0, 1] }])),
  );
  assert.deepEqual([...parse(header, 1).keys()], names);
});

test('as many tensors as there may be, and the metadata', () => {
  const header = (n: number) =>
    JSON.stringify({
      __metadata__: {},
      ...Object.fromEntries(
        Array.from({ length: n }, (_, i) => [`t${i}`, { dtype: 'U8', shape: [1], data_offsets: [0, 1] }]),
      ),
    });
  assert.equal(parse(header(3), 1, 3).size, 3);
  assert.throws(() => parse(header(4), 1, 3), { message: /names more than 3 tensors/ });
});

test('long names and shapes are cut in messages', () => {
  const header = JSON.stringify({ ['n'.repeat(300)]: { dtype: 'U8', shape: Array(20).fill(1), data_offsets: [0, 2] } });
  assert.throws(() => parse(header, 2), {
    message: /tensor n{200} holds 2 bytes, its shape \[1,1,1,1,1,1,1,1\] asks for 1/,
  });
});

test('lengths of a header: from 2 bytes to all of the file', () => {
  const first8 = (length: number) => new Uint8Array(BigUint64Array.of(BigInt(length)).buffer);
  const read = (length: number, fileSize: number, maxBytes?: number) =>
    safetensorsHeaderLength(first8(length), fileSize, 'f', maxBytes);
  assert.deepEqual([read(2, 10), read(92, 100), read(100_000_000, 1e9)], [2, 92, 100_000_000]);
  assert.equal(read(50, 100, 50), 50);
  assert.throws(() => read(51, 100, 50), { message: /its header has 51 bytes, more than the 50/ });
  for (const [length, fileSize] of [
    [1, 10],
    [3, 10],
    [100_000_000 + 1, 1e9],
  ] as const) {
    assert.throws(() => read(length, fileSize), {
      message: new RegExp(`claims ${length} bytes and the file has ${fileSize}`),
    });
  }
  assert.throws(() => safetensorsHeaderLength(new Uint8Array(7), 100, 'f'), { message: /it has only 7 bytes/ });
  const pointer = encode('version https://git-lfs.github.com/spec/v1').subarray(0, 8);
  assert.throws(() => safetensorsHeaderLength(pointer, 100, 'f'), { message: /a pointer of Git LFS, not the file/ });
  const shifted = Uint8Array.from([9, 9, ...first8(40)]).subarray(2);
  assert.equal(safetensorsHeaderLength(shifted, 100, 'f'), 40);
});
