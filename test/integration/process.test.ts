/** The real inference process over real IPC: answers, versions, and its end with its parent. */

import assert from 'node:assert/strict';
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type InferenceEvents, type InferenceRequests, protocolVersion } from '../../src/inference/protocol';
import { Failure } from '../../src/shared/tools/failure';
import { type None, Rpc } from '../../src/shared/tools/rpc';
import { root, tinyModelDirectory } from '../fixtures/paths';
import { inferenceProgram } from '../fixtures/programs';

let child: ChildProcess;
let rpc: Rpc<InferenceRequests, None, InferenceEvents, None>;

function start(execArgv: string[] = []): void {
  child = fork(inferenceProgram, { serialization: 'advanced', execArgv });
  rpc = new Rpc(
    { send: message => child.send(message as object), onMessage: listener => child.on('message', listener) },
    {},
  );
  child.on('exit', () => rpc.close(new Failure('process', 'The process ended.')));
}

beforeEach(() => start());
afterEach(async () => {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
});

const model = { modelDirectory: tinyModelDirectory, provider: 'cpu', nThreads: 1 } as const;
const text = 'one two three';
const run = {
  analysisId: 1,
  text,
  textStart: 0,
  documentLength: 13,
  anchor: 0,
  maxTokens: 64,
  topK: 4,
};

test('loads, streams typed arrays, answers', async () => {
  const { model: summary, provider } = await rpc.request('load', { protocolVersion, ...model });
  assert.equal(summary.nLayers, 3);
  assert.equal(provider, 'cpu');
  const layers: number[] = [];
  rpc.on('layer', ({ layer }) => {
    assert.ok(layer.topKeys.weights instanceof Float32Array && layer.overviews[0]!.cells instanceof Int8Array);
    layers.push(layer.layerIdx);
  });
  const { predictions } = await rpc.request('analyze', run);
  assert.deepEqual(layers, [0, 1, 2]);
  assert.ok(predictions.surprisalBits.subarray(1).every(bits => bits > 0));
});

test('refuses to work before a model is loaded, and another protocol version', async () => {
  await assert.rejects(rpc.request('analyze', run), { code: 'no-model' });
  await assert.rejects(rpc.request('load', { ...model, protocolVersion: 99 }), { code: 'protocol' });
});

test('heads are scored by the model of the slot that is named', async () => {
  const slot = 'api-1';
  await rpc.request('load', { protocolVersion, ...model, slot });
  const examples = [{ text: 'delta = 4\nx = delta\n', gold: { start: 0, end: 9 }, query: { start: 16, end: 19 } }];
  const scores = await rpc.request('scoreHeads', { slot, examples });
  assert.ok(scores.length > 0 && scores.every(({ score }) => Number.isFinite(score)));
  await assert.rejects(rpc.request('scoreHeads', { examples }), { code: 'no-model' });
});

test('of many requests that replaced each other only the last is worked on', async () => {
  await rpc.request('load', { protocolVersion, ...model });
  const tokenized: number[] = [];
  rpc.on('tokens', ({ analysisId }) => tokenized.push(analysisId));
  const last = 30;
  for (let analysisId = 1; analysisId < last; analysisId++) {
    const controller = new AbortController();
    const pending = rpc.request('analyze', { ...run, analysisId }, controller.signal);
    controller.abort();
    await assert.rejects(pending, { code: 'cancelled' });
  }
  await rpc.request('analyze', { ...run, analysisId: last });
  assert.equal(tokenized.at(-1), last);
  // Those whose cancel comes with them are not begun; the pipe may split what is sent at once.
  assert.ok(tokenized.length <= 3, String(tokenized));
});

test('a killed process rejects what is pending', async () => {
  await rpc.request('load', { protocolVersion, ...model });
  const pending = rpc.request('analyze', run);
  child.kill('SIGKILL');
  await assert.rejects(pending, { code: 'process' });
});

test('where the native library cannot be loaded, WebAssembly gives the same results, which is said', async () => {
  await rpc.request('load', { protocolVersion, ...model });
  const native = await rpc.request('analyze', run);
  child.kill('SIGKILL');
  await once(child, 'exit');
  start(['--require', join(root, 'test', 'fixtures', 'noNativeLibrary.cjs')]);
  const { provider, providerNote } = await rpc.request('load', { protocolVersion, ...model, provider: 'auto' });
  assert.equal(provider, 'cpu');
  assert.match(providerNote, /WebAssembly/);
  const { predictions } = await rpc.request('analyze', run);
  for (const [i, bits] of native.predictions.surprisalBits.entries()) {
    if (i > 0) assert.ok(Math.abs(predictions.surprisalBits[i]! - bits) < 1e-4, `token ${i}`);
  }
});

test('ends when its parent lets go', async () => {
  await rpc.request('load', { protocolVersion, ...model });
  child.disconnect();
  await once(child, 'exit');
});

const spin = 'setTimeout(() => { for (;;); }, 500);';
const read = `
  require('node:child_process').execFileSync('mkfifo', [process.env.FIFO]);
  for (let i = 0; i < 8; i++) require('node:fs').open(process.env.FIFO, () => {});`;
const block = { 'its main thread never returns': spin, 'a read is blocked': read };
for (const [what, code] of Object.entries(block)) {
  test(`ends within 10 s of its parent's end while ${what}`, {
    skip: process.platform === 'win32' && code !== spin,
  }, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'mta-orphan-'));
    // Once the process is there and listens.
    const atStart = `process.once('newListener', function begin(name) { name === 'message' ? setImmediate(() => {${code}}) : process.once('newListener', begin); });`;
    writeFileSync(join(folder, 'block.cjs'), atStart);
    // A parent that is killed: nothing of it can say goodbye.
    const parent = spawn(
      process.execPath,
      [
        '-e',
        `
      const { fork } = require('node:child_process');
      const child = fork(${JSON.stringify(inferenceProgram)}, {
        serialization: 'advanced', stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
        execArgv: ['--require', ${JSON.stringify(join(folder, 'block.cjs'))}],
      });
      child.on('message', () => console.log(child.pid));
      child.send({ kind: 'request', id: 1, name: 'ping', args: null });
      setInterval(() => {}, 1000);`,
      ],
      { env: { ...process.env, FIFO: join(folder, 'fifo') }, stdio: ['ignore', 'pipe', 'inherit'] },
    );
    const [line] = await once(parent.stdout!, 'data');
    const pid = Number(line);
    await sleep(1000);
    parent.kill('SIGKILL');
    const start = performance.now();
    while (isAlive(pid) && performance.now() - start < 10_000) await sleep(200);
    const hasEnded = !isAlive(pid);
    if (!hasEnded) process.kill(pid, 'SIGKILL');
    rmSync(folder, { recursive: true, force: true });
    assert.ok(hasEnded, `process ${pid} outlives its parent`);
  });
}

/** A process that ended and was not yet collected by its new parent counts as gone. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return process.platform !== 'linux' || !/\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

test('says that memory was used up where it was, and not where it was only estimated', async () => {
  const events: unknown[] = [];
  rpc.on('exhausted', payload => events.push(payload));
  await rpc.request('load', { protocolVersion, ...model });
  await assert.rejects(rpc.request('analyze', { ...run, memoryBudgetMb: 1 }), { code: 'memory' });
  assert.deepEqual(events, []);
});
