/** Relevance and occlusion by the engine: equal to what its maps and a run on changed tokens say. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { addRangeWeights, maxOverHeads, meanOverHeads } from '../../src/attention/aggregate';
import { addRolloutRows, residualFlow } from '../../src/attention/rollout';
import { Engine } from '../../src/inference/engine';
import { openModelFolder } from '../../src/inference/model/openModelFolder';
import type { OccludedEvent, RelevanceArgs } from '../../src/inference/protocol';
import { ModelRuntime } from '../../src/inference/runtime/modelRuntime';
import { chosenHeads } from '../../src/shared/relevance';
import { Cancelled } from '../../src/shared/tools/failure';
import { bandsOf } from '../bands';
import { tinyModelDirectory } from '../fixtures/paths';

const text = 'const total = 0;\nfor (const item of items) {\n  total += item.price;\n}\nreturn total;\n';
let engine: Engine;
let runtime: ModelRuntime;
let nTokens = 0;
let ids: Int32Array;
let effects: OccludedEvent[] = [];

before(async () => {
  engine = await Engine.load({ modelDirectory: tinyModelDirectory, provider: 'cpu', nThreads: 1 }, (name, payload) => {
    if (name === 'tokens') ids = (payload as { tokens: { ids: Int32Array } }).tokens.ids;
    if (name === 'occluded') effects.push(payload as OccludedEvent);
  });
  runtime = new ModelRuntime(await openModelFolder(tinyModelDirectory), 'cpu', 1);
  await analyze(1);
  nTokens = ids.length;
});
after(async () => {
  await engine.release();
  await runtime.release();
});

const analyze = (analysisId: number) =>
  engine.analyze({
    ...{ analysisId, text, textStart: 0, documentLength: text.length, anchor: 0 },
    ...{ maxTokens: 64, topK: 8 },
  });

async function mapOf(layerIdx: number, headIdx: number): Promise<Float32Array> {
  const whole = { queryStart: 0, keyStart: 0, nQueries: nTokens, nKeys: nTokens };
  return (await engine.details.tile({ analysisId: 1, layerIdx, headIdx, stage: 'mixed_pattern', ...whole })).values;
}

function assertClose(got: Float32Array, want: Float32Array): void {
  assert.equal(got.length, want.length);
  got.forEach((value, i) => void assert.ok(Math.abs(value - want[i]!) < 1e-5, `token ${i}: ${value}, not ${want[i]}`));
}

for (const direction of ['attends', 'attendedBy'] as const) {
  test(`relevance, ${direction}: every method says what the maps say`, async () => {
    const { nLayers, nHeads } = engine.model;
    const range = { first: 5, end: 8 };
    const heads = chosenHeads('all', 0, nLayers, nHeads);
    const ask = (change: Partial<RelevanceArgs>) =>
      engine.details.relevance({
        analysisId: 1,
        range,
        direction,
        method: 'mean',
        heads,
        stage: 'mixed_pattern',
        ...change,
      });
    const rows: Float32Array[] = [];
    for (const { layerIdx, headIdx } of heads) {
      const weights = new Float64Array(nTokens);
      const [band] = bandsOf(await mapOf(layerIdx, headIdx));
      addRangeWeights(weights, band!, range, direction);
      rows.push(Float32Array.from(weights));
    }
    assertClose(await ask({}), meanOverHeads(rows));
    assertClose(await ask({ method: 'max' }), maxOverHeads(rows));
    assertClose(await ask({ method: 'head', heads: [heads[1]!] }), rows[1]!);
    let weights = new Float64Array(nTokens).fill(1 / 3, 5, 8);
    const order = Array.from({ length: nLayers }, (_, i) => (direction === 'attends' ? nLayers - 1 - i : i));
    for (const layerIdx of order) {
      const maps = await Promise.all(Array.from({ length: nHeads }, (_, headIdx) => mapOf(layerIdx, headIdx)));
      const out = residualFlow(weights) as typeof weights;
      const heads = maps.map(map => bandsOf(map)[0]!);
      addRolloutRows(out, weights, heads, direction);
      weights = out;
    }
    assertClose(await ask({ method: 'rollout' }), Float32Array.from(weights));
  });
}

/** Distributions after every position, natural logarithms, by a plain run. */
async function logProbabilities(tokens: Int32Array): Promise<(position: number) => Float64Array> {
  let hidden = await runtime.embed(tokens);
  for (let layerIdx = 0; layerIdx < engine.model.nLayers; layerIdx++)
    hidden = await runtime.bareBlock(layerIdx, hidden);
  const logits = (await runtime.logits(hidden)).data as Float32Array;
  const vocab = engine.model.vocabSize;
  return position => {
    const row = Float64Array.from(logits.subarray(position * vocab, (position + 1) * vocab));
    const sum = Math.log(row.reduce((total, x) => total + Math.exp(x), 0));
    return row.map(x => x - sum);
  };
}

for (const mode of ['replace', 'remove'] as const) {
  test(`occluding, ${mode}: effects are those of a run on the changed tokens; ends in order`, async () => {
    const target = { first: nTokens - 4, end: nTokens - 2 };
    const spans = [
      { first: 1, end: 4 },
      { first: 6, end: target.first },
    ];
    effects = [];
    const baseline = await engine.occlude({ analysisId: 1, occlusionId: 3, target, spans, mode });
    assert.deepEqual(
      effects.map(({ occlusionId, spanIdx }) => [occlusionId, spanIdx]),
      [
        [3, 0],
        [3, 1],
      ],
    );
    const before = await logProbabilities(ids);
    const surprisal = (rows: typeof before, first: number) =>
      -[0, 1].reduce((sum, i) => sum + rows(first + i - 1)[ids[target.first + i]!]!, 0) / 2 / Math.LN2;
    assert.ok(Math.abs(baseline.surprisalBits - surprisal(before, target.first)) < 1e-4);
    for (const [i, { first, end }] of spans.entries()) {
      const neutral = engine.encode(' ').ids[0]!;
      const changed =
        mode === 'remove'
          ? Int32Array.from([...ids.subarray(0, first), ...ids.subarray(end)])
          : Int32Array.from(ids).fill(neutral, first, end);
      const shift = ids.length - changed.length;
      const rows = await logProbabilities(changed);
      const { effect } = effects[i]!;
      const change = surprisal(rows, target.first - shift) - surprisal(before, target.first);
      assert.ok(Math.abs(effect.surprisalBits - change) < 1e-4, `${effect.surprisalBits}, not ${change}`);
      let divergence = 0;
      for (const offset of [0, 1]) {
        const [p, q] = [before(target.first + offset), rows(target.first - shift + offset)];
        divergence += p.reduce((sum, x, id) => sum + Math.exp(x) * (x - q[id]!), 0) / Math.LN2 / 2;
      }
      assert.ok(Math.abs(effect.divergenceBits - divergence) < 1e-4, `${effect.divergenceBits}, not ${divergence}`);
      assert.ok(effect.divergenceBits > 0 && effect.topProbability > 0);
    }
  });
}

test('a check is cancelled between layers and keeps what it had; a newer run ends it', async () => {
  const args = { analysisId: 1, occlusionId: 4, target: { first: 20, end: 21 }, mode: 'replace' } as const;
  const spans = Array.from({ length: 12 }, (_, i) => ({ first: i + 1, end: i + 2 }));
  effects = [];
  const controller = new AbortController();
  const running = engine.occlude({ ...args, spans }, controller.signal);
  while (effects.length < 2) await new Promise(setImmediate);
  controller.abort();
  await assert.rejects(running, Cancelled);
  assert.ok(effects.length >= 2 && effects.length < spans.length);

  const replaced = engine.occlude({ ...args, spans });
  const outcome = assert.rejects(replaced, { code: 'no-analysis' });
  await analyze(2);
  await outcome;
});

test('ranges and heads that do not exist are refused', async () => {
  const heads = [{ layerIdx: 0, headIdx: 0 }];
  const args = { analysisId: 2, direction: 'attends', method: 'mean', heads, stage: 'pattern' } as const;
  for (const range of [
    { first: 3, end: 3 },
    { first: 0, end: 9999 },
    { first: -1, end: 2 },
  ]) {
    await assert.rejects(engine.details.relevance({ ...args, range }), RangeError);
  }
  const range = { first: 0, end: 1 };
  await assert.rejects(engine.details.relevance({ ...args, range, heads: [] }), RangeError);
  await assert.rejects(
    engine.details.relevance({ ...args, range, heads: [{ layerIdx: 0, headIdx: 200 }] }),
    RangeError,
  );
  await assert.rejects(engine.details.relevance({ ...args, range, analysisId: 1 }), { code: 'no-analysis' });
  const target = { first: 5, end: 6 };
  const spans = [{ first: 5, end: 6 }];
  await assert.rejects(engine.occlude({ analysisId: 2, occlusionId: 9, target, spans, mode: 'replace' }), RangeError);
});
