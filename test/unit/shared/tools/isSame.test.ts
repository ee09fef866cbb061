import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { isSame } from '../../../../src/shared/tools/isSame';

test('equal values are the same, and only those', () => {
  const value = { a: 1, b: [1, { c: 'x' }], d: null, e: Number.NaN };
  assert.ok(isSame(value, structuredClone(value)));
  for (const [a, b] of [
    [value, { ...value, a: 2 }],
    [value, { ...value, f: undefined }],
    [{ f: undefined }, { g: undefined }],
    [[1, 2], [1]],
    [[], {}],
    [null, {}],
    ['1', 1],
  ] as const) {
    assert.ok(!isSame(a, b) && !isSame(b, a), JSON.stringify([a, b]));
  }
});

test('it agrees with Node on any JSON', () => {
  const json = fc.jsonValue({ depthSize: 'small' }).map(value => JSON.parse(JSON.stringify(value)));
  fc.assert(fc.property(json, json, (a, b) => isSame(a, b) === isDeepStrictEqual(a, b)));
  fc.assert(fc.property(json, a => isSame(a, structuredClone(a))));
});
