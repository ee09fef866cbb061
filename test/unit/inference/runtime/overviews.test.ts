import assert from 'node:assert/strict';
import { test } from 'node:test';
import { quantize } from '../../../../src/inference/runtime/overviews';

test('cells are steps of each head’s largest magnitude', () => {
  const cells = Float32Array.of(2, 0, -4, 1, 0, 0, 0, 0);
  const { scales, cells: steps } = quantize('scores', { blockSize: 1, size: 2, cells });
  assert.deepEqual([...scales], [4, 0]);
  assert.deepEqual([...steps], [64, 0, -127, 32, 0, 0, 0, 0]);
});

test('a head with a value that is no number has no scale, whatever follows it', () => {
  const cells = Float32Array.of(Number.NaN, 0, 3, 1, 5, 0, 1, 1);
  const { scales } = quantize('scores', { blockSize: 1, size: 2, cells });
  assert.ok(Number.isNaN(scales[0]));
  assert.equal(scales[1], 5);
});
