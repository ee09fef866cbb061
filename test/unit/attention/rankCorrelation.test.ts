import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rankCorrelation } from '../../../src/attention/rankCorrelation';

const near = (a: number, b: number) => assert.ok(Math.abs(a - b) < 1e-12, `${a}, expected ${b}`);

test('only the order counts', () => {
  near(rankCorrelation([1, 2, 3, 4], [10, 100, 1000, 10000]), 1);
  near(rankCorrelation([1, 2, 3], [3, 2, 1]), -1);
  near(rankCorrelation([1, 2, 3, 4, 5], [2, 1, 4, 3, 5]), 0.8);
});

test('equal values share a rank', () => {
  // Ranks 0, 1.5, 1.5, 3 against 0, 1, 2, 3: 4.5 / sqrt(4.5 * 5).
  near(rankCorrelation([1, 2, 2, 3], [1, 2, 3, 4]), 4.5 / Math.sqrt(4.5 * 5));
});

test('without an order there is no correlation', () => {
  for (const [a, b] of [
    [[], []],
    [
      [1, 2],
      [1, 2],
    ],
    [
      [1, 1, 1],
      [1, 2, 3],
    ],
    [
      [Number.NaN, 1, 2],
      [1, 2, 3],
    ],
  ] as [number[], number[]][]) {
    assert.ok(Number.isNaN(rankCorrelation(a, b)));
  }
  assert.throws(() => rankCorrelation([1], []), RangeError);
});
