/** Time left of a job, by its pace so far. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Pace, withTimeLeft } from '../../../webview/pace';

test('time left goes by the steps so far, counted from the first one seen', () => {
  let clock = 100;
  const pace = new Pace(() => clock);
  const at = (ms: number, done: number, job: string | null = 'a') => {
    clock = ms;
    return pace.leftMs(job, done, 10);
  };
  assert.equal(at(100, 0), null);
  assert.equal(at(300, 2), 800);
  assert.equal(at(900, 2), 800, 'looking again changes nothing');
  assert.equal(at(1100, 4), 1500);
  assert.equal(at(1100, 10), null, 'nothing is left');
  assert.equal(at(2000, 3), null, 'begun anew');
  assert.equal(at(2100, 4), 600);
  assert.equal(at(3000, 5, 'b'), null, 'another job');
  assert.equal(at(4000, 6, 'b'), 4000);
  assert.equal(at(5000, 6, null), null, 'no job');
  assert.equal(at(9000, 6, 'b'), null);
  assert.equal(at(9500, 7, 'b'), 1500, 'a pause is no step');
});

test('time left in words', () => {
  assert.equal(withTimeLeft('3 of 9 tried', null), '3 of 9 tried');
  assert.equal(withTimeLeft('3 of 9 tried', 200), '3 of 9 tried, 1 s left');
  assert.equal(withTimeLeft('3 of 9 tried', 89_000), '3 of 9 tried, 89 s left');
  assert.equal(withTimeLeft('3 of 9 tried', 300_000), '3 of 9 tried, 5 min left');
});
