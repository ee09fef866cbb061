/** Experiments in the real engine, against float64 values made by models/export/causal_cases.py and by properties. */

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Decoder } from '../../src/inference/experiments/decoder';
import { generateTokens } from '../../src/inference/experiments/generateText';
import { type Cuts, KnockOutRunner } from '../../src/inference/experiments/knockOutRuns';
import { type Streams, streamBefore, streamsOf } from '../../src/inference/experiments/streams';
import { openModelFolder } from '../../src/inference/model/openModelFolder';
import { targetsOf } from '../../src/inference/run/predictions';
import type { Cut } from '../../src/inference/runtime/knockOut';
import { ModelRuntime } from '../../src/inference/runtime/modelRuntime';
import { root, tinyModelDirectory } from '../fixtures/paths';
import { writeRandomModel } from '../fixtures/randomModel';

interface KnockOutCase {
  readonly keys: readonly (readonly [number, number])[];
  readonly queries: readonly [number, number] | null;
  readonly layers: readonly number[] | null;
  readonly heads: readonly number[] | null;
  readonly change_bits: readonly number[];
  readonly kl_bits: readonly number[];
}
interface LensCase {
  readonly surprisal_bits: readonly number[];
  readonly rank: readonly number[];
  readonly entropy_bits: readonly number[];
  readonly kl_bits: readonly number[];
  readonly likeliest: readonly number[];
}
const cases = JSON.parse(readFileSync(join(root, 'test', 'fixtures', 'causal.json'), 'utf8')) as {
  readonly ids: readonly number[];
  readonly lens: readonly LensCase[];
  readonly knock_outs: readonly KnockOutCase[];
  readonly greedy: readonly number[];
};

const scratch = mkdtempSync(join(tmpdir(), 'mta-experiments-'));
const nLayers = 3;
const ids = Int32Array.from(cases.ids);
const nRows = ids.length - 1;
const targets = targetsOf(ids).slice(0, nRows);
let runtime: ModelRuntime;
let streams: Streams;

before(async () => {
  runtime = new ModelRuntime(await openModelFolder(tinyModelDirectory), 'cpu', 1);
  streams = await streamsOf(runtime, ids);
});
after(async () => {
  await runtime.release();
  rmSync(scratch, { recursive: true, force: true });
});

function assertClose(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number, what: string): void {
  assert.equal(actual.length, expected.length, what);
  for (let i = 0; i < actual.length; i++) {
    const scale = Math.max(1, Math.abs(expected[i]!));
    assert.ok(
      Math.abs(actual[i]! - expected[i]!) <= tolerance * scale,
      `${what}, ${i}: ${actual[i]} is not ${expected[i]}`,
    );
  }
}
const bits = (nats: Float32Array) => nats.map(x => x / Math.LN2);
const everywhere = (cut: Cut): Cuts => new Map(Array.from({ length: nLayers }, (_, layerIdx) => [layerIdx, [cut]]));

test('the logit lens gives what float64 gives, for all positions at once', async () => {
  const after = Array.from({ length: nLayers }, (_, layerIdx) => streamBefore(streams, layerIdx + 1));
  const lens = await runtime.logitLens(after, targetsOf(ids), { k: 3 });
  for (const [layerIdx, expected] of cases.lens.entries()) {
    const layer = lens[layerIdx]!;
    const what = `layer ${layerIdx}`;
    assertClose(
      bits(layer.logProbabilities)
        .subarray(0, nRows)
        .map(x => -x),
      expected.surprisal_bits,
      1e-4,
      what,
    );
    assertClose(bits(layer.entropy).subarray(0, nRows), expected.entropy_bits, 1e-4, what);
    assertClose(bits(layer.divergence).subarray(0, nRows), expected.kl_bits, 1e-4, what);
    assert.deepEqual([...layer.ranks.subarray(0, nRows)], expected.rank);
    assert.deepEqual(
      expected.likeliest,
      expected.likeliest.map((_, i) => layer.topIds[i * 3]),
    );
  }
});

test('log-probabilities that a run kept give the lens that its stream gives', async () => {
  const { prediction, logProbabilities: known } = await runtime.predictAndKeep(streams.output, targetsOf(ids), 4);
  assertClose(
    known.data as Float32Array,
    (await runtime.logProbabilities(streams.output)).data as Float32Array,
    1e-6,
    'kept',
  );
  const after = [streams.layers[1]!.hidden, streams.output];
  const [inner, last] = await runtime.logitLens(after, targetsOf(ids), { k: 4, known });
  const own = await runtime.logitLens(after, targetsOf(ids), { k: 4 });
  for (const [i, lens] of [inner!, last!].entries()) {
    assertClose(lens.logProbabilities, own[i]!.logProbabilities, 1e-6, 'log-probability');
    assertClose(lens.entropy, own[i]!.entropy, 1e-6, 'entropy');
    assertClose(lens.divergence, own[i]!.divergence, 1e-6, 'divergence');
    assert.deepEqual(lens.ranks, own[i]!.ranks);
    assert.deepEqual(lens.topIds, own[i]!.topIds);
  }
  assert.deepEqual(last!.topIds, prediction.topIds);
});

test('the lens after the last layer is what the model predicts, without divergence', async () => {
  const lens = await runtime.logitLens([streams.output], targetsOf(ids), { k: 4 });
  const prediction = await runtime.predict(streams.output, targetsOf(ids), 4);
  assertClose(lens[0]!.logProbabilities, prediction.logProbabilities, 1e-6, 'log-probability');
  assert.deepEqual(lens[0]!.topIds, prediction.topIds);
  assertClose(lens[0]!.divergence, new Float32Array(ids.length), 1e-6, 'divergence');
});

for (const [i, expected] of cases.knock_outs.entries()) {
  test(`knock-out ${i}: ${JSON.stringify({ ...expected, change_bits: undefined, kl_bits: undefined })}`, async () => {
    const runner = await KnockOutRunner.open(runtime, streams, { first: 0, end: nRows, targets });
    const { queries, heads, keys, layers } = expected;
    const cuts = keys.map(([first, end]) => ({
      ...{ keys: { first, end }, heads },
      queries: { first: Math.max(queries?.[0] ?? 0, end), end: queries?.[1] ?? ids.length },
    }));
    const without = await runner.without(new Map((layers ?? [0, 1, 2]).map(layerIdx => [layerIdx, cuts])));
    const change = without.logProbabilities.map((x, row) => (x - runner.before.logProbabilities[row]!) / Math.LN2);
    assertClose(change, expected.change_bits, 2e-4, 'change');
    assertClose(bits(without.divergence!), expected.kl_bits, 2e-4, 'divergence');
  });
}

test('knocking out nothing changes nothing', async () => {
  const runner = await KnockOutRunner.open(runtime, streams, { first: 0, end: nRows, targets });
  for (const cuts of [
    new Map(),
    everywhere({ keys: { first: 5, end: 5 }, queries: { first: 5, end: 20 }, heads: null }),
  ]) {
    const without = await runner.without(cuts);
    assertClose(without.logProbabilities, runner.before.logProbabilities, 1e-5, 'log-probability');
  }
});

test('with all its edges cut, another token in its place changes nothing after it: no path through convolutions leaks', async () => {
  const keys = { first: 5, end: 9 };
  const cuts = everywhere({ keys, queries: { first: keys.end, end: ids.length }, heads: null });
  const rows = { first: keys.end, end: nRows, targets: targets.slice(keys.end) };
  const other = ids.map((id, i) => (i >= keys.first && i < keys.end ? (id * 7 + 31) % 300 : id));
  const [as, changed] = await Promise.all(
    [streams, await streamsOf(runtime, other)].map(async of => {
      const runner = await KnockOutRunner.open(runtime, of, rows);
      return { before: runner.before, without: await runner.without(cuts) };
    }),
  );
  assert.notDeepEqual(as!.before.logProbabilities, changed!.before.logProbabilities);
  assertClose(as!.without.logProbabilities, changed!.without.logProbabilities, 1e-6, 'log-probability');
});

test('cut a layer or a row too little, and the other token shows', async () => {
  const keys = { first: 5, end: 9 };
  const cut = { keys, queries: { first: keys.end, end: ids.length }, heads: null };
  const rows = { first: 18, end: nRows, targets: targets.slice(18) };
  const other = await streamsOf(
    runtime,
    ids.map((id, i) => (i === 6 ? id + 1 : id)),
  );
  for (const cuts of [
    new Map([0, 1].map(layerIdx => [layerIdx, [cut]])),
    everywhere({ ...cut, queries: { first: 18, end: ids.length } }),
    everywhere({ ...cut, heads: [0, 1, 2] }),
  ]) {
    const [a, b] = await Promise.all(
      [streams, other].map(async of => (await KnockOutRunner.open(runtime, of, rows)).without(cuts)),
    );
    assert.notDeepEqual(a!.logProbabilities, b!.logProbabilities);
  }
});

async function generate(options: Partial<Parameters<typeof generateTokens>[2]>, from = ids): Promise<number[]> {
  const tokens: number[] = [];
  const all = { nTokens: 16, seed: 1, temperature: 0, topP: 1, topK: 3, ...options };
  for await (const { id } of generateTokens(runtime, from, all)) tokens.push(id);
  return tokens;
}

test('greedy continuation is that of float64 from the whole text each time', async () => {
  assert.deepEqual(await generate({}), cases.greedy);
});

test('logits with kept keys and values equal those of the whole text', async () => {
  const decoder = new Decoder(runtime, ids.length);
  for (const [first, end] of [
    [0, 3],
    [3, 4],
    [4, 17],
    ...Array.from({ length: ids.length - 17 }, (_, i) => [17 + i, 18 + i]),
  ]) {
    const logits = await decoder.append([...ids.subarray(first, end)]);
    const { output } = await streamsOf(runtime, ids.subarray(0, end));
    const whole = (await runtime.logits(output)).data as Float32Array;
    assertClose(logits, whole.subarray(-logits.length), 2e-5, `after ${end} tokens`);
  }
});

const families: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  'learned positions': { positions: 'learned' },
  'a sliding window and grouped keys': { sliding_window: 5, n_kv_heads: 2 },
  'chunks and differences of heads': {
    ...{ attention_chunk: 6, rotary_layers: [1], query_scaling: { strength: 0.5, span: 3 }, qk_norm: 'rotated' },
    differential: true,
  },
  'forget gates': { forget_gate: true, n_kv_heads: 2 },
  'rotation by the length of the text': {
    rope_scaling: { rope_type: 'dynamic', factor: 3, original_max_position_embeddings: 8 },
  },
};
for (const [name, change] of Object.entries(families)) {
  test(`a model with ${name}: kept keys and values give the logits of the whole text, and cut tokens do not leak`, async t => {
    const directory = join(scratch, name);
    writeRandomModel(directory, change);
    const model = new ModelRuntime(await openModelFolder(directory), 'cpu', 1);
    t.after(() => model.release());
    const decoder = new Decoder(model, 16);
    for (const [first, end] of [[0, 9], ...Array.from({ length: 7 }, (_, i) => [9 + i, 10 + i])]) {
      const logits = await decoder.append([...ids.subarray(first, end)]);
      const { output } = await streamsOf(model, ids.subarray(0, end));
      const whole = (await model.logits(output)).data as Float32Array;
      assertClose(logits, whole.subarray(-logits.length), 1e-4, `after ${end} tokens`);
    }
    const some = { first: 8, end: 11, targets: targets.slice(8, 11) };
    const runner = await KnockOutRunner.open(model, await streamsOf(model, ids), some);
    const nothing = everywhere({ keys: { first: 3, end: 3 }, queries: { first: 3, end: 11 }, heads: null });
    assertClose((await runner.without(nothing)).logProbabilities, runner.before.logProbabilities, 1e-5, 'nothing cut');
    const keys = { first: 4, end: 7 };
    const cuts = everywhere({ keys, queries: { first: keys.end, end: ids.length }, heads: null });
    const rows = { first: keys.end, end: nRows, targets: targets.slice(keys.end) };
    const other = ids.map((id, i) => (i >= keys.first && i < keys.end ? (id + 31) % 300 : id));
    const [as, changed] = await Promise.all(
      [ids, other].map(async of => (await KnockOutRunner.open(model, await streamsOf(model, of), rows)).without(cuts)),
    );
    assertClose(as!.logProbabilities, changed!.logProbabilities, 1e-5, 'log-probability');
  });
}

test('the same seed draws the same tokens, another seed others', async () => {
  const draw = (seed: number) => generate({ temperature: 1.5, seed });
  assert.deepEqual(await draw(3), await draw(3));
  assert.notDeepEqual(await draw(3), await draw(4));
});

test('a canceled continuation stops', async () => {
  const tokens = generateTokens(
    runtime,
    ids,
    { nTokens: 5, seed: 1, temperature: 0, topP: 1, topK: 1 },
    AbortSignal.abort(),
  );
  await assert.rejects(tokens.next(), { name: 'Cancelled' });
});
