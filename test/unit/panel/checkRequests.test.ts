import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkExport, checkPicture } from '../../../src/panel/checkExport';
import {
  checkLayer,
  checkMap,
  checkPart,
  checkPatch,
  checkRange,
  checkSelection,
  checkStep,
  checkTab,
  checkThumbnails,
  checkTile,
  checkView,
} from '../../../src/panel/checkRequests';
import type { ModelSummary } from '../../../src/shared/analysis';

const map = { analysisId: 1, layerIdx: 0, headIdx: 0, stage: 'scores' } as const;
const tile = { ...map, queryStart: 0, keyStart: 0, nQueries: 256, nKeys: 256 };
const model = { nLayers: 2, nHeads: 3 } as ModelSummary;

test('lets through what is in range', () => {
  assert.deepEqual(checkMap(map), map);
  assert.deepEqual(checkTile(tile), tile);
  assert.deepEqual(checkTile({ ...tile, nQueries: 1, nKeys: 4096 }).nKeys, 4096);
  assert.equal(
    checkView({ layerIdx: 1, headIdx: 2, stage: 'pattern', difference: 'yes' as never }, model).difference,
    false,
  );
  assert.deepEqual(checkSelection({ tokenIdx: null, reveal: true }, 0), {
    tokenIdx: null,
    anchorIdx: null,
    reveal: true,
  });
  assert.equal(checkSelection({ tokenIdx: 3, anchorIdx: 1, reveal: false }, 4).anchorIdx, 1);
  const range = { ...map, range: { first: 1, end: 4 }, direction: 'attends' } as const;
  assert.deepEqual(checkRange(range, 4), range);
  const style = { colorMap: 'redBlue', leavesOutFirst: 1 as never } as const;
  assert.deepEqual(checkExport({ ...style, format: 'png' }), { ...style, leavesOutFirst: false, format: 'png' });
});

const bad: [string, () => unknown][] = [
  ['no object', () => checkMap(undefined as never)],
  ['a negative layer', () => checkMap({ ...map, layerIdx: -1 })],
  ['a head that is text', () => checkMap({ ...map, headIdx: '0' as never })],
  ['an unknown stage', () => checkMap({ ...map, stage: '__proto__' as never })],
  ['a tile that is too large', () => checkTile({ ...tile, nKeys: 257 })],
  ['a tile with NaN', () => checkTile({ ...tile, keyStart: Number.NaN })],
  ['a view outside the model', () => checkView({ layerIdx: 2, headIdx: 0, stage: 'scores', difference: false }, model)],
  ['a view without a model', () => checkView({ layerIdx: 0, headIdx: 0, stage: 'scores', difference: false }, null)],
  ['a patch with a part of a row', () => checkPatch({ ...tile, nQueries: 0.5 })],
  ['a patch of an unknown stage', () => checkPatch({ ...tile, stage: 'values' as never })],
  ['a layer that is none', () => checkLayer({ analysisId: 1, layerIdx: 0.5 })],
  ['an unknown part', () => checkPart({ analysisId: 1, layerIdx: 0, headIdx: 0, part: 'values' as never })],
  ['a token outside the window', () => checkSelection({ tokenIdx: 5, reveal: false }, 5)],
  ['an anchor outside the window', () => checkSelection({ tokenIdx: 1, anchorIdx: 5, reveal: false }, 5)],
  ['an empty range', () => checkRange({ ...map, range: { first: 1, end: 1 }, direction: 'attends' }, 5)],
  ['a tab that is no word', () => checkTab({ tab: 'lens&x' })],
  ['no range', () => checkRange({ ...map, direction: 'attends' } as never, 5)],
  ['an unknown direction', () => checkRange({ ...map, range: { first: 0, end: 1 }, direction: 'up' as never }, 5)],
  ['an unknown format', () => checkExport({ format: 'exe' as never, colorMap: 'redBlue', leavesOutFirst: false })],
  ['a part that is none', () => checkPicture({ partIdx: -1, colorMap: 'redBlue', leavesOutFirst: false })],
  ['an unknown colour map', () => checkExport({ colorMap: 'constructor' as never, leavesOutFirst: false })],
];
for (const [what, run] of bad) test(`refuses ${what}`, () => assert.throws(run));

test('thumbnails and steps: counts within limits, known words only', () => {
  const address = { analysisId: 1, layerIdx: 0, headStart: 2, nHeads: 3 };
  assert.deepEqual(checkThumbnails({ ...address, extra: 1 } as never), address);
  for (const wrong of [{ nHeads: 0 }, { nHeads: 129 }, { nHeads: 1.5 }, { headStart: -1 }, { layerIdx: '0' }]) {
    assert.throws(() => checkThumbnails({ ...address, ...wrong } as never), RangeError);
  }
  assert.equal(checkStep({ step: 'undo' }), 'undo');
  assert.throws(() => checkStep({ step: 'again' } as never), RangeError);
});
