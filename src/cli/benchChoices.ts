/** What was tried for the CPU and not taken, or left to the runtime: int8 weights, and numbers of threads. */

import { availableParallelism } from 'node:os';
import { GraphBuilder } from '../graph/graphBuilder';
import { maxDifference } from '../inference/fastestProvider';
import { relativeDifference } from '../inference/relativeDifference';
import { Session, type Value } from '../inference/session';
import type { AddLine } from './benchLines';

const nTokens = 512;
const nRepeats = 15;

/** @param config of the model whose feed-forward product is taken as an example. */
export async function benchChoices(
  config: { readonly dim: number; readonly hidden_dim: number },
  add: AddLine,
): Promise<void> {
  const { dim, hidden_dim: width } = config;
  const random = new Float32Array(Math.max(dim * width, nTokens * dim)).map(
    (_, i) => (Math.sin(i * 12.9898) * 43758.5453) % 1,
  );
  const weight = random.subarray(0, dim * width);
  const x: Value = { type: 'float32', data: random.subarray(0, nTokens * dim), dims: [1, nTokens, dim] };
  const fp32 = productGraph(dim, (g, input) => g.op('MatMul', [input, g.floats(weight, [dim, width])]));
  const exact = await fastest(fp32, x, 0);
  const int8 = await fastest(
    productGraph(dim, (g, input) => int8Product(g, input, weight, [dim, width])),
    x,
    0,
  );
  const what = `int8 weights, [${nTokens}, ${dim}] x [${dim}, ${width}]`;
  add(what, int8.ms, 'ms', exact.ms, 'fp32 weights, which the engine uses');
  const difference = relativeDifference(int8.output, exact.output);
  add(
    `difference by ${what}`,
    difference * 1e6,
    'millionths',
    maxDifference * 1e6,
    'what another provider may differ by',
  );
  for (const nThreads of [1, availableParallelism()]) {
    const run = await fastest(fp32, x, nThreads);
    add(
      `${nThreads} threads, the same product`,
      run.ms,
      'ms',
      exact.ms,
      "the runtime's own choice, which the engine leaves it",
    );
  }
}

function productGraph(dim: number, product: (g: GraphBuilder, input: string) => string): Uint8Array {
  const g = new GraphBuilder('product');
  const input = g.input('x', 'float32', [1, 'T', dim]);
  g.output('y', product(g, input), 'float32', [1, 'T', 'N']);
  return g.build();
}

/** Rows quantised as they come, weights ahead, one scale for all of them, in 7 bits, because AVX2 adds up no more. */
function int8Product(g: GraphBuilder, x: string, weight: Float32Array, shape: readonly number[]): string {
  const scale = weight.reduce((most, value) => Math.max(most, Math.abs(value)), 0) / 63;
  const steps = g.op(
    'Cast',
    [
      g.floats(
        weight.map(value => Math.round(value / scale)),
        shape,
      ),
    ],
    { to: 3 /* int8 */ },
  );
  const [quantized, inputScale, zeroPoint] = g.ops('DynamicQuantizeLinear', [x], {}, 3);
  const sums = g.op('MatMulInteger', [quantized!, steps, zeroPoint!]);
  return g.op('Mul', [g.op('Cast', [sums], { to: 1 /* float32 */ }), g.op('Mul', [inputScale!, g.scalar(scale)])]);
}

async function fastest(graph: Uint8Array, x: Value, nThreads: number): Promise<{ ms: number; output: Float32Array }> {
  const session = await Session.create(graph, { provider: 'cpu', nThreads });
  let ms = Number.POSITIVE_INFINITY;
  let output = new Float32Array();
  for (let i = 0; i <= nRepeats; i++) {
    const start = performance.now();
    output = (await session.run({ x }))['y']!.data as Float32Array<ArrayBuffer>;
    ms = Math.min(ms, performance.now() - start);
  }
  await session.release();
  return { ms, output };
}
