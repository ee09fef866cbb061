import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stepToken } from '../../../../webview/components/tokenStrip';

test('keys walk the tokens and never leave them', () => {
  for (const [key, from, to] of [
    ['ArrowRight', null, 0],
    ['ArrowLeft', null, 4],
    ['ArrowRight', 4, 4],
    ['ArrowUp', 0, 0],
    ['ArrowDown', 1, 2],
    ['Home', 3, 0],
    ['End', 3, 4],
    ['Escape', 3, null],
    ['q', 3, undefined],
  ] as const) {
    assert.equal(stepToken(key, from, 5), to, `${key} from ${from}`);
  }
  assert.equal(stepToken('End', null, 0), undefined);
});
