import assert from 'node:assert/strict';
import { test } from 'node:test';
import { relativeDifference } from '../../../../src/inference/runtime/relativeDifference';

test('a difference is relative to the largest magnitude, and a missing or broken number is never small', () => {
  assert.equal(relativeDifference(Float32Array.of(1, -8), Float32Array.of(1, -10)), 0.2);
  assert.ok(Number.isNaN(relativeDifference(Float32Array.of(1, Number.NaN, 3), Float32Array.of(1, 2, 3))));
  assert.ok(Number.isNaN(relativeDifference(Float32Array.of(1), Float32Array.of(1, 2))));
});
