/**
 * Key-query convolutions as ONNX nodes, in the forms that runtimes are fast at. All compute the same:
 * causal along queries (the last kernel row is the current query), along keys centred, or one-sided as `pad_key` says;
 * one kernel per head, not flipped. Rows above the first count 0.
 */

import { GraphBuilder } from './graphBuilder';
import { currentKeyColumn, type KernelSize, type LayerPlan } from './layerPlan';

export interface ConvolutionForm {
  /** The trained kernels are part of the graph, laid out ahead by the runtime; otherwise they are fed. */
  readonly isFixed: boolean;
  /** Heads are filled up to a multiple of it with empty ones: vectors of channels are faster than single channels. */
  readonly headMultiple: number;
}

/** For every runtime, and for kernels that change from run to run. */
export const fedConvolution: ConvolutionForm = { isFixed: false, headMultiple: 1 };

/** Worth measuring on a CPU: vectors of 8 channels (AVX2) and 16 (AVX-512), measured up to 3 times as fast as single ones. */
export const cpuConvolutions: readonly ConvolutionForm[] = [8, 16].map(headMultiple => ({
  isFixed: true,
  headMultiple,
}));

/**
 * @param map [B, H, R, K]
 * @param kernel [H, 1, query, key], a constant in fixed forms.
 */
export function addConvolution(
  g: GraphBuilder,
  { nHeads, padKey }: Pick<LayerPlan, 'nHeads' | 'padKey'>,
  map: string,
  kernel: string,
  size: KernelSize,
  { headMultiple }: ConvolutionForm,
): string {
  const before = currentKeyColumn(size, padKey);
  const nEmpty = Math.ceil(nHeads / headMultiple) * headMultiple - nHeads;
  const filled = (value: string, axis: 0 | 1) => {
    if (nEmpty === 0) return value;
    return g.op('Pad', [value, g.ints([0, 0, 0, 0, axis === 0 ? nEmpty : 0, axis === 1 ? nEmpty : 0, 0, 0])]);
  };
  const convolved = g.op('Conv', [filled(map, 1), filled(kernel, 0)], {
    group: nHeads + nEmpty,
    kernel_shape: [size.query, size.key],
    pads: [size.query - 1, before, 0, size.key - 1 - before],
  });
  return nEmpty === 0 ? convolved : g.op('Slice', [convolved, g.ints([0]), g.ints([nHeads]), g.ints([1])]);
}

/** One convolution alone, for measuring a form: `map` [1, H, R, K] -> `convolved`; fed forms take `kernel` too. */
export function convolutionGraph(
  plan: Pick<LayerPlan, 'nHeads' | 'padKey'>,
  size: KernelSize,
  kernel: Float32Array,
  form: ConvolutionForm,
): Uint8Array {
  const g = new GraphBuilder('convolution');
  const shape = [plan.nHeads, 1, size.query, size.key];
  const map = g.input('map', 'float32', [1, plan.nHeads, 'R', 'K']);
  const weights = form.isFixed ? g.floats(kernel, shape) : g.input('kernel', 'float32', shape);
  g.output('convolved', addConvolution(g, plan, map, weights, size, form), 'float32', [1, plan.nHeads, 'R', 'K']);
  return g.build();
}
