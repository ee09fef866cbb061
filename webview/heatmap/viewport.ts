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
  /** The map's first keys, which are drawn beside the canvas: it begins after them. */
  readonly nKeysBeside?: number;
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

/** The keys beside the canvas; a map of one token has none to spare. */
const keysBeside = (nTokens: number, { nKeysBeside = 0 }: Size) => (nTokens > nKeysBeside ? nKeysBeside : 0);

function fittingCellSize(nTokens: number, canvas: Size): number {
  return Math.min(canvas.width, canvas.height) / Math.max(1, nTokens);
}

/** The whole map, from the canvas's top left corner. */
export function fit(nTokens: number, canvas: Size): Viewport {
  const cellSize = fittingCellSize(nTokens, canvas);
  return { originX: -keysBeside(nTokens, canvas) * cellSize, originY: 0, cellSize };
}

/** About this many tokens along an edge are in sight after a zoom to one of them. */
const nTokensAround = 40;

/** Zooms to where a query meets the tokens before it: it stands near the lower right corner. */
export function zoomTo(queryIdx: number, nTokens: number, canvas: Size): Viewport {
  const smallest = fittingCellSize(nTokens, canvas);
  const edge = Math.min(canvas.width, canvas.height);
  const cellSize = Math.max(smallest, Math.min(largestCell, edge / nTokensAround));
  const originOf = (length: number) => length * 0.75 - (queryIdx + 0.5) * cellSize;
  return clamp({ originX: originOf(edge), originY: originOf(canvas.height), cellSize }, nTokens, canvas);
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
  const key = Math.max(keyIdx, keysBeside(nTokens, canvas));
  const dx = shift(viewport.originX + key * cellSize, canvas.width);
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
  const within = (origin: number, length: number, most: number) =>
    Math.min(most, Math.max(Math.min(most, length - edge), origin));
  return {
    originX: within(viewport.originX, canvas.width, -keysBeside(nTokens, canvas) * viewport.cellSize),
    originY: within(viewport.originY, canvas.height, 0),
    cellSize: viewport.cellSize,
  };
}
