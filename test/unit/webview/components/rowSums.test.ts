import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeSums } from '../../../../webview/components/rowSums';

test('rows that do not sum to 1 are counted, with the range of their sums or the one sum that they share', () => {
  assert.equal(describeSums(Float32Array.of(1, 1.0004, 0.9999)), 'Every row sums to 1.');
  const some = describeSums(Float32Array.of(1, 0.25, 1.5, -0.5));
  assert.equal(some, '3 of 4 map rows do not sum to 1 but to −0.5000 to 1.500.');
  const why = 'The gate scales each row.';
  assert.equal(describeSums(Float32Array.of(1), why), 'Every row sums to 1.');
  assert.match(describeSums(Float32Array.of(0.5), why), / to 0\.5000\. The gate scales each row\.$/);
  const alike = describeSums(Float32Array.of(0.1266, 0.1266));
  assert.equal(alike, '2 of 2 map rows do not sum to 1 but to 0.1266.');
  assert.match(describeSums(Float32Array.of(Number.NaN)), /^1 of 1 .* none is a number\.$/);
});
