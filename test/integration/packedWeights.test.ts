/** Packed matrices against their definition, computed in double precision. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { packedWeight } from '../../src/cli/operatorChecks';
import { type BlockNumbers, GraphBuilder, type PackedBits, rowsOf, type Weight } from '../../src/graph/graphBuilder';
import { Session, type Values } from '../../src/inference/runtime/session';
import { int64 } from '../../src/inference/runtime/values';
import { decodeFloats } from '../../src/shared/tools/float16';

const bytesOf = ({ source }: Weight) => ('bytes' in source ? source.bytes : new Uint8Array());

function numbersOf({ bases, factors }: BlockNumbers): Float64Array {
  const halves = decodeFloats('F16', bytesOf(bases));
  if (!factors) return Float64Array.from(halves);
  const perBase = factors.shape[2]!;
  return Float64Array.from(new Int8Array(bytesOf(factors)), (factor, i) => factor * halves[Math.floor(i / perBase)]!);
}

/** value = scale * (code - 2^(bits - 1) + lift) + least */
function valuesOf({ shape, source }: Weight): Float64Array {
  assert.ok('packed' in source);
  const { bits, blockSize, codes, scales, leasts, lift } = source.packed;
  const [bytes, scale, least] = [bytesOf(codes), numbersOf(scales), leasts && numbersOf(leasts)];
  return Float64Array.from({ length: shape[0]! * shape[1]! }, (_, i) => {
    const code = bits === 8 ? bytes[i]! : (bytes[i >> 1]! >> (4 * (i & 1))) & 15;
    const block = Math.floor(i / blockSize);
    return scale[block]! * (code - 2 ** (bits - 1) + lift) + (least?.[block] ?? 0);
  });
}

async function run(build: (g: GraphBuilder) => void, feeds: Values): Promise<Values> {
  const g = new GraphBuilder('test');
  build(g);
  const session = await Session.create(g.build(), { provider: 'cpu', nThreads: 1 });
  try {
    return await session.run(feeds);
  } finally {
    await session.release();
  }
}

for (const bits of [4, 8] as const satisfies readonly PackedBits[]) {
  for (const blockSize of [16, 32]) {
    for (const hasLeasts of [false, true]) {
      const name = `${bits} bits, blocks of ${blockSize}${hasLeasts ? ', with leasts' : ''}`;
      test(`${name}: products, all values, rows, and parts`, async () => {
        const weight = packedWeight(bits, blockSize, hasLeasts);
        const [nRows, nColumns] = weight.shape as [number, number];
        const values = valuesOf(weight);
        const x = Float32Array.from({ length: 2 * 3 * nColumns }, (_, i) => Math.sin(i));
        const ids = [5, 0, nRows - 1, 7];
        const fetched = await run(
          g => {
            const matrix = g.weight('w', weight);
            g.output('product', g.product(g.input('x', 'float32', ['B', 'T', nColumns]), matrix), 'float32', [
              2,
              3,
              nRows,
            ]);
            g.output('all', matrix, 'float32', [nRows, nColumns]);
            g.output('rows', g.rows('w', weight, g.input('ids', 'int64', ['I', 'J'])), 'float32', [2, 2, nColumns]);
            g.output('part', g.weight('part', rowsOf(weight, 8, 4)), 'float32', [4, nColumns]);
          },
          { x: { type: 'float32', data: x, dims: [2, 3, nColumns] }, ids: int64(ids, [2, 2]) },
        );
        const data = (key: string) => fetched[key]!.data as Float32Array;
        const isNear = (got: number, expected: number, unit = 1) => Math.abs(got - expected) <= unit * 1e-6;
        assert.ok(data('all').every((value, i) => isNear(value, values[i]!, 10)));
        assert.deepEqual(fetched['rows']!.dims, [2, 2, nColumns]);
        assert.ok(
          data('rows').every((value, i) =>
            isNear(value, values[ids[Math.floor(i / nColumns)]! * nColumns + (i % nColumns)]!, 10),
          ),
        );
        assert.ok(data('part').every((value, i) => isNear(value, values[8 * nColumns + i]!, 10)));
        for (let row = 0; row < 6; row++) {
          for (let out = 0; out < nRows; out++) {
            let sum = 0;
            let size = 0;
            for (let k = 0; k < nColumns; k++) {
              const term = x[row * nColumns + k]! * values[out * nColumns + k]!;
              sum += term;
              size += Math.abs(term);
            }
            const got = data('product')[row * nRows + out]!;
            assert.ok(isNear(got, sum, size), `row ${row}, output ${out}: ${got}, not ${sum}`);
          }
        }
      });
    }
  }
}
