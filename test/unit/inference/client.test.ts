import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';
import { InferenceClient, type InferenceProcess } from '../../../src/inference/client';
import type { AnalyzeArgs, InferenceEvents, InferenceRequests } from '../../../src/inference/protocol';
import { RestartPolicy } from '../../../src/inference/restartPolicy';
import { Cancelled, Failure } from '../../../src/shared/tools/failure';
import { type None, Rpc } from '../../../src/shared/tools/rpc';

interface FakeEvents extends Pick<InferenceEvents, 'provider' | 'exhausted' | 'continued'> {
  readonly tokens: { readonly analysisId: number };
  readonly layer: { readonly analysisId: number };
}

/** A process that answers `load` unless frozen and hangs in `analyze` until the test says otherwise. */
class FakeProcess implements InferenceProcess {
  isKilled = false;
  isFrozen = false;
  loads = 0;
  provider = 'cpu';
  finishRun: (() => void) | undefined;
  failRun: ((error: Error) => void) | undefined;
  private toHost: (message: unknown) => void = () => {};
  private toProcess: (message: unknown) => void = () => {};
  private exit: (reason: string) => void = () => {};
  readonly rpc: Rpc<None, Partial<InferenceRequests>, None, FakeEvents>;

  constructor(readonly pid: number) {
    this.rpc = new Rpc(
      {
        send: message => queueMicrotask(() => !this.isFrozen && this.toHost(structuredClone(message))),
        onMessage: listener => {
          this.toProcess = listener;
        },
      },
      {
        ping: () => null,
        load: () => {
          this.loads++;
          return { model: { name: 'fake' }, provider: this.provider, providerNote: '' } as never;
        },
        analyze: () =>
          new Promise((resolve, reject) => {
            this.failRun = reject;
            this.finishRun = () => resolve({ analysisId: 1 } as never);
          }),
      },
    );
  }

  send(message: unknown): void {
    queueMicrotask(() => !this.isFrozen && this.toProcess(structuredClone(message)));
  }
  onMessage(listener: (message: unknown) => void): void {
    this.toHost = listener;
  }
  onExit(listener: (reason: string) => void): void {
    this.exit = listener;
  }
  kill(): void {
    this.isKilled = true;
    this.crash('killed');
  }
  crash(reason: string): void {
    this.exit(reason);
  }
}

function clientWithProcesses() {
  const processes: FakeProcess[] = [];
  const arePacked: boolean[] = [];
  const client = new InferenceClient(
    isPacked => {
      arePacked.push(isPacked);
      processes.push(new FakeProcess(processes.length + 1));
      return processes.at(-1)!;
    },
    new RestartPolicy(),
    graceMs,
  );
  return { client, processes, arePacked };
}

const model = { modelDirectory: 'm', provider: 'cpu', nThreads: 0 } as const;
const run = { analysisId: 1 } as AnalyzeArgs;
const graceMs = 20;
/** Messages arrive; timers stand still. */
const turn = () => new Promise(setImmediate);
beforeEach(() => mock.timers.enable({ apis: ['setTimeout'] }));
afterEach(() => mock.timers.reset());

test('starts on first use and loads a model once', async () => {
  const { client, processes } = clientWithProcesses();
  assert.equal(processes.length, 0);
  await client.load(model);
  await client.load(model);
  assert.equal(processes[0]!.loads, 1);
  assert.equal(processes.length, 1);
});

test('another main model gets another process, unless that holds a second model', async () => {
  for (const withOther of [false, true]) {
    const { client, processes } = clientWithProcesses();
    await client.load(model);
    await client.load(model);
    if (withOther) await client.load({ ...model, slot: 'compare' });
    assert.equal(processes.length, 1);
    const waiting = client.analyze(run, new AbortController().signal);
    await client.load({ ...model, nThreads: 2 });
    assert.equal(processes.length, withOther ? 1 : 2);
    assert.equal(processes[0]!.isKilled, !withOther);
    await turn();
    processes.at(-1)!.finishRun?.();
    await waiting;
  }
});

test('a model whose weights stay packed gets a process that was started for such', async () => {
  const blob = `blobs/sha256-${'0'.repeat(64)}`;
  for (const modelDirectory of ['a.gguf', blob]) {
    const { client, processes, arePacked } = clientWithProcesses();
    client.warmUp();
    await client.load({ ...model, modelDirectory });
    assert.deepEqual(
      [arePacked, processes.map(({ isKilled }) => isKilled)],
      [
        [false, true],
        [true, false],
      ],
    );
    await client.load({ ...model, modelDirectory: 'b.gguf', slot: 'compare' });
    assert.equal(processes.length, 2);
  }
  const { client, arePacked } = clientWithProcesses();
  client.warmUp();
  await client.load({ ...model, modelDirectory: 'a.gguf', quantizedWeights: 'float32' });
  assert.deepEqual(arePacked, [false]);
});

test('who waits for a model learns when another one was chosen; what worked on the old one is cancelled', async () => {
  const { client, processes } = clientWithProcesses();
  const first = client.load(model);
  const ranking = client.rankAblations({ analysisId: 1, withHeads: true }, new AbortController().signal);
  const second = client.load({ ...model, nThreads: 2 });
  await assert.rejects(first, Cancelled);
  await assert.rejects(ranking, Cancelled);
  await second;
  assert.deepEqual([processes.length, processes[0]!.isKilled, processes[1]!.loads], [2, true, 1]);
});

test('a process that was warmed up is the one that loads; nothing is started after too many crashes', async () => {
  const { client, processes } = clientWithProcesses();
  client.warmUp();
  assert.equal(processes.length, 1);
  await client.load(model);
  client.warmUp();
  assert.equal(processes.length, 1);
  for (let crash = 0; crash < 5; crash++) {
    processes.at(-1)!.crash('exit code 1');
    client.warmUp();
  }
  assert.equal(processes.length, 5);
});

test('a restart on request is not a crash: what runs moves to another process, which loads the model again', async () => {
  const { client, processes } = clientWithProcesses();
  client.restart();
  assert.equal(processes.length, 0);
  await client.load(model);
  const running = client.analyze(run, new AbortController().signal);
  await turn();
  client.restart();
  assert.ok(processes[0]!.isKilled);
  await turn();
  processes[1]!.finishRun!();
  assert.deepEqual(await running, { analysisId: 1 });
  assert.equal(processes[1]!.loads, 1);
});

test('events reach those that listen now', async () => {
  const { client, processes } = clientWithProcesses();
  const heard: number[] = [];
  client.listen({
    log() {},
    provider() {},
    tokens() {},
    occluded() {},
    layer: ({ analysisId }) => heard.push(analysisId),
  });
  await client.load(model);
  processes[0]!.rpc.emit('layer', { analysisId: 7 });
  await turn();
  assert.deepEqual(heard, [7]);
});

test('tokens of a continued text reach who listens', async () => {
  const { client, processes } = clientWithProcesses();
  await client.load(model);
  const heard: unknown[] = [];
  client.listen({ continued: event => heard.push(event) });
  const event = { continuationId: 3, token: { id: 1, text: 'a', probability: 1, top: [] } };
  processes[0]!.rpc.emit('continued', event);
  await turn();
  assert.deepEqual(heard, [event]);
});

test('after a GPU failed, the model’s description says that the CPU runs it', async () => {
  const { client, processes } = clientWithProcesses();
  client.warmUp();
  processes[0]!.provider = 'webgpu';
  assert.equal((await client.load(model)).provider, 'webgpu');
  processes[0]!.rpc.emit('provider', { provider: 'cpu', note: 'device lost' });
  await turn();
  const { provider, providerNote } = await client.load(model);
  assert.deepEqual([provider, providerNote, processes[0]!.loads], ['cpu', 'device lost', 1]);
});

test('a crash rejects what runs, and the next use starts anew and loads again', async () => {
  const { client, processes } = clientWithProcesses();
  await client.load(model);
  const answer = client.analyze(run, new AbortController().signal);
  processes[0]!.rpc.emit('tokens', { analysisId: 1 });
  await turn();
  processes[0]!.crash('signal SIGKILL');
  await assert.rejects(answer, { code: 'process', message: /signal SIGKILL/ });
  await client.load(model);
  assert.equal(processes.length, 2);
  assert.equal(processes[1]!.loads, 1);
});

test('a run that is asked of a process which has just died moves to a new one, once', async () => {
  for (const crashes of [1, 2]) {
    const { client, processes } = clientWithProcesses();
    await client.load(model);
    const answer = client.analyze(run, new AbortController().signal);
    processes[0]!.crash('signal SIGKILL');
    while (!processes[1]?.finishRun) await turn();
    if (crashes === 2) {
      processes[1].crash('signal SIGKILL');
      await assert.rejects(answer, { code: 'process' });
      assert.equal(processes.length, 2);
    } else {
      processes[1].finishRun();
      assert.deepEqual(await answer, { analysisId: 1 });
      assert.equal(processes[1].loads, 1);
    }
  }
});

test('a cancel answers at once; a process that still answers lives, one that hangs is killed', async () => {
  for (const isFrozen of [false, true]) {
    const { client, processes } = clientWithProcesses();
    await client.load(model);
    const controller = new AbortController();
    const answer = client.analyze(run, controller.signal);
    await turn();
    processes[0]!.isFrozen = isFrozen;
    controller.abort();
    await assert.rejects(answer, Cancelled);
    await turn();
    mock.timers.tick(graceMs - 1);
    assert.equal(processes[0]!.isKilled, false);
    mock.timers.tick(1);
    assert.equal(processes[0]!.isKilled, isFrozen);
  }
});

test('a run that waits behind one that hangs moves to a new process, with the model', async () => {
  const { client, processes } = clientWithProcesses();
  await client.load(model);
  const controller = new AbortController();
  const first = client.analyze(run, controller.signal);
  await turn();
  processes[0]!.isFrozen = true;
  controller.abort();
  await assert.rejects(first, Cancelled);
  await client.load(model);
  const second = client.analyze(run, new AbortController().signal);
  await turn();
  mock.timers.tick(graceMs);
  await turn();
  processes[1]!.finishRun!();
  assert.deepEqual(await second, { analysisId: 1 });
  assert.equal(processes[1]!.loads, 1);
});

test('a cancel answers while the model loads; a process that hangs in loading is replaced for the next run', async () => {
  const { client, processes } = clientWithProcesses();
  const controller = new AbortController();
  const first = client.load(model, controller.signal);
  processes[0]!.isFrozen = true;
  controller.abort();
  await assert.rejects(first, Cancelled);
  const second = client.load(model, new AbortController().signal);
  await turn();
  mock.timers.tick(graceMs);
  await second;
  assert.ok(processes[0]!.isKilled);
  assert.equal(processes[1]!.loads, 1);
});

test('after too many crashes it says so instead of starting', async () => {
  const { client, processes } = clientWithProcesses();
  for (let crash = 0; crash < 5; crash++) {
    await client.load(model);
    processes.at(-1)!.crash('exit code 1');
  }
  assert.throws(() => client.load(model), { code: 'crashes' });
  assert.equal(processes.length, 5);
});

test('dispose kills and starts nothing again', async () => {
  const { client, processes } = clientWithProcesses();
  await client.load(model);
  client.dispose();
  assert.ok(processes[0]!.isKilled);
  assert.throws(() => client.load(model), Cancelled);
});

test('a run for which memory was used up fails once; the next one gets another process, which is no crash', async () => {
  const { client, processes } = clientWithProcesses();
  for (let i = 0; i < 6; i++) {
    await client.load(model);
    const running = client.analyze(run, new AbortController().signal);
    await turn();
    const process = processes.at(-1)!;
    process.rpc.emit('exhausted', null);
    process.failRun!(new Failure('memory', 'Memory ran out.'));
    await assert.rejects(running, { code: 'memory' });
    mock.timers.tick(50);
    assert.ok(process.isKilled);
  }
  assert.equal(processes.length, 6, 'not even the sixth was refused');
});
