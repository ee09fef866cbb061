/** NumPy's .npz: a zip of .npy arrays. */

import { zipSync } from 'fflate';

export interface NpyArray {
  readonly shape: readonly number[];
  readonly data: Float32Array | Int32Array | Uint32Array | Uint8Array;
}

const descriptors = new Map<unknown, string>([
  [Float32Array, '<f4'],
  [Int32Array, '<i4'],
  [Uint32Array, '<u4'],
  [Uint8Array, '|u1'],
]);

/** One array in NumPy's format, version 1.0 (numpy.lib.format). */
export function npyBytes({ shape, data }: NpyArray): Uint8Array {
  const count = shape.reduce((product, n) => product * n, 1);
  if (count !== data.length) throw new RangeError(`shape ${shape} does not hold ${data.length} values`);
  const dims = shape.length === 1 ? `${shape[0]},` : shape.join(', ');
  const fields = `{'descr': '${descriptors.get(data.constructor)}', 'fortran_order': False, 'shape': (${dims}), }`;
  const padding = 63 - ((10 + fields.length) % 64);
  const header = `${fields}${' '.repeat(padding)}\n`;
  const bytes = new Uint8Array(10 + header.length + data.byteLength);
  bytes.set([0x93, ...Buffer.from('NUMPY'), 1, 0, header.length & 0xff, header.length >> 8]);
  bytes.set(Buffer.from(header, 'latin1'), 10);
  bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), 10 + header.length);
  return bytes;
}

export function npzBytes(arrays: Readonly<Record<string, NpyArray>>): Uint8Array {
  return zipSync(Object.fromEntries(Object.entries(arrays).map(([name, array]) => [`${name}.npy`, npyBytes(array)])), {
    level: 1,
  });
}
