import assert from 'node:assert/strict';
import { test } from 'node:test';
import { klNats, logSoftmaxRows, softmax } from '../../../src/attention/distributions';

const close = (got: ArrayLike<number>, expected: readonly number[]) => {
  assert.equal(got.length, expected.length);
  for (const [i, value] of expected.entries())
    assert.ok(Math.abs(got[i]! - value) < 1e-6, `${i}: ${got[i]}, not ${value}`);
};

test('softmax of ln 1, ln 2, ln 5 is 1/8, 2/8, 5/8, wherever the scores are', () => {
  for (const shift of [0, -1000, 80]) {
    const scores = Float32Array.of(0, Math.LN2, Math.log(5)).map(x => x + shift);
    assert.ok(Math.abs(softmax(scores)[2]! - 0.625) < 1e-4);
  }
  close(softmax(Float32Array.of(0, Math.LN2, Math.log(5))), [0.125, 0.25, 0.625]);
  close(softmax(Float32Array.of(Number.NEGATIVE_INFINITY, 3)), [0, 1]);
});

test('log-softmax takes each row for itself', () => {
  const rows = logSoftmaxRows(Float32Array.of(0, Math.LN2, Math.log(5), 1000, 1000, 1000), 3);
  close(rows.map(Math.exp), [0.125, 0.25, 0.625, 1 / 3, 1 / 3, 1 / 3]);
});

test('the divergence of p from itself is 0, of (1/2, 1/2) from (1/4, 3/4) is ln(4/3)/2', () => {
  const p = Float32Array.of(Math.log(0.5), Math.log(0.5));
  close([klNats(p, p)], [0]);
  close([klNats(p, Float32Array.of(Math.log(0.25), Math.log(0.75)))], [Math.log(4 / 3) / 2]);
});
