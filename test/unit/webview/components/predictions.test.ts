import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Predictions } from '../../../../src/shared/analysis';
import { predictedAt, summaryOf } from '../../../../webview/components/predictions';

const predictions: Predictions = {
  surprisalBits: Float32Array.of(Number.NaN, 2, 4),
  k: 2,
  topIds: Int32Array.of(7, 8, 8, 9, 7, 9),
  topProbabilities: Float32Array.of(0.5, 0.25, 0.75, 0.125, 1, 0),
  labels: { 7: 'a', 8: 'b', 9: 'c' },
};

test('the likeliest tokens after a position, the one that follows marked', () => {
  assert.deepEqual(predictedAt(predictions, 1, 'c'), [
    { label: 'b', probability: 0.75, isActual: false },
    { label: 'c', probability: 0.125, isActual: true },
  ]);
});

test('surprisal of one token, of a range, and of the first token', () => {
  const { surprisalBits } = predictions;
  assert.match(summaryOf(surprisalBits, { first: 1, end: 2 }), /2\.00 bits/);
  assert.match(summaryOf(surprisalBits, { first: 0, end: 3 }), /3\.00 bits per token on average, 6\.0 bits in all/);
  assert.match(summaryOf(surprisalBits, { first: 0, end: 1 }), /Nothing predicts/);
  assert.match(summaryOf(new Float32Array(300).fill(1), { first: 0, end: 300 }), /first 200 of 300/);
});
