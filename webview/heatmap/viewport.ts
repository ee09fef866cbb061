/** Where the map is on the canvas: pure math of fitting, zooming and moving. All lengths are CSS pixels. */

export interface Viewport {
  /** Left edge of key 0, from the canvas's left edge. */
  readonly originX: number;
  /** Top edge of query 0, from the canvas's top edge. */
  readonly originY: number;
  readonly cellSize: number;
}

export interface Size {
  readonly width: number;
  readonly height: number;
}

/** What is worth keeping of a viewport when the panel is resized or reopened: no pixels. */
export interface SavedZoom {
  /** Cell size in units of the fitting one; 1 shows the whole map. */
  readonly factor: number;
  /** The cell in the middle of the canvas, as a part of the map's edge. */
  readonly centerQuery: number;
  readonly centerKey: number;
}

/** Cells never grow beyond this, unless the whole map still fits. */
const largestCell = 40;

function fittingCellSize(nTokens: number, canvas: Size): number {
  return Math.min(canvas.width, canvas.height) / Math.max(1, nTokens);
}

/** The whole map, from the canvas's top left corner. */
export function fit(nTokens: number, canvas: Size): Viewport {
  return { originX: 0, originY: 0, cellSize: fittingCellSize(nTokens, canvas) };
}

/** Zooms by `factor` so that the point (x, y) of the canvas stays on the same place of the map. */
export function zoomAt(
  viewport: Viewport,
  factor: number,
  x: number,
  y: number,
  nTokens: number,
  canvas: Size,
): Viewport {
  const smallest = fittingCellSize(nTokens, canvas);
  const cellSize = Math.max(smallest, Math.min(Math.max(largestCell, smallest), viewport.cellSize * factor));
  const ratio = cellSize / viewport.cellSize;
  const moved = { originX: x - (x - viewport.originX) * ratio, originY: y - (y - viewport.originY) * ratio, cellSize };
  return clamp(moved, nTokens, canvas);
}

export function pan(viewport: Viewport, dx: number, dy: number, nTokens: number, canvas: Size): Viewport {
  return clamp({ ...viewport, originX: viewport.originX + dx, originY: viewport.originY + dy }, nTokens, canvas);
}

/** Moves as little as possible so that the cell is wholly visible. */
export function reveal(viewport: Viewport, queryIdx: number, keyIdx: number, nTokens: number, canvas: Size): Viewport {
  const { cellSize } = viewport;
  const shift = (start: number, length: number) =>
    start < 0 ? -start : start + cellSize > length ? length - start - cellSize : 0;
  const dx = shift(viewport.originX + keyIdx * cellSize, canvas.width);
  const dy = shift(viewport.originY + queryIdx * cellSize, canvas.height);
  return dx === 0 && dy === 0 ? viewport : pan(viewport, dx, dy, nTokens, canvas);
}

export function toSavedZoom(viewport: Viewport, nTokens: number, canvas: Size): SavedZoom {
  const edge = viewport.cellSize * Math.max(1, nTokens);
  return {
    factor: viewport.cellSize / fittingCellSize(nTokens, canvas),
    centerQuery: (canvas.height / 2 - viewport.originY) / edge,
    centerKey: (canvas.width / 2 - viewport.originX) / edge,
  };
}

export function fromSavedZoom(zoom: SavedZoom, nTokens: number, canvas: Size): Viewport {
  const start = fit(nTokens, canvas);
  if (!(zoom.factor > 1.0001)) return start;
  const { cellSize } = zoomAt(start, zoom.factor, 0, 0, nTokens, canvas);
  const edge = cellSize * nTokens;
  const originX = canvas.width / 2 - zoom.centerKey * edge;
  const originY = canvas.height / 2 - zoom.centerQuery * edge;
  return clamp({ originX, originY, cellSize }, nTokens, canvas);
}

/** Keeps the canvas filled: no empty margin before the first cell, none after the last one unless the map is small. */
function clamp(viewport: Viewport, nTokens: number, canvas: Size): Viewport {
  const edge = viewport.cellSize * nTokens;
  const within = (origin: number, length: number) => Math.min(0, Math.max(Math.min(0, length - edge), origin));
  return {
    originX: within(viewport.originX, canvas.width),
    originY: within(viewport.originY, canvas.height),
    cellSize: viewport.cellSize,
  };
}
