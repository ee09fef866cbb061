import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeCell } from '../../../../webview/components/mapTooltip';

test('a cell is described by the places of its tokens, made visible, and its value', () => {
  const names = { labels: [' a', '\n', 'b'], firstLine: 7 };
  const describe = (queryIdx: number, keyIdx: number, kind: 'exact' | 'masked' | 'absent') =>
    describeCell({ queryIdx, keyIdx }, kind === 'exact' ? { kind, value: -0.5 } : { kind }, names);
  assert.equal(describe(2, 0, 'exact'), 'query line 8 `b` (2), key line 7 `␣a` (0): −0.5000');
  assert.equal(describe(0, 1, 'masked'), 'query line 7 `␣a` (0), key line 7 `⏎` (1): masked: key after query');
  const nothing = describeCell({ queryIdx: 1, keyIdx: 0 }, { kind: 'absent' }, { labels: [], firstLine: 1 });
  assert.equal(nothing, 'query before the text (1), key before the text (0): not loaded yet');
});
