/** Weights that sessions of a GPU share, on the CPU: each is read and laid out once, and computes what the file has. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GraphBuilder, type Weight } from '../../src/graph/graphBuilder';
import { GpuMemory } from '../../src/inference/runtime/gpuMemory';
import { GpuWeights } from '../../src/inference/runtime/gpuWeights';
import { Session } from '../../src/inference/runtime/session';
import { float16Bytes } from '../../src/shared/tools/float16';

const values = [0.5, -2, 3, 0.25, 1, -8];
const bf16 = values.map(value => new Uint16Array(Float32Array.of(value).buffer)[1]!);
const files = new Map([
  ['bf16', new Uint8Array(Uint16Array.from(bf16).buffer)],
  ['tiny', new Uint8Array(Uint16Array.from(bf16, bits => bits - 0x1000).buffer)], // times 2^-32
  ['fp32', new Uint8Array(Float32Array.from(values).buffer)],
]);
const elementTypes = { bf16: 'bfloat16', tiny: 'bfloat16', fp32: 'float32' } as const;

/** x W^T of [1, 2] and a matrix [3, 2], and another output that makes another graph of it. */
function product(file: keyof typeof elementTypes, scale: number): Uint8Array {
  const g = new GraphBuilder('product');
  const length = files.get(file)!.length;
  const weight: Weight = { elementType: elementTypes[file], shape: [3, 2], source: { file, offset: 0, length } };
  const y = g.product(g.input('x', 'float32', [1, 2]), g.weight('w', weight));
  g.output('y', g.op('Mul', [y, g.scalar(scale)]), 'float32', [1, 3]);
  return g.build();
}

test('graphs of the same matrix are fed with the same memory, as small as the file has it', async () => {
  let nReads = 0;
  const inMemory = async () => {
    nReads++;
    return files;
  };
  const weights = new GpuWeights({ weightFolder: '/nowhere', inMemory }, 'cpu', new GpuMemory('cpu'));
  for (const [file, type] of [
    ['bf16', 'float16'],
    ['tiny', 'float32'],
    ['fp32', 'float32'],
  ] as const) {
    nReads = 0;
    const [once, twice] = await Promise.all([weights.feed(product(file, 1)), weights.feed(product(file, 2))]);
    assert.equal(nReads, 1, file);
    const [first, second] = [[...once.fed.values()], [...twice.fed.values()]];
    assert.deepEqual(
      first.map(value => [value.type, value.dims]),
      [[type, [2, 3]]],
    );
    assert.equal(first[0], second[0], file);
    for (const [{ graph, fed }, scale] of [
      [once, 1],
      [twice, 2],
    ] as const) {
      const session = await Session.create(graph, { provider: 'cpu', sharedWeights: fed });
      const { y } = await session.run({ x: { type: 'float32', data: Float32Array.of(1, 10), dims: [1, 2] } });
      const unit = scale * (file === 'tiny' ? 2 ** -32 : 1);
      assert.deepEqual([...y!.data], [-19.5 * unit, 5.5 * unit, -79 * unit], file);
      await session.release();
    }
  }
  await weights.release();
});

test('a large matrix is widened in parts, and its product is the same', async () => {
  const [nOut, nIn] = [200, 2];
  const numbers = Float32Array.from({ length: nOut * nIn }, (_, i) => (i % 37) / 16 - 1);
  const bytes = float16Bytes(numbers);
  const inMemory = async () => new Map([['w', new Uint8Array(bytes)]]);
  const g = new GraphBuilder('product');
  const source = { file: 'w', offset: 0, length: bytes.length };
  const matrix = g.weight('w', { elementType: 'float16', shape: [nOut, nIn], source });
  g.output('y', g.product(g.input('x', 'float32', [1, nIn]), matrix), 'float32', [1, nOut]);
  const weights = new GpuWeights({ weightFolder: '/nowhere', inMemory }, 'cpu', new GpuMemory('cpu'), 600);
  const { graph, fed } = await weights.feed(g.build());
  const session = await Session.create(graph, { provider: 'cpu', sharedWeights: fed });
  const { y } = await session.run({ x: { type: 'float32', data: Float32Array.of(3, -5), dims: [1, nIn] } });
  const expected = Array.from({ length: nOut }, (_, i) => 3 * numbers[2 * i]! - 5 * numbers[2 * i + 1]!);
  assert.deepEqual([...y!.data], expected);
  await session.release();
  await weights.release();
});
