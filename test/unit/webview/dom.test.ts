import assert from 'node:assert/strict';
import { test } from 'node:test';
import { onChange } from '../../../webview/dom';

test('draws the first time and whenever an input is another one than before', () => {
  const drawn: unknown[][] = [];
  const draw = onChange((...inputs: unknown[]) => void drawn.push(inputs));
  const list = [1];
  const calls = [
    [1, 'a', list],
    [1, 'a', list],
    [2, 'a', list],
    [2, 'a', [1]],
    [Number.NaN, null, undefined],
  ];
  for (const inputs of [...calls, [Number.NaN, null, undefined]]) draw(...inputs);
  assert.deepEqual(drawn, [calls[0], calls[2], calls[3], calls[4]]);
});
