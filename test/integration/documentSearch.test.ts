/** The document search on a tiny random model: what it says is what one run of the engine on the same tokens says. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Engine } from '../../src/inference/engine';
import type { SearchArgs, SearchedEvent, TokensEvent } from '../../src/inference/protocol';
import type { TokenRange } from '../../src/shared/address';
import { probeAt } from '../../src/shared/documentSearch';
import { chosenHeads } from '../../src/shared/relevance';
import { Cancelled } from '../../src/shared/tools/failure';
import { piecesAround } from '../../src/shared/tools/textPieces';
import { tinyModelDirectory } from '../fixtures/paths';

const text = Array.from({ length: 40 }, (_, i) => `line ${i}: ${'abcdefghij'.slice(0, i % 10)}\n`).join('');
const place = text.indexOf('line 21') + 2;
let engine: Engine;
let windows: SearchedEvent[] = [];
let opened: TokensEvent;
let textId = 0;

before(async () => {
  engine = await Engine.load({ modelDirectory: tinyModelDirectory, provider: 'cpu', nThreads: 1 }, (name, payload) => {
    if (name === 'searched') windows.push(payload as SearchedEvent);
    if (name === 'tokens') opened = payload as TokensEvent;
  });
});
after(() => engine.release());

function read(document: string): void {
  textId++;
  for (const [start, end] of piecesAround(document, 0)) {
    engine.readSearchText({ textId, start, firstLine: 0, text: document.slice(start, end) });
  }
}

async function search(change: Partial<SearchArgs> = {}, signal?: AbortSignal) {
  windows = [];
  const heads = chosenHeads('all', 0, engine.model.nLayers, engine.model.nHeads);
  const probe = probeAt(text, { start: place, end: place + 4 });
  return engine.searchDocument(
    { searchId: 1, textId, probe, method: 'mean', heads, stage: 'mixed_pattern', maxTokens: 64, ...change },
    signal,
  );
}

async function analyze(written: string, range: (tokens: Uint32Array) => TokenRange) {
  const whole = { textStart: 0, documentLength: written.length, anchor: 0 };
  await engine.analyze({ analysisId: 1, text: written, ...whole, maxTokens: 64, topK: 4 });
  const heads = chosenHeads('all', 0, engine.model.nLayers, engine.model.nHeads);
  const options = { direction: 'attends', method: 'mean', heads, stage: 'mixed_pattern' } as const;
  return engine.details.relevance({ analysisId: 1, range: range(opened.tokens.offsets), ...options });
}

test('a short text’s only window: lines weigh what the tokens before the question do in one run', async () => {
  const document = 'one two\nthree\n';
  const question = 'two?';
  read(document);
  const probe = { text: question, start: document.length, selectionStart: 0 };
  const { baselineBits } = await search({ probe });
  assert.equal(windows.length, 1);
  const weights = await analyze(document + question, offsets => ({
    first: offsets.findIndex(offset => offset >= document.length),
    end: offsets.length - 1,
  }));
  const { offsets } = opened.tokens;
  const sum = (from: number, to: number) =>
    weights.reduce(
      (total, weight, token) =>
        total + (token > 0 && offsets[token]! >= from && offsets[token]! < to ? Math.abs(weight) : 0),
      0,
    );
  const { rows, gainBits } = windows[0]!;
  assert.deepEqual([...rows.lineIdxs], [0, 1]);
  for (const [i, expected] of [sum(0, 8), sum(8, 14)].entries()) {
    assert.ok(Math.abs(rows.weights[i]! - expected) < 1e-5, `${rows.weights[i]} instead of ${expected}`);
  }
  const scored = async (written: string) => {
    const { ids } = engine.encode(written);
    const { bits } = await engine.score(ids);
    const nAsked = engine.encode(question).ids.length;
    return bits.subarray(-nAsked).reduce((total, x) => total + x, 0) / nAsked;
  };
  assert.ok(Math.abs(baselineBits - (await scored(question))) < 1e-4);
  assert.ok(Math.abs(gainBits - (baselineBits - (await scored(document + question)))) < 1e-4);
});

test('a long text: every line once, windows near the selection first, its own copy left out', async () => {
  read(text);
  await search();
  assert.ok(windows.length > 10);
  assert.deepEqual(
    windows.map(({ done }) => done),
    windows.map((_, i) => i + 1),
  );
  const lines = windows.flatMap(({ rows }) => [...rows.lineIdxs]);
  assert.deepEqual(
    [...new Set(lines)].sort((a, b) => a - b),
    Array.from({ length: 40 }, (_, i) => i),
  );
  const selected = 21;
  const nearest = windows[0]!.rows.lineIdxs;
  assert.ok(nearest[0]! <= selected && selected <= nearest.at(-1)!);
  for (const { rows } of windows) {
    for (const at of rows.strongestAt) assert.ok(at < place || at >= place + 4, `${at} lies in the selection`);
  }
  assert.ok(
    windows.every(({ gainBits }) => Number.isFinite(gainBits)) && windows.some(({ gainBits }) => gainBits !== 0),
  );
});

test('a search is cancelled between layers; another text takes its place; a run goes first', async () => {
  read(text);
  const controller = new AbortController();
  const running = search({}, controller.signal);
  await analyze('one', () => ({ first: 1, end: 2 }));
  controller.abort();
  await assert.rejects(running, Cancelled);
  await assert.rejects(search({ textId: textId + 1 }), { code: 'no-text' });
  await assert.rejects(search({ maxTokens: 4 }), { code: 'small-window' });
  await search();
});
