/**
 * Grids of levels and how pixels are made of them.
 *
 * A pixel that covers several cells shows the strongest of them with its sign, never a sample, so that thin lines do
 * not vanish. The shaders do the same as `paint` here, which draws where there is no WebGL2.
 */

import type { Rect } from '../../src/shared/address';
import { type HeadOverview, overviewValue } from '../../src/shared/attentionMap';
import { absentLevel, levelOf } from '../../src/shared/colorScale';
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

export function overviewGrid(overview: HeadOverview, max: number): LevelGrid {
  const { size, blockSize } = overview;
  const levels = new Int16Array(size * size);
  for (let i = 0; i < size; i++) {
    for (let j = 0; j <= i; j++) levels[i * size + j] = levelOf(overviewValue(overview, i, j), max);
  }
  return { size, blockSize, levels };
}

/** A grid of single cells, none of which has arrived. */
export function emptyExactGrid(nTokens: number): LevelGrid {
  return { size: nTokens, blockSize: 1, levels: new Int16Array(nTokens * nTokens).fill(absentLevel) };
}

/** Writes a tile's values [nQueries, nKeys] into a grid of single cells. */
export function writeTile(grid: LevelGrid, rect: Rect, values: Float32Array, max: number): void {
  for (let row = 0; row < rect.nQueries; row++) {
    const to = (rect.queryStart + row) * grid.size + rect.keyStart;
    for (let column = 0; column < rect.nKeys; column++) {
      grid.levels[to + column] = levelOf(values[row * rect.nKeys + column]!, max);
    }
  }
}

/** Largest magnitude in an overview, leaving out its first `skipColumns` columns; 0 if nothing is left. */
export function overviewMax(overview: HeadOverview, skipColumns = 0): number {
  let strongest = 0;
  for (let i = 0; i < overview.size; i++) {
    for (let j = skipColumns; j <= i; j++) {
      strongest = Math.max(strongest, Math.abs(overview.cells[i * overview.size + j]!));
    }
  }
  return (strongest / 127) * overview.scale;
}

/** Largest magnitude in a tile, leaving out keys before `firstKey`, masked cells and what is not finite. */
export function tileMax(rect: Rect, values: Float32Array, firstKey = 0): number {
  let strongest = 0;
  for (let row = 0; row < rect.nQueries; row++) {
    const lastKey = Math.min(rect.nKeys - 1, rect.queryStart + row - rect.keyStart);
    for (let column = Math.max(0, firstKey - rect.keyStart); column <= lastKey; column++) {
      const magnitude = Math.abs(values[row * rect.nKeys + column]!);
      if (magnitude > strongest && magnitude < Number.POSITIVE_INFINITY) strongest = magnitude;
    }
  }
  return strongest;
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
 * Grid cells [start, end) that device pixel `pixel` shows: the one under its centre where cells are larger than
 * pixels, all that it touches where they are smaller. Empty beside the grid.
 */
export function cellsOfPixel(pixel: number, origin: number, cellSize: number, size: number): [number, number] {
  const isLarge = cellSize >= 1;
  const start = Math.floor((pixel + (isLarge ? 0.5 : 0) - origin) / cellSize);
  const end = isLarge ? start + 1 : Math.ceil((pixel + 1 - origin) / cellSize);
  return [Math.max(0, start), Math.min(size, end)];
}

/** What every pixel of a canvas shows, row-major: a level, `absentLevel`, `maskedPixel` or `outsidePixel`. */
export function paint(
  overview: LevelGrid | null,
  exact: LevelGrid | null,
  nTokens: number,
  /** In device pixels. */
  viewport: Viewport,
  width: number,
  height: number,
): Int16Array {
  const pixels = new Int16Array(width * height).fill(outsidePixel);
  const { originX, originY, cellSize } = viewport;
  const mapEnd = (origin: number, length: number) => Math.min(length, Math.ceil(origin + nTokens * cellSize - 0.5));
  const mapStart = (origin: number) => Math.max(0, Math.ceil(origin - 0.5));
  const grids = [exact, overview].filter(grid => grid !== null);
  const columns = grids.map(grid =>
    Array.from({ length: width }, (_, x) => cellsOfPixel(x, originX, cellSize * grid.blockSize, grid.size)),
  );
  for (let y = mapStart(originY); y < mapEnd(originY, height); y++) {
    const rows = grids.map(grid => cellsOfPixel(y, originY, cellSize * grid.blockSize, grid.size));
    for (let x = mapStart(originX); x < mapEnd(originX, width); x++) {
      if (cellSize >= 1 && isPixelMasked(x, y, viewport)) {
        pixels[y * width + x] = maskedPixel; // Where single cells are distinguishable, a pooled cell must not hide the mask.
        continue;
      }
      let shown = absentLevel;
      for (let g = 0; g < grids.length && shown === absentLevel; g++) {
        shown = strongestLevel(grids[g]!, rows[g]!, columns[g]![x]!);
      }
      if (shown === absentLevel && isPixelMasked(x, y, viewport)) shown = maskedPixel;
      pixels[y * width + x] = shown;
    }
  }
  return pixels;
}

/** Whether the cell under the middle of a pixel is above the diagonal. */
function isPixelMasked(x: number, y: number, { originX, originY, cellSize }: Viewport): boolean {
  return Math.floor((x + 0.5 - originX) / cellSize) > Math.floor((y + 0.5 - originY) / cellSize);
}
