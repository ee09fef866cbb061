/** Lines as marks along a map: the first token of each, what it declares, and which of them fit. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fittingMarks, lineMarks, symbolOf } from '../../../src/shared/lineMarks';

test('a line is marked at its first token; the begin token is in no line', () => {
  const labels = ['', 'class', ' A', ':\n', '  x', '\n', '\n', 'def', ' run'];
  assert.deepEqual(
    lineMarks(labels, 10).map(({ tokenIdx, line, symbol }) => [tokenIdx, line, symbol]),
    [
      [1, 10, 'A'],
      [4, 11, ''],
      [6, 12, ''],
      [7, 13, 'run'],
    ],
  );
  assert.deepEqual(lineMarks([], 1), []);
  assert.deepEqual(lineMarks([''], 1), []);
});

const declarations: [string, string][] = [
  ['export function toReference(buffer: ArrayBuffer): Reference {', 'toReference'],
  ['  private static async valueFor<T>(key: T) {', 'valueFor'],
  ['class Größe extends Base {', 'Größe'],
  ['export const limit = 3;', 'limit'],
  ['    def _handle_long_word(self, cur_line):', '_handle_long_word'],
  ['pub fn main() {', 'main'],
  ['## How it works ##', 'How it works'],
  ['  if (x) {', ''],
  ['  } else if (x > 1) {', ''],
  ['  for (const a of b) {', ''],
  ['  const inner = 3;', ''],
  ['call(a, b);', ''],
  ['the class of things', ''],
  ['', ''],
];
for (const [text, symbol] of declarations) {
  test(`the symbol of ${JSON.stringify(text)} is ${JSON.stringify(symbol)}`, () => {
    assert.equal(symbolOf(text), symbol);
  });
}

test('declarations come before other lines, and none is too near to another', () => {
  const marks = [0, 1, 2, 3, 4, 5].map(i => ({ tokenIdx: i * 10, line: i + 1, symbol: i === 3 ? 'f' : '' }));
  const at = (spacing: number, origin = 0) => fittingMarks(marks, origin, 1, 60, spacing).map(({ line }) => line);
  assert.deepEqual(at(10), [1, 2, 3, 4, 5, 6]);
  assert.deepEqual(at(15), [1, 4, 6]);
  assert.deepEqual(at(100), [4]);
  assert.deepEqual(at(10, -25), [4, 5, 6]);
});
