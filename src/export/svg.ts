/** A figure as an SVG: the cells as embedded pictures, everything around them as vectors and text. Pure. */

import { encode } from 'fast-png';
import type { Rgb } from '../shared/colorScale';
import { type CellsMark, type Figure, fontSize, letterWidth, type Mark, type TextMark } from './figure';
import { textCells } from './glyphs';
import { captionOf, type MapFacts } from './source';

export function figureSvg({ width, height, marks }: Figure, facts: MapFacts): string {
  const [title, where] = captionOf(facts);
  return `<?xml version="1.0" encoding="UTF-8"?>
<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-labelledby="title window" font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" font-size="${fontSize}">
<title id="title">${escapeXml(title)}</title>
<desc id="window">${escapeXml(where)}</desc>
<metadata>${escapeXml(JSON.stringify(facts))}</metadata>
<rect width="100%" height="100%" fill="#ffffff"/>
${marks.map(markSvg).join('\n')}
</svg>
`;
}

function markSvg(mark: Mark): string {
  switch (mark.kind) {
    case 'text':
      return textSvg(mark);
    case 'frame':
      return `<rect x="${mark.x}" y="${mark.y}" width="${mark.width}" height="${mark.height}" fill="none" stroke="${css(mark.color)}"/>`;
    case 'cells':
      return cellsSvg(mark);
  }
}

/** As wide in every font, so that nothing overlaps where the named ones are not installed. */
function textSvg({ x, y, text, anchor, color, isBold, isVertical }: TextMark): string {
  const width = textCells(text) * letterWidth;
  const turn = isVertical ? ` transform="rotate(-90 ${x} ${y})"` : '';
  const how = `${anchor === 'start' ? '' : ` text-anchor="${anchor}"`}${isBold ? ' font-weight="bold"' : ''}`;
  return `<text x="${x}" y="${y}" fill="${css(color)}" textLength="${width}" lengthAdjust="spacingAndGlyphs"${how}${turn}>${escapeXml(text)}</text>`;
}

function cellsSvg({ x, y, cellWidth, cellHeight, columns, rows, pixels }: CellsMark): string {
  // Whole pixels for each cell: programs that smooth pictures smooth their borders only.
  const [across, down] = [Math.ceil(cellWidth), Math.ceil(cellHeight)];
  const large = new Uint8Array(columns * across * rows * down * 3);
  for (let row = 0, at = 0; row < rows * down; row++) {
    const start = Math.floor(row / down) * columns;
    for (let column = 0; column < columns * across; column++, at += 3) {
      const from = (start + Math.floor(column / across)) * 3;
      large[at] = pixels[from]!;
      large[at + 1] = pixels[from + 1]!;
      large[at + 2] = pixels[from + 2]!;
    }
  }
  const png = encode({ width: columns * across, height: rows * down, data: large, depth: 8, channels: 3 });
  const data = Buffer.from(png).toString('base64');
  const size = `width="${columns * cellWidth}" height="${rows * cellHeight}"`;
  return `<image x="${x}" y="${y}" ${size} preserveAspectRatio="none" href="data:image/png;base64,${data}" style="image-rendering:pixelated"/>`;
}

function css(color: Rgb): string {
  return `#${color.map(channel => channel.toString(16).padStart(2, '0')).join('')}`;
}

/** Any text inside XML: no markup, no character that XML forbids, and none that turns the direction of what follows. */
export function escapeXml(text: string): string {
  const entities: Readonly<Record<string, string>> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
    "'": '&#39;',
  };
  return text
    .replace(/[\p{Cs}\ufffe\uffff\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]|(?![\t\n\r])[\p{Cc}]/gu, '\ufffd')
    .replace(/[&<>"']/g, character => entities[character]!);
}
