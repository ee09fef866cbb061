import assert from 'node:assert/strict';
import { test } from 'node:test';
import { piecesAround } from '../../../../src/shared/tools/textPieces';
import { Random } from '../../../random';

const random = new Random(8);
const lines = Array.from({ length: 4000 }, () => 'x'.repeat(random.below(120))).join('\n');
const texts: [string, string][] = [
  ['lines', lines],
  ['one long line', 'y'.repeat(100_000)],
  ['surrogate pairs', '😀'.repeat(40_000)],
  ['short', 'abc'],
];
for (const [name, text] of texts) {
  test(`pieces cover the text once, the nearest first, and tear nothing apart: ${name}`, () => {
    for (const anchor of [0, random.below(text.length), text.length]) {
      const pieces = [...piecesAround(text, anchor, 8192)];
      const [first] = pieces;
      assert.ok(first![0] <= anchor && anchor <= first![1]);
      const ordered = pieces.toSorted(([a], [b]) => a - b);
      assert.equal(ordered.map(([start, end]) => text.slice(start, end)).join(''), text);
      for (const [start, end] of pieces) {
        assert.ok(end > start && end - start <= 8192 + 4001);
        assert.equal(Buffer.from(text.slice(start, end)).toString(), text.slice(start, end));
        if (name === 'lines' && start > 0) assert.equal(text[start - 1], '\n');
      }
    }
  });
}

test('an empty text has no pieces', () => {
  assert.deepEqual([...piecesAround('', 0)], []);
});
