/** A map as an SVG: the cells as an embedded picture, everything around them as vectors and text. Pure. */

import { colorOf, maxLevel, type PictureStyle } from '../shared/colorScale';
import { formatNumber, visibleToken } from '../shared/labels';
import { axisTicks, showsTokens } from '../shared/tools/axisTicks';
import { encodePng, type Picture, scaleNote } from './picture';
import { captionOf, type MapFacts } from './source';

const margin = { left: 120, top: 120, right: 24, bottom: 84 };
/** Longest token written on an axis, in characters. */
const longestLabel = 16;

export function mapSvg(picture: Picture, labels: readonly string[], facts: MapFacts, style: PictureStyle): string {
  const { size, cellSize, max, table } = picture;
  // Pictures of few tokens are smaller than the captions around them.
  const width = Math.max(size + margin.left + margin.right, 640);
  const height = size + margin.top + margin.bottom;
  const [title, window] = captionOf(facts);
  const label = (idx: number) => shortened(visibleToken(labels[idx] ?? ''));
  const ticks = axisTicks(0, cellSize, size, labels.length, label);
  const isToken = showsTokens(cellSize);
  const png = Buffer.from(encodePng({ width: size, height: size, pixels: picture.pixels }, facts)).toString('base64');
  const bottom = margin.top + size;
  return `<?xml version="1.0" encoding="UTF-8"?>
<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-labelledby="title window" font-family="sans-serif" font-size="11" fill="#1f1f1f">
<title id="title">${escapeXml(title)}</title>
<desc id="window">${escapeXml(window)}</desc>
<metadata>${escapeXml(JSON.stringify(facts))}</metadata>
<rect width="100%" height="100%" fill="#ffffff"/>
<text x="${margin.left}" y="22" font-size="15" font-weight="600">${escapeXml(title)}</text>
<text x="${margin.left}" y="40">${escapeXml(window)}</text>
<image x="${margin.left}" y="${margin.top}" width="${size}" height="${size}" href="data:image/png;base64,${png}" style="image-rendering:pixelated"/>
<rect x="${margin.left}" y="${margin.top}" width="${size}" height="${size}" fill="none" stroke="#8b8b8b"/>
<g font-family="monospace" font-size="10" text-anchor="end">
${ticks.map(({ at, text }) => `<text x="${margin.left - 6}" y="${margin.top + at + 3.5}">${escapeXml(text)}</text>`).join('\n')}
</g>
<g font-family="monospace" font-size="10" text-anchor="${isToken ? 'start' : 'middle'}">
${ticks.map(tick => keyLabel(margin.left + tick.at, tick.text, isToken)).join('\n')}
</g>
<text x="${margin.left - 6}" y="${margin.top - 20}" text-anchor="end">query ↓</text>
<text x="${margin.left - 6}" y="${margin.top - 6}" text-anchor="end">key →</text>
${scaleBar(max, table, style, bottom)}
</svg>
`;
}

function keyLabel(x: number, text: string, isToken: boolean): string {
  const y = margin.top - 6;
  const turn = isToken ? ` transform="rotate(-90 ${x + 3.5} ${y})"` : '';
  return `<text x="${isToken ? x + 3.5 : x}" y="${y}"${turn}>${escapeXml(text)}</text>`;
}

/** The color scale from -max to max, and what its colors mean. */
function scaleBar(max: number, table: Uint8Array, style: PictureStyle, bottom: number): string {
  const steps = 16;
  const stops = Array.from({ length: 2 * steps + 1 }, (_, i) => {
    const color = colorOf(table, Math.round(((i - steps) / steps) * maxLevel));
    return `<stop offset="${i / (2 * steps)}" stop-color="rgb(${color.join(',')})"/>`;
  });
  const [x, y, width] = [margin.left, bottom + 18, 240];
  return `<defs><linearGradient id="scale">${stops.join('')}</linearGradient></defs>
<rect x="${x}" y="${y}" width="${width}" height="10" fill="url(#scale)" stroke="#8b8b8b"/>
<text x="${x}" y="${y + 24}">${formatNumber(-max)}</text>
<text x="${x + width / 2}" y="${y + 24}" text-anchor="middle">0</text>
<text x="${x + width}" y="${y + 24}" text-anchor="end">${formatNumber(max)}</text>
<text x="${x}" y="${y + 42}">${scaleNote(style)}</text>`;
}

function shortened(text: string): string {
  // A character has at most two units: what follows is not needed to know that it is long.
  const characters = [...text.slice(0, 2 * longestLabel + 2)];
  return characters.length > longestLabel ? `${characters.slice(0, longestLabel - 1).join('')}…` : text;
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
