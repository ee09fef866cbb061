/** Experiments as other extensions ask for them, through the engine: equal to what the command line's own ways give. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Engine } from '../../src/inference/engine';
import type { ContinuedToken } from '../../src/shared/interventions';
import { tinyModelDirectory } from '../fixtures/paths';

let engine: Engine;
let ids = new Int32Array();
const continued: ContinuedToken[] = [];
const text = 'def tide(moon):\n  return moon + 1\n';

const analyze = async (analysisId: number, analyzed: string) => {
  const place = { textStart: 0, documentLength: analyzed.length, anchor: 0 };
  await engine.analyze({ analysisId, text: analyzed, ...place, maxTokens: 64, topK: 4 });
  return ids;
};

before(async () => {
  const args = { modelDirectory: tinyModelDirectory, provider: 'cpu', nThreads: 1 } as const;
  engine = await Engine.load(args, (name, payload) => {
    if (name === 'tokens') ids = (payload as { tokens: { ids: Int32Array<ArrayBuffer> } }).tokens.ids;
    if (name === 'continued') continued.push((payload as { token: ContinuedToken }).token);
  });
  await analyze(1, text);
});
after(() => engine.release());

test('the lens after the last layer is the run’s own prediction, in bits', async () => {
  const rows = { first: 4, end: 9 };
  const lens = await engine.lens({ analysisId: 1, rows, target: 'predicted', k: 3 });
  const last = lens.layers.at(-1)!;
  assert.deepEqual([...last.ranks], [1, 1, 1, 1, 1]);
  assert.deepEqual(
    lens.targets.map(({ id }) => id),
    Array.from({ length: 5 }, (_, i) => last.topIds[3 * i]!),
  );
  assert.ok(last.divergenceBits.every(bits => bits === 0));
  assert.equal(lens.labels[lens.targets[0]!.id], lens.targets[0]!.text);
  assert.ok(Math.abs(2 ** -last.surprisalBits[0]! - last.topProbabilities[0]!) < 1e-5);
});

test('knock-outs: what is cut by itself changes its own effect alone; heads of all layers are all heads', async () => {
  const rows = { first: 18, end: 20 };
  const keys = { first: 5, end: 9 };
  const heads = [0, 1, 2].flatMap(layerIdx => [0, 1, 2, 3].map(headIdx => ({ layerIdx, headIdx })));
  const cuts = [{ keys }, { keys: { first: 1, end: 3 } }, { keys, layers: [0, 1, 2] }, { keys, heads }];
  const { effects, surprisalBits } = await engine.knockOuts({ analysisId: 1, rows, target: 'actual', cuts });
  const [all, other, layers, everyHead] = effects.map(({ changeBits }) => changeBits);
  assert.ok(Math.abs(all!) > 1e-3 && Math.abs(all! - other!) > 1e-4);
  assert.equal(layers, all);
  assert.ok(Math.abs(everyHead! - all!) < 1e-4);
  const lens = await engine.lens({ analysisId: 1, rows, target: 'actual', k: 1 });
  for (const [i, bits] of surprisalBits.entries()) {
    assert.ok(Math.abs(bits - lens.layers.at(-1)!.surprisalBits[i]!) < 1e-4);
  }
  const asked = (cut: object) => engine.knockOuts({ analysisId: 1, rows, target: 'actual', cuts: [{ keys, ...cut }] });
  await assert.rejects(asked({ keys: { first: 20, end: 22 } }), /no row up to 19 comes after the keys 20 to 21/);
  await assert.rejects(asked({ layers: [3] }), /no layer or head 3/);
  await assert.rejects(asked({ heads: [{ layerIdx: 0, headIdx: 4 }] }), /no layer or head 0.4/);
});

test('a patch of all heads of the same text changes nothing; zero does; texts must correspond', async () => {
  const row = 19;
  const same = { ids: await analyze(1, text), isAligned: false };
  const question = { analysisId: 1, row, target: 'actual', what: 'head' } as const;
  const found = await engine.patchParts({ ...question, from: same });
  assert.ok(found.isChanged.flat().every(isChanged => !isChanged));
  assert.deepEqual(found.together, [found.original, found.original, found.original]);
  const zero = await engine.patchParts({ ...question, from: 'zero' });
  assert.equal(zero.other, null);
  assert.ok(zero.together.every(value => Math.abs(value - zero.original) > 1e-4));
  const short = { ids: same.ids.subarray(0, 5), isAligned: false };
  await assert.rejects(engine.patchParts({ ...question, from: short }), { code: 'unequal-texts' });
  const unlike = { ids: Int32Array.of(300, 1, 2), isAligned: true };
  await assert.rejects(engine.patchParts({ ...question, from: unlike }), { code: 'unequal-texts' });
  await assert.rejects(engine.patchParts({ ...question, from: 'zero', minus: 999 }), { code: 'bad-target' });
  const isMean = { ...question, what: 'pattern', from: 'mean' } as const;
  await assert.rejects(engine.patchParts(isMean), /would let tokens see later ones/);
});

test('a continuation reports each token as it comes, and says where there is no room', async () => {
  const options = { nTokens: 6, temperature: 0, topP: 1, seed: 0, topK: 2 };
  const whole = await engine.continueText({ continuationId: 7, text, ...options });
  assert.equal(continued.length, 6);
  assert.deepEqual([whole.ended, whole.nPromptTokens], ['length', ids.length]);
  assert.equal(whole.text, continued.map(token => token.text).join(''));
  assert.equal(continued[0]!.top[0]!.id, continued[0]!.id);
  const none = engine.continueText({ continuationId: 8, text, ...options, nTokens: engine.model.maxSeqlen });
  await assert.rejects(none, { code: 'no-room' });
  const controller = new AbortController();
  controller.abort();
  await assert.rejects(engine.continueText({ continuationId: 9, text, ...options }, controller.signal), {
    name: 'Cancelled',
  });
});

test('a character that the first ids begin is ended by what comes, as the bytes of all say', async () => {
  const bytes = (list: readonly number[]) => Uint8Array.from(list.flatMap(id => [...engine.bytesOf(id)]));
  const ofByte = new Map(Array.from({ length: 256 }, (_, id) => [engine.bytesOf(id)[0]!, id] as const));
  const firstIds = [0xf0, 0x9f, 0x98].map(byte => ofByte.get(byte)!);
  assert.deepEqual([...bytes(firstIds)], [0xf0, 0x9f, 0x98]);
  const from = continued.length;
  const options = { nTokens: 4, temperature: 5, topP: 1, seed: 3, topK: 0, firstIds };
  const { text: written } = await engine.continueText({ continuationId: 10, text, ...options });
  const come = continued.slice(from);
  assert.equal(written, new TextDecoder().decode(bytes([...firstIds, ...come.map(({ id }) => id)])));
  assert.equal(come.length, 4);
});

test('what would be computed with the trained kernels is refused for a run with others', async () => {
  const edits = [{ part: null, layerIdx: null, headIdx: null, weights: null }];
  await engine.ablate({ analysisId: 2, baseId: 1, ablation: { scope: 'model', edits }, topK: 4 });
  const rows = { first: 18, end: 20 };
  const cuts = [{ keys: { first: 5, end: 9 } }];
  const refused = { code: 'bad-ablation', message: /changed kernels. Restore them/ };
  await assert.rejects(engine.knockOuts({ analysisId: 2, rows, target: 'actual', cuts }), refused);
  const question = { analysisId: 2, row: 18, target: 'actual', what: 'head', from: 'zero' } as const;
  await assert.rejects(engine.patchParts(question), refused);
  const heads = [{ layerIdx: 0, headIdx: 0 }];
  await assert.rejects(engine.ablateHeads({ analysisId: 2, heads, baseline: 'zero' }), refused);
  await assert.rejects(engine.lens({ analysisId: 2, rows, target: 'predicted', k: 1 }), refused);
});
