/** The limit is of work, not of the clock. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withinTime } from '../../../../src/inference/model/withinTime';

/** Keeps busy for a time by the clock. */
function spin(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

test('work is run again while the machine gave it less than the limit, and its result is that of the last run', () => {
  let nRuns = 0;
  const value = withinTime(
    5,
    'Cannot try',
    () => {
      nRuns++;
      if (nRuns < 3) spin(1000);
      return nRuns;
    },
    () => 0, // as where the processor is always with others
  );
  assert.equal(value, 3);
});

test('work that uses up its processor time is stopped', () => {
  let processorMs = 0;
  const use = () => {
    processorMs += 10;
    return processorMs;
  };
  const failure = {
    code: 'too-slow',
    message: 'Cannot try: it takes longer than 5 ms of processor time. Pick another model.',
  };
  assert.throws(() => withinTime(5, 'Cannot try', () => spin(1000), use), failure);
  assert.throws(
    () => withinTime(20, 'Cannot try', () => spin(10_000)),
    { code: 'too-slow' },
    'by the real clock of the thread',
  );
});

test('on a machine that never comes to it, the model is not to blame', () => {
  const run = () =>
    withinTime(
      1,
      'Cannot try',
      () => spin(1000),
      () => 0,
    );
  assert.throws(run, { code: 'busy', message: 'Cannot try: the machine is too busy. Try again in a moment.' });
});

test('what the work throws is thrown', () => {
  const fail = () => {
    throw new RangeError('no');
  };
  assert.throws(() => withinTime(100, 'Cannot try', fail), RangeError);
});
