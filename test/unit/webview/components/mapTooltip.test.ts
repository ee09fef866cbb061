import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeCell } from '../../../../webview/components/mapTooltip';
import { Places } from '../../../../webview/places';

test('a cell is described by the places of its tokens, made visible, and its value', () => {
  const places = new Places({ labels: [' a', '\n', 'b'], offsets: Uint32Array.of(0, 2, 3, 4) }, 7);
  const describe = (queryIdx: number, keyIdx: number, kind: 'exact' | 'masked' | 'absent') =>
    describeCell({ queryIdx, keyIdx }, kind === 'exact' ? { kind, value: -0.5 } : { kind }, places);
  assert.equal(describe(2, 0, 'exact'), 'query line 8 `b`, key line 7 `a`: −0.5000');
  assert.equal(describe(0, 1, 'masked'), 'query line 7 `a`, key line 7 `⏎`: masked: key after query');
  const nothing = new Places({ labels: [], offsets: Uint32Array.of(0) }, 1);
  const said = describeCell({ queryIdx: 1, keyIdx: 0 }, { kind: 'absent' }, nothing);
  assert.equal(said, 'query before the text, key before the text: not loaded yet');
});
