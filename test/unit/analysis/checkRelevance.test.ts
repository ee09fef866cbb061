import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkRelevance } from '../../../src/analysis/checkRelevance';

test('options from outside are checked field by field', () => {
  const good = { method: 'rollout', direction: 'attends', heads: [{ layerIdx: 1, headIdx: 2, extra: 1 }] };
  assert.deepEqual(checkRelevance(good), { ...good, heads: [{ layerIdx: 1, headIdx: 2 }] });
  for (const bad of [
    null,
    7,
    {},
    { ...good, method: 'sum' },
    { ...good, direction: 'sideways' },
    { ...good, heads: [] },
    { ...good, heads: 'some' },
    { ...good, heads: [{ layerIdx: -1, headIdx: 0 }] },
    { ...good, heads: [null] },
  ]) {
    assert.equal(checkRelevance(bad), null, JSON.stringify(bad));
  }
});
