/** What was tried for the CPU and not taken, or left to the runtime: int8 weights, and numbers of threads. */

import { availableParallelism } from 'node:os';
import { GraphBuilder } from '../graph/graphBuilder';
import { maxDifference } from '../inference/runtime/fastestProvider';
import { relativeDifference } from '../inference/runtime/relativeDifference';
import type { Value } from '../inference/runtime/session';
import { timedRun } from '../inference/runtime/timedRun';
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
  const timed = (graph: Uint8Array, nThreads = 0) => timedRun(graph, { x }, { provider: 'cpu', nThreads }, nRepeats);
  const exact = await timed(fp32);
  const int8 = await timed(productGraph(dim, (g, input) => int8Product(g, input, weight, [dim, width])));
  const what = `int8 weights, [${nTokens}, ${dim}] x [${dim}, ${width}]`;
  add(what, int8.durationMs, 'ms', exact.durationMs, 'fp32 weights, which the engine uses');
  const difference = relativeDifference(int8.output, exact.output);
  add(
    `difference by ${what}`,
    difference * 1e6,
    'millionths',
    maxDifference * 1e6,
    'what another provider may differ by',
  );
  for (const nThreads of [1, availableParallelism()]) {
    const run = await timed(fp32, nThreads);
    add(
      `${nThreads} threads, the same product`,
      run.durationMs,
      'ms',
      exact.durationMs,
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

/** Rows are quantized as they come, weights ahead, with one scale for all of them; 7 bits, because sums of AVX2 overflow with 8. */
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
