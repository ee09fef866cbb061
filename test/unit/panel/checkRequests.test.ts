import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from 'valibot';
import { checkRange, checkSelection, checkView } from '../../../src/panel/checkRequests';
import type { ModelSummary } from '../../../src/shared/analysis';
import type { PanelRequests } from '../../../src/shared/panel/panelMessages';
import { panelArguments } from '../../../src/shared/panel/panelSchemas';

type Name = keyof PanelRequests;
const map = { analysisId: 1, layerIdx: 0, headIdx: 0, stage: 'scores' };
const tile = { ...map, queryStart: 0, keyStart: 0, nQueries: 256, nKeys: 256 };
const range = { ...map, range: { first: 1, end: 4 }, direction: 'attends' };
const rect = { queryStart: 2, keyStart: 0, nQueries: 3, nKeys: 4 };
const style = { colorMap: 'redBlue', scale: 'linear', part: rect, isAllStages: true };
const thumbnails = { analysisId: 1, layerIdx: 0, headStart: 2, nHeads: 3 };
const layer = { analysisId: 1, layerIdx: 0 };
const part = { ...layer, headIdx: 0, part: 'pre_softmax_conv' };

const good: readonly [Name, object][] = [
  ['overview', map],
  ['tile', tile],
  ['tile', { ...tile, nQueries: 1, nKeys: 4096 }],
  ['patch', { ...layer, stage: 'pattern', queryStart: 0, keyStart: 3, nQueries: 9, nKeys: 9 }],
  ['kernels', layer],
  ['kernelHistory', layer],
  ['largestChanges', part],
  ['rangeWeights', range],
  ['selectToken', { tokenIdx: 3, anchorIdx: 1, reveal: false }],
  ['save', { ...style, format: 'png' }],
  ['picture', { ...style, partIdx: 2 }],
  ['setTab', { tab: 'lens' }],
  ['command', { command: 'cancel' }],
  ['stepAblation', { step: 'undo' }],
  ['thumbnails', thumbnails],
];
for (const [name, args] of good) {
  test(`${name} has the right form; what nobody asked for is dropped`, () => {
    assert.deepEqual(parse(panelArguments[name], { ...args, extra: 1 }), args);
  });
}

test('a selection without an anchor is of one token', () => {
  assert.deepEqual(parse(panelArguments.selectToken, { tokenIdx: null, reveal: true }), {
    ...{ tokenIdx: null, anchorIdx: null, reveal: true },
  });
});

const bad: readonly [string, Name, unknown][] = [
  ['no object', 'overview', undefined],
  ['a negative layer', 'overview', { ...map, layerIdx: -1 }],
  ['a head that is text', 'overview', { ...map, headIdx: '0' }],
  ['an unknown stage', 'overview', { ...map, stage: '__proto__' }],
  ['a tile that is too large', 'tile', { ...tile, nKeys: 257 }],
  ['a tile with NaN', 'tile', { ...tile, keyStart: Number.NaN }],
  ['a patch with a part of a row', 'patch', { ...tile, nQueries: 0.5 }],
  ['a patch of an unknown stage', 'patch', { ...tile, stage: 'values' }],
  ['a layer that is not whole', 'kernels', { ...layer, layerIdx: 0.5 }],
  ['an unknown part', 'largestChanges', { ...part, part: 'values' }],
  ['an empty range', 'rangeWeights', { ...range, range: { first: 1, end: 1 } }],
  ['no range', 'rangeWeights', { ...map, direction: 'attends' }],
  ['an unknown direction', 'rangeWeights', { ...range, direction: 'up' }],
  ['a view that is half a difference', 'setView', { ...map, difference: 'yes' }],
  ['a tab that is not a word', 'setTab', { tab: 'lens&x' }],
  ['a tab that is too long', 'setTab', { tab: 'a'.repeat(21) }],
  ['an unknown format', 'save', { ...style, format: 'exe' }],
  ['a part that is none', 'picture', { ...style, partIdx: -1 }],
  ['an unknown color map', 'picture', { ...style, partIdx: 0, colorMap: 'constructor' }],
  ['an unknown command', 'command', { command: 'toString' }],
  ['an unknown step', 'stepAblation', { step: 'again' }],
  ['no heads', 'setRelevance', { method: 'mean', direction: 'attends', heads: [] }],
  ...[{ nHeads: 0 }, { nHeads: 129 }, { nHeads: 1.5 }, { headStart: -1 }, { layerIdx: '0' }].map(
    (wrong): [string, Name, unknown] => [
      `thumbnails with ${JSON.stringify(wrong)}`,
      'thumbnails',
      { ...thumbnails, ...wrong },
    ],
  ),
];
for (const [what, name, args] of bad) {
  test(`refuses ${what}`, () => {
    assert.throws(() => parse(panelArguments[name], args), { name: 'ValiError' });
  });
}

const view = { layerIdx: 1, headIdx: 2, stage: 'pattern', difference: false } as const;
const model = { nLayers: 2, nHeads: 3 } as ModelSummary;

test('what the model or the run does not have is refused, with what was expected', () => {
  assert.equal(checkView(view, model), view);
  assert.throws(() => checkView({ ...view, layerIdx: 2 }, model), /layerIdx is 2, expected less than 2/);
  assert.throws(() => checkView({ ...view, headIdx: 3 }, model), /headIdx is 3, expected less than 3/);
  assert.throws(() => checkView({ ...view, layerIdx: 0 }, null), RangeError);
  const selection = { tokenIdx: 3, anchorIdx: 1, reveal: false };
  assert.deepEqual(checkSelection(selection, 4), selection);
  assert.deepEqual(checkSelection({ ...selection, tokenIdx: null }, 4), {
    ...selection,
    tokenIdx: null,
    anchorIdx: null,
  });
  assert.throws(() => checkSelection(selection, 3), /tokenIdx is 3, expected less than 3/);
  assert.throws(() => checkSelection({ ...selection, anchorIdx: 4 }, 4), /anchorIdx is 4/);
  const address = parse(panelArguments.rangeWeights, range);
  assert.equal(checkRange(address, 4), address);
  assert.throws(() => checkRange(address, 3), /range ends at 4, expected at most 3/);
});
