import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as v from 'valibot';
import { Cancelled, Failure } from '../../../../src/shared/tools/failure';
import { type Handlers, type None, Rpc, type Wire } from '../../../../src/shared/tools/rpc';

interface Requests {
  double(args: number): number;
  fail(args: null): never;
  wait(args: null): string;
}
interface Events {
  said: string;
}
const numbers = { double: v.number(), fail: v.unknown(), wait: v.unknown() };

/** Two ends joined by structured clones, as both real wires are. */
function pair(handlers: Partial<Handlers<Requests>> = {}, isChecked = false) {
  const listeners: ((message: unknown) => void)[] = [() => {}, () => {}];
  const wire = (own: 0 | 1): Wire => ({
    send: message => queueMicrotask(() => listeners[1 - own]!(structuredClone(message))),
    onMessage: listener => {
      listeners[own] = listener;
    },
  });
  const asking = new Rpc<Requests, None, Events, None>(
    wire(0),
    {},
    isChecked ? { answers: numbers, events: { said: v.string() } } : {},
  );
  const answering = new Rpc<None, Requests, None, Events>(
    wire(1),
    {
      double: n => 2 * n,
      fail: () => {
        throw new Failure('bad', 'It cannot be done.', ['showLog']);
      },
      wait: (_, signal) =>
        new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(new Cancelled()))),
      ...handlers,
    },
    isChecked ? { args: numbers } : {},
  );
  return { asking, answering, inject: (message: unknown) => listeners[0]!(message) };
}

test('answers carry values and failures, with code and actions', async () => {
  const { asking } = pair();
  assert.equal(await asking.request('double', 21), 42);
  await assert.rejects(asking.request('fail', null), {
    code: 'bad',
    message: 'It cannot be done.',
    actions: ['showLog'],
  });
});

test('an unknown request fails, also one named like a method of every object', async () => {
  const { asking } = pair();
  for (const name of ['nothing', 'toString', '__proto__']) {
    await assert.rejects(asking.request(name as 'double', 1), { code: 'unknown-request' });
  }
});

test('a cancel rejects at once and reaches the other side', async () => {
  let isAborted = false;
  const { asking } = pair({
    wait: (_, signal) =>
      new Promise(() =>
        signal.addEventListener('abort', () => {
          isAborted = true;
        }),
      ),
  });
  const controller = new AbortController();
  const answer = asking.request('wait', null, controller.signal);
  await new Promise(setImmediate);
  controller.abort();
  await assert.rejects(answer, Cancelled);
  await new Promise(setImmediate);
  assert.ok(isAborted);
  await assert.rejects(asking.request('double', 1, controller.signal), Cancelled);
});

test('when the line drops, everything pending and later is rejected', async () => {
  const { asking } = pair();
  const answer = asking.request('wait', null);
  asking.close(new Failure('process', 'The process ended.'));
  await assert.rejects(answer, { code: 'process' });
  await assert.rejects(asking.request('double', 1), { code: 'process' });
});

test('events arrive until their listener is removed; foreign messages are left alone', async () => {
  const { asking, answering, inject } = pair();
  const heard: string[] = [];
  const stop = asking.on('said', text => heard.push(text));
  answering.emit('said', 'one');
  for (const foreign of [null, 7, 'x', {}, { kind: 'answer', id: 99 }, { kind: 'odd' }]) inject(foreign);
  await new Promise(setImmediate);
  stop();
  answering.emit('said', 'two');
  await new Promise(setImmediate);
  assert.deepEqual(heard, ['one']);
});

test('what has not its form is refused: arguments and answers by a failure, events are dropped', async context => {
  const ask = (args: unknown, answer: unknown) =>
    pair({ double: () => answer as number }, true).asking.request('double', args as number);
  assert.equal(await ask(1, 2), 2);
  await assert.rejects(ask('document text', 2), {
    code: 'bad-message',
    message: /the request double: it is not number/,
  });
  await assert.rejects(ask(1, 'document text'), {
    code: 'bad-message',
    message: /the answer to double: it is not number/,
  });
  await assert.rejects(ask('document text', 2), error => !/document text/.test(String(error)));

  const errors = context.mock.method(console, 'error', () => {});
  const { asking, inject } = pair({}, true);
  const heard: unknown[] = [];
  asking.on('said', word => heard.push(word));
  for (const payload of [{}, null, 'word', 7]) inject({ kind: 'event', name: 'said', payload });
  inject({ kind: 'event', name: 'toString', payload: 'word' });
  assert.deepEqual(heard, ['word']);
  assert.equal(errors.mock.callCount(), 3);
});
