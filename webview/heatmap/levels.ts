/**
 * Grids of levels and how pixels are made of them.
 *
 * Where cells are too small to be seen, squares of pixels (units) show the strongest of the cells that they cover, with
 * its sign, never a sample, so that thin lines do not vanish. Elsewhere a unit is one pixel. The shaders do the same as
 * `paint` here, which draws where there is no WebGL2.
 */

import type { Rect } from '../../src/shared/address';
import { type HeadOverview, overviewValue } from '../../src/shared/attentionMap';
import { absentLevel, colorOf, levelOf, type Rgb, type ScaleKind, scaleEnd } from '../../src/shared/colorScale';
import type { Viewport } from './viewport';

/** A square grid over the map: cell (I, J) stands for the `blockSize` x `blockSize` cells of the map at that place. */
export interface LevelGrid {
  readonly size: number;
  readonly blockSize: number;
  /** Shape [size, size], row-major; see levelOf, absentLevel. */
  readonly levels: Int16Array;
}

/** What a pixel shows when it shows no level. */
export const maskedPixel = 1000;
export const outsidePixel = 1001;
/** Masked, and beside a pixel that is not. */
export const edgePixel = 1002;

export interface MapColors {
  /** 256 RGBA entries; see bakeColors. */
  readonly table: Uint8Array;
  readonly background: Rgb;
  /** The half above the diagonal, where no cell exists. */
  readonly masked: Rgb;
  /** The line between the two halves. */
  readonly edge: Rgb;
}

export function overviewGrid(overview: HeadOverview, max: number, kind: ScaleKind): LevelGrid {
  const { size, blockSize } = overview;
  const levels = new Int16Array(size * size);
  for (let i = 0; i < size; i++) {
    for (let j = 0; j <= i; j++) levels[i * size + j] = levelOf(overviewValue(overview, i, j), max, kind);
  }
  return { size, blockSize, levels };
}

/** A grid of single cells, none of which has arrived. */
export function emptyExactGrid(nTokens: number): LevelGrid {
  return { size: nTokens, blockSize: 1, levels: new Int16Array(nTokens * nTokens).fill(absentLevel) };
}

/** Writes a tile's values [nQueries, nKeys] into a grid of single cells. */
export function writeTile(grid: LevelGrid, rect: Rect, values: Float32Array, max: number, kind: ScaleKind): void {
  for (let row = 0; row < rect.nQueries; row++) {
    const to = (rect.queryStart + row) * grid.size + rect.keyStart;
    for (let column = 0; column < rect.nKeys; column++) {
      grid.levels[to + column] = levelOf(values[row * rect.nKeys + column]!, max, kind);
    }
  }
}

/** The end of an overview's scale. Its first column is left out: many heads rest on the first token. */
export function overviewEnd(
  { size, scale, cells }: Pick<HeadOverview, 'size' | 'scale' | 'cells'>,
  kind: ScaleKind,
): number {
  const magnitudes = new Float32Array((size * (size - 1)) / 2);
  let count = 0;
  for (let i = 1; i < size; i++) {
    for (let j = 1; j <= i; j++) magnitudes[count++] = (Math.abs(cells[i * size + j]!) / 127) * scale;
  }
  return scaleEnd(magnitudes, kind);
}

/** What a scale needs to know of a tile: how many cells it has, and the magnitudes of the strongest, the strongest last. */
export interface TileMagnitudes {
  readonly count: number;
  readonly strongest: Float32Array;
}

/** More than a part of 1 - `percentile` of the cells of all tiles that may be loaded. */
const nStrongest = 20_480;

/** Of a tile without key 0, masked cells and what is not finite. */
export function tileMagnitudes(rect: Rect, values: Float32Array): TileMagnitudes {
  const magnitudes = new Float32Array(rect.nQueries * rect.nKeys);
  let count = 0;
  for (let row = 0; row < rect.nQueries; row++) {
    const lastKey = Math.min(rect.nKeys - 1, rect.queryStart + row - rect.keyStart);
    for (let column = Math.max(0, 1 - rect.keyStart); column <= lastKey; column++) {
      const magnitude = Math.abs(values[row * rect.nKeys + column]!);
      if (Number.isFinite(magnitude)) magnitudes[count++] = magnitude;
    }
  }
  return { count, strongest: magnitudes.slice(0, count).sort().slice(-nStrongest) };
}

/** The end of the scale of some tiles. */
export function tilesEnd(tiles: readonly TileMagnitudes[], kind: ScaleKind): number {
  const count = tiles.reduce((sum, tile) => sum + tile.count, 0);
  return scaleEnd(Float32Array.from(tiles.flatMap(({ strongest }) => [...strongest])), kind, count);
}

/**
 * The strongest level of a rectangle of a grid, masked cells left out.
 * @returns the level; `absentLevel` if any cell has not arrived; `maskedPixel` if all are masked.
 */
export function strongestLevel(grid: LevelGrid, queries: readonly [number, number], keys: readonly [number, number]) {
  let strongest = maskedPixel;
  for (let i = queries[0]; i < queries[1]; i++) {
    for (let j = keys[0]; j < keys[1] && j <= i; j++) {
      const level = grid.levels[i * grid.size + j]!;
      if (level === absentLevel) return absentLevel;
      if (strongest === maskedPixel || Math.abs(level) > Math.abs(strongest)) strongest = level;
    }
  }
  return strongest;
}

/**
 * Grid cells [start, end) that unit `pixel` shows: the one under its center where cells are larger than units, all that
 * it touches where they are smaller. Empty beside the grid.
 */
export function cellsOfPixel(pixel: number, origin: number, cellSize: number, size: number): [number, number] {
  const isLarge = cellSize >= 1;
  const start = Math.floor((pixel + (isLarge ? 0.5 : 0) - origin) / cellSize);
  const end = isLarge ? start + 1 : Math.ceil((pixel + 1 - origin) / cellSize);
  return [Math.max(0, start), Math.min(size, end)];
}

/** Cells are never drawn smaller than this, in CSS pixels. */
const smallestCell = 2;

/** A viewport in device pixels, and how cells are drawn in it. */
export interface DeviceViewport extends Viewport {
  /** Edge of the squares of pixels that are drawn alike; 1 where single cells are large enough to be seen. */
  readonly unit: number;
  /** Keys before this one are left out: they are drawn beside the map. */
  readonly firstKey: number;
}

/** @param ratio device pixels per CSS pixel. */
export function toDevice({ originX, originY, cellSize }: Viewport, ratio: number, firstKey: number): DeviceViewport {
  const smallest = Math.max(1, Math.round(smallestCell * ratio));
  const unit = cellSize * ratio < smallest ? smallest : 1;
  return { originX: originX * ratio, originY: originY * ratio, cellSize: cellSize * ratio, unit, firstKey };
}

/**
 * The same viewport in units, and the pixel at which unit 0 begins. Units are counted from the map's corner, so that they
 * move with the map.
 */
export function inUnits({ originX, originY, cellSize, unit }: DeviceViewport) {
  if (unit === 1) return { originX, originY, cellSize, cornerX: 0, cornerY: 0 };
  return {
    originX: 0,
    originY: 0,
    cellSize: cellSize / unit,
    cornerX: Math.floor(originX),
    cornerY: Math.floor(originY),
  };
}

/** What every pixel of a canvas shows, row-major: a level, `absentLevel`, or what is named above. */
export function paint(
  overview: LevelGrid | null,
  exact: LevelGrid | null,
  nTokens: number,
  viewport: DeviceViewport,
  width: number,
  height: number,
): Int16Array {
  const pixels = new Int16Array(width * height);
  const { originX, originY, cellSize, cornerX, cornerY } = inUnits(viewport);
  const unitsOf = (length: number, corner: number) =>
    Int32Array.from({ length: length + 2 }, (_, pixel) => Math.floor((pixel - 1 - corner) / viewport.unit));
  // One more at either end: for the edge of the masked half.
  const [unitX, unitY] = [unitsOf(width, cornerX), unitsOf(height, cornerY)];
  const grids = [exact, overview].filter(grid => grid !== null);
  const reach = (unit: number, origin: number) => cellsOfPixel(unit, origin, cellSize, Number.POSITIVE_INFINITY);
  const isMasked = (x: number, y: number) => reach(x, originX)[0] >= reach(y, originY)[1];
  const isOutside = (unit: number, origin: number) => {
    const cell = Math.floor((unit + 0.5 - origin) / cellSize);
    return cell < 0 || cell >= nTokens;
  };
  const levelAt = (x: number, y: number): number => {
    if (isOutside(x, originX) || isOutside(y, originY)) return outsidePixel;
    if (isMasked(x, y)) return maskedPixel;
    for (const grid of grids) {
      const queries = cellsOfPixel(y, originY, cellSize * grid.blockSize, grid.size);
      const [start, end] = cellsOfPixel(x, originX, cellSize * grid.blockSize, grid.size);
      const first = Math.max(start, Math.ceil(viewport.firstKey / grid.blockSize));
      const level = strongestLevel(grid, queries, [first, end]);
      if (level !== absentLevel) return level === maskedPixel ? absentLevel : level;
    }
    return absentLevel;
  };
  for (let y = 0; y < height; y++) {
    const isRepeated = y > 0 && unitY[y + 1] === unitY[y];
    for (let x = 0; x < width; x++) {
      const at = y * width + x;
      const [unitAtX, unitAtY] = [unitX[x + 1]!, unitY[y + 1]!];
      const above = isRepeated ? pixels[at - width]! : null;
      let level =
        above !== null && above !== edgePixel
          ? above
          : x > 0 && unitX[x] === unitAtX && pixels[at - 1] !== edgePixel
            ? pixels[at - 1]!
            : levelAt(unitAtX, unitAtY);
      if (level === maskedPixel && !(isMasked(unitX[x]!, unitAtY) && isMasked(unitAtX, unitY[y + 2]!))) {
        level = edgePixel;
      }
      pixels[at] = level;
    }
  }
  return pixels;
}

/** What `paint` gives, as RGBA pixels. */
export function toPixels(painted: Int16Array, { table, background, masked, edge }: MapColors): Uint8ClampedArray {
  const pixels = new Uint8ClampedArray(painted.length * 4).fill(255);
  const others: Readonly<Record<number, Rgb>> = {
    [maskedPixel]: masked,
    [edgePixel]: edge,
    [outsidePixel]: background,
    [absentLevel]: background,
  };
  for (let at = 0; at < painted.length; at++) {
    const level = painted[at]!;
    pixels.set(others[level] ?? colorOf(table, level), at * 4);
  }
  return pixels;
}
