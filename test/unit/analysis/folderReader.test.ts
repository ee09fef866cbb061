import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FolderReader } from '../../../src/analysis/folderReader';
import type { InferenceProcess } from '../../../src/inference/client';

/** A process that answers at once, never, or ends, by what the path says. */
function fakeProcess() {
  const state = { killed: 0, started: 0 };
  const start = (): InferenceProcess => {
    state.started++;
    let listen: (message: unknown) => void = () => {};
    let exit: (reason: string) => void = () => {};
    return {
      send: message => {
        const { kind, id, args } = message as { kind: string; id: number; args: { path: string } };
        if (kind !== 'request' || args.path === 'hangs') return;
        if (args.path === 'dies') return exit('signal SIGABRT');
        queueMicrotask(() => listen({ kind: 'answer', id, value: { name: args.path } }));
      },
      onMessage: listener => {
        listen = listener;
      },
      onExit: listener => {
        exit = listener;
      },
      kill: () => {
        state.killed++;
        exit('signal SIGKILL');
      },
    };
  };
  return { state, start };
}

test('a folder that hangs costs its time limit and its process; the next one is read by another', async () => {
  const { state, start } = fakeProcess();
  const reader = new FolderReader(start);
  const [good, hangs, next] = await Promise.allSettled([
    reader.read('describeFolder', 'good', 1000),
    reader.read('describeFolder', 'hangs', 20),
    reader.read('describeFolder', 'next', 1000),
  ]);
  assert.equal(good.status === 'fulfilled' && good.value.name, 'good');
  assert.equal(hangs.status === 'rejected' && hangs.reason.code, 'too-slow');
  assert.equal(next.status === 'fulfilled' && next.value.name, 'next');
  assert.deepEqual(state, { killed: 1, started: 2 });
  reader.dispose();
  assert.equal(state.killed, 2);
});

test('a folder that ends its process is refused; the next one is read by another', async () => {
  const { state, start } = fakeProcess();
  const reader = new FolderReader(start);
  await assert.rejects(reader.read('summarizeFolder', 'dies', 1000), { code: 'process' });
  assert.equal((await reader.read('describeFolder', 'next', 1000)).name, 'next');
  assert.equal(state.started, 2);
  reader.dispose();
});

test('a process that nobody asks ends', async () => {
  const { state, start } = fakeProcess();
  const reader = new FolderReader(start, 5);
  await reader.read('describeFolder', 'good', 1000);
  await new Promise(resolve => setTimeout(resolve, 30));
  assert.equal(state.killed, 1);
});
