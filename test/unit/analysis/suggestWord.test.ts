import assert from 'node:assert/strict';
import { test } from 'node:test';
import { suggestWord } from '../../../src/analysis/suggestWord';

/** Tokens of a text behind a begin token, with bits. */
function tokensOf(parts: readonly (readonly [string, number])[]) {
  const labels = ['<begin>', ...parts.map(([text]) => text)];
  const offsets = Uint32Array.of(
    0,
    ...parts.map(
      (_, i) =>
        parts
          .slice(0, i)
          .map(([text]) => text)
          .join('').length,
    ),
  );
  const length = parts.map(([text]) => text).join('').length;
  const bits = Float32Array.of(Number.NaN, ...parts.map(([, bits]) => bits));
  return { tokens: { labels, offsets: Uint32Array.of(...offsets, length) }, bits };
}

// "const byteWidth = 7;\nlen = 12345"
const { tokens, bits } = tokensOf([
  ['const', 4],
  [' byte', 3],
  ['Width', 2],
  [' =', 9],
  [' 7', 20],
  [';', 1],
  ['\n', 1],
  ['len', 8],
  [' =', 1],
  [' 12345', 30],
]);
const whole = [{ start: 0, end: 99 }];

test('the word at the cursor, with all its tokens, also from its end', () => {
  for (const cursor of [6, 8, 12, 15]) {
    assert.deepEqual(suggestWord(tokens, bits, { cursor, visible: whole }), { first: 2, end: 4 }, String(cursor));
  }
});

test('a cursor at the very start or on no word: the most surprising identifier in view', () => {
  for (const cursor of [0, 20, null]) {
    assert.deepEqual(suggestWord(tokens, bits, { cursor, visible: whole }), { first: 8, end: 9 }, String(cursor));
  }
});

test('of what is on screen alone; of everything where no identifier is', () => {
  assert.deepEqual(suggestWord(tokens, bits, { cursor: 0, visible: [{ start: 0, end: 16 }] }), { first: 2, end: 4 });
  assert.deepEqual(suggestWord(tokens, bits, { cursor: 0, visible: [{ start: 16, end: 19 }] }), { first: 8, end: 9 });
});

test('an identifier whose token begins with a sign counts', () => {
  const { tokens, bits } = tokensOf([
    ['item', 1],
    ['.quantity', 7],
    ['(7', 9],
  ]);
  assert.deepEqual(suggestWord(tokens, bits, { cursor: 0, visible: whole }), { first: 2, end: 3 });
});

test('numbers, signs and a first token that nothing predicts are no answer', () => {
  const { tokens, bits } = tokensOf([
    [' 1', 5],
    [' +', 5],
  ]);
  assert.equal(suggestWord(tokens, bits, { cursor: null, visible: whole }), null);
  const lone = { labels: ['word'], offsets: Uint32Array.of(0, 4) };
  assert.equal(suggestWord(lone, Float32Array.of(Number.NaN), { cursor: 2, visible: whole }), null);
});
