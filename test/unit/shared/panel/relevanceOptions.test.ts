import assert from 'node:assert/strict';
import { test } from 'node:test';
import { is, parse } from 'valibot';
import { relevanceOptions } from '../../../../src/shared/panel/panelSchemas';

test('options from outside are checked field by field', () => {
  const good = { method: 'rollout', direction: 'attends', heads: [{ layerIdx: 1, headIdx: 2, extra: 1 }] };
  assert.deepEqual(parse(relevanceOptions, good), { ...good, heads: [{ layerIdx: 1, headIdx: 2 }] });
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
    assert.ok(!is(relevanceOptions, bad), JSON.stringify(bad));
  }
});
