/** The form of every request of the panel: what is accepted, and the next value on either side that is not. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as v from 'valibot';
import { measures } from '../../../../src/attention/headRanking';
import type { PanelRequests } from '../../../../src/shared/panel/panelMessages';
import { panelAnswers, panelArguments, panelEvents } from '../../../../src/shared/panel/panelSchemas';

const measureNames = measures.map(({ name }) => name);
const run = { analysisId: 1 };
const layer = { ...run, layerIdx: 0 };
const map = { ...layer, headIdx: 0, stage: 'mixed_pattern' };
const rect = { queryStart: 0, keyStart: 0, nQueries: 1, nKeys: 4 };
const style = { colorMap: 'redBlue', scale: 'linear' };
const edit = { part: 'pre_softmax_conv', layerIdx: 0, headIdx: null, weights: null };
const notIndices = [-1, 0.5, Number.NaN, '0', undefined, Number.MAX_SAFE_INTEGER + 1];
const notIndicesOrNull = [-1, 0.5, '0', undefined];

/** A request as it should be, and per field values that it must not have. */
const requests: Record<
  keyof PanelRequests,
  readonly [good: object, bad: Readonly<Record<string, readonly unknown[]>>]
> = {
  ready: [{}, {}],
  overview: [
    map,
    { analysisId: notIndices, layerIdx: notIndices, headIdx: notIndices, stage: ['values', '__proto__', undefined] },
  ],
  tile: [
    { ...map, ...rect },
    { queryStart: notIndices, keyStart: notIndices, nQueries: notIndices, nKeys: notIndices, stage: [0] },
  ],
  patch: [
    { ...layer, ...rect, stage: 'scores' },
    { layerIdx: notIndices, nQueries: notIndices, nKeys: notIndices, stage: ['x'] },
  ],
  kernels: [layer, { analysisId: notIndices, layerIdx: notIndices }],
  kernelHistory: [layer, { analysisId: notIndices, layerIdx: notIndices }],
  largestChanges: [
    { ...layer, headIdx: 1, part: 'pre_softmax_conv' },
    { headIdx: notIndices, part: ['values', undefined] },
  ],
  setView: [
    { layerIdx: 0, headIdx: 0, stage: 'scores', difference: true },
    { layerIdx: notIndices, headIdx: notIndices, stage: ['x'], difference: ['yes', 1] },
  ],
  selectToken: [
    { tokenIdx: null, reveal: false },
    { tokenIdx: notIndicesOrNull, anchorIdx: [-1, 0.5, '0'], reveal: [1, undefined] },
  ],
  predictions: [run, { analysisId: notIndices }],
  answer: [
    { analysisId: 1, row: 2, target: 'actual' },
    { analysisId: notIndices, row: notIndices, target: ['third', 5, undefined] },
  ],
  change: [
    { analysisId: 1, change: { kind: 'edges', cuts: [{ keys: { first: 0, end: 1 } }] }, keeps: true },
    {
      ...{ analysisId: notIndices, keeps: ['yes', undefined] },
      change: [
        ...[null, {}, { kind: 'heads', heads: [], baseline: 'mean' }, { kind: 'edges', cuts: [] }],
        { kind: 'edges', cuts: [{ keys: { first: -1, end: 1 } }] },
        { kind: 'patch', what: 'pattern', layerIdx: 0, headIdx: null, tokens: null, otherId: 1 },
      ],
    },
  ],
  ablateHeads: [
    { analysisId: 1, heads: [{ layerIdx: 1, headIdx: 2 }], baseline: 'mean' },
    { analysisId: notIndices, heads: [[], null, [{ layerIdx: 1 }]], baseline: ['median', undefined] },
  ],
  hide: [
    { analysisId: 1, row: 2, targetId: 3, keys: { first: 0, end: 2 } },
    { row: notIndices, targetId: notIndices, keys: [null, { first: 2, end: 2 }, { first: -1, end: 1 }] },
  ],
  rangeWeights: [
    { ...map, range: { first: 0, end: 1 }, direction: 'attends' },
    { range: [null, {}, { first: 0 }, { first: -1, end: 1 }, { first: 0, end: 0.5 }], direction: ['up', undefined] },
  ],
  context: [{}, {}],
  contextLines: [{}, {}],
  setRelevance: [
    { method: 'mean', direction: 'attendedBy', heads: [{ layerIdx: 0, headIdx: 0 }] },
    { method: ['sum', undefined], direction: ['up'], heads: ['some', [null], [{ layerIdx: 0 }], undefined] },
  ],
  occlude: [{ mode: 'replace' }, { mode: ['delete', undefined] }],
  cancelOcclusion: [{}, {}],
  revealLine: [{ lineIdx: 0 }, { lineIdx: notIndices }],
  showPlace: [
    { queryIdx: 3, keyIdx: 1 },
    { queryIdx: notIndices, keyIdx: notIndices },
  ],
  documentSearch: [{}, {}],
  revealInDocument: [{ offset: 0 }, { offset: notIndices }],
  save: [
    { ...style, format: 'png', part: rect, isAllStages: true },
    {
      ...{ format: ['exe', undefined], colorMap: ['constructor', undefined], scale: ['log', undefined] },
      ...{
        part: [undefined, {}, { ...rect, nQueries: 0 }, { ...rect, keyStart: -1 }],
        isAllStages: ['yes', undefined],
      },
    },
  ],
  copy: [
    { ...style, format: 'csv', part: null, isAllStages: false },
    { format: ['exe', undefined], colorMap: ['constructor'], scale: ['log', undefined] },
  ],
  picture: [
    { ...style, part: null, isAllStages: false, partIdx: 0 },
    { partIdx: notIndices, colorMap: ['x'] },
  ],
  tab: [{}, {}],
  setTab: [{ tab: 'a'.repeat(20) }, { tab: ['', 'a'.repeat(21), 'A', 'a b', 'a&b', 7] }],
  command: [{ command: 'cancel' }, { command: ['x', 'toString', 7, undefined] }],
  setAblation: [
    { scope: 'layer', edits: [edit, { ...edit, part: null, layerIdx: null, headIdx: 3, weights: [1, 2] }] },
    {
      scope: ['all', undefined],
      edits: [null, [null], [{ ...edit, part: 'x' }], [{ ...edit, layerIdx: -1 }], [{ ...edit, weights: ['1'] }]],
    },
  ],
  comparison: [{}, {}],
  stepAblation: [{ step: 'reset' }, { step: ['again', undefined] }],
  rankAblations: [{ withHeads: true }, { withHeads: [1, undefined] }],
  cancelRanking: [{}, {}],
  ranking: [{}, {}],
  headMeasures: [layer, { layerIdx: notIndices }],
  thumbnails: [
    { ...layer, headStart: 0, nHeads: 128 },
    { headStart: notIndices, nHeads: [0, 129, 1.5, '1', undefined] },
  ],
};

for (const [name, [good, bad]] of Object.entries(requests)) {
  test(`arguments of ${name}`, () => {
    const schema = panelArguments[name as keyof PanelRequests];
    const accepts = (value: unknown) => v.is(schema, value);
    assert.ok(accepts(good), 'as it should be');
    for (const value of [null, undefined, 7, 'text']) assert.ok(!accepts(value), `not an object: ${value}`);
    for (const [field, values] of Object.entries(bad)) {
      for (const value of values)
        assert.ok(!accepts({ ...good, [field]: value }), `${field}: ${JSON.stringify(value)}`);
    }
  });
}

test('the ends of what is accepted', () => {
  const { thumbnails, selectToken, setRelevance } = panelArguments;
  assert.ok(v.is(thumbnails, { ...layer, headStart: 5, nHeads: 1 }));
  assert.ok(v.is(selectToken, { tokenIdx: 3, anchorIdx: null, reveal: true }));
  for (const heads of ['layer', 'all']) assert.ok(v.is(setRelevance, { method: 'max', direction: 'attends', heads }));
});

test('answers whose sizes contradict each other are refused', () => {
  const overview = { ...map, nTokens: 2, blockSize: 1, size: 2, scale: 1 };
  assert.ok(v.is(panelAnswers.overview, { ...overview, cells: new Int8Array(4) }));
  assert.ok(!v.is(panelAnswers.overview, { ...overview, cells: new Int8Array(3) }));
  assert.ok(!v.is(panelAnswers.overview, { ...overview, size: 4097, cells: new Int8Array(4097 ** 2) }));
  assert.ok(v.is(panelAnswers.tile, { ...rect, values: new Float32Array(4) }));
  assert.ok(!v.is(panelAnswers.tile, { ...rect, values: new Float32Array(5) }));
  assert.ok(!v.is(panelAnswers.tile, { ...rect, values: [1, 2, 3, 4] }));
  assert.ok(v.is(panelAnswers.patch, { ...rect, nHeads: 2, values: new Float32Array(8) }));
  assert.ok(!v.is(panelAnswers.patch, { ...rect, nHeads: 2, values: new Float32Array(4) }));
  const large = { queryStart: 0, keyStart: 0, nQueries: 4096, nKeys: 4096 };
  assert.ok(!v.is(panelAnswers.patch, { ...large, nHeads: 1, values: new Float32Array(4096 ** 2) }));
});

test('numbers that are not there are accepted in answers: NaN, and the null it becomes on its way', () => {
  for (const scale of [1, Number.NaN, null]) {
    const overview = { ...map, nTokens: 1, blockSize: 1, size: 1, scale, cells: new Int8Array(1) };
    assert.ok(v.is(panelAnswers.overview, overview));
  }
  const measures = Object.fromEntries(measureNames.map(name => [name, null]));
  assert.ok(v.is(panelAnswers.headMeasures, [{ ...measures, entropyBits: Number.NaN }]));
  assert.ok(!v.is(panelAnswers.headMeasures, [{ ...measures, entropyBits: 'much' }]));
  assert.ok(!v.is(panelAnswers.headMeasures, [{}]));
});

test('events of another form are refused', () => {
  const tokens = { analysisId: 1, labels: ['a'], offsets: new Uint32Array(2) };
  assert.ok(v.is(panelEvents.tokens, tokens));
  assert.ok(!v.is(panelEvents.tokens, { ...tokens, labels: [7] }));
  assert.ok(v.is(panelEvents.state, { selectedToken: 3 }));
  assert.ok(!v.is(panelEvents.state, { selectedToken: -1 }));
  assert.ok(v.is(panelEvents.cell, { queryIdx: 0, keyIdx: 0 }));
  assert.ok(!v.is(panelEvents.cell, { queryIdx: 0 }));
  assert.ok(!v.is(panelEvents.tab, { tab: null }));
  assert.ok(v.is(panelEvents.ranking, null));
});
