import assert from 'node:assert/strict';
import { test } from 'node:test';
import { poolOverview, thumbnailSize } from '../../../src/attention/thumbnails';

test('small overviews stay as they are, head by head', () => {
  const overview = { stage: 'pattern', blockSize: 1, size: 2, scales: Float32Array.of(1, 2, 3) } as const;
  const cells = Int8Array.of(1, 0, 2, 3, 4, 0, 5, 6, 7, 0, 8, 9);
  const got = poolOverview({ ...overview, cells }, 1, 2);
  assert.deepEqual(got, { size: 2, scales: Float32Array.of(2, 3), cells: cells.slice(4) });
});

test('large ones keep the strongest cell with its sign, thin lines and the last rows too', () => {
  const size = 130; // three cells an edge, the last ones smaller
  const cells = new Int8Array(size * size);
  cells[5 * size + 4] = -100;
  cells[5 * size + 3] = 90;
  cells[129 * size + 0] = 7;
  const got = poolOverview({ stage: 'pattern', blockSize: 1, size, scales: Float32Array.of(1), cells }, 0, 1);
  assert.ok(got.size <= thumbnailSize);
  assert.equal(got.cells[1 * got.size + 1], -100);
  assert.equal(got.cells[(got.size - 1) * got.size], 7);
});
