import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PauseFinder } from '../../src/pauses';

test('a late tick is a pause; what the process did meanwhile is told apart from waiting', () => {
  const finder = new PauseFinder();
  assert.equal(finder.tick(1000, 0), null);
  assert.equal(finder.tick(1010, 5), null);
  assert.equal(finder.tick(1029, 6), null);
  assert.deepEqual(finder.tick(1100, 50), { durationMs: 61, workMs: 44 });
  // Several threads can work at once; a pause is no longer than it is.
  assert.deepEqual(finder.tick(1200, 400), { durationMs: 90, workMs: 90 });
  assert.deepEqual(finder.tick(1300, 401), { durationMs: 90, workMs: 1 });
});
