/**
 * Single operators in the shapes that attention maps need, each in a graph of its own: where a provider's result
 * differs from the CPU's, this names the operator. The convolution as one wide product (queries and keys of the
 * kernel's reach side by side) is wrong on WebGPU in the provider's own layout, although every other form is right: its
 * parts are all here, and the one at fault as small as it gets.
 */

import { type BlockNumbers, GraphBuilder, type PackedBits, type Weight } from '../graph/graphBuilder';
import { relativeDifference } from '../inference/runtime/relativeDifference';
import { Session, type SessionOptions, type Value, type Values } from '../inference/runtime/session';
import { float16Bytes } from '../shared/tools/float16';

const nHeads = 7;
const headDim = 64;
/** Rows and columns of the kernel. */
const [nRows, nColumns] = [6, 11];

/** Adds one operator, or a few that belong together, to the graph. */
interface OperatorCheck {
  readonly shapes: (nTokens: number) => readonly (readonly number[])[];
  readonly add: (g: GraphBuilder, inputs: readonly string[], nTokens: number) => string;
}

const perHead = (nTokens: number, width: number) => [1, nHeads, nTokens, width];
const product: OperatorCheck['add'] = (g, [a, b]) => g.op('MatMul', [a!, b!]);

const wideKeys = (heads: number): OperatorCheck => ({
  shapes: n => [
    [1, heads, n, headDim],
    [heads * nRows, 1, nColumns, 1],
  ],
  add: (g, [k, kernel]) => g.op('Conv', [k!, kernel!], { group: heads, pads: [5, 0, 5, 0] }),
});

/** Twelve outputs in groups of six: the provider computes four at a time, of which some belong to the next group. */
export const faultyInNhwc = 'wide keys of 2 heads: grouped Conv with several outputs a group';

/** A product with a packed matrix, and the same matrix as fp32. */
const packedProduct = (bits: PackedBits, blockSize: number, hasLeasts: boolean): OperatorCheck => ({
  shapes: n => [[1, n, packedColumns]],
  add: (g, [x]) => g.product(x!, g.weight('packed', packedWeight(bits, blockSize, hasLeasts))),
});

const [packedRows, packedColumns] = [96, 256];

/** Any numbers. With blocks of 16 as some types have them: a base for all blocks of a row, and factors. */
export function packedWeight(bits: PackedBits, blockSize: number, hasLeasts: boolean): Weight {
  const nBlocks = packedColumns / blockSize;
  const nBases = blockSize === 16 ? 1 : nBlocks;
  const numbers = (base: number): BlockNumbers => {
    const bases = Float32Array.from({ length: packedRows * nBases }, (_, i) => base * (1 + ((i * 37) % 11)));
    const factors = Int8Array.from({ length: packedRows * nBlocks }, (_, i) => ((i * 29) % 63) - 31);
    return {
      bases: { elementType: 'float16', shape: [packedRows, nBases], source: { bytes: float16Bytes(bases) } },
      factors:
        nBases === nBlocks
          ? undefined
          : { elementType: 'int8', shape: [packedRows, 1, nBlocks], source: { bytes: new Uint8Array(factors.buffer) } },
    };
  };
  const blockBytes = (blockSize * bits) / 8;
  const bytes = Uint8Array.from({ length: packedRows * nBlocks * blockBytes }, (_, i) => (i * 7919) >> 3);
  const codes: Weight = { elementType: 'uint8', shape: [packedRows, nBlocks, blockBytes], source: { bytes } };
  const leasts = hasLeasts ? numbers(-0.02) : undefined;
  const packed = { bits, blockSize, lift: hasLeasts && bits === 4 ? 8 : 0, codes, scales: numbers(0.01), leasts };
  return { elementType: 'float32', shape: [packedRows, packedColumns], source: { packed } };
}

export const operatorChecks: Readonly<Record<string, OperatorCheck>> = {
  'packed weights: MatMulNBits, 4 bits, blocks of 32': packedProduct(4, 32, false),
  'packed weights: MatMulNBits, 4 bits, blocks of 16, with leasts': packedProduct(4, 16, true),
  'packed weights: MatMulNBits, 8 bits, blocks of 32, with leasts': packedProduct(8, 32, true),
  'packed weights: MatMulNBits, 8 bits, blocks of 16': packedProduct(8, 16, false),
  'scores: MatMul': { shapes: n => [perHead(n, headDim), [1, nHeads, headDim, n]], add: product },
  'wide product: MatMul': {
    shapes: n => [perHead(n, nRows * headDim), [1, nHeads, nRows * headDim, n]],
    add: product,
  },
  'wide queries: Pad, Slice, Concat': {
    shapes: n => [perHead(n, headDim)],
    add: (g, [q], nTokens) => {
      const padded = g.op('Pad', [q!, g.ints([0, 0, nRows - 1, 0, 0, 0, 0, 0])]);
      const cut = (row: number) => g.op('Slice', [padded, g.ints([row]), g.ints([row + nTokens]), g.ints([2])]);
      return g.op(
        'Concat',
        Array.from({ length: nRows }, (_, row) => cut(row)),
        { axis: -1 },
      );
    },
  },
  'wide keys: grouped Conv with several outputs a group': wideKeys(nHeads),
  [faultyInNhwc]: wideKeys(2),
  'wide keys: MatMul of few rows': {
    shapes: n => [
      [1, nHeads, nRows, nColumns],
      [1, nHeads, nColumns, n * headDim],
    ],
    add: product,
  },
  'wide keys: Transpose of five axes': {
    shapes: n => [[1, nHeads, nRows, n, headDim]],
    add: (g, [k], nTokens) => {
      const transposed = g.op('Transpose', [k!], { perm: [0, 1, 3, 2, 4] });
      return g.op('Reshape', [transposed, g.ints([1, nHeads, nTokens, nRows * headDim])]);
    },
  },
  'wide keys: Transpose to columns': {
    shapes: n => [perHead(n, nRows * headDim)],
    add: (g, [k]) => g.op('Transpose', [k!], { perm: [0, 1, 3, 2] }),
  },
  'convolution: grouped Conv': {
    shapes: n => [perHead(n, n), [nHeads, 1, nRows, nColumns]],
    add: (g, [map, kernel]) => g.op('Conv', [map!, kernel!], { group: nHeads, pads: [nRows - 1, 5, 0, 5] }),
  },
  'head mixing: MatMul': {
    shapes: n => [
      [nHeads, nHeads],
      [1, nHeads, n * n],
    ],
    add: product,
  },
  'pattern: Softmax': { shapes: n => [perHead(n, n)], add: (g, [map]) => g.op('Softmax', [map!], { axis: -1 }) },
  'strongest keys: TopK': {
    shapes: n => [perHead(n, n)],
    add: (g, [map]) => g.ops('TopK', [map!, g.ints([16])], { axis: -1, largest: 1, sorted: 1 }, 2)[0]!,
  },
  'overview: MaxPool': {
    shapes: n => [perHead(n, n)],
    add: (g, [map]) => g.op('MaxPool', [map!], { kernel_shape: [4, 4], strides: [4, 4], ceil_mode: 1 }),
  },
};

/**
 * Difference from the CPU, relative to the largest magnitude.
 * @throws Failure when the provider cannot be used.
 */
export async function checkOperator(
  name: string,
  options: Pick<SessionOptions, 'provider' | 'gpuLayout'>,
  nTokens: number,
): Promise<number> {
  const { shapes, add } = operatorChecks[name]!;
  const g = new GraphBuilder('operator');
  const feeds: Record<string, Value> = {};
  for (const [i, dims] of shapes(nTokens).entries()) {
    g.input(`in${i}`, 'float32', dims);
    const count = dims.reduce((size, n) => size * n, 1);
    const data = Float32Array.from({ length: count }, (_, at) => Math.sin(at * 0.7 + (at % (13 + i))));
    feeds[`in${i}`] = { type: 'float32', data, dims };
  }
  const result = add(g, Object.keys(feeds), nTokens);
  g.output('out', g.op('Reshape', [result, g.ints([-1])]), 'float32', ['N']);
  const graph = g.build();
  return relativeDifference(await run(graph, options, feeds), await run(graph, { provider: 'cpu' }, feeds));
}

async function run(graph: Uint8Array, options: SessionOptions, feeds: Values): Promise<Float32Array> {
  const session = await Session.create(graph, options);
  try {
    return (await session.run(feeds))['out']!.data as Float32Array;
  } finally {
    await session.release();
  }
}
