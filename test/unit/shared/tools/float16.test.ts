import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  decodeFloats,
  float16Bytes,
  fromFloat16Bits,
  narrowFloats,
  toFloat16Bits,
} from '../../../../src/shared/tools/float16';

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

test('bf16 numbers become fp16 where that loses next to nothing', () => {
  const narrowed = (values: readonly number[]) => {
    const bits = values.map(value => new Uint16Array(Float32Array.of(value).buffer)[1]!);
    const narrow = narrowFloats(new Uint8Array(Uint16Array.from(bits).buffer));
    return narrow && [...narrow].map(fromFloat16Bits);
  };
  // All bf16 numbers are exact from 2^-17 to 65280, of either sign and in either half of a pair.
  const exact = [2 ** -17, 2 ** -14, -(2 ** -14), -1.9921875 * 2 ** -17, 0, -0, 1.0078125, -65280, 65280, -0.0078125];
  assert.deepEqual(narrowed(exact), exact);
  const every: number[] = [1, 1];
  for (let bits = 0x3780; bits <= 0x477f; bits++) every.push(new Float32Array(Uint16Array.of(0, bits).buffer)[0]!);
  assert.deepEqual(narrowed(every), every);
  // Smaller ones are rounded by 2^-25 at most.
  const tiny = [1.5 * 2 ** -20, -1.0078125 * 2 ** -24, 2 ** -40, 1];
  for (const [i, value] of narrowed(tiny)!.entries()) assert.ok(Math.abs(value - tiny[i]!) <= 2 ** -25, String(value));
  for (const lossy of [[65536, 1], [1, -65536], [Infinity, 1], [1, Number.NaN], [2 ** -8, -(2 ** -9)], [1]]) {
    assert.equal(narrowed(lossy), null, String(lossy));
  }
});
