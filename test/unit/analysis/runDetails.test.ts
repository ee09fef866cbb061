/** Closer looks: what the run brought is answered at once, the rest is asked for, and only of runs and layers that are there. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import '../../fixtures/vscode';
import { RunDetails } from '../../../src/analysis/runDetails';
import type { LayerSummary } from '../../../src/shared/analysis';
import type { Stage } from '../../../src/shared/operators';
import { FakeClient, layerOf, model, predictionsOf } from '../../fixtures/fakeClient';

/** Run 1 has layer 0 of two. @param stages those that its layers have. */
function open(stages?: readonly Stage[]) {
  const client = new FakeClient();
  const layers = stages ? model.layers.map((layer): LayerSummary => ({ ...layer, stages })) : model.layers;
  const run = { model: { ...model, layers }, nTokens: 4, layers: [layerOf(0, 5)], predictions: undefined };
  const details = new RunDetails(client.asClient, analysisId => (analysisId === 1 ? run : undefined));
  return { client, details, run };
}

const map = { analysisId: 1, layerIdx: 0, headIdx: 1, stage: 'mixed_pattern' } as const;
const rect = { queryStart: 0, keyStart: 0, nQueries: 1, nKeys: 4 };

test('an overview that came with the layer is cut to its head; another stage is asked for', async () => {
  const { client, details } = open();
  const { cells, ...rest } = await details.overview(map);
  assert.deepEqual(rest, {
    ...{ layerIdx: 0, headIdx: 1, stage: 'mixed_pattern', nTokens: 4, blockSize: 1, size: 2, scale: 15 },
  });
  assert.deepEqual([...cells], [4, 5, 6, 7]);
  const asked = details.overview({ ...map, headIdx: 0, stage: 'scores' });
  const { args, resolve } = client.last('overview');
  assert.deepEqual(args, { analysisId: 1, layerIdx: 0, stage: 'scores' });
  resolve({ ...layerOf(0, 7).overviews[0]!, stage: 'scores' });
  assert.deepEqual([(await asked).scale, (await asked).stage], [7, 'scores']);
});

test('a stage that the layer lacks is the one before it', async () => {
  const { client, details } = open(['scores', 'pattern']);
  void details.layerOverview(map);
  assert.equal(client.last('overview').args.stage, 'pattern');
  void details.layerOverview({ ...map, stage: 'mixed_scores' });
  assert.equal(client.last('overview').args.stage, 'scores');
});

const looks: [string, (details: RunDetails, address: typeof map, signal?: AbortSignal) => Promise<unknown>, object][] =
  [
    [
      'overview',
      (d, a, s) => d.overview({ ...a, stage: 'scores' }, s),
      { analysisId: 1, layerIdx: 0, stage: 'scores' },
    ],
    ['tile', (d, a, s) => d.tile({ ...a, ...rect }, s), { ...map, ...rect }],
    ['kernels', (d, a, s) => d.kernels(a, s), { analysisId: 1, layerIdx: 0 }],
    ['headMeasures', (d, a, s) => d.headMeasures(a, s), { analysisId: 1, layerIdx: 0 }],
    [
      'patch',
      (d, { headIdx: _, ...a }, s) => d.patch({ ...a, ...rect }, s),
      { analysisId: 1, layerIdx: 0, stage: 'mixed_pattern', ...rect },
    ],
    [
      'largestChanges',
      (d, { stage: _, ...a }, s) => d.largestChanges({ ...a, part: 'pre_softmax_conv' }, s),
      { analysisId: 1, layerIdx: 0, headIdx: 1, part: 'pre_softmax_conv', k: 12 },
    ],
  ];
for (const [name, look, expected] of looks) {
  test(`${name}: asked of the process with its signal, refused for what is not there`, async () => {
    const { client, details } = open();
    const { signal } = new AbortController();
    look(details, map, signal).catch(() => {});
    assert.deepEqual([client.last(name).args, client.last(name).signal], [expected, signal]);
    await assert.rejects(look(details, { ...map, analysisId: 2 as never }), { code: 'no-analysis' });
    await assert.rejects(look(details, { ...map, layerIdx: 1 as never }), { code: 'no-analysis' });
    if ('headIdx' in expected || name === 'overview') {
      await assert.rejects(look(details, { ...map, headIdx: 2 as never }), { code: 'no-analysis' });
    }
    assert.equal(client.requests.length, 1);
  });
}

test('pictures are of heads that there are, up to the last', () => {
  const { details } = open();
  const address = { analysisId: 1, layerIdx: 0, headStart: 0, nHeads: 2 };
  assert.deepEqual([...details.thumbnails(address).scales], [5, 15]);
  assert.deepEqual([...details.thumbnails({ ...address, headStart: 1, nHeads: 1 }).scales], [15]);
  for (const wrong of [{ headStart: 1 }, { nHeads: 3 }, { layerIdx: 1 }, { analysisId: 2 }]) {
    assert.throws(() => details.thumbnails({ ...address, ...wrong }), { code: 'no-analysis' });
  }
});

test('predictions are there once the run is done', () => {
  const { details, run } = open();
  assert.throws(() => details.predictions(1), { code: 'no-analysis' });
  const predictions = predictionsOf(4);
  Object.assign(run, { predictions });
  assert.equal(details.predictions(1), predictions);
  assert.throws(() => details.predictions(2), { code: 'no-analysis' });
});

test('the strongest keys of the last stage came with the layer; those of another stage are found in its row', async () => {
  const { client, details } = open();
  assert.deepEqual(await details.strongestKeys(map, 4, 3), []);
  assert.deepEqual(await details.strongestKeys(map, 2, 3), [{ keyIdx: 0, weight: 5 }]);
  assert.deepEqual(await details.strongestKeys(map, 2, 0), []);
  assert.equal(client.requests.length, 0);
  const keys = details.strongestKeys({ ...map, stage: 'scores' }, 2, 2);
  assert.deepEqual(client.last('tile').args, {
    ...map,
    stage: 'scores',
    queryStart: 2,
    keyStart: 0,
    nQueries: 1,
    nKeys: 4,
  });
  client.last('tile').resolve({ values: Float32Array.of(1, -3, 2, 9) });
  assert.deepEqual(await keys, [
    { keyIdx: 1, weight: -3 },
    { keyIdx: 2, weight: 2 },
  ]);
  await assert.rejects(details.strongestKeys({ ...map, layerIdx: 1 }, 2, 2), { code: 'no-analysis' });
});

test('relevance asks the heads that were chosen, and only of layers that are there', async () => {
  const { client, details } = open();
  const range = { first: 1, end: 3 };
  const { signal } = new AbortController();
  const heads = async (method: 'head' | 'max', choice: 'layer' | 'all' | { layerIdx: number; headIdx: number }[]) => {
    void details.relevance({ method, direction: 'attends', heads: choice }, range, map, signal).catch(() => {});
    return client.last('relevance');
  };
  assert.deepEqual((await heads('head', 'all')).args, {
    ...{ analysisId: 1, range, direction: 'attends', method: 'head', stage: 'mixed_pattern' },
    heads: [{ layerIdx: 0, headIdx: 1 }],
  });
  assert.equal(client.last('relevance').signal, signal);
  assert.deepEqual((await heads('max', 'layer')).args.heads.length, 2);
  assert.deepEqual((await heads('max', [{ layerIdx: 0, headIdx: 0 }])).args.heads, [{ layerIdx: 0, headIdx: 0 }]);
  const options = { method: 'mean', direction: 'attends', heads: 'all' } as const;
  await assert.rejects(details.relevance(options, range, map), { code: 'no-analysis' });
  await assert.rejects(details.relevance(options, range, { ...map, analysisId: 2 }), { code: 'no-analysis' });
  assert.equal(client.requests.length, 3);
});
