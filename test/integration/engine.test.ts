/** The engine on a tiny random model: numbers equal PyTorch's, streaming, closer looks, windows, cancel. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Engine } from '../../src/inference/engine';
import { openModelFolder } from '../../src/inference/model/openModelFolder';
import type { AnalyzeArgs, LayerEvent, TokensEvent } from '../../src/inference/protocol';
import { minBandRows } from '../../src/inference/runtime/bands';
import { estimatePeakBytes } from '../../src/inference/runtime/memory';
import { ModelRuntime } from '../../src/inference/runtime/modelRuntime';
import { overviewValue } from '../../src/shared/attentionMap';
import type { Stage } from '../../src/shared/operators';
import { Cancelled } from '../../src/shared/tools/failure';
import { tinyModelDirectory } from '../fixtures/paths';
import { texts } from '../fixtures/texts';

let engine: Engine;
let events: { name: string; payload: unknown }[] = [];

const load = () =>
  Engine.load({ modelDirectory: tinyModelDirectory, provider: 'cpu', nThreads: 1 }, (name, payload) =>
    events.push({ name, payload }),
  );
before(async () => {
  engine = await load();
});
after(() => engine.release());

let nextId = 1;
async function analyze(text: string, extra: Partial<AnalyzeArgs> = {}, signal?: AbortSignal) {
  events = [];
  const analysisId = nextId++;
  const answer = await engine.analyze(
    {
      analysisId,
      text,
      textStart: 0,
      documentLength: text.length,
      anchor: 0,
      maxTokens: 64,
      topK: 8,
      ...extra,
    },
    signal,
  );
  const opened = events.find(event => event.name === 'tokens')!.payload as TokensEvent;
  const layers = events.filter(event => event.name === 'layer').map(event => (event.payload as LayerEvent).layer);
  return { ...answer, ...opened, layers };
}

function tile(analysisId: number, layerIdx: number, headIdx: number, stage: Stage, nTokens: number) {
  return engine.details.tile({
    analysisId,
    layerIdx,
    headIdx,
    stage,
    queryStart: 0,
    keyStart: 0,
    nQueries: nTokens,
    nKeys: nTokens,
  });
}

test('maps and loss equal those PyTorch computed for the same tokens', async () => {
  const expected = JSON.parse(readFileSync(join(tinyModelDirectory, 'expected.json'), 'utf8'));
  const runtime = new ModelRuntime(await openModelFolder(tinyModelDirectory), 'cpu', 1);
  const ids = Int32Array.from(expected.tokenIds as number[]);
  const nTokens = ids.length;
  let hidden = await runtime.embed(ids);
  for (const [layerIdx, stages] of expected.lastRows.entries()) {
    const layer = await runtime.block(layerIdx, hidden, { topK: 4, blockSize: 1 });
    for (const [stage, rows] of Object.entries(stages as Record<Stage, number[][]>)) {
      for (const [headIdx, row] of rows.entries()) {
        const last = [nTokens - 1, nTokens] as const;
        const [got] = await runtime.stageRows(layerIdx, layer.rows, {
          stages: [stage as Stage],
          heads: [headIdx],
          queries: last,
        });
        const limit = 5e-5 * Math.max(1, ...row.map(Math.abs));
        for (let key = 0; key < nTokens; key++) {
          assert.ok(
            Math.abs(got![key]! - row[key]!) <= limit,
            `${stage}, layer ${layerIdx}, head ${headIdx}, key ${key}`,
          );
        }
      }
    }
    hidden = layer.hidden;
  }
  const { logProbabilities } = await runtime.predict(hidden, [...ids.subarray(1), 0], 1);
  const nats = -logProbabilities.subarray(0, -1).reduce((sum, x) => sum + x, 0) / (nTokens - 1);
  assert.ok(Math.abs(nats - expected.lossNats) < 1e-4, `${nats} instead of ${expected.lossNats}`);
  await runtime.release();
});

test('layers arrive in order, with the convolution’s stages and the strongest keys', async () => {
  const { analysisId, layers, tokens } = await analyze(texts['code']!);
  const nTokens = tokens.ids.length;
  assert.deepEqual(
    layers.map(layer => layer.layerIdx),
    [0, 1, 2],
  );
  assert.deepEqual(
    layers.map(layer => layer.overviews.map(overview => overview.stage)),
    [
      ['scores', 'convolved_scores', 'mixed_pattern'],
      ['mixed_pattern'],
      ['scores', 'convolved_scores', 'mixed_pattern'],
    ],
  );
  for (const { layerIdx, topKeys, overviews } of layers) {
    for (let headIdx = 0; headIdx < 4; headIdx++) {
      const { values } = await tile(analysisId, layerIdx, headIdx, 'mixed_pattern', nTokens);
      for (let query = 0; query < nTokens; query++) {
        const row = Array.from(values.subarray(query * nTokens, query * nTokens + query + 1));
        const reference = row
          .map(Math.abs)
          .sort((a, b) => b - a)
          .slice(0, topKeys.k);
        const start = (headIdx * nTokens + query) * topKeys.k;
        const keys = topKeys.indices.subarray(start, start + topKeys.k).filter(key => key >= 0);
        assert.equal(keys.length, Math.min(topKeys.k, query + 1));
        for (const [i, key] of keys.entries()) {
          const weight = topKeys.weights[start + topKeys.indices.subarray(start, start + topKeys.k).indexOf(key)]!;
          assert.ok(Math.abs(weight - row[key]!) < 1e-6);
          assert.ok(Math.abs(Math.abs(weight) - reference[i]!) < 1e-6);
        }
      }
      const overview = overviews.at(-1)!;
      const size = overview.size;
      const head = {
        layerIdx,
        headIdx,
        stage: overview.stage,
        nTokens,
        blockSize: overview.blockSize,
        size,
        scale: overview.scales[headIdx]!,
        cells: overview.cells.subarray(headIdx * size * size, (headIdx + 1) * size * size),
      };
      assert.equal(head.blockSize, 1);
      for (let cell = 0; cell < size * size; cell++) {
        const value = overviewValue(head, Math.floor(cell / size), cell % size);
        assert.ok(Math.abs(value - values[cell]!) <= head.scale / 127 / 2 + 1e-6);
      }
    }
  }
});

test('stages that were not streamed come on request, missing ones show their predecessor', async () => {
  const { analysisId, tokens } = await analyze(texts['code']!);
  const pattern = await engine.details.overview({ analysisId, layerIdx: 1, stage: 'pattern' });
  assert.equal(pattern.stage, 'pattern');
  assert.equal(pattern.size, tokens.ids.length);
  assert.equal(
    (await engine.details.overview({ analysisId, layerIdx: 1, stage: 'convolved_pattern' })).stage,
    'pattern',
  );
  const scores = await tile(analysisId, 1, 0, 'scores', tokens.ids.length);
  assert.deepEqual((await tile(analysisId, 1, 0, 'convolved_scores', tokens.ids.length)).values, scores.values);
});

test('tiles are cuts of the whole map', async () => {
  const { analysisId, tokens } = await analyze(texts['code']!);
  const nTokens = tokens.ids.length;
  const { values } = await tile(analysisId, 2, 3, 'mixed_scores', nTokens);
  const cut = await engine.details.tile({
    analysisId,
    layerIdx: 2,
    headIdx: 3,
    stage: 'mixed_scores',
    queryStart: 5,
    keyStart: 2,
    nQueries: 3,
    nKeys: 4,
  });
  for (let i = 0; i < 3; i++) {
    for (let j = 0; j < 4; j++) assert.equal(cut.values[i * 4 + j], values[(5 + i) * nTokens + 2 + j]);
  }
  const outside = { analysisId, layerIdx: 2, headIdx: 3, stage: 'scores' as const, keyStart: 0, nQueries: 1, nKeys: 1 };
  await assert.rejects(engine.details.tile({ ...outside, queryStart: nTokens }), RangeError);
  await assert.rejects(engine.details.tile({ ...outside, queryStart: 0, headIdx: 4 }), RangeError);
  await assert.rejects(engine.details.tile({ ...outside, queryStart: 0, layerIdx: 3 }), { code: 'no-analysis' });
  await assert.rejects(engine.details.tile({ ...outside, queryStart: 0, analysisId: analysisId - 1 }), {
    code: 'no-analysis',
  });
});

for (const [name, text] of Object.entries(texts)) {
  test(`offsets cover the text: ${name}`, async () => {
    const { tokens, window } = await analyze(text, { anchor: text.length });
    assert.equal(tokens.offsets.length, tokens.ids.length + 1);
    assert.equal(window.documentLength, text.length);
    assert.equal(window.end, text.length);
    const wellFormed = Buffer.from(text).toString();
    for (let token = 1; token < tokens.ids.length; token++) {
      const part = wellFormed.slice(tokens.offsets[token], tokens.offsets[token + 1]);
      const label = tokens.labels[token]!;
      if (!label.startsWith('<0x')) assert.equal(part, label);
    }
  });
}

test('a long text is cut to a window around its anchor, and offsets stay those of the document', async () => {
  const text = Array.from({ length: 400 }, (_, i) => `line ${i}\n`).join('');
  const anchor = text.indexOf('line 200');
  const { tokens, window } = await analyze(text, { textStart: 1000, anchor: 1000 + anchor, documentLength: 99_999 });
  assert.equal(tokens.ids.length, 64);
  assert.ok(window.start < 1000 + anchor && 1000 + anchor < window.end);
  assert.deepEqual(window, { start: tokens.offsets[0], end: tokens.offsets.at(-1), documentLength: 99_999 });
});

test('a cancel stops between layers and the next run works', async () => {
  const nLayers = () => events.filter(event => event.name === 'layer').length;
  for (const after of [0, 1, 2]) {
    const controller = new AbortController();
    const running = analyze(texts['code']!, {}, controller.signal);
    running.catch(() => {});
    const { push } = events;
    events.push = (...added) => {
      const length = push.apply(events, added);
      if (nLayers() === after) controller.abort(); // in the middle of the run, when this layer is announced
      return length;
    };
    await assert.rejects(running, Cancelled);
    assert.equal(nLayers(), after);
  }
  assert.equal((await analyze('next')).layers.length, 3);
});

test('a run that takes rows over from the one before needs room for both', async () => {
  const folder = await openModelFolder(tinyModelDirectory);
  const [before, after] = ['a b c d e f g h i j k l', 'a b c d e f g h i j k x'];
  const { tokens } = await analyze(before);
  const size = { nTokens: tokens.ids.length, topK: 8 };
  const [one, two] = [1, 2].map(nRuns => estimatePeakBytes(folder, { ...size, nRuns }, minBandRows));
  assert.ok(one! < two!);
  const memoryBudgetMb = (one! + two!) / 2 / 1e6;
  await engine.release();
  engine = await load();
  await analyze(before, { memoryBudgetMb });
  await assert.rejects(analyze(after, { memoryBudgetMb }), { code: 'memory' });
  assert.ok((await analyze(after, { memoryBudgetMb: two! / 1e6 + 1 })).nReused > 0);
});

test('an empty text still has its begin token', async () => {
  const { tokens, layers } = await analyze('');
  assert.equal(tokens.ids.length, 1);
  assert.equal(layers.length, 3);
});
