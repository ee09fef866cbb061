/** A figure as a PNG file, two pixels for each of the SVG's. Pure. */

import { encode } from 'fast-png';
import type { Rgb } from '../shared/colorScale';
import { type CellsMark, type Figure, type FrameMark, letterWidth, paper } from './figure';
import { drawText, type Raster, textCells } from './glyphs';
import { captionOf, type MapFacts } from './source';

/** Pixels of a PNG for one of the figure. */
export const pixelRatio = 2;

export function figurePng(figure: Figure, facts: MapFacts): Uint8Array {
  return encodePng(paint(figure), facts);
}

/** The figure's pixels. */
export function paint({ width, height, marks }: Figure): Raster {
  const raster = {
    width: width * pixelRatio,
    height: height * pixelRatio,
    pixels: new Uint8Array(width * height * pixelRatio ** 2 * 3).fill(paper[0]),
  };
  for (const mark of marks) {
    if (mark.kind === 'cells') paintCells(raster, mark);
    else if (mark.kind === 'frame') paintFrame(raster, mark);
    else {
      const { x, y, text, anchor, ...how } = mark;
      const length = textCells(text) * letterWidth * (anchor === 'start' ? 0 : anchor === 'middle' ? 0.5 : 1);
      const [left, bottom] = how.isVertical ? [x, y + length] : [x - length, y];
      drawText(raster, text, { ...how, x: Math.round(left * pixelRatio), y: Math.round(bottom * pixelRatio) });
    }
  }
  return raster;
}

function paintCells({ width, pixels }: Raster, mark: CellsMark): void {
  const [x, y] = [Math.round(mark.x * pixelRatio), Math.round(mark.y * pixelRatio)];
  const [across, down] = [mark.cellWidth * pixelRatio, mark.cellHeight * pixelRatio];
  const rowLength = Math.round(mark.columns * across);
  for (let row = 0; row < Math.round(mark.rows * down); row++) {
    const start = Math.floor(row / down) * mark.columns;
    let at = ((y + row) * width + x) * 3;
    for (let column = 0; column < rowLength; column++, at += 3) {
      const from = (start + Math.floor(column / across)) * 3;
      pixels[at] = mark.pixels[from]!;
      pixels[at + 1] = mark.pixels[from + 1]!;
      pixels[at + 2] = mark.pixels[from + 2]!;
    }
  }
}

/** A line of one pixel of the figure, half of it on either side of the edge. */
function paintFrame(raster: Raster, { x, y, width, height, color }: FrameMark): void {
  const [left, top, right, bottom] = [x, y, x + width, y + height].map(edge => Math.round(edge * pixelRatio)) as [
    ...[number, number, number, number],
  ];
  for (const line of [top, bottom]) fillRect(raster, left - 1, line - 1, right - left + 2, 2, color);
  for (const line of [left, right]) fillRect(raster, line - 1, top - 1, 2, bottom - top + 2, color);
}

function fillRect({ width, pixels }: Raster, x: number, y: number, columns: number, rows: number, color: Rgb): void {
  for (let row = y; row < y + rows; row++) {
    for (let column = x; column < x + columns; column++) pixels.set(color, (row * width + column) * 3);
  }
}

/** A PNG file. Its text chunks name what it shows; PNG writes them in Latin-1, so other characters are escaped. */
function encodePng({ width, height, pixels }: Raster, facts: MapFacts): Uint8Array {
  const [title, where] = captionOf(facts);
  const text = {
    Title: latin1(title),
    Description: latin1(where),
    Software: facts.version,
    Comment: latin1(JSON.stringify(facts)),
  };
  return encode({ width, height, data: pixels, depth: 8, channels: 3, text });
}

function latin1(text: string): string {
  return text.replace(/[^\n\x20-\x7e\xa1-\xff]/g, unit => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
