import assert from 'node:assert/strict';
import { test } from 'node:test';
import { unzipSync } from 'fflate';
import { npyBytes, npzBytes } from '../../../src/export/npz';

test('headers are aligned and say shape and type; values follow', () => {
  for (const shape of [[6], [2, 3], [1, 2, 3]]) {
    const bytes = npyBytes({ shape, data: Float32Array.of(1, 2, 3, 4, 5, 6) });
    const headerEnd = 10 + bytes[8]! + 256 * bytes[9]!;
    assert.equal(headerEnd % 64, 0);
    const header = Buffer.from(bytes.subarray(10, headerEnd)).toString('latin1');
    assert.match(header, /^\{'descr': '<f4', 'fortran_order': False, 'shape': \([\d, ]+\), \} *\n$/);
    assert.deepEqual([...new Float32Array(bytes.slice(headerEnd).buffer)], [1, 2, 3, 4, 5, 6]);
  }
});

test('an archive holds one file per array; shapes must fit', () => {
  const files = unzipSync(npzBytes({ ids: { shape: [2], data: Int32Array.of(1, 2) } }));
  assert.deepEqual(Object.keys(files), ['ids.npy']);
  assert.throws(() => npyBytes({ shape: [3], data: Int32Array.of(1) }), RangeError);
});
