import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeSums, strongestDeviation } from '../../../../webview/components/rowSums';

test('rows that sum to 1 are not worth a word; others are counted with their range and scale', () => {
  assert.equal(describeSums(Float32Array.of(1, 1.0004, 0.9999)), null);
  const said = describeSums(Float32Array.of(1, 0.25, 1.5, -0.5))!;
  assert.equal(said.count, 3);
  assert.equal(said.max, 1.5);
  assert.match(said.text, /^3 of 4 rows do not sum to 1: they sum to −0\.5\S* up to 1\.5\S*\. .*scale ±1\.5/);
  assert.match(describeSums(Float32Array.of(Number.NaN))!.text, /^1 of 1 rows .* none is a number\.$/);
});

test('a pixel shows the strongest of the rows it covers, with its sign, and nothing outside the map', () => {
  const sums = Float32Array.of(1, 0.5, 1.25, 1);
  assert.equal(strongestDeviation(sums, 0, 4), -0.5);
  assert.equal(strongestDeviation(sums, 2.1, 2.2), 0.25);
  assert.equal(strongestDeviation(sums, 3, 3.5), 0);
  assert.equal(strongestDeviation(sums, 4, 5), null);
  assert.equal(strongestDeviation(sums, -3, -2), null);
  assert.ok(Number.isNaN(strongestDeviation(Float32Array.of(9, Number.NaN), 0, 2)));
});
