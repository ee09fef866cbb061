/**
 * From a move of the cursor to the answer of the Token page: the panel's messages, the extension host and the engine, with a
 * model that runs in this process on one thread. What counts is the processor's time, which other programs do not change much;
 * drawing a few lines of text in the panel is not in it. Prints lines for people and, last, one line of JSON.
 */

import '../fixtures/vscode';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { serialize } from 'node:v8';
import type * as vscode from 'vscode';
import { benchLines, median } from '../../src/cli/benchLines';
import type { InferenceClient, InferenceListeners } from '../../src/inference/client';
import { Engine } from '../../src/inference/engine';
import { bundledModelDirectory, root } from '../fixtures/paths';
import { FakeDocument } from '../fixtures/vscode';
import { connectedPanel } from './connectedPanel';

const nTokens = 512;
const nMoves = 12;
const limitComputedMs = 300;
const limitKeptMs = 100;

/** The inference process's requests, answered by an engine in this process. */
function connectTo(modelDirectory: string): { client: InferenceClient; engine: () => Engine } {
  let engine: Engine | undefined;
  const all: Partial<InferenceListeners>[] = [];
  const client = {
    listen: (listeners: Partial<InferenceListeners>) => void all.push(listeners),
    async load() {
      engine ??= await Engine.load({ modelDirectory, provider: 'cpu', nThreads: 1 }, (name, payload) => {
        for (const listeners of all) listeners[name]?.(payload as never);
      });
      return { model: engine.model, provider: 'cpu', providerNote: '' };
    },
    analyze: (args: never) => engine!.analyze(args),
    relevance: (args: never) => engine!.details.relevance(args),
    explain: (args: never) => engine!.explain(args),
  };
  return { client: client as unknown as InferenceClient, engine: () => engine! };
}

async function main(): Promise<void> {
  const sample = readFileSync(join(root, 'test', 'fixtures', 'documents', 'inventory.ts'), 'utf8');
  const document = new FakeDocument(sample.repeat(2), 'inventory.ts') as unknown as vscode.TextDocument;
  const { client, engine } = connectTo(bundledModelDirectory);
  let heard: (message: { kind?: string; id?: number }) => void = () => {};
  const send = (message: unknown) => {
    serialize(message); // as the webview's channel does
    heard(message as never);
  };
  const { analysis, context, receive } = await connectedPanel(client, document, nTokens, bundledModelDirectory, send);
  const { analysisId } = analysis.snapshot;
  let id = 1;
  /** The cursor moves to a token; the panel then asks why it was predicted. */
  const move = async (tokenIdx: number): Promise<number> => {
    const start = process.cpuUsage();
    analysis.selectToken(tokenIdx);
    id++;
    await new Promise<void>((resolve, reject) => {
      heard = message => {
        if (message.id !== id) return;
        if (JSON.stringify(message).includes('"heads"')) resolve();
        else reject(new Error(JSON.stringify(message).slice(0, 400)));
      };
      receive({ kind: 'request', id, name: 'answer', args: { analysisId, row: tokenIdx - 1, target: 'actual' } });
    });
    await context.settled();
    const { user, system } = process.cpuUsage(start);
    return (user + system) / 1000;
  };
  const tokens = Array.from({ length: nMoves }, (_, i) => nTokens - 2 - i * 7);
  await move(nTokens - 1); // the first answer opens the engine's sessions
  const computed: number[] = [];
  for (const token of tokens) computed.push(await move(token));
  const kept: number[] = [];
  for (const token of tokens) kept.push(await move(token));
  const { lines, add } = benchLines(console.log);
  const name = 'from a move of the cursor to the answer';
  add(`${name}, computed, T=${nTokens}`, median(computed), 'ms', limitComputedMs, 'limit');
  add(`${name}, from the cache, T=${nTokens}`, median(kept), 'ms', limitKeptMs, 'limit');
  console.log(JSON.stringify(lines));
  await engine().release();
}

main().catch(error => {
  console.error(error);
  process.exitCode = 1;
});
