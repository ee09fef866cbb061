import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ContextKeys } from '../../src/contextKeys';

test('a key is set at first and when its value changed, not with every state', () => {
  const sent: [string, boolean][] = [];
  const keys = new ContextKeys((key, value) => sent.push([key, value]));
  for (const value of [false, false, true, true, false]) keys.set('a', value);
  keys.set('b', true);
  assert.deepEqual(sent, [
    ['a', false],
    ['a', true],
    ['a', false],
    ['b', true],
  ]);
});
