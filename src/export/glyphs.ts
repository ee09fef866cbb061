/** Writes text into pixels, where no canvas is at hand: letters of one width, drawn once by scripts/glyphs.mjs. Pure. */

import { inflateSync } from 'fflate';
import type { Rgb } from '../shared/colorScale';
import glyphs from './glyphs.json';

/** Pixels of a glyph's cell. */
export const glyphCell = { width: glyphs.width, height: glyphs.height, baseline: glyphs.baseline };

const glyphSize = glyphCell.width * glyphCell.height;
const indexOf = new Map(Array.from(glyphs.characters, (character, i) => [character, i]));
let unpacked: Uint8Array | undefined;

/** Coverage of each pixel of all glyphs, 0 to 15. */
function levels(): Uint8Array {
  if (!unpacked) {
    const packed = inflateSync(Buffer.from(glyphs.levels, 'base64'));
    unpacked = Uint8Array.from({ length: 2 * packed.length }, (_, i) => (packed[i >> 1]! >> (i % 2 ? 0 : 4)) & 15);
  }
  return unpacked;
}

/** Pixels to write on. */
export interface Raster {
  readonly width: number;
  readonly height: number;
  /** Shape [height, width, 3]. */
  readonly pixels: Uint8Array;
}

export interface TextPlace {
  /** Start of the baseline. */
  readonly x: number;
  readonly y: number;
  readonly color: Rgb;
  /** Twice, a pixel apart. */
  readonly isBold: boolean;
  /** Upwards. */
  readonly isVertical: boolean;
}

/** Cells that a character takes: two where it is as wide as it is high, none for a mark on the one before. */
function cellsOf(character: string): number {
  if (/[\p{M}\p{Cf}]/u.test(character)) return 0;
  return /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Emoji_Presentation}\u3000-\u303f\uff01-\uff60]/u.test(
    character,
  )
    ? 2
    : 1;
}

/** Cells that a text takes. */
export function textCells(text: string): number {
  return Array.from(text.normalize('NFC')).reduce((total, character) => total + cellsOf(character), 0);
}

/** Draws a text; a character without a glyph is an empty box of its width. */
export function drawText(raster: Raster, text: string, { x, y, color, isBold, isVertical }: TextPlace): void {
  let left = 0;
  const dot = (column: number, row: number, level: number) => {
    const [atX, atY] = isVertical ? [x + row, y - column] : [x + column, y + row];
    if (atX < 0 || atY < 0 || atX >= raster.width || atY >= raster.height) return;
    const at = (atY * raster.width + atX) * 3;
    for (const [channel, ink] of color.entries()) {
      const under = raster.pixels[at + channel]!;
      raster.pixels[at + channel] = Math.round(under + ((ink - under) * level) / 15);
    }
  };
  for (const character of text.normalize('NFC')) {
    const width = cellsOf(character) * glyphCell.width;
    const levelOf = coverageOf(character, width);
    for (let row = 0; levelOf && row < glyphCell.height; row++) {
      for (let column = 0; column < width; column++) {
        const level = Math.max(levelOf(column, row), isBold ? levelOf(column - 1, row) : 0);
        if (level > 0) dot(left + column, row - glyphCell.baseline, level);
      }
    }
    left += width;
  }
}

function coverageOf(character: string, width: number): ((column: number, row: number) => number) | null {
  if (character === ' ' || width === 0) return null;
  const idx = indexOf.get(character);
  if (idx !== undefined) {
    const start = idx * glyphSize;
    return (column, row) => (column < 0 ? 0 : levels()[start + row * glyphCell.width + column]!);
  }
  const [right, top, bottom] = [width - 3, 4, glyphCell.baseline - 1];
  return (column, row) => {
    const isInside = column >= 2 && column <= right && row >= top && row <= bottom;
    return isInside && (column === 2 || column === right || row === top || row === bottom) ? 9 : 0;
  };
}
