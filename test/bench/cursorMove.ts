/**
 * What one move of the cursor costs the extension host with a window of 2048 tokens: bytes that go to a panel by themselves,
 * and the processor's time in the host until all of them are on their way: the pause until the cursor rests costs none. What the
 * panel then asks for on its own is not counted.
 * Prints lines for people and, last, one line of JSON for scripts/bench.mjs.
 */

import '../fixtures/vscode';
import { serialize } from 'node:v8';
import type * as vscode from 'vscode';
import { benchLines, median } from '../../src/cli/benchLines';
import type { InferenceClient, InferenceListeners } from '../../src/inference/client';
import type { LayerResult, ModelSummary } from '../../src/shared/analysis';
import { stages } from '../../src/shared/operators';
import { FakeDocument } from '../fixtures/vscode';
import { Random } from '../random';
import { connectedPanel } from './connectedPanel';

const nTokens = 2048;
const nLayers = 24;
const nMoves = 100;
const limitBytes = 2000;
const limitMs = 2;

const random = new Random(5);
const kernel = { rows: 6, columns: 11, identityColumn: 5 };
const layers = Array.from({ length: nLayers }, (_, layerIdx) => ({
  ...{ layerIdx, stages, preSoftmaxKernel: [6, 11], postSoftmaxKernel: null, kernels: { pre_softmax_conv: kernel } },
}));
const model = { name: 'synthetic', directory: '/m', nLayers, nHeads: 16, maxSeqlen: nTokens, layers };
/** Nine tokens of four letters a line. */
const lines = Array.from({ length: Math.ceil(nTokens / 9) }, (_, i) => `${'word'.repeat(9).slice(1)}${i % 10}`);
const text = lines.join('\n').slice(0, nTokens * 4);

/** A line costs as little as in VS Code, which keeps them in a list. */
const document: vscode.TextDocument = Object.create(new FakeDocument(text, 'synthetic.ts'), {
  lineCount: { value: lines.length },
  lineAt: { value: (line: number) => ({ text: lines[line], range: { end: null } }) },
  offsetAt: { value: () => text.length },
});

/** An inference process that answers at once. */
class FakeClient {
  private readonly weights = Float32Array.from({ length: nTokens }, () => random.next() / nTokens);
  private listeners: Partial<InferenceListeners> = {};
  listen(listeners: Partial<InferenceListeners>): void {
    this.listeners = listeners;
  }
  async load() {
    return { model: model as unknown as ModelSummary, provider: 'cpu', providerNote: '' };
  }
  async analyze({ analysisId }: { readonly analysisId: number }) {
    const labels = Array.from({ length: nTokens }, (_, i) => (i % 9 === 8 ? '\n' : ` t${i % 97}`));
    const offsets = Uint32Array.from({ length: nTokens + 1 }, (_, i) => i * 4);
    const window = { start: 0, end: text.length, documentLength: text.length };
    this.listeners.tokens?.({ analysisId, window, tokens: { ids: new Int32Array(nTokens), labels, offsets } });
    for (let layerIdx = 0; layerIdx < nLayers; layerIdx++) {
      const layer = { layerIdx, overviews: [], durationMs: 1 } as unknown as LayerResult;
      this.listeners.layer?.({ analysisId, layer });
    }
    return {
      predictions: { surprisalBits: new Float32Array(nTokens).fill(3) },
      durationMs: 1,
      firstLayerMs: 1,
      nReused: 0,
    };
  }
  async relevance() {
    return this.weights.slice();
  }
}

async function main(): Promise<void> {
  const client = new FakeClient() as unknown as InferenceClient;
  let bytes = 0;
  const send = (message: unknown) => {
    bytes += serialize(message).byteLength;
  };
  const { analysis, context } = await connectedPanel(client, document, nTokens, '/m', send);
  const times: number[] = [];
  const sizes: number[] = [];
  for (let i = 0; i < nMoves; i++) {
    bytes = 0;
    const start = process.cpuUsage();
    analysis.selectToken(random.below(nTokens));
    await context.settled();
    const { user, system } = process.cpuUsage(start);
    times.push((user + system) / 1000);
    sizes.push(bytes);
  }
  const { lines: found, add } = benchLines(console.log);
  add(`messages of the extension host for one cursor move, T=${nTokens}`, median(sizes), 'bytes', limitBytes, 'limit');
  add(`processor time of the extension host for one cursor move, T=${nTokens}`, median(times), 'ms', limitMs, 'limit');
  console.log(JSON.stringify(found));
}

main().catch(error => {
  console.error(error);
  process.exitCode = 1;
});
