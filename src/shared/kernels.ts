/**
 * The four learned parts of a Multi-Token Attention layer, seen alike: every head owns one small matrix of weights.
 *
 * A convolution's rows are queries (the last is the current one) and its columns keys; a mixing part has one row with
 * a weight per source head. Where a head's matrix is the identity (one weight 1, the rest 0) the part does nothing.
 */

export const kernelParts = [
  'pre_softmax_conv',
  'pre_softmax_head_mix',
  'post_softmax_conv',
  'post_softmax_head_mix',
] as const;

export type KernelPart = (typeof kernelParts)[number];

/** Shape of one head's matrix in one part. */
export interface KernelShape {
  readonly rows: number;
  readonly columns: number;
  /** Column of the identity's 1, in the last row; null in mixing parts, where it is the head's own column. */
  readonly identityColumn: number | null;
}

/** The parts a layer has. */
export type LayerKernels = Readonly<Partial<Record<KernelPart, KernelShape>>>;

/** One part's weights of a layer, shape [head, rows, columns], row-major. */
export interface KernelWeights extends KernelShape {
  readonly part: KernelPart;
  readonly values: Float32Array;
}

/** A layer's learned parts as they were in training. */
export interface KernelHistory {
  /** Training step of each snapshot, rising. */
  readonly steps: readonly number[];
  readonly snapshots: readonly (readonly KernelWeights[])[];
}

export function isConv(part: KernelPart): boolean {
  return part === 'pre_softmax_conv' || part === 'post_softmax_conv';
}

/** Index, in a head's matrix, of the weight that is 1 in its identity. Mixing groups are consecutive heads. */
export function identityIndex(shape: KernelShape, headIdx: number): number {
  return (shape.rows - 1) * shape.columns + (shape.identityColumn ?? headIdx % shape.columns);
}

/** The source head of a mixing part's column, for one destination head. */
export function sourceHead(shape: KernelShape, headIdx: number, column: number): number {
  return headIdx - (headIdx % shape.columns) + column;
}

/** A head's matrix that does nothing, shape [rows, columns]. */
export function identityMatrix(shape: KernelShape, headIdx: number): Float32Array {
  const matrix = new Float32Array(shape.rows * shape.columns);
  matrix[identityIndex(shape, headIdx)] = 1;
  return matrix;
}

/** One head's matrix of a part: a view, not a copy. */
export function headMatrix({ rows, columns, values }: KernelWeights, headIdx: number): Float32Array {
  return values.subarray(headIdx * rows * columns, (headIdx + 1) * rows * columns);
}
