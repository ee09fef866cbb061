import assert from 'node:assert/strict';
import { test } from 'node:test';
import '../../fixtures/vscode';
import { AnalysisRuns } from '../../../src/api/analysisRuns';
import type { InferenceClient, InferenceListeners } from '../../../src/inference/client';
import type { AnalyzeArgs, ScoreHeadsArgs } from '../../../src/inference/protocol';
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
      model: { name: 'm', maxSeqlen: 64, nLayers: 4, nHeads: 4, layers: [] },
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
  scored: ScoreHeadsArgs[] = [];
  async scoreHeads(args: ScoreHeadsArgs) {
    this.scored.push(args);
    return Array.from({ length: 16 }, (_, i) => ({ layerIdx: i >> 2, headIdx: i % 4, score: (i * 7) % 16 }));
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

test('heads are chosen by examples, or by the words that a text repeats, an eighth of them, in a slot that is let go', async () => {
  const { client, runs } = open();
  const text = 'before\r\ntotal = 0\r\nx\r\nuse total\r\n';
  const heads = await runs.chooseHeads(text, { range: { start: 8, end: text.length } });
  assert.deepEqual(
    heads.map(({ score }) => score),
    [15, 14],
  );
  const own = 'total = 0\nx\nuse total\n';
  const example = { text: own, gold: { start: 0, end: 9 }, query: { start: 18, end: 21 } };
  await runs.chooseHeads([{ ...example, name: 'mine' } as never], { count: 16 });
  assert.deepEqual(
    client.scored.map(({ slot, examples }) => [slot, examples]),
    [
      ['api-1', [example]],
      ['api-2', [example]],
    ],
  );
  assert.deepEqual(client.unloaded, ['api-1', 'api-2']);
});

test('heads are not chosen by what is not an example, nor more than there are', async () => {
  const { client, runs } = open();
  const example = { text: 'a\nb', gold: { start: 0, end: 1 }, query: { start: 2, end: 3 } };
  const wrong: [Parameters<typeof runs.chooseHeads>, RegExp][] = [
    [['one\ntwo\n'], /no word of five letters or more comes again/],
    [['a\0b'], /contains NUL bytes/],
    [[[]], /examples is empty/],
    [[[{ ...example, query: { start: -1, end: 3 } }]], /-1 is out of range/],
    [[[example], { range: { start: 0, end: 1 } }], /range is of a text/],
    [[[example], { count: 17 }], /17 is out of range; use a whole number from 1 to 16/],
  ];
  for (const [args, message] of wrong) await assert.rejects(runs.chooseHeads(...args), { message });
  assert.equal(client.scored.length, 0);
});
