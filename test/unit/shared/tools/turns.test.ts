import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { test } from 'node:test';
import { Turns } from '../../../../src/shared/tools/turns';

test('work is done in order, and a failure holds nobody up', async () => {
  const turns = new Turns();
  const done: string[] = [];
  const work = (name: string) => async () => {
    await new Promise(wake => setImmediate(wake));
    done.push(name);
    if (name === 'b') throw new Error(name);
  };
  await Promise.allSettled(['a', 'b', 'c'].map(name => turns.take(work(name))));
  assert.deepEqual(done, ['a', 'b', 'c']);
});

test('a cancel rejects at once, skips work that has not begun, and leaves no listener on the signal', async () => {
  const turns = new Turns();
  const controller = new AbortController();
  const { signal } = controller;
  for (let i = 0; i < 3; i++) await turns.take(async () => i, signal);
  assert.equal(getEventListeners(signal, 'abort').length, 0);
  const { promise, wake } = waiting();
  const first = turns.take(() => promise);
  let isDone = false;
  const second = turns.take(async () => {
    isDone = true;
  }, signal);
  controller.abort();
  await assert.rejects(second, { name: 'Cancelled' });
  wake();
  await first;
  await turns.take(async () => {});
  assert.equal(isDone, false);
  assert.equal(getEventListeners(signal, 'abort').length, 0);
});

function waiting(): { readonly promise: Promise<void>; readonly wake: () => void } {
  let wake = () => {};
  const promise = new Promise<void>(resolve => {
    wake = resolve;
  });
  return { promise, wake };
}
