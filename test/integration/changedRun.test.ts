/** Runs with something changed, as the Experiment page shows them: equal to what each kind of experiment gives by itself. */

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Engine } from '../../src/inference/engine';
import type { Change } from '../../src/shared/interventions';
import type { Stage } from '../../src/shared/operators';
import { tinyModelDirectory } from '../fixtures/paths';

let engine: Engine;
let nTokens = 0;
const idsOf: Int32Array[] = [];
const text = 'def tide(moon):\n  return moon + 1\n';
const other = 'def wave(moon):\n  return moon - 1\n';
const near = (got: number, want: number, within: number) =>
  assert.ok(Math.abs(got - want) <= within, `${got}, expected ${want}`);

before(async () => {
  const args = { modelDirectory: tinyModelDirectory, provider: 'cpu', nThreads: 1 } as const;
  engine = await Engine.load(args, (name, payload) => {
    if (name !== 'tokens') return;
    const { ids } = (payload as { tokens: { ids: Int32Array } }).tokens;
    idsOf.push(ids);
    nTokens = ids.length;
  });
  for (const [analysisId, analyzed] of [
    [2, other],
    [1, text],
  ] as const) {
    const place = { textStart: 0, documentLength: analyzed.length, anchor: 0 };
    const slot = analysisId === 1 ? 'main' : 'compare';
    await engine.analyze({ analysisId, slot, text: analyzed, ...place, maxTokens: 64, topK: 4 });
  }
});
after(() => engine.release());

const change = (analysisId: number, what: Change, keeps = true) =>
  engine.change({ analysisId, baseId: 1, change: what, keeps });
/** All heads' exact cells of a stage, [head, query, key]. */
const cells = async (analysisId: number, layerIdx: number, stage: Stage) =>
  (
    await engine.details.patch({
      ...{ analysisId, layerIdx, stage, queryStart: 0, keyStart: 0, nQueries: nTokens, nKeys: nTokens },
    })
  ).values;

test('heads off: the effect of the trial; their own maps stay, those of later layers change', async () => {
  const heads = [{ layerIdx: 0, headIdx: 1 }];
  for (const baseline of ['mean', 'zero'] as const) {
    const got = await change(11, { kind: 'heads', heads, baseline });
    const want = await engine.ablateHeads({ analysisId: 1, heads, baseline });
    assert.deepEqual(got.klBits, want.klBits);
    assert.deepEqual(got.changeBits.slice(1), want.changeBits.slice(1));
    assert.ok(got.meanKlBits > 0);
  }
  assert.deepEqual(await cells(11, 0, 'mixed_pattern'), await cells(1, 0, 'mixed_pattern'));
  assert.notDeepEqual(await cells(11, 2, 'mixed_pattern'), await cells(1, 2, 'mixed_pattern'));
});

test('edges cut: the effect of knock-outs, and maps without the cut cells, pooled alike', async () => {
  const keys = { first: 5, end: 9 };
  const queries = { first: 12, end: 20 };
  for (const cut of [
    { keys, queries },
    { keys, queries, heads: [{ layerIdx: 1, headIdx: 2 }] },
  ]) {
    const got = await change(12, { kind: 'edges', cuts: [cut] });
    const rows = { first: 19, end: 20 };
    const { effects } = await engine.knockOuts({ analysisId: 1, rows, target: 'actual', cuts: [cut] });
    near(-got.changeBits[20]!, effects[0]!.changeBits, 1e-4);
    near(got.klBits[19]!, effects[0]!.divergenceBits, 1e-4);
    const { nHeads, layers } = engine.model;
    for (const stage of layers[1]!.stages) {
      const [changed, own] = [await cells(12, 1, stage), await cells(1, 1, stage)];
      const overview = await engine.details.overview({ analysisId: 12, layerIdx: 1, stage });
      for (let head = 0; head < nHeads; head++) {
        const at = (map: Float32Array, query: number, key: number) => map[(head * nTokens + query) * nTokens + key]!;
        const isCut = !('heads' in cut) || head === 2;
        for (let key = keys.first; key < keys.end; key++) {
          if (isCut) assert.equal(at(changed, 15, key), 0);
          // Rows above the cut ones are as they were.
          near(at(changed, 10, key), at(own, 10, key), 1e-6);
        }
        const { size, scales, cells: steps } = overview;
        assert.equal(size, nTokens);
        near((steps[(head * size + 15) * size + 11]! / 127) * scales[head]!, at(changed, 15, 11), scales[head]! / 127);
      }
    }
  }
});

test('parts of another text: the measures of the patches, at one token or all', async () => {
  const row = 19;
  const question = { analysisId: 1, row, target: 'actual' } as const;
  const ids = idsOf[0]!;
  const measure = async (what: Change) => -(await change(13, what)).predictions.surprisalBits[row + 1]!;
  for (const what of ['head', 'mlp'] as const) {
    const { together, patched } = await engine.patchParts({ ...question, what, from: { ids, isAligned: true } });
    const part = { kind: 'patch', what, layerIdx: 1, tokens: { first: 0, end: row + 1 }, otherId: 2 } as const;
    near(await measure({ ...part, headIdx: null }), together[1]!, 2e-4);
    if (what === 'head') near(await measure({ ...part, headIdx: 3 }), patched[1]![3]!, 2e-4);
  }
  const { patched } = await engine.patchParts({ ...question, what: 'residual', from: { ids, isAligned: true } });
  const at = { kind: 'patch', what: 'residual', layerIdx: 2, headIdx: null, otherId: 2 } as const;
  near(await measure({ ...at, tokens: { first: 17, end: 18 } }), patched[2]![17]!, 2e-4);
  await assert.rejects(change(13, { ...at, tokens: { first: 60, end: 70 } }), RangeError);
  await assert.rejects(change(13, { ...at, layerIdx: 3, tokens: null }), /no layer or head 3/);
  await assert.rejects(change(13, { ...at, otherId: 99, tokens: null }), { code: 'no-analysis' });
});

test('kernels: the effect of an ablation, whose run is not kept', async () => {
  const edits = [{ part: null, layerIdx: null, headIdx: null, weights: null }];
  const ablation = { scope: 'model', edits } as const;
  const got = await change(14, { kind: 'kernels', ablation });
  const want = await engine.ablate({ analysisId: 3, baseId: 1, ablation, topK: 4 });
  assert.deepEqual(got.klBits, want.klBits);
  assert.deepEqual(got.predictions.surprisalBits, want.predictions.surprisalBits);
  assert.ok(!engine.holds(14));
  await assert.rejects(
    engine.change({ analysisId: 15, baseId: 3, change: { kind: 'kernels', ablation }, keeps: true }),
    {
      code: 'bad-ablation',
    },
  );
});

test('the newest one is kept where maps will be asked for, and goes with the run it departs from', async () => {
  const heads = [{ layerIdx: 0, headIdx: 1 }];
  await change(21, { kind: 'heads', heads, baseline: 'zero' });
  await change(22, { kind: 'heads', heads, baseline: 'mean' }, false);
  assert.deepEqual([engine.holds(21), engine.holds(22)], [true, false]);
  await change(23, { kind: 'heads', heads, baseline: 'mean' });
  assert.deepEqual([engine.holds(21), engine.holds(23)], [false, true]);
  engine.forget('main');
  assert.ok(!engine.holds(23));
});

test('a run under the id of an earlier one of another text is compared with itself', async () => {
  const heads = { heads: [{ layerIdx: 0, headIdx: 1 }], baseline: 'zero' } as const;
  const analyze = (analysisId: number, analyzed: string) => {
    const place = { textStart: 0, documentLength: analyzed.length, anchor: 0 };
    return engine.analyze({ analysisId, text: analyzed, ...place, maxTokens: 64, topK: 4 });
  };
  await analyze(1, text);
  await engine.ablateHeads({ analysisId: 1, ...heads });
  for (const changed of [other, `${other}# more\n`]) {
    await analyze(1, changed);
    const got = await engine.ablateHeads({ analysisId: 1, ...heads });
    await analyze(21, changed);
    assert.deepEqual(got, await engine.ablateHeads({ analysisId: 21, ...heads }));
  }
});
