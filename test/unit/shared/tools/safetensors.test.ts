import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseSafetensorsHeader, safetensorsHeaderLength } from '../../../../src/shared/tools/safetensors';

const encode = (header: unknown) => new TextEncoder().encode(JSON.stringify(header));
const tensor = (dtype: unknown, shape: unknown, offsets: unknown) => ({ w: { dtype, shape, data_offsets: offsets } });

test('reads ranges from the start of the file and leaves metadata out', () => {
  const json = encode({ __metadata__: { a: 'b' }, ...tensor('F16', [2, 3], [4, 16]) });
  const entry = parseSafetensorsHeader(json, 8 + json.length + 16, 'f').get('w');
  assert.deepEqual(entry, { dtype: 'F16', shape: [2, 3], start: 8 + json.length + 4, end: 8 + json.length + 16 });
});

test('types that no model uses are known by their size', () => {
  const types: [string, number[], number][] = [
    ['F8_E4M3', [3], 3],
    ['F8_E8M0', [3], 3],
    ['F4', [2, 3], 3],
    ['F6_E2M3', [4], 3],
    ['C64', [2], 16],
  ];
  for (const [dtype, shape, length] of types) {
    assert.equal(parseSafetensorsHeader(encode(tensor(dtype, shape, [0, length])), 1000, 'f').get('w')?.dtype, dtype);
  }
  // Half a byte is no place for a tensor to end.
  const odd = encode(tensor('F4', [3], [0, 1]));
  assert.throws(() => parseSafetensorsHeader(odd, 1000, 'f'), { message: /holds 1 bytes/ });
});

const bad: [string, unknown, RegExp][] = [
  ['no object', null, /not a JSON object/],
  ['lists in lists', { w: { dtype: 'F32', shape: [[], []], data_offsets: [0, 4] } }, /is not a list of tensors/],
  ['lists for a tensor', { w: [[]] }, /is not a list of tensors/],
  ['a list', [1], /is not a list of tensors/],
  ['an unknown dtype', tensor('F12', [1], [0, 4]), /tensor w has the unknown dtype "F12"/],
  ['a dtype from the prototype', tensor('toString', [1], [0, 4]), /unknown dtype/],
  ['a negative shape', tensor('F32', [-1], [0, 4]), /no valid shape/],
  ['a range that does not fit', tensor('F32', [2], [0, 4]), /holds 4 bytes, its shape \[2\] asks for 8/],
  ['a range backwards', tensor('F32', [1], [8, 4]), /holds -4 bytes/],
  ['a range past the end', tensor('F32', [1000], [0, 4000]), /ends at byte .* the file has only/],
  ['a shape too large to count', tensor('F32', [2 ** 40, 2 ** 40], [0, 4]), /asks for/],
  ['no range', tensor('F32', [1], 'x'), /no valid data_offsets/],
];
for (const [what, header, message] of bad) {
  test(`refuses ${what}`, () => {
    assert.throws(() => parseSafetensorsHeader(encode(header), 1000, 'model.safetensors'), {
      code: 'bad-weights',
      message,
    });
  });
}

test('refuses more tensors than there can be before it parses them', () => {
  const many = encode(Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`"{${i}`, {}])));
  assert.throws(() => parseSafetensorsHeader(many, 1000, 'f', 10), { message: /names more than 10 tensors/ });
  assert.throws(() => parseSafetensorsHeader(many, 1000, 'f', 12), { message: /unknown dtype/ });
  // A hundred million brackets would take a minute and gigabytes.
  const nested = new Uint8Array(1e6).fill('['.charCodeAt(0));
  assert.throws(() => parseSafetensorsHeader(nested, 2e6, 'f'), { message: /is not a list of tensors/ });
});

test('refuses a header longer than its tensors can make it', () => {
  const first8 = new Uint8Array(BigUint64Array.of(5000n).buffer);
  assert.throws(() => safetensorsHeaderLength(first8, 1e6, 'f', 4000), {
    message: /more than the 4000 that the tensors/,
  });
});

test('refuses header lengths that cannot be', () => {
  const first8 = (length: bigint) => new Uint8Array(BigUint64Array.of(length).buffer);
  assert.equal(safetensorsHeaderLength(first8(100n), 1000, 'f'), 100);
  for (const length of [0n, 993n, 1n << 62n]) {
    assert.throws(() => safetensorsHeaderLength(first8(length), 1000, 'f'), { code: 'bad-weights' });
  }
  assert.throws(() => safetensorsHeaderLength(Uint8Array.of(1, 2), 2, 'f'), { code: 'bad-weights' });
});
