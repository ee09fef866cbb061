/** A map as pixels and as a PNG file, in the colors of the panel on white paper. Pure. */

import { encode } from 'fast-png';
import {
  bakeColors,
  colorMaps,
  colorOf,
  defaultColorMap,
  levelOf,
  type PictureStyle,
  type Rgb,
  type ScaleKind,
  scaleEnd,
} from '../shared/colorScale';
import { formatNumber } from '../shared/labels';
import { breakLines, drawText, heightOf } from './pixelText';
import { captionOf, type MapFacts } from './source';

export const defaultStyle: PictureStyle = { colorMap: defaultColorMap, scale: 'power' };

export interface Picture {
  /** Edge in pixels: the map's edge times `cellSize`. */
  readonly size: number;
  /** Pixels per cell. */
  readonly cellSize: number;
  /** Magnitude at the ends of the scale. */
  readonly max: number;
  /** 256 RGBA entries; see bakeColors. */
  readonly table: Uint8Array;
  /** Shape [size, size, 3]. */
  readonly pixels: Uint8Array;
}

export const paper: Rgb = [255, 255, 255];
/** Masked cells are hatched, apart from zero, which has the color of the paper. */
const hatch = { color: [225, 225, 225] as Rgb, period: 8 };

/** Pictures are about this large; small maps get larger cells. */
const edgePx = 1024;
const largestCell = 24;

/** @param map [query, key], row-major; masked cells (key after query) are hatched whatever they hold. */
export function drawMap(map: Float32Array, nTokens: number, style: PictureStyle): Picture {
  const cellSize = Math.max(1, Math.min(largestCell, Math.floor(edgePx / nTokens)));
  const size = nTokens * cellSize;
  const max = scaleMax(map, nTokens, style.scale);
  const table = bakeColors(paper, false, style.colorMap);
  const pixels = new Uint8Array(size * size * 3);
  for (let y = 0; y < size; y++) {
    const query = Math.floor(y / cellSize);
    for (let x = 0; x < size; x++) {
      const key = Math.floor(x / cellSize);
      const color =
        key > query
          ? (x + y) % hatch.period === 0
            ? hatch.color
            : paper
          : colorOf(table, levelOf(map[query * nTokens + key]!, max, style.scale));
      pixels.set(color, (y * size + x) * 3);
    }
  }
  return { size, cellSize, max, table, pixels };
}

/** What the colors mean. */
export function scaleNote({ colorMap, scale }: PictureStyle): string {
  const { negative, positive } = colorMaps[colorMap];
  const kind =
    scale === 'power'
      ? 'power scale (exponent 0.6) up to the 99.9th percentile'
      : 'linear scale up to the largest value';
  return `Scale: ${negative} below zero, ${positive} above; ${kind}, first key left out; hatched: masked, key after query.`;
}

/** The picture with a caption that says what it shows. */
export function captionedPng(picture: Picture, facts: MapFacts, style: PictureStyle): Uint8Array {
  const { size, max } = picture;
  const margin = 12;
  // Pictures of few tokens are smaller than their caption.
  const width = Math.max(size, narrowestPx);
  const scale = `From ${formatNumber(-max)} to ${formatNumber(max)}. ${scaleNote(style)}`;
  const caption = breakLines([...captionOf(facts), scale], width - 2 * margin, 2);
  const height = size + heightOf(caption) + 2 * margin;
  const pixels = new Uint8Array(width * height * 3).fill(paper[0]);
  for (let y = 0; y < size; y++) {
    pixels.set(picture.pixels.subarray(y * size * 3, (y + 1) * size * 3), y * width * 3);
  }
  drawText(pixels, width, caption, margin, size + margin);
  return encodePng({ width, height, pixels }, facts);
}

const narrowestPx = 640;

/** A PNG file. Its text chunks name what it shows; PNG writes them in Latin-1, so other characters are escaped. */
export function encodePng(
  { width, height, pixels }: { readonly width: number; readonly height: number; readonly pixels: Uint8Array },
  facts: MapFacts,
): Uint8Array {
  const [title, window] = captionOf(facts);
  const text = {
    Title: latin1(title),
    Description: latin1(window),
    Software: facts.version,
    Comment: latin1(JSON.stringify(facts)),
  };
  return encode({ width, height, data: pixels, depth: 8, channels: 3, text });
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

function latin1(text: string): string {
  return text.replace(/[^\n\x20-\x7e\xa1-\xff]/g, unit => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
