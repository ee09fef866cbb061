/** Every tensor type against the `gguf` package's own reading (models/export/gguf_cases.py). */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { dequantize, packBlocks, packingOf } from '../../../../../src/inference/model/gguf/dequantize';
import { type GgmlType, ggmlTypes, layoutOf } from '../../../../../src/inference/model/gguf/types';
import type { PackedPart } from '../../../../../src/inference/model/packedWeights';
import { decodeFloats } from '../../../../../src/shared/tools/float16';
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
    const { bits, partSize, nParts, lift, baseType, bytes: sizes } = packing;
    const all = bytesOf(bytes);
    const { blockBytes } = layoutOf(ggmlTypes[type])!;
    const nBlocks = all.length / blockBytes;
    const part = (name: PackedPart) => {
      const out = new Uint8Array(nBlocks * sizes[name]);
      if (sizes[name] === 0) return out;
      // In two pieces, as a file is read.
      packBlocks(type, all.subarray(0, blockBytes), name, out.subarray(0, sizes[name]));
      packBlocks(type, all.subarray(blockBytes), name, out.subarray(sizes[name]));
      return out;
    };
    const bases = (name: PackedPart) => decodeFloats(baseType === 'float16' ? 'F16' : 'F32', part(name));
    const [codes, scales, leasts] = [part('codes'), bases('scales'), bases('leasts')];
    const [scaleFactors, leastFactors] = (['scaleFactors', 'leastFactors'] as const).map(
      name => new Int8Array(part(name).buffer),
    );
    for (const [i, value] of expected.entries()) {
      const code = bits === 8 ? codes[i]! : (codes[i >> 1]! >> (4 * (i & 1))) & 15;
      const at = Math.floor(i / partSize);
      const scale = scales[Math.floor(at / nParts)]! * (scaleFactors![at] ?? 1);
      const least = (leasts[Math.floor(at / nParts)] ?? 0) * (leastFactors![at] ?? 1);
      const got = scale * (code - 2 ** (bits - 1) + lift) + least;
      assert.ok(Math.fround(got) === value, `value ${i} is ${got}, not ${value}`);
    }
  });
}
