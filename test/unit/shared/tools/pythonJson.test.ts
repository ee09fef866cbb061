import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePythonJson } from '../../../../src/shared/tools/pythonJson';

test('numbers that only Python writes', () => {
  const text = '{"a": Infinity, "b": [-Infinity, NaN, 1], "Infinity": "NaN, \\"Infinity", "c": -1.5e3}';
  assert.deepEqual(parsePythonJson(text), {
    ...{ a: Number.POSITIVE_INFINITY, b: [Number.NEGATIVE_INFINITY, 'NaN', 1] },
    ...{ Infinity: 'NaN, "Infinity', c: -1500 },
  });
});

test('everything else is JSON or refused', () => {
  assert.deepEqual(parsePythonJson('[1, "x"]'), [1, 'x']);
  for (const text of ['{a: Infinity}', 'Infinit', '+Infinity', '[Infinity', '--Infinity', '"NaN']) {
    assert.throws(() => parsePythonJson(text), SyntaxError);
  }
});
