/** Borders of pieces and slices of long texts, at the units where they change. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { partOf, sliceAround, sliceFrom, withSuffix } from '../../../../src/shared/tools/documentText';
import { shorten } from '../../../../src/shared/tools/plainText';
import { piecesAround } from '../../../../src/shared/tools/textPieces';

test('pieces in order: around the anchor, then by turns after and before', () => {
  const text = 'y'.repeat(20_000);
  assert.deepEqual(
    [...piecesAround(text, 10_000, 4000)],
    [
      [8000, 12_000],
      [12_000, 16_000],
      [4000, 8000],
      [16_000, 20_000],
      [0, 4000],
    ],
  );
});

test('pieces at either end of a text, and a text of one piece', () => {
  assert.deepEqual(
    [...piecesAround('y'.repeat(10_000), 0, 8000)],
    [
      [0, 4000],
      [4000, 10_000],
    ],
  );
  assert.deepEqual(
    [...piecesAround('y'.repeat(10_000), 10_000, 8000)],
    [
      [6000, 10_000],
      [0, 6000],
    ],
  );
  assert.deepEqual([...piecesAround('y'.repeat(4000), 2000, 8000)], [[0, 4000]]);
});

test('short pieces still advance by more than the lines that may be looked back for', () => {
  assert.deepEqual(
    [...piecesAround('y'.repeat(4500), 0, 2)],
    [
      [0, 2001],
      [2001, 4002],
      [4002, 4500],
    ],
  );
});

test('a piece begins behind the last line end within 2000 units', () => {
  const withBreakAt = (...breaks: number[]) => {
    const units = [...'y'.repeat(12_000)];
    for (const at of breaks) units[at] = '\n';
    return units.join('');
  };
  const start = (...breaks: number[]) => [...piecesAround(withBreakAt(...breaks), 8000, 4000)][0]![0];
  assert.equal(start(), 6000);
  assert.equal(start(5000), 5001);
  assert.equal(start(4500, 5000), 5001);
  assert.equal(start(5999), 6000);
  assert.equal(start(6000), 6000);
  assert.equal(start(4000), 4001);
  assert.equal(start(3999), 6000);
});

test('a border inside a surrogate pair moves before it, one beside it stays', () => {
  const start = (...units: [at: number, text: string][]) => {
    let text = 'y'.repeat(12_000);
    for (const [at, piece] of units) text = text.slice(0, at) + piece + text.slice(at + piece.length);
    return [...piecesAround(text, 8000, 4000)][0]![0];
  };
  assert.equal(start([5999, '😀']), 5999);
  assert.equal(start([5998, '😀']), 6000);
  assert.equal(start([6000, '😀']), 6000);
  // Halves that are not a pair.
  assert.equal(start([5999, '\ud83d']), 6000);
  assert.equal(start([6000, '\ude00']), 6000);
  assert.equal(start([5999, '\ude00\ud83d']), 6000);
});

test('a slice has its anchor at three quarters, within the text', () => {
  const text = 'y'.repeat(100);
  const range = (anchor: number) => {
    const { start, text: slice } = sliceAround(text, anchor, 40);
    return [start, start + slice.length];
  };
  assert.deepEqual([0, 29, 30, 31, 50, 90, 100].map(range), [
    [0, 40],
    [0, 40],
    [0, 40],
    [1, 41],
    [20, 60],
    [60, 100],
    [60, 100],
  ]);
  assert.deepEqual(sliceAround(text, 50, 100), { text, start: 0 });
  assert.equal(sliceAround(text, 50, 99).text.length, 99);
});

test('a slice begins at a line where one begins in its first quarter', () => {
  const at = (lineEnd: number) => {
    const text = `${'y'.repeat(lineEnd)}\n${'y'.repeat(99 - lineEnd)}`;
    const { start, text: slice } = sliceAround(text, 50, 40);
    assert.equal(slice, text.slice(start, 60));
    return start;
  };
  assert.deepEqual([19, 20, 28, 29].map(at), [20, 21, 29, 20]);
  assert.equal(sliceAround(`\n${'y'.repeat(99)}`, 0, 40).start, 0, 'the start of the text is one');
});

test('slices from a place', () => {
  assert.deepEqual(sliceFrom('abcdef', 2, 3), { text: 'cde', start: 2 });
  assert.deepEqual(sliceFrom('abcdef', 5, 3), { text: 'f', start: 5 });
  assert.deepEqual(sliceFrom('abcdef', 9, 3), { text: '', start: 6 });
  assert.deepEqual(sliceFrom('abcdef', 2, 6), { text: 'abcdef', start: 0 });
});

test('parts and suffixes of sources', () => {
  const part = partOf('abcdef', 1, 4);
  assert.deepEqual([part.length, part.slice(0, 3), part.slice(1, 9), part.slice(2, 2)], [3, 'bcd', 'cd', '']);
  const whole = withSuffix('abc', 'XY');
  assert.equal(whole.length, 5);
  for (let start = 0; start <= 5; start++) {
    for (let end = start; end <= 6; end++) assert.equal(whole.slice(start, end), 'abcXY'.slice(start, end));
  }
});

test('texts are cut at a length, not inside a pair', () => {
  assert.deepEqual(
    [shorten('abcd', 4), shorten('abcde', 4), shorten('ab😀d', 4), shorten('a😀de', 4)],
    ['abcd', 'abc…', 'ab…', 'a😀…'],
  );
});
