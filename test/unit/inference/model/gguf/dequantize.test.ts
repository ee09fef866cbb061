/** Every tensor type against the `gguf` package's own reading (models/export/gguf_cases.py). */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { dequantize, packBlocks, packingOf } from '../../../../../src/inference/model/gguf/dequantize';
import { type GgmlType, ggmlTypes, layoutOf } from '../../../../../src/inference/model/gguf/types';
import { root } from '../../../../fixtures/paths';

interface BlockCase {
  readonly type: GgmlType;
  readonly bytes: string;
  readonly values: string;
}

const file = join(root, 'test', 'fixtures', 'gguf', 'blocks.json.gz');
const cases: readonly BlockCase[] = JSON.parse(gunzipSync(readFileSync(file)).toString());
const bytesOf = (base64: string) => new Uint8Array(Buffer.from(base64, 'base64'));

test('every type has its case', () => {
  assert.deepEqual(cases.map(({ type }) => type).sort(), Object.keys(ggmlTypes).sort());
});

for (const { type, bytes, values } of cases) {
  test(`${type} is read as the gguf package reads it, to the last bit`, () => {
    const expected = new Float32Array(bytesOf(values).buffer);
    const got = new Float32Array(expected.length);
    dequantize(type, bytesOf(bytes), got);
    // 0 and -0 are the same weight.
    for (const [i, value] of expected.entries()) assert.ok(got[i] === value, `value ${i} is ${got[i]}, not ${value}`);
  });
}

test('bytes that do not hold the values are refused', () => {
  assert.throws(() => dequantize('Q8_0', new Uint8Array(34), new Float32Array(31)), RangeError);
  assert.throws(() => dequantize('Q8_0', new Uint8Array(33), new Float32Array(32)), RangeError);
});

for (const { type, bytes, values } of cases) {
  const packing = packingOf(type);
  if (!packing) continue;
  test(`${type} is packed without another rounding`, () => {
    const expected = new Float32Array(bytesOf(values).buffer);
    const { bits, partSize, hasLeasts } = packing;
    const nParts = expected.length / partSize;
    const codes = new Uint8Array((expected.length * bits) / 8);
    const [scales, leasts] = [new Float32Array(nParts), hasLeasts ? new Float32Array(nParts) : null];
    const all = bytesOf(bytes);
    // In two pieces, as a file is read.
    const { blockBytes } = layoutOf(ggmlTypes[type])!;
    packBlocks(type, all.subarray(0, blockBytes), { codes, scales, leasts }, 0);
    packBlocks(type, all.subarray(blockBytes), { codes, scales, leasts }, 1);
    for (const [i, value] of expected.entries()) {
      const code = bits === 8 ? codes[i]! : (codes[i >> 1]! >> (4 * (i & 1))) & 15;
      const part = Math.floor(i / partSize);
      const got = scales[part]! * (code - 2 ** (bits - 1)) + (leasts?.[part] ?? 0);
      const rounding = Math.abs(leasts?.[part] ?? 0) * 2 ** -24 + Math.abs(value) * 2 ** -24;
      assert.ok(Math.abs(got - value) <= rounding, `value ${i} is ${got}, not ${value}`);
    }
  });
}
