import assert from 'node:assert/strict';
import { test } from 'node:test';
import { targetsOf, toPredictions } from '../../../../src/inference/run/predictions';

test('a token is surprising by what the position before it gave it; nothing predicts the first', () => {
  const ids = Int32Array.of(7, 8, 9);
  assert.deepEqual(targetsOf(ids).slice(0, -1), [8, 9]);
  const result = toPredictions(
    ids,
    {
      logProbabilities: Float32Array.from([1 / 2, 1 / 8, 1], Math.log),
      divergence: null,
      topIds: Int32Array.of(8, 1, 2, 8, 1, 2),
      topLogProbabilities: Float32Array.from([1 / 2, 1 / 4, 1 / 2, 1 / 8, 1, 1 / 16], Math.log),
    },
    id => `token ${id}`,
  );
  assert.ok(Number.isNaN(result.surprisalBits[0]));
  assert.deepEqual(Array.from(result.surprisalBits.subarray(1), Math.round), [1, 3]);
  assert.equal(result.k, 2);
  assert.ok(Math.abs(result.topProbabilities[5]! - 1 / 16) < 1e-6);
  assert.deepEqual(result.labels, { 1: 'token 1', 2: 'token 2', 8: 'token 8' });
});
