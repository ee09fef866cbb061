import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeFloats, float16Bytes, fromFloat16Bits, toFloat16Bits } from '../../../../src/shared/tools/float16';

test('every half-precision number survives the round trip', () => {
  for (let bits = 0; bits < 0x10000; bits++) {
    const value = fromFloat16Bits(bits);
    if (Number.isNaN(value)) assert.ok(Number.isNaN(fromFloat16Bits(toFloat16Bits(value))));
    else assert.equal(toFloat16Bits(value), bits);
  }
});

test('rounds to the nearest, ties to even', () => {
  for (const [value, rounded] of [
    [1 + 2 ** -11, 1],
    [1 + 3 * 2 ** -11, 1 + 2 ** -9],
    [65519, 65504],
    [65520, Infinity],
    [2 ** -25, 0],
    [-1.5 * 2 ** -24, -(2 ** -23)],
  ] as const) {
    assert.equal(fromFloat16Bits(toFloat16Bits(value)), rounded, String(value));
  }
});

test('decodes what safetensors stores, at any alignment', () => {
  const padded = new Uint8Array([9, ...float16Bytes(Float32Array.of(0.5, -2))]).subarray(1);
  assert.deepEqual([...decodeFloats('F16', padded)], [0.5, -2]);
  assert.deepEqual([...decodeFloats('BF16', Uint8Array.of(0x80, 0x3f))], [1]);
  assert.deepEqual([...decodeFloats('F32', new Uint8Array(Float32Array.of(7).buffer))], [7]);
  assert.throws(() => decodeFloats('I8', Uint8Array.of(1)), RangeError);
});
