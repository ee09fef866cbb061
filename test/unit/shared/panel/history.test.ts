import assert from 'node:assert/strict';
import { test } from 'node:test';
import { push, redo, startHistory, undo } from '../../../../src/shared/panel/history';

test('undo and redo walk the same values; a new one ends the future', () => {
  const start = startHistory(0);
  const two = push(push(start, 1), 2);
  assert.equal(undo(two).present, 1);
  assert.equal(undo(undo(undo(two))).present, 0);
  assert.deepEqual(redo(undo(two)), two);
  assert.equal(redo(two), two);
  assert.equal(undo(start), start);
  const other = push(undo(two), 3);
  assert.equal(redo(other).present, 3);
  assert.deepEqual(undo(other).past, [0]);
});

test('the past has an end', () => {
  let history = startHistory(0);
  for (let i = 1; i < 1000; i++) history = push(history, i);
  assert.ok(history.past.length <= 200);
  assert.equal(history.present, 999);
});
