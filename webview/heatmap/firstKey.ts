/** The strip of the first token: many heads rest on it, and its weights would outshine the map's. */

import { absentLevel } from '../../src/shared/colorScale';
import { cellsOfPixel, type DeviceViewport, inUnits, type LevelGrid, outsidePixel } from './levels';

/**
 * What every pixel of the strip shows, from top to bottom, as `paint` does it for the map: the strongest of the queries
 * that it covers. Of an overview it is the first column of blocks, which holds a few keys more.
 */
export function paintFirstKey(
  overview: LevelGrid | null,
  exact: LevelGrid | null,
  nTokens: number,
  viewport: DeviceViewport,
  height: number,
): Int16Array {
  const { originY, cellSize, cornerY } = inUnits(viewport);
  return Int16Array.from({ length: height }, (_, y) => {
    const unit = Math.floor((y - cornerY) / viewport.unit);
    const cell = Math.floor((unit + 0.5 - originY) / cellSize);
    if (cell < 0 || cell >= nTokens) return outsidePixel;
    for (const grid of [exact, overview]) {
      const level = grid && strongestOfColumn(grid, cellsOfPixel(unit, originY, cellSize * grid.blockSize, grid.size));
      if (level !== null && level !== absentLevel) return level;
    }
    return absentLevel;
  });
}

function strongestOfColumn({ size, levels }: LevelGrid, [start, end]: readonly [number, number]): number {
  let strongest = absentLevel;
  for (let query = start; query < end; query++) {
    const level = levels[query * size]!;
    if (level === absentLevel) return absentLevel;
    if (strongest === absentLevel || Math.abs(level) > Math.abs(strongest)) strongest = level;
  }
  return strongest;
}
