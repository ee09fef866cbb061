/**
 * One or several maps with axes, scale and caption, as marks on white paper: the one drawing that PNG and SVG files show.
 * All lengths are pixels of the SVG; a PNG has two for each. Pure.
 */

import type { Rect } from '../shared/address';
import {
  bakeColors,
  colorMaps,
  colorOf,
  levelOf,
  maxLevel,
  type PictureStyle,
  type Rgb,
  type ScaleKind,
  scaleEnd,
} from '../shared/colorScale';
import { formatNumber, stageNames, visibleToken } from '../shared/labels';
import { fittingMarks, lineMarks } from '../shared/lineMarks';
import { isSigned, type Stage } from '../shared/operators';
import { axisTicks, showsTokens } from '../shared/tools/axisTicks';
import { textCells } from './glyphs';
import { captionOf, type MapFacts } from './source';

export const paper: Rgb = [255, 255, 255];
/** Masked cells, apart from zero, which has the color of the paper. */
export const masked: Rgb = [242, 242, 242];
const ink = { strong: [31, 31, 31] as Rgb, weak: [95, 95, 95] as Rgb, frame: [139, 139, 139] as Rgb };

/** Height of a line of text, and width of a letter. */
export const fontSize = 10.8;
export const letterWidth = 6.5;
const lineHeight = 15;
/** Longest token written on an axis, in letters. */
const longestLabel = 16;

export interface TextMark {
  readonly kind: 'text';
  /** On the baseline. */
  readonly x: number;
  readonly y: number;
  readonly text: string;
  readonly anchor: 'start' | 'middle' | 'end';
  readonly color: Rgb;
  readonly isBold: boolean;
  /** Upwards. */
  readonly isVertical: boolean;
}

export interface FrameMark {
  readonly kind: 'frame';
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly color: Rgb;
}

/** Equal cells, each of one color. */
export interface CellsMark {
  readonly kind: 'cells';
  readonly x: number;
  readonly y: number;
  readonly cellWidth: number;
  readonly cellHeight: number;
  readonly columns: number;
  readonly rows: number;
  /** Shape [rows, columns, 3]. */
  readonly pixels: Uint8Array;
}

export type Mark = TextMark | FrameMark | CellsMark;

export interface Figure {
  readonly width: number;
  readonly height: number;
  readonly marks: readonly Mark[];
}

/** One map of a figure. */
export interface FigureMap {
  readonly stage: Stage;
  readonly minus: Stage | null;
  /** [query, key], row-major. */
  readonly values: Float32Array;
}

export interface FigureParts {
  readonly maps: readonly FigureMap[];
  readonly labels: readonly string[];
  /** Line of the document that the tokens begin in, from 1. */
  readonly firstLine: number;
  /** What of the maps is drawn; null: all. The scale is of the whole map, as in the panel. */
  readonly part: Rect | null;
  readonly selectedToken: number | null;
  readonly facts: MapFacts;
  readonly style: PictureStyle;
}

/** Edge of one map, and of each of several. */
const edge = { one: 1024, several: 512 };
const largestCell = 24;
const margin = 16;
/** Between the maps of a row. */
const gap = 36;
const mapsPerRow = 3;
/** Pixels of the strip of the first key at least, and between it and the map. */
const strip = { width: 6, gap: 4 };
const scaleBar = { width: 254, height: 10 };

export function drawFigure(parts: FigureParts): Figure {
  const { maps, facts, style } = parts;
  const marks: Mark[] = [];
  const drawn = maps.map(map => drawMap(parts, map));
  const rowLength = Math.min(maps.length, mapsPerRow);
  const widths = Array.from({ length: rowLength }, (_, column) =>
    Math.max(...drawn.filter((_, i) => i % mapsPerRow === column).map(({ width }) => width)),
  );
  const width = Math.ceil(Math.max(640, 2 * margin + widths.reduce((sum, one) => sum + one + gap, -gap)));
  let y = margin;
  const write = (text: string, isBold: boolean) => {
    for (const line of brokenLines(text, width - 2 * margin)) {
      marks.push(textMark(margin, y + 11, line, { isBold, color: isBold ? ink.strong : ink.weak }));
      y += lineHeight;
    }
  };
  const [title, where] = captionOf(facts);
  write(title, true);
  write(where, false);
  y += 8;
  for (let first = 0; first < drawn.length; first += mapsPerRow) {
    const row = drawn.slice(first, first + mapsPerRow);
    let x = margin;
    for (const [i, map] of row.entries()) {
      marks.push(...map.marks.map(mark => ({ ...mark, x: mark.x + x, y: mark.y + y })));
      x += widths[i]! + gap;
    }
    y += Math.max(...row.map(({ height }) => height)) + 14;
  }
  write(scaleNote(style, maps.some(isSignedMap)), false);
  return { width, height: Math.ceil(y + margin - 4), marks };
}

/** One map with its axes and scale, from its upper left corner. */
function drawMap(parts: FigureParts, map: FigureMap): Figure {
  const { labels, part, style, firstLine, maps, selectedToken } = parts;
  const nTokens = labels.length;
  const whole: Rect = { queryStart: 0, keyStart: 0, nQueries: nTokens, nKeys: nTokens };
  const { queryStart, nQueries, ...keys } = part ?? whole;
  // The first key has a strip of its own, as in the panel.
  const hasStrip = nTokens > 1;
  const keyStart = Math.max(keys.keyStart, hasStrip ? 1 : 0);
  const nKeys = Math.max(1, keys.keyStart + keys.nKeys - keyStart);
  const longest = maps.length > 1 ? edge.several : edge.one;
  const cellSize = Math.min(largestCell, Math.max(0.5, Math.floor((2 * longest) / Math.max(nQueries, nKeys)) / 2));
  const [columns, rows] = [nKeys * cellSize, nQueries * cellSize];
  const marks: Mark[] = [];
  const isToken = showsTokens(cellSize);
  const names = lineMarks(labels, firstLine);
  const label = (idx: number) => shortened(visibleToken(labels[idx] ?? ''));
  const tokenTicks = (start: number, length: number) => axisTicks(-start * cellSize, cellSize, length, nTokens, label);
  const lineTicks = (start: number, length: number, spacing: number) =>
    fittingMarks(names, -start * cellSize, cellSize, length - 4, spacing);
  const queryTicks = isToken
    ? tokenTicks(queryStart, rows)
    : lineTicks(queryStart, rows, 16).map(({ tokenIdx, at, line, symbol }) => {
        return {
          idx: tokenIdx,
          at: at + cellSize / 2,
          text: shortened(symbol === '' ? String(line) : `${line} ${symbol}`),
        };
      });
  const keyTicks = isToken
    ? tokenTicks(keyStart, columns)
    : lineTicks(keyStart, columns, 34).map(({ tokenIdx, at, line }) => ({ idx: tokenIdx, at, text: String(line) }));
  const unit = isToken ? ['query ↓', 'key →'] : ['query, by line ↓', 'key, by line →'];
  const widest = Math.max(...queryTicks.map(({ text }) => textCells(text)), unit[0]!.length);
  const stripWidth = hasStrip ? Math.max(strip.width, cellSize) + strip.gap : 0;
  const left = Math.ceil(widest * letterWidth) + 8 + stripWidth;
  const longestKey = isToken ? Math.max(0, ...keyTicks.map(({ text }) => textCells(text))) * letterWidth : lineHeight;
  const titleHeight = maps.length > 1 ? lineHeight + 4 : 0;
  const top = titleHeight + Math.ceil(Math.max(longestKey, 2 * lineHeight)) + 8;
  if (maps.length > 1) marks.push(textMark(0, 11, stageTitle(map), { isBold: true }));

  const max = scaleMax(map.values, nTokens, style.scale);
  const table = bakeColors(paper, false, style.colorMap);
  const colors = (first: number, count: number) =>
    cellColors(map.values, nTokens, queryStart, nQueries, first, count, max, table, style.scale);
  const body = { kind: 'cells', cellHeight: cellSize, rows: nQueries, y: top } as const;
  marks.push({ ...body, x: left, cellWidth: cellSize, columns: nKeys, pixels: colors(keyStart, nKeys) });
  marks.push(frameMark(left, top, columns, rows));
  if (hasStrip) {
    const width = stripWidth - strip.gap;
    marks.push({ ...body, x: left - stripWidth, cellWidth: width, columns: 1, pixels: colors(0, 1) });
    marks.push(frameMark(left - stripWidth, top, width, rows));
  }
  for (const { idx, at, text } of queryTicks) {
    const isBold = isToken && idx === selectedToken;
    marks.push(textMark(left - stripWidth - 6, top + at + 4, text, { anchor: 'end', isBold }));
  }
  const firstTick = { idx: 0, at: -strip.gap - (stripWidth - strip.gap) / 2, text: label(0) };
  for (const { at, text } of isToken && hasStrip ? [firstTick, ...keyTicks] : keyTicks) {
    if (isToken) marks.push(textMark(left + at + 4, top - 6, text, { isVertical: true }));
    else marks.push(textMark(left + at, top - 6, text, { anchor: 'start' }));
  }
  const corner = { anchor: 'end', color: ink.weak } as const;
  marks.push(textMark(left - stripWidth - 6, top - 6 - lineHeight, unit[1]!, corner));
  marks.push(textMark(left - stripWidth - 6, top - 6, unit[0]!, corner));
  const bottom = top + rows;
  const scale = drawScale(left, bottom + 12, max, isSignedMap(map), table, style.scale);
  marks.push(...scale);
  const right =
    left + Math.max(columns, scaleBar.width, maps.length > 1 ? stageTitle(map).length * letterWidth - left : 0);
  return { width: right, height: bottom + 12 + scaleBar.height + 4 + lineHeight, marks };
}

/** The color scale and its ends. */
function drawScale(
  x: number,
  y: number,
  max: number,
  isSignedScale: boolean,
  table: Uint8Array,
  kind: ScaleKind,
): Mark[] {
  const lowest = isSignedScale ? -maxLevel : 0;
  const count = maxLevel - lowest + 1;
  const pixels = new Uint8Array(count * 3);
  for (let i = 0; i < count; i++) pixels.set(colorOf(table, lowest + i), i * 3);
  const cellWidth = isSignedScale ? 1 : 2;
  const width = count * cellWidth;
  const below = { y: y + scaleBar.height + 15 };
  const end = (value: number, sign: string) => `${kind === 'power' && max > 0 ? `${sign} ` : ''}${formatNumber(value)}`;
  return [
    { kind: 'cells', x, y, cellWidth, cellHeight: scaleBar.height, columns: count, rows: 1, pixels },
    frameMark(x, y, width, scaleBar.height),
    textMark(x, below.y, isSignedScale ? end(-max, '≤') : '0', {}),
    ...(isSignedScale ? [textMark(x + width / 2, below.y, '0', { anchor: 'middle' })] : []),
    textMark(x + width, below.y, end(max, '≥'), { anchor: 'end' }),
  ];
}

/** Colors of a rectangle of cells, shape [nQueries, nKeys, 3]. */
function cellColors(
  values: Float32Array,
  nTokens: number,
  queryStart: number,
  nQueries: number,
  keyStart: number,
  nKeys: number,
  max: number,
  table: Uint8Array,
  kind: ScaleKind,
): Uint8Array {
  const pixels = new Uint8Array(nQueries * nKeys * 3);
  for (let row = 0; row < nQueries; row++) {
    const query = queryStart + row;
    for (let column = 0; column < nKeys; column++) {
      const key = keyStart + column;
      const color = key > query ? masked : colorOf(table, levelOf(values[query * nTokens + key]!, max, kind));
      pixels.set(color, (row * nKeys + column) * 3);
    }
  }
  return pixels;
}

function isSignedMap({ stage, minus }: FigureMap): boolean {
  return minus !== null || isSigned(stage);
}

function stageTitle({ stage, minus }: FigureMap): string {
  return minus ? `${stageNames[stage].label} minus ${stageNames[minus].inText}` : stageNames[stage].label;
}

/** What the colors mean. */
export function scaleNote({ colorMap, scale }: PictureStyle, hasNegative = true): string {
  const { negative, positive } = colorMaps[colorMap];
  const kind =
    scale === 'power'
      ? 'power scale (exponent 0.6) up to the 99.5th percentile'
      : 'linear scale up to the largest value';
  const hues = hasNegative ? `${negative} below zero, ${positive} above` : `${positive} above zero`;
  return `Scale: ${hues}; ${kind} of the whole map, first key (in a strip of its own) left out. Gray: masked, key after query.`;
}

/** The end of the scale of the cells that exist, without key 0, on which many heads rest. */
export function scaleMax(map: Float32Array, nTokens: number, scale: ScaleKind): number {
  const first = nTokens > 1 ? 1 : 0;
  const magnitudes: number[] = [];
  for (let query = 0; query < nTokens; query++) {
    for (let key = first; key <= query; key++) {
      const magnitude = Math.abs(map[query * nTokens + key]!);
      if (Number.isFinite(magnitude)) magnitudes.push(magnitude);
    }
  }
  return scaleEnd(Float32Array.from(magnitudes), scale);
}

function textMark(
  x: number,
  y: number,
  text: string,
  how: Partial<Omit<TextMark, 'kind' | 'x' | 'y' | 'text'>>,
): TextMark {
  return { kind: 'text', x, y, text, anchor: 'start', color: ink.strong, isBold: false, isVertical: false, ...how };
}

function frameMark(x: number, y: number, width: number, height: number): FrameMark {
  return { kind: 'frame', x, y, width, height, color: ink.frame };
}

/** Breaks a text into a few lines that fit a width: between words, and inside of what is longer than a line. */
function brokenLines(text: string, width: number): string[] {
  const perLine = Math.max(8, Math.floor(width / letterWidth));
  const lines: string[] = [''];
  let length = 0;
  const add = (part: string, cells: number) => {
    lines[lines.length - 1] += part;
    length += cells;
  };
  for (const word of text.slice(0, longestCaption).split(' ')) {
    const cells = textCells(word);
    if (length > 0 && length + 1 + cells <= perLine) add(' ', 1);
    else if (length > 0) {
      lines.push('');
      length = 0;
    }
    for (const character of cells <= perLine ? [word] : word) {
      const own = cells <= perLine ? cells : textCells(character);
      if (length + own > perLine) {
        lines.push('');
        length = 0;
      }
      add(character, own);
    }
  }
  return lines.length > mostLines ? [...lines.slice(0, mostLines - 1), '…'] : lines;
}

/** A document may have any name. */
const longestCaption = 2000;
const mostLines = 5;

function shortened(text: string): string {
  // A character has at most two units: what follows is not needed to know that it is long.
  const characters = [...text.slice(0, 2 * longestLabel + 2)];
  return characters.length > longestLabel ? `${characters.slice(0, longestLabel - 1).join('')}…` : text;
}
