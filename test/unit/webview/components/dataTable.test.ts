import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sortRows } from '../../../../webview/components/dataTable';

const rows = [
  { n: 2, s: 'b' },
  { n: Number.NaN, s: '' },
  { n: -3, s: 'a' },
  { n: 2, s: 'c' },
];

test('sorted by a column, what is missing last both ways, equal rows in their own order', () => {
  const by = (keyOf: (row: (typeof rows)[number]) => number | string, isDescending: boolean) =>
    sortRows(rows, keyOf, isDescending).map(row => rows.indexOf(row));
  assert.deepEqual(
    by(({ n }) => n, false),
    [2, 0, 3, 1],
  );
  assert.deepEqual(
    by(({ n }) => n, true),
    [0, 3, 2, 1],
  );
  assert.deepEqual(
    by(({ s }) => s, false),
    [2, 0, 3, 1],
  );
  assert.deepEqual(
    by(({ s }) => s, true),
    [3, 0, 2, 1],
  );
  assert.equal(sortRows(rows, null, true), rows);
});
