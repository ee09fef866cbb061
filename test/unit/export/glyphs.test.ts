import assert from 'node:assert/strict';
import { test } from 'node:test';
import { drawText, glyphCell, textCells } from '../../../src/export/glyphs';

/** The darkness of each pixel of a text, row after row. */
function drawn(text: string, isVertical = false): Uint8Array {
  const { width, height, baseline } = glyphCell;
  const edge = Math.max(width * textCells(text), height);
  const raster = { width: edge, height: edge, pixels: new Uint8Array(edge * edge * 3).fill(255) };
  const place = isVertical ? { x: baseline, y: edge - 1 } : { x: 0, y: baseline };
  drawText(raster, text, { ...place, color: [0, 0, 0], isBold: false, isVertical });
  return raster.pixels.filter((_, i) => i % 3 === 0).map(value => 255 - value);
}
const ink = (pixels: Uint8Array) => pixels.reduce((sum, value) => sum + value, 0);
const key = (text: string) => Buffer.from(drawn(text)).toString('base64');

test('every printable ASCII character has a glyph of its own, and so have the signs of captions and axes', () => {
  const ascii = Array.from({ length: 94 }, (_, i) => String.fromCharCode(33 + i));
  const all = [...ascii, ...'·–−…±≤≥→↓⏎␣∅äßéñøžЖщΩλ'];
  assert.equal(new Set(all.map(key)).size, all.length);
  assert.ok(all.every(character => ink(drawn(character)) > 500));
});

test('other scripts are boxes as wide as they stand, marks take no room, accents are one letter', () => {
  assert.equal(key('م'), key('ก'));
  assert.deepEqual(['ab', '漢', 'e\u0301', 'a\u200d', '😀'].map(textCells), [2, 2, 1, 1, 2]);
  assert.equal(key('e\u0301'), key('é'));
  assert.equal(ink(drawn(' ')), 0);
});

test('upwards is the same ink, turned', () => {
  assert.equal(ink(drawn('Turned', true)), ink(drawn('Turned')));
});
