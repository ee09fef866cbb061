import assert from 'node:assert/strict';
import { test } from 'node:test';
import { firstLength, lengthFor, RangeLength } from '../../../src/analysis/rangeLength';
import { fakeMemento } from '../../fixtures/analysis';

test('a range is as long as a first map takes 1.5 s, by steps and in whole 64s', () => {
  for (const [nTokens, ms, length] of [
    [512, 1500, 512],
    [512, 100, 1024], // at most doubled at once
    [512, 667, 767 - (767 % 64)],
    [512, 3000, 256],
    [2048, 1600, 1920],
    [512, 60_000, 128],
    [64, 0.1, 128],
  ] as const) {
    assert.equal(lengthFor({ nTokens, ms }), length, `${nTokens} tokens in ${ms} ms`);
  }
});

test('each model has its own length; the fastest of the last runs counts, a cold one shortens nothing', () => {
  const memory = fakeMemento();
  const lengths = new RangeLength(memory);
  assert.deepEqual([lengths.of('m'), lengths.measured('m')], [firstLength, undefined]);
  lengths.add('m', { nTokens: 512, ms: 9000 }, true);
  assert.equal(lengths.of('m'), 512, 'the model was just loaded');
  lengths.add('m', { nTokens: 512, ms: 300 }, true);
  assert.deepEqual(
    [lengths.of('m'), lengths.measured('m'), lengths.of('other')],
    [1024, { nTokens: 512, ms: 300 }, 512],
  );
  lengths.add('m', { nTokens: 30, ms: 1 }, false);
  assert.equal(lengths.of('m'), 1024, 'a short run says nothing of long ones');
  lengths.add('m', { nTokens: 1024, ms: 3000 }, false);
  assert.equal(lengths.of('m'), 1024, 'the machine may have been busy');
  lengths.add('m', { nTokens: 1024, ms: 3000 }, false);
  lengths.add('m', { nTokens: 1024, ms: 3000 }, false);
  assert.equal(lengths.of('m'), 512, 'it is slower now');
  assert.equal(new RangeLength(memory).of('m'), 512, 'kept over restarts');
});

test('what another version stored does no harm', () => {
  for (const held of [null, 7, [], { m: 3 }, { m: [{ nTokens: -1, ms: 2 }, null, 'x'] }]) {
    assert.equal(new RangeLength(fakeMemento({ 'mtaInspector.firstMapTimes': held })).of('m'), firstLength);
  }
});
