/** From canvas pixels to cells and back. */

import type { Cell } from '../../src/shared/address';
import type { Size, Viewport } from './viewport';

/** Rows [queryStart, queryEnd) and columns [keyStart, keyEnd). */
export interface CellRange {
  readonly queryStart: number;
  readonly queryEnd: number;
  readonly keyStart: number;
  readonly keyEnd: number;
}

/** Cells with the key after the query do not exist for the model. */
export const isMasked = ({ queryIdx, keyIdx }: Cell): boolean => keyIdx > queryIdx;

/** The cell under a point of the canvas (CSS pixels), or undefined beside the map. */
export function cellAt(viewport: Viewport, x: number, y: number, nTokens: number): Cell | undefined {
  const queryIdx = Math.floor((y - viewport.originY) / viewport.cellSize);
  const keyIdx = Math.floor((x - viewport.originX) / viewport.cellSize);
  const isInside = queryIdx >= 0 && keyIdx >= 0 && queryIdx < nTokens && keyIdx < nTokens;
  return isInside ? { queryIdx, keyIdx } : undefined;
}

/** Top left corner of a cell on the canvas, in CSS pixels. */
export function cornerOf(viewport: Viewport, { queryIdx, keyIdx }: Cell): { readonly x: number; readonly y: number } {
  return {
    x: viewport.originX + keyIdx * viewport.cellSize,
    y: viewport.originY + queryIdx * viewport.cellSize,
  };
}

/** The cells of which at least a part is on the canvas. */
export function visibleCells(viewport: Viewport, nTokens: number, canvas: Size): CellRange {
  const first = (origin: number) => Math.max(0, Math.floor(-origin / viewport.cellSize));
  const end = (origin: number, length: number) =>
    Math.max(0, Math.min(nTokens, Math.ceil((length - origin) / viewport.cellSize)));
  return {
    queryStart: first(viewport.originY),
    queryEnd: end(viewport.originY, canvas.height),
    keyStart: first(viewport.originX),
    keyEnd: end(viewport.originX, canvas.width),
  };
}

/** The cell after a step of the arrow keys, kept inside the map. */
export function stepCell(cell: Cell, queries: number, keys: number, nTokens: number): Cell {
  const inside = (idx: number) => Math.max(0, Math.min(nTokens - 1, idx));
  return { queryIdx: inside(cell.queryIdx + queries), keyIdx: inside(cell.keyIdx + keys) };
}
