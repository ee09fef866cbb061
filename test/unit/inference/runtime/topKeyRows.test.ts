import assert from 'node:assert/strict';
import { test } from 'node:test';
import { emptyTopKeys, writeTopKeys } from '../../../../src/inference/runtime/topKeyRows';

/** Keys 0 to k - 1 of every row, the weight of key i being the row plus i tenths, rounded. */
function bandOf(first: number, end: number, nHeads: number, k: number) {
  const dims = [1, nHeads, end - first, k];
  const n = nHeads * (end - first) * k;
  const row = (i: number) => first + (Math.floor(i / k) % (end - first));
  return {
    indices: { type: 'int32', data: Int32Array.from({ length: n }, (_, i) => i % k), dims },
    weights: { type: 'float32', data: Float32Array.from({ length: n }, (_, i) => 10 * row(i) + (i % k)), dims },
  } as const;
}

test('bands put together have every row once, without rows above and without keys after the query', () => {
  const nTokens = 5;
  const to = emptyTopKeys(2, nTokens, 3);
  // The first band knows fewer keys than are reported; the second is fed a row of the first once more.
  const first = bandOf(0, 2, 2, 2);
  writeTopKeys(to, nTokens, { first: 0, start: 0, end: 2 }, first.indices, first.weights);
  const second = bandOf(1, 5, 2, 3);
  writeTopKeys(to, nTokens, { first: 1, start: 2, end: 5 }, second.indices, second.weights);
  for (let head = 0; head < 2; head++) {
    for (let row = 0; row < nTokens; row++) {
      const at = (head * nTokens + row) * 3;
      const known = row < 2 ? 2 : 3;
      const keys = [0, 1, 2].map(key => (key <= row && key < known ? key : -1));
      assert.deepEqual([...to.indices.subarray(at, at + 3)], keys, `head ${head}, row ${row}`);
      const weights = [0, 1, 2].map(key => (key < known ? 10 * row + key : 0));
      assert.deepEqual([...to.weights.subarray(at, at + 3)], weights, `head ${head}, row ${row}`);
    }
  }
});
