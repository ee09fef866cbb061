import assert from 'node:assert/strict';
import { test } from 'node:test';
import '../../fixtures/vscode';
import { AnalysisRuns } from '../../../src/api/analysisRuns';
import type { InferenceClient, InferenceListeners } from '../../../src/inference/client';

/** Answers at once, and remembers which models were let go. */
class FakeClient {
  readonly unloaded: string[] = [];
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
  async analyze({ analysisId }: { readonly analysisId: number }) {
    const tokens = { ids: Int32Array.of(1), offsets: Uint32Array.of(0, 1), labels: ['a'] };
    this.listeners.tokens?.({ analysisId, window: { start: 0, end: 1, documentLength: 1 }, tokens });
    return { predictions: { surprisalBits: Float32Array.of(1) }, durationMs: 1 };
  }
  async unload(slot: string): Promise<void> {
    this.unloaded.push(slot);
  }
}

test('of the analyses that others keep open there are four; the oldest goes, also when several begin at once', async () => {
  const client = new FakeClient();
  let lastId = 0;
  const runs = new AnalysisRuns(
    client as unknown as InferenceClient,
    () => ++lastId,
    () => ({ maxTokens: 64 }) as never,
    async () => ({ modelDirectory: 'm', provider: 'cpu', nThreads: 1 }),
    { info() {}, warn() {} } as never,
  );
  const first = await runs.analyze('a');
  assert.equal(first.tokens.length, 1);
  await Promise.all([runs.analyze('a'), runs.analyze('a'), runs.analyze('a')]);
  assert.deepEqual(client.unloaded, []);
  await Promise.all([runs.analyze('a'), runs.analyze('a')]);
  assert.deepEqual(client.unloaded, ['api-1', 'api-2']);
});
