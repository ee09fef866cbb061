import assert from 'node:assert/strict';
import { test } from 'node:test';
import '../../fixtures/vscode';
import { AnalysisRuns } from '../../../src/api/analysisRuns';
import type { InferenceClient, InferenceListeners } from '../../../src/inference/client';
import type { AnalyzeArgs } from '../../../src/inference/protocol';
import { Failure } from '../../../src/shared/tools/failure';

/** Answers at once, and remembers which models were let go. */
class FakeClient {
  readonly unloaded: string[] = [];
  nStarted = 0;
  nRunning = 0;
  mostRunning = 0;
  memoryBudgetMb: number | undefined;
  textLength = 0;
  private listeners: Partial<InferenceListeners> = {};
  listen(listeners: Partial<InferenceListeners>): void {
    this.listeners = listeners;
  }
  async load() {
    return {
      model: { name: 'm', maxSeqlen: 64, nLayers: 0, nHeads: 1, layers: [] },
      provider: 'cpu',
      providerNote: '',
    };
  }
  async analyze({ analysisId, text, memoryBudgetMb }: AnalyzeArgs) {
    this.nStarted++;
    this.memoryBudgetMb = memoryBudgetMb;
    this.textLength = text.length;
    this.mostRunning = Math.max(this.mostRunning, ++this.nRunning);
    await new Promise(wake => setImmediate(wake));
    this.nRunning--;
    if (text === 'wrong') throw new Failure('runtime', 'wrong');
    const tokens = { ids: Int32Array.of(1), offsets: Uint32Array.of(0, 1), labels: ['a'] };
    this.listeners.tokens?.({ analysisId, window: { start: 0, end: 1, documentLength: 1 }, tokens });
    return { predictions: { surprisalBits: Float32Array.of(1) }, durationMs: 1 };
  }
  async unload(slot: string): Promise<void> {
    this.unloaded.push(slot);
  }
}

function open() {
  const client = new FakeClient();
  let lastId = 0;
  const runs = new AnalysisRuns(
    client as unknown as InferenceClient,
    () => ++lastId,
    () => ({ maxTokens: 64, memoryBudgetMb: 1234 }) as never,
    async () => ({ modelDirectory: 'm', provider: 'cpu', nThreads: 1 }),
    { info() {}, warn() {} } as never,
  );
  return { client, runs };
}

test('of the analyses that others keep open there are four; the oldest goes, also when several begin at once', async () => {
  const { client, runs } = open();
  const first = await runs.analyze('a');
  assert.equal(first.tokens.length, 1);
  await Promise.all([runs.analyze('a'), runs.analyze('a'), runs.analyze('a')]);
  assert.deepEqual(client.unloaded, []);
  await Promise.all([runs.analyze('a'), runs.analyze('a')]);
  assert.deepEqual(client.unloaded, ['api-1', 'api-2']);
});

test('an analysis on request keeps to the memory budget of the settings', async () => {
  const { client, runs } = open();
  await runs.analyze('a');
  assert.equal(client.memoryBudgetMb, 1234);
});

test('one document is computed at a time, however many are asked about, and a failure holds nobody up', async () => {
  const { client, runs } = open();
  const texts = ['a', 'wrong', 'b', 'wrong', 'c'];
  const all = await Promise.allSettled(texts.map(text => runs.analyze(text)));
  assert.deepEqual(
    all.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled', 'rejected', 'fulfilled'],
  );
  assert.deepEqual([client.nStarted, client.mostRunning], [5, 1]);
});

test('an analysis that is cancelled while it waits is not begun', async () => {
  const { client, runs } = open();
  const cancellations = [cancellation(), cancellation()];
  const all = ['a', 'b', 'c'].map((text, i) => runs.analyze(text, {}, cancellations[i - 1]?.token));
  cancellations[0]!.cancel();
  await assert.rejects(all[1]!, { name: 'Canceled' });
  assert.ok(client.nStarted < 2, 'it need not wait for its turn to learn of it');
  await all[2];
  assert.equal(client.nStarted, 2);
});

/** What VS Code gives for cancelling. */
function cancellation() {
  const listeners: (() => void)[] = [];
  const token = {
    isCancellationRequested: false,
    onCancellationRequested(listener: () => void) {
      listeners.push(listener);
      return { dispose() {} };
    },
  };
  const cancel = () => {
    token.isCancellationRequested = true;
    for (const listener of listeners) listener();
  };
  return { token: token as never, cancel };
}

test('of a long text as much is sent as the window that is asked for can need', async () => {
  const { client, runs } = open();
  await runs.analyze('word '.repeat(100_000), { maxTokens: 40_000 });
  assert.equal(client.textLength, 500_000);
});
