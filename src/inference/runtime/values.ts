/** Tensors that are read and written by rows: axis 1 of [batch, row, ...]. */

import type { Value } from './session';

export function int64(values: readonly number[], dims: readonly number[]): Value {
  return { type: 'int64', data: BigInt64Array.from(values, BigInt), dims };
}

/** All zeros, fp32. */
export function emptyValue(dims: readonly number[]): Value {
  return { type: 'float32', data: new Float32Array(dims.reduce((product, n) => product * n, 1)), dims };
}

/** Smooth numbers of about unit size, the same every time, to try a provider or a form with. */
export function probeValue(dims: readonly number[]): Value {
  const value = emptyValue(dims);
  for (let i = 0; i < value.data.length; i++) value.data[i] = Math.sin(i * 0.7 + (i % 13));
  return value;
}

/** Rows [first, end): the same memory where the batch has one entry, a copy otherwise. */
export function rowsOf({ type, data, dims }: Value, first: number, end: number): Value {
  const [nBatch = 1, nRows = 1, ...rest] = dims;
  const size = rest.reduce((product, n) => product * n, 1);
  const cut = { type, dims: [nBatch, end - first, ...rest] };
  if (nBatch === 1) return { ...cut, data: data.subarray(first * size, end * size) as Value['data'] };
  const copy = emptyValue(cut.dims);
  for (let batch = 0; batch < nBatch; batch++) {
    const start = batch * nRows * size;
    (copy.data as Float32Array).set(
      data.subarray(start + first * size, start + end * size) as Float32Array,
      batch * (end - first) * size,
    );
  }
  return copy;
}

/** Writes rows into `to`, from row `at` on. Both fp32. */
export function writeRows(to: Value, at: number, rows: Value): void {
  const [nBatch = 1, nRows = 1] = rows.dims;
  const size = rows.data.length / nBatch / nRows || 0;
  for (let batch = 0; batch < nBatch; batch++) {
    const part = rows.data.subarray(batch * nRows * size, (batch + 1) * nRows * size) as Float32Array;
    (to.data as Float32Array).set(part, (batch * to.dims[1]! + at) * size);
  }
}

/** Sizes of a tensor before, at and after an axis. */
export function sizesAt(
  { dims }: Value,
  axis: number,
): { readonly outer: number; readonly n: number; readonly inner: number } {
  const product = (sizes: readonly number[]) => sizes.reduce((total, n) => total * n, 1);
  return { outer: product(dims.slice(0, axis)), n: dims[axis]!, inner: product(dims.slice(axis + 1)) };
}

/** A tensor that is everywhere its mean over an axis, fp32. */
export function atItsMean(value: Value, axis: number): Value {
  const { outer, n, inner } = sizesAt(value, axis);
  const filled = emptyValue(value.dims);
  const [from, to] = [value.data as Float32Array, filled.data as Float32Array];
  const mean = new Float64Array(inner);
  for (let o = 0; o < outer; o++) {
    mean.fill(0);
    for (let t = 0; t < n; t++) for (let i = 0; i < inner; i++) mean[i]! += from[(o * n + t) * inner + i]! / n;
    for (let t = 0; t < n; t++) to.set(mean, (o * n + t) * inner);
  }
  return filled;
}
