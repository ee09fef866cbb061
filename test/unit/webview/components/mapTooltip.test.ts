import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeCell } from '../../../../webview/components/mapTooltip';

test('a cell is described by its tokens, made visible, and its value', () => {
  const labels = [' a', '\n'];
  const cell = { queryIdx: 1, keyIdx: 0 };
  assert.equal(describeCell(cell, { kind: 'exact', value: -0.5 }, labels), 'query 1 ⏎, key 0 ␣a: −0.5000');
  assert.equal(
    describeCell({ queryIdx: 0, keyIdx: 1 }, { kind: 'masked' }, labels),
    'query 0 ␣a, key 1 ⏎: masked: key after query',
  );
  assert.equal(describeCell(cell, { kind: 'absent' }, []), 'query 1 ∅, key 0 ∅: not loaded yet');
});
