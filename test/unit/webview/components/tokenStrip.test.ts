import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findInTokens, stepToken } from '../../../../webview/components/tokenStrip';

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

test('typing finds text across tokens, from a token on and round to the start', () => {
  const labels = ['', 'The', ' in', 'ven', 'tory', ' The', 'n'];
  for (const [text, from, to] of [
    ['the', 0, 1],
    ['the', 2, 5],
    ['the', 6, 1],
    ['INVENT', 0, 2],
    ['tory t', 0, 4],
    ['zzz', 0, null],
    ['', 0, null],
  ] as const) {
    assert.equal(findInTokens(labels, text, from), to, `${text} from ${from}`);
  }
  assert.equal(findInTokens([], 'a', 0), null);
});
