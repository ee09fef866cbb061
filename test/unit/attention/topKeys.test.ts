import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keysOfQuery, keysOfRow, shadeOf } from '../../../src/attention/topKeys';

test('keys of a query, without the places that hold none', () => {
  const topKeys = {
    k: 2,
    indices: Int32Array.of(0, -1, 1, 0, 0, -1, 0, 1),
    weights: Float32Array.of(1, 0, 0.75, 0.25, 1, 0, -0.5, 0.5),
  };
  assert.deepEqual(keysOfQuery(topKeys, 2, 0, 0), [{ keyIdx: 0, weight: 1 }]);
  assert.deepEqual(keysOfQuery(topKeys, 2, 1, 1), [
    { keyIdx: 0, weight: -0.5 },
    { keyIdx: 1, weight: 0.5 },
  ]);
});

test('keys of a row: by magnitude, signed, masked keys left out', () => {
  const row = Float32Array.of(0.25, -2, 1, 99);
  assert.deepEqual(keysOfRow(row, 2, 2), [
    { keyIdx: 1, weight: -2 },
    { keyIdx: 2, weight: 1 },
  ]);
});

test('keys that are not a number come first and do not disturb the order of the others', () => {
  const row = Float32Array.of(1, Number.NaN, 3, 2, Number.NaN, -4);
  assert.deepEqual(
    keysOfRow(row, 5, 9).map(({ keyIdx }) => keyIdx),
    [1, 4, 5, 2, 3, 0],
  );
});

test('shades grow with magnitude, sign does not matter, the weakest are not shown', () => {
  assert.deepEqual(
    [1, -1, 0.5, 0.1, 0.02, 0.01, 0].map(weight => shadeOf(weight, 1, 4)),
    [3, 3, 2, 1, 0, -1, -1],
  );
  assert.equal(shadeOf(0, 0, 4), -1);
  assert.equal(shadeOf(Number.NaN, 1, 4), -1);
});
