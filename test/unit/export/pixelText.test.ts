import assert from 'node:assert/strict';
import { test } from 'node:test';
import { breakLines, drawText, heightOf } from '../../../src/export/pixelText';

/** The text as lines of # and spaces. */
function drawn(text: string): string[] {
  const written = breakLines([text], 600, 1);
  const width = 6 * text.length;
  const pixels = new Uint8Array(width * heightOf(written) * 3).fill(255);
  drawText(pixels, width, written, 0, 0);
  return Array.from({ length: 7 }, (_, y) =>
    Array.from({ length: width }, (_, x) => (pixels[(y * width + x) * 3] === 255 ? ' ' : '#')).join(''),
  );
}

test('letters look like letters', () => {
  assert.deepEqual(drawn('Lp'), [
    '#           ',
    '#           ',
    '#     ####  ',
    '#     #   # ',
    '#     ####  ',
    '#     #     ',
    '##### #     ',
  ]);
});

test('every printable ASCII character has a glyph of its own, and the caption’s signs have one', () => {
  const ascii = Array.from({ length: 94 }, (_, i) => String.fromCharCode(33 + i));
  const shapes = ascii.map(character => drawn(character).join('\n'));
  assert.ok(shapes.every(shape => shape.includes('#')));
  assert.equal(new Set(shapes).size, ascii.length);
  for (const character of '·–−…±') assert.notDeepEqual(drawn(character), drawn('?'), character);
});

test('lines break between words, long words inside; accents go, other scripts are question marks', () => {
  assert.deepEqual(breakLines(['one two three', 'x'.repeat(13)], 60, 1).lines, [
    'one two',
    'three',
    'xxxxxxxxxx',
    'xxx',
  ]);
  assert.deepEqual(breakLines(['ünï 語 😀'], 600, 2).lines, ['uni ? ?']);
});
