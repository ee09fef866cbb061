import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Details, type OfferedRun, offer } from '../../../src/api/analysisHandle';
import type { ModelSummary } from '../../../src/shared/analysis';
import type { LogitAttribution } from '../../../src/shared/attribution';
import type { KnockOuts, LogitLens, PatchedParts } from '../../../src/shared/interventions';

const model = {
  ...{
    name: 'tiny',
    directory: '/models/tiny',
    nLayers: 1,
    nHeads: 1,
    dim: 4,
    vocabSize: 9,
    maxSeqlen: 8,
    nParameters: 7,
  },
  layers: [{ layerIdx: 0, stages: ['scores', 'pattern'] }],
} as unknown as ModelSummary;
const topKeys = { k: 1, indices: Int32Array.of(0, 1, 0), weights: Float32Array.of(1, 0.5, -2) };
const run = {
  ...{ analysisId: 5, model, nTokens: 3, window: { start: 10, end: 14, documentLength: 20 } },
  tokens: { ids: Int32Array.of(1, 2, 3), offsets: Uint32Array.of(10, 10, 12, 14), labels: ['<s>', 'ab', 'cd'] },
  layers: [{ layerIdx: 0, topKeys, overviews: [], durationMs: 3 }],
  predictions: undefined,
} as OfferedRun;

/** What relevance and explain were asked. */
const asked: object[] = [];

/** Cell (query, key) of the map is 10 * query + key, wherever a rectangle begins. */
const details: Details = {
  async tile({ queryStart, keyStart, nQueries, nKeys, ...address }) {
    const cell = (_: unknown, i: number) => 10 * (queryStart + Math.floor(i / nKeys)) + keyStart + (i % nKeys);
    const values = Float32Array.from({ length: nQueries * nKeys }, cell);
    return { ...address, queryStart, keyStart, nQueries, nKeys, values };
  },
  async strongestKeys() {
    return [{ keyIdx: 0, weight: 42 }];
  },
  async relevance(options, range) {
    asked.push({ ...options, ...range });
    return Float32Array.of(1, 2, 3);
  },
  async explain(args) {
    asked.push(args);
    return { row: args.row } as LogitAttribution;
  },
  async lens(args) {
    asked.push(args);
    return { k: args.k } as LogitLens;
  },
  async knockOuts(args) {
    asked.push(args);
    return { rows: args.rows } as KnockOuts;
  },
  async patchParts(args) {
    asked.push(args);
    return { original: 1 } as PatchedParts;
  },
};
const map = { layerIdx: 0, headIdx: 0 };
const offered = offer(
  () => run,
  details,
  () => {},
);

test('tokens tell where they are; offsets outside the window have none', () => {
  assert.deepEqual(offered.tokens[1], { id: 2, label: 'ab', start: 10, end: 12 });
  assert.deepEqual([10, 12, 14, 9, 15].map(offered.tokenAt), [1, 2, 2, undefined, undefined]);
});

test('a row ends at its query; masked cells of a tile are no numbers', async () => {
  assert.deepEqual([...(await offered.row(map, 1))], [10, 11]);
  const tile = await offered.tile(map, { queryStart: 1, keyStart: 1, nQueries: 2, nKeys: 2 });
  assert.deepEqual([...tile], [11, Number.NaN, 21, 22]);
});

test('strongest keys: the streamed ones where they are enough, else from the exact row', async () => {
  assert.deepEqual(await offered.strongestKeys(map, 2, 1), [{ keyIdx: 0, weight: 42 }]);
  assert.deepEqual(
    (await offered.strongestKeys(map, 2, 2)).map(({ keyIdx }) => keyIdx),
    [2, 1],
  );
});

test('what is not there is refused by name and limits', async () => {
  const wrong: [() => Promise<unknown>, RegExp][] = [
    [() => offered.row({ layerIdx: 1, headIdx: 0 }, 0), /layerIdx is 1; it must be a whole number from 0 to 0/],
    [() => offered.row({ layerIdx: 0, headIdx: 0.5 }, 0), /headIdx is 0\.5/],
    [() => offered.row({ ...map, stage: 'logits' as never }, 0), /stage is "logits"; use one of scores, /],
    [() => offered.row(map, 3), /queryIdx is 3/],
    [() => offered.tile(map, { queryStart: 2, keyStart: 0, nQueries: 2, nKeys: 1 }), /nQueries is 2/],
    [() => offered.relevance({ first: 2, end: 2 }), /end is 2; it must be a whole number from 3 to 3/],
    [() => offered.relevance({ first: 0, end: 1 }, { method: 'head' as never }), /method is "head"/],
    [() => offered.relevance({ first: 0, end: 1 }, { heads: [{ layerIdx: 0, headIdx: 7 }] }), /headIdx is 7/],
  ];
  for (const [ask, message] of wrong)
    await assert.rejects(ask, error => error instanceof RangeError && message.test(error.message));
});

test('what others write into an answer does not reach our own', () => {
  offered.layers[0]!.topKeys.weights.fill(0);
  assert.equal(topKeys.weights[0], 1);
});

test('relevance of the rows that predict a range, and of what weights move', async () => {
  await offered.relevance({ first: 1, end: 3 }, { rows: 'predicting', quantity: 'norm' });
  const { first, end, quantity } = asked.at(-1) as Record<string, unknown>;
  assert.deepEqual([first, end, quantity], [0, 2, 'norm']);
  await assert.rejects(offered.relevance({ first: 0, end: 1 }, { rows: 'predicting' }), /nothing predicts token 0/);
  await assert.rejects(
    offered.relevance({ first: 1, end: 2 }, { rows: 'predicting', direction: 'attendedBy' }),
    /rows is "predicting"; use reading/,
  );
  await assert.rejects(offered.relevance({ first: 1, end: 2 }, { quantity: 'size' as 'norm' }), /quantity is "size"/);
});

test('explain takes rows and targets that are there', async () => {
  assert.equal((await offered.explain(2, { target: 'predicted', minus: 4 })).row, 2);
  assert.deepEqual(asked.at(-1), { analysisId: 5, row: 2, target: 'predicted', minus: 4, cells: undefined });
  await offered.explain(1);
  assert.deepEqual(asked.at(-1), { analysisId: 5, row: 1, target: 'actual', minus: undefined, cells: undefined });
  const cell = { layerIdx: 0, headIdx: 0, keyIdx: 1 };
  await offered.explain(1, { cells: [cell] });
  assert.deepEqual((asked.at(-1) as { cells: unknown }).cells, [cell]);
  for (const [wrong, why] of [
    [{ layerIdx: 9 }, /layerIdx is 9/],
    [{ headIdx: -1 }, /headIdx is -1/],
    [{ keyIdx: 2 }, /keyIdx is 2; it must be a whole number from 0 to 1/],
  ] as const) {
    await assert.rejects(offered.explain(1, { cells: [{ ...cell, ...wrong }] }), why);
  }
  await assert.rejects(offered.explain(3), /row is 3; it must be a whole number from 0 to 2/);
  await assert.rejects(offered.explain(1, { target: 9 }), /target is 9; it must be a whole number from 0 to 8/);
  await assert.rejects(offered.explain(1, { minus: -1 }), /minus is -1/);
});

test('the lens takes rows, targets and counts that are there', async () => {
  await offered.lens({ first: 0, end: 2 });
  assert.deepEqual(asked.at(-1), { analysisId: 5, rows: { first: 0, end: 2 }, target: 'actual', k: 5 });
  await assert.rejects(offered.lens({ first: 0, end: 4 }), /rows.end is 4; it must be a whole number from 1 to 3/);
  await assert.rejects(offered.lens({ first: 2, end: 3 }, { target: 9 }), /target is 9/);
  await assert.rejects(offered.lens({ first: 2, end: 3 }, { k: 0 }), /k is 0; it must be a whole number from 1 to 9/);
});

test('knock-outs take edges, layers and heads that are there', async () => {
  const cut = { keys: { first: 0, end: 1 }, heads: [{ layerIdx: 0, headIdx: 0 }] };
  await offered.knockOut({ first: 1, end: 2 }, [cut], { target: 'predicted' });
  assert.deepEqual(asked.at(-1), { analysisId: 5, rows: { first: 1, end: 2 }, target: 'predicted', cuts: [cut] });
  const refused = (change: object, message: RegExp) =>
    assert.rejects(offered.knockOut({ first: 1, end: 2 }, [{ ...cut, ...change }]), message);
  await refused({ keys: { first: 0, end: 9 } }, /keys.end is 9/);
  await refused({ queries: { first: 3, end: 3 } }, /queries.first is 3/);
  await refused({ layers: [1] }, /layerIdx is 1/);
  await refused({ heads: [{ layerIdx: 0, headIdx: 7 }] }, /headIdx is 7/);
});

test('a patch takes another analysis of the same model, zero or mean', async () => {
  await offered.patch(2, { what: 'head', from: 'zero', target: 3 });
  const question = { analysisId: 5, row: 2, target: 3, minus: undefined, what: 'head' };
  assert.deepEqual(asked.at(-1), { ...question, from: 'zero' });
  await offered.patch(2, { what: 'head', from: offered, target: 3, align: true });
  assert.deepEqual(asked.at(-1), { ...question, from: { ids: Int32Array.of(1, 2, 3), isAligned: true } });
  const other = { ...offered, dispose() {}, model: { ...offered.model, name: 'other' } };
  await assert.rejects(offered.patch(2, { what: 'head', from: other }), /an analysis by "other"; use one by the same/);
  await assert.rejects(
    offered.patch(2, { what: 'heads' as 'head', from: 'zero' }),
    /what is "heads"; use one of residual/,
  );
  await assert.rejects(
    offered.patch(2, { what: 'mlp', from: 'one' as 'zero' }),
    /from is "one"; use an analysis, zero/,
  );
  await assert.rejects(offered.patch(3, { what: 'mlp', from: 'zero' }), /row is 3/);
});
