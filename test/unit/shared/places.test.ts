import assert from 'node:assert/strict';
import { test } from 'node:test';
import { linesOfLabels, placeName, readableLabels, textOfTokens, wordAt } from '../../../src/shared/places';

/** Tokens as the engine places them: the first token of a character covers it. */
function tokens(...parts: readonly (string | readonly [label: string, length: number])[]) {
  const labels = parts.map(part => (typeof part === 'string' ? part : part[0]));
  const offsets = new Uint32Array(parts.length + 1);
  for (const [i, part] of parts.entries()) {
    offsets[i + 1] = offsets[i]! + (typeof part === 'string' ? part.length : part[1]);
  }
  return { labels, offsets };
}

test('the bytes of one character are shown as the character, its later bytes as a dot', () => {
  const cases: [ReturnType<typeof tokens>, string[]][] = [
    [tokens('K', ['<0xC3>', 1], ['<0xBC>', 0], 'stenwanderung'), ['K', 'ü', '·', 'stenwanderung']],
    [tokens(['<0xF0><0x9F>', 2], ['<0x98>', 0], ['<0x80>', 0]), ['😀', '·', '·']],
    // One token ends a character and begins the next.
    [tokens(['<0xE6>', 1], ['<0xBC><0xA2><0xE5>', 1], ['<0xAD><0x97>', 0]), ['漢', '字', '·']],
    [tokens('a', ['<0xFF>', 1], 'b'), ['a', '<0xFF>', 'b']],
    // Half of a character at the edge of the range.
    [tokens(['<0xBC>', 0], 'b'), ['<0xBC>', 'b']],
    [tokens('<0xC3>', 'x'), ['<0xC3>', 'x']],
    // A text that only looks like bytes, beside bytes.
    [tokens('<0xC3>', ['<0xC3>', 1], ['<0xBC>', 0]), ['<0xC3>', 'ü', '·']],
    [tokens('plain'), ['plain']],
  ];
  for (const [given, readable] of cases) assert.deepEqual(readableLabels(given), readable);
});

test('a word is all tokens of it; blanks, signs and scripts without spaces part words', () => {
  const words = (...labels: string[]) => labels.map((_, i) => textOfTokens(labels, wordAt(labels, i)));
  assert.deepEqual(words(' byte', 'Width', '(', 'len'), ['byteWidth', 'byteWidth', '(', 'len']);
  assert.deepEqual(words('_', 'handle', '_long', ' word'), ['_handle_long', '_handle_long', '_handle_long', 'word']);
  assert.deepEqual(words('K', 'ü', '·', 'sten', ' x'), ['Küsten', 'Küsten', 'Küsten', 'Küsten', 'x']);
  assert.deepEqual(words('漢', '·', '字', 'の'), ['漢', '漢', '字', 'の']);
  assert.deepEqual(words('2', '02', '6', '-', '11'), ['2026', '2026', '2026', '-', '11']);
  assert.deepEqual(words('\n', '    ', 'if'), ['⏎', '␣␣␣␣', 'if']);
  assert.deepEqual(words('', 'a'), ['∅', 'a']);
  // A dot goes on the character before it, be that a letter or a sign; with nothing before it, it stands alone.
  assert.deepEqual(words('😀', '·', '·', 'x'), ['😀', '😀', '😀', 'x']);
  assert.deepEqual(words('·', 'a'), ['·', 'a']);
  assert.deepEqual(words('', '·', 'a'), ['∅', '·', 'a']);
});

test('lines of tokens are those of the editor, whichever line ends the text has', () => {
  const lines = (first: number, ...labels: string[]) => [...linesOfLabels(labels, first)];
  assert.deepEqual(lines(1, '', 'a', '\n', 'b'), [1, 1, 1, 2]);
  assert.deepEqual(lines(7, 'a', '\r\n', 'b', '\r', 'c', '\n\n', 'd'), [7, 7, 8, 8, 9, 9, 11]);
  assert.deepEqual(lines(1, 'a\r', '\n', 'b'), [1, 1, 2]);
});

test('a place is its line and its text', () => {
  assert.equal(placeName(33, 'byteWidth'), 'line 33 `byteWidth`');
  assert.equal(placeName(null, '∅'), 'before the text');
});
