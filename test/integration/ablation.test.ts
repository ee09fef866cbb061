/** Ablations through the real engine: identities, scopes, what is run again, ranking, and bad kernels. */

import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Engine } from '../../src/inference/engine';
import { EngineSlots } from '../../src/inference/engineSlots';
import { predictAgainst } from '../../src/inference/experiments/ablationRuns';
import { openModelFolder } from '../../src/inference/model/openModelFolder';
import type { AblateAnswer, EffectsEvent, LayerEvent } from '../../src/inference/protocol';
import { newRun } from '../../src/inference/run/run';
import { ModelRuntime } from '../../src/inference/runtime/modelRuntime';
import { type Ablation, type KernelEdit, noAblation } from '../../src/shared/ablation';
import type { LayerResult } from '../../src/shared/analysis';
import { headMatrix, kernelParts } from '../../src/shared/kernels';
import type { Stage } from '../../src/shared/operators';
import { Cancelled } from '../../src/shared/tools/failure';
import { parseSafetensorsHeader } from '../../src/shared/tools/safetensors';
import { root, tinyModelDirectory } from '../fixtures/paths';
import { texts } from '../fixtures/texts';

const nLayers = 3;
const nHeads = 4;
const scratch = mkdtempSync(join(tmpdir(), 'mta-ablation-'));
let engine: Engine;
let effects: EffectsEvent[] = [];
let layers: LayerResult[] = [];

before(async () => {
  engine = await Engine.load({ modelDirectory: tinyModelDirectory, provider: 'cpu', nThreads: 1 }, (name, payload) => {
    if (name === 'effects') effects.push(payload as EffectsEvent);
    if (name === 'layer') layers.push((payload as LayerEvent).layer);
  });
});
after(async () => {
  await engine.release();
  rmSync(scratch, { recursive: true, force: true });
});

let nextId = 1;
async function analyze(text = texts['code']!, on = engine) {
  const analysisId = nextId++;
  layers = [];
  const window = { text, textStart: 0, documentLength: text.length, anchor: 0, maxTokens: 64, topK: 8 };
  const answer = await on.analyze({ analysisId, ...window });
  return { ...answer, nTokens: answer.predictions.surprisalBits.length, layers };
}

async function ablate(baseId: number, ablation: Ablation): Promise<AblateAnswer & { analysisId: number }> {
  const analysisId = nextId++;
  return { ...(await engine.ablate({ analysisId, baseId, ablation, topK: 8 })), analysisId };
}

const off = (change: Partial<KernelEdit> = {}): KernelEdit => ({
  ...{ part: null, layerIdx: null, headIdx: null, weights: null },
  ...change,
});
const model = (...edits: KernelEdit[]): Ablation => ({ scope: 'model', edits });
const layerOnly = (...edits: KernelEdit[]): Ablation => ({ scope: 'layer', edits });

async function map(analysisId: number, layerIdx: number, headIdx: number, stage: Stage, nTokens: number) {
  const rectangle = { queryStart: 0, keyStart: 0, nQueries: nTokens, nKeys: nTokens };
  return (await engine.details.tile({ analysisId, layerIdx, headIdx, stage, ...rectangle })).values;
}

function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  assert.equal(a.length, b.length);
  return Array.from(a).reduce((most, x, i) => Math.max(most, Number.isNaN(x) ? 0 : Math.abs(x - b[i]!)), 0);
}

test('identity everywhere is plain attention of the same weights: every stage is the softmax of its scores', async () => {
  const { analysisId: baseId, nTokens } = await analyze();
  const { analysisId } = await ablate(baseId, model(off()));
  for (let layerIdx = 0; layerIdx < nLayers; layerIdx++) {
    for (let headIdx = 0; headIdx < nHeads; headIdx++) {
      const [scores, mixed, final] = await Promise.all(
        (['scores', 'mixed_scores', 'mixed_pattern'] as const).map(stage =>
          map(analysisId, layerIdx, headIdx, stage, nTokens),
        ),
      );
      assert.ok(largestDifference(scores!, mixed!) < 1e-5);
      for (let i = 0; i < nTokens; i++) {
        const row = scores!.subarray(i * nTokens, i * nTokens + i + 1);
        const largest = Math.max(...row);
        const total = row.reduce((sum, x) => sum + Math.exp(x - largest), 0);
        const plain = row.map(x => Math.exp(x - largest) / total);
        assert.ok(largestDifference(plain, final!.subarray(i * nTokens, i * nTokens + i + 1)) < 1e-5);
      }
    }
  }
});

test('… and its predictions are those of the same weights in a model without kernels', async () => {
  const plain = join(scratch, 'plain');
  cpSync(tinyModelDirectory, plain, { recursive: true });
  const config = JSON.parse(readFileSync(join(plain, 'config.json'), 'utf8'));
  writeFileSync(join(plain, 'config.json'), JSON.stringify({ ...config, mta: { ...config.mta, use_mta: false } }));
  const other = await Engine.load({ modelDirectory: plain, provider: 'cpu', nThreads: 1 }, () => {});
  const expected = (await analyze(texts['code'], other)).predictions;
  await other.release();
  const { analysisId } = await analyze();
  const { predictions } = await ablate(analysisId, model(off()));
  assert.ok(largestDifference(predictions.surprisalBits, expected.surprisalBits) < 1e-4);
});

test('ablating nothing changes nothing, trained weights as edits neither', async () => {
  const base = await analyze();
  const nothing = await ablate(base.analysisId, noAblation);
  assert.deepEqual(nothing.layers, []);
  assert.deepEqual(nothing.predictions.surprisalBits, base.predictions.surprisalBits);
  assert.ok(nothing.klBits.every(kl => Math.abs(kl) < 1e-5));
  const kernels = await engine.details.kernels({ analysisId: base.analysisId, layerIdx: 2 });
  const same = kernels.map(kernel =>
    off({ part: kernel.part, layerIdx: 2, headIdx: 3, weights: [...headMatrix(kernel, 3)] }),
  );
  const edited = await ablate(base.analysisId, model(...same));
  // Fed kernels may run in another form than trained ones, which rounds otherwise.
  const bits = [edited, base].map(({ predictions }) => predictions.surprisalBits.subarray(1));
  assert.ok(largestDifference(bits[0]!, bits[1]!) < 1e-4);
  assert.ok(largestDifference(edited.layers[0]!.topKeys.weights, base.layers[2]!.topKeys.weights) < 1e-5);
});

test('kernels come in one order of axes: an edited mixing weight moves that source into that destination', async () => {
  const { analysisId: baseId, nTokens } = await analyze();
  const edit = off({ part: 'post_softmax_head_mix', layerIdx: 1, headIdx: 2, weights: [0, 3, 0, 0] });
  const { analysisId } = await ablate(baseId, model(edit));
  const source = await map(baseId, 1, 1, 'pattern', nTokens);
  const got = await map(analysisId, 1, 2, 'mixed_pattern', nTokens);
  assert.ok(
    largestDifference(
      got,
      source.map(x => 3 * x),
    ) < 1e-5,
  );
  assert.deepEqual(
    await map(analysisId, 1, 3, 'mixed_pattern', nTokens),
    await map(baseId, 1, 3, 'mixed_pattern', nTokens),
  );
});

test('one head: the other heads of its layer are as they were', async () => {
  const { analysisId: baseId, nTokens } = await analyze();
  const edit = off({ part: 'pre_softmax_conv', layerIdx: 2, headIdx: 1 });
  const { analysisId } = await ablate(baseId, model(edit));
  const stage = 'convolved_scores';
  assert.ok(
    largestDifference(await map(analysisId, 2, 1, stage, nTokens), await map(baseId, 2, 1, 'scores', nTokens)) < 1e-6,
  );
  for (const headIdx of [0, 2, 3]) {
    assert.deepEqual(await map(analysisId, 2, headIdx, stage, nTokens), await map(baseId, 2, headIdx, stage, nTokens));
  }
});

test('whole model: layers before the first changed one are not run again, later ones read the change', async () => {
  const { analysisId: baseId, nTokens } = await analyze();
  const { layers: changed, analysisId, klBits } = await ablate(baseId, model(off({ layerIdx: 1 })));
  assert.deepEqual(
    changed.map(({ layerIdx }) => layerIdx),
    [1, 2],
  );
  assert.deepEqual(
    await map(analysisId, 0, 0, 'mixed_pattern', nTokens),
    await map(baseId, 0, 0, 'mixed_pattern', nTokens),
  );
  assert.deepEqual(await map(analysisId, 1, 0, 'scores', nTokens), await map(baseId, 1, 0, 'scores', nTokens));
  assert.ok(
    largestDifference(await map(analysisId, 2, 0, 'scores', nTokens), await map(baseId, 2, 0, 'scores', nTokens)) >
      1e-6,
  );
  assert.ok(klBits.every(kl => kl > -1e-5) && klBits.some(kl => kl > 1e-6));
});

test('this layer only: later layers’ inputs stay as they were, the prediction changes by the direct effect', async () => {
  const base = await analyze();
  const { analysisId: baseId, nTokens } = base;
  const one = await ablate(baseId, layerOnly(off({ layerIdx: 0 })));
  assert.deepEqual(
    one.layers.map(({ layerIdx }) => layerIdx),
    [0],
  );
  for (const stage of ['scores', 'mixed_pattern'] as const) {
    assert.deepEqual(await map(one.analysisId, 1, 2, stage, nTokens), await map(baseId, 1, 2, stage, nTokens));
  }
  assert.ok(
    largestDifference(
      await map(one.analysisId, 0, 2, 'mixed_pattern', nTokens),
      await map(baseId, 0, 2, 'mixed_pattern', nTokens),
    ) > 1e-3,
  );
  assert.ok(largestDifference(one.predictions.surprisalBits, base.predictions.surprisalBits) > 1e-6);
  // Nothing reads the last layer but the head: both scopes are the same there.
  const last = off({ layerIdx: 2 });
  const [direct, whole] = [await ablate(baseId, layerOnly(last)), await ablate(baseId, model(last))];
  assert.ok(largestDifference(direct.predictions.surprisalBits, whole.predictions.surprisalBits) < 1e-4);
});

test('the trained model’s run stays beside the ablated one; the same ablation again is bit-equal', async () => {
  const { analysisId: baseId, nTokens } = await analyze();
  const trained = await map(baseId, 2, 0, 'mixed_pattern', nTokens);
  const ablation = model(off({ part: 'post_softmax_conv' }));
  const first = await ablate(baseId, ablation);
  await ablate(baseId, model(off()));
  assert.deepEqual(await map(baseId, 2, 0, 'mixed_pattern', nTokens), trained);
  const again = await ablate(baseId, ablation);
  assert.deepEqual(again.predictions, first.predictions);
  assert.deepEqual(
    again.layers.map(({ topKeys, overviews }) => ({ topKeys, overviews })),
    first.layers.map(({ topKeys, overviews }) => ({ topKeys, overviews })),
  );
  await assert.rejects(map(first.analysisId, 2, 0, 'scores', nTokens), { code: 'no-analysis' });
});

test('ranking: every single ablation once, reported as they come, equal to the ablation itself', async () => {
  const base = await analyze();
  effects = [];
  const ranked = await engine.rankAblations({ analysisId: base.analysisId, withHeads: true });
  const nParts = engine.model.layers.flatMap(({ kernels }) => kernelParts.filter(part => kernels[part])).length;
  assert.equal(ranked.length, nParts * (1 + nHeads));
  assert.deepEqual(
    effects.flatMap(event => event.effects),
    ranked,
  );
  assert.deepEqual(effects.at(-1) && [effects.at(-1)!.done, effects.at(-1)!.total], [ranked.length, ranked.length]);
  for (const { edit, meanKlBits, meanSurprisalChangeBits } of [ranked[0]!, ranked.at(-1)!]) {
    const { klBits, predictions } = await ablate(base.analysisId, model(edit));
    const mean = klBits.reduce((sum, x) => sum + x, 0) / klBits.length;
    assert.ok(Math.abs(mean - meanKlBits) < 1e-6, `${mean} and ${meanKlBits}`);
    const change = predictions.surprisalBits.map((bits, i) => bits - base.predictions.surprisalBits[i]!).subarray(1);
    const meanChange = change.reduce((sum, x) => sum + x, 0) / change.length;
    assert.ok(Math.abs(meanChange - meanSurprisalChangeBits) < 1e-5, `${meanChange} and ${meanSurprisalChangeBits}`);
  }
});

test('a ranking is cancelled between layers, and a window of one token can be ablated', async () => {
  const { analysisId } = await analyze();
  const controller = new AbortController();
  const ranking = engine.rankAblations({ analysisId, withHeads: true }, controller.signal);
  controller.abort();
  await assert.rejects(ranking, Cancelled);
  const one = await analyze('');
  const answer = await ablate(one.analysisId, model(off()));
  assert.equal(answer.klBits.length, 1);
  assert.ok(
    Number.isNaN(
      (await engine.rankAblations({ analysisId: one.analysisId, withHeads: false }))[0]!.meanSurprisalChangeBits,
    ),
  );
  assert.ok(
    Number.isNaN((await engine.details.headMeasures({ analysisId: one.analysisId, layerIdx: 0 }))[0]!.entropyBits),
  );
});

test('wrong ablations and runs that are not there are refused', async () => {
  const { analysisId } = await analyze();
  await assert.rejects(ablate(analysisId, model(off({ layerIdx: 1, part: 'pre_softmax_conv' }))), {
    code: 'bad-ablation',
    message: /layer 1 has no convolution before softmax/,
  });
  await assert.rejects(ablate(analysisId + 999, model(off())), { code: 'no-analysis' });
});

test('a model with NaN in a kernel runs but its ablation is refused with the place', async () => {
  const broken = join(scratch, 'broken');
  cpSync(tinyModelDirectory, broken, { recursive: true });
  const path = join(broken, 'model.safetensors');
  const bytes = readFileSync(path);
  const headerLength = Number(bytes.readBigUInt64LE(0));
  const tensors = parseSafetensorsHeader(bytes.subarray(8, 8 + headerLength), bytes.length, 'model');
  const entry = tensors.get('layers.2.attention.mta_kernel')!;
  const size = (entry.end - entry.start) / entry.shape.reduce((product, n) => product * n, 1);
  bytes.fill(0xff, entry.start + size * 66, entry.start + size * 67); // the first weight of head 1: all ones is NaN
  writeFileSync(path, bytes);
  const other = await Engine.load({ modelDirectory: broken, provider: 'cpu', nThreads: 1 }, () => {});
  const { analysisId } = await analyze('some words', other);
  const args = { analysisId: nextId++, baseId: analysisId, ablation: model(off({ layerIdx: 0 })), topK: 8 };
  const failure = { code: 'bad-kernel', message: /convolution before softmax in layer 2, head 1 is NaN/ };
  await assert.rejects(other.ablate(args), failure);
  await assert.rejects(other.rankAblations({ analysisId, withHeads: false }), failure);
  await other.release();
});

test('a run in the compare slot leaves the main one alone, with the same model and with another', async () => {
  const slots = new EngineSlots(() => {});
  const args = { modelDirectory: tinyModelDirectory, provider: 'cpu', nThreads: 1 } as const;
  const main = await slots.load(args);
  const text = texts['code']!;
  const run = (slot: 'main' | 'compare', analysisId: number, words: string) => {
    const window = { text: words, textStart: 0, documentLength: words.length, anchor: 0, maxTokens: 64, topK: 8 };
    return slots.of(slot).analyze({ analysisId, slot, ...window });
  };
  const rectangle = {
    layerIdx: 1,
    headIdx: 0,
    stage: 'scores',
    queryStart: 0,
    keyStart: 0,
    nQueries: 4,
    nKeys: 4,
  } as const;
  const tile = (analysisId: number) => slots.holding(analysisId).details.tile({ analysisId, ...rectangle });
  await run('main', 1, text);
  const expected = (await tile(1)).values;

  assert.equal(await slots.load({ ...args, slot: 'compare' }), main, 'the same model is loaded once');
  await run('compare', 2, `${text} and more`);
  assert.deepEqual((await tile(1)).values, expected);
  assert.equal((await tile(2)).values.length, 16);

  const other = join(scratch, 'plain');
  assert.notEqual(await slots.load({ ...args, modelDirectory: other, slot: 'compare' }), main);
  await run('compare', 3, text);
  assert.deepEqual((await tile(1)).values, expected);
  await assert.rejects(tile(2), { code: 'no-analysis' });
  await slots.clear('compare');
  assert.deepEqual((await tile(1)).values, expected);
  await slots.clear('main');
  assert.throws(() => slots.of(), { code: 'no-model' });
});

test('of two models that a slot is asked for at once it gets the later one, however long the first one takes', async () => {
  const slots = new EngineSlots(() => {});
  const bundled = (name: string) => ({ modelDirectory: join(root, 'models', 'bundled', name), nThreads: 1 });
  // The large one is timed on its providers while the tiny one is there at once.
  const first = slots.load({ ...bundled('mta-base'), provider: 'auto' });
  const second = slots.load({ modelDirectory: tinyModelDirectory, provider: 'cpu', nThreads: 1 });
  await assert.rejects(first, { code: 'cancelled' });
  assert.equal(slots.of(), await second);
  await slots.clear('main');
});

test('a comparison of some positions at a time says the same as one of all at once', async () => {
  const runtime = new ModelRuntime(await openModelFolder(tinyModelDirectory), 'cpu', 1);
  const ids = Int32Array.from({ length: 30 }, (_, i) => (i * 7) % 250);
  const embedded = await runtime.embed(ids);
  const base = { ...newRun(1, ids), output: embedded };
  const { hidden } = await runtime.block(0, embedded, { topK: 4, blockSize: 1 });
  const whole = await predictAgainst(runtime, base, hidden, 3);
  const parts = await predictAgainst(runtime, base, hidden, 3, 4 * runtime.folder.summary.vocabSize * 7);
  assert.deepEqual(parts.topIds, whole.topIds);
  for (const name of ['divergence', 'logProbabilities', 'topLogProbabilities'] as const) {
    for (const [i, value] of whole[name]!.entries()) assert.ok(Math.abs(parts[name]![i]! - value) < 1e-5, name);
  }
  assert.ok(whole.divergence!.some(value => value > 1e-3));
  await runtime.release();
});
