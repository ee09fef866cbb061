import assert from 'node:assert/strict';
import { test } from 'node:test';
import { shown } from '../../../../src/shared/tools/failure';

test('a value in a message is short, whatever it is', () => {
  const cases: [unknown, string][] = [
    [undefined, 'missing'],
    [null, 'null'],
    [true, 'true'],
    [0.1, '0.1'],
    [Number.NaN, 'NaN'],
    [Number.POSITIVE_INFINITY, 'Infinity'],
    ['a "b"', '"a \\"b\\""'],
    ['x'.repeat(61), `"${'x'.repeat(60)}"`],
    [{ a: 1 }, 'an object'],
    [[], '[]'],
    [[1, 'a'], '[1, "a"]'],
    [[1, 2, 3, 4, 5, 6, 7, 8], '[1, 2, 3, 4, 5, 6, 7, 8]'],
    [[1, 2, 3, 4, 5, 6, 7, 8, 9], 'a list of 9'],
    [[1, [2]], 'a list of 2'],
    [[null], 'a list of 1'],
  ];
  for (const [value, text] of cases) assert.equal(shown(value), text);
});
