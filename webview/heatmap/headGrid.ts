/** Where the maps of several heads stand on one canvas: pure. All lengths are device pixels, so that no edge is blurred. */

/** The same map room for each head, row by row. */
export interface HeadGrid {
  readonly count: number;
  readonly columns: number;
  /** Of a map; it is square. */
  readonly edge: number;
  /** Room above each map for its name. */
  readonly header: number;
  /** From one map to the next. */
  readonly pitchX: number;
  readonly pitchY: number;
  /** Of the canvas. */
  readonly width: number;
  readonly height: number;
}

export interface GridMeasures {
  /** Maps are not made smaller than this, but two always stand side by side. */
  readonly minEdge: number;
  readonly gap: number;
  readonly header: number;
}

/** Fills the width with as many columns as fit, in rows of about the same length. */
export function layOutHeads(count: number, width: number, { minEdge, gap, header }: GridMeasures): HeadGrid {
  const most = Math.max(Math.min(count, 2), Math.min(count, Math.floor((width + gap) / (minEdge + gap))));
  const rows = Math.max(1, Math.ceil(count / Math.max(1, most)));
  const columns = Math.max(1, Math.ceil(count / rows));
  const edge = Math.max(1, Math.floor((width - (columns - 1) * gap) / columns));
  const [pitchX, pitchY] = [edge + gap, header + edge + gap];
  return { count, columns, edge, header, pitchX, pitchY, width, height: rows * pitchY - gap };
}

/** Upper left corner of a head's map. */
export function cornerOfHead({ columns, header, pitchX, pitchY }: HeadGrid, slot: number): { x: number; y: number } {
  return { x: (slot % columns) * pitchX, y: Math.floor(slot / columns) * pitchY + header };
}

/** The head whose map is under a point, and the point from that map's corner; null between the maps. */
export function headUnder(grid: HeadGrid, x: number, y: number): { slot: number; x: number; y: number } | null {
  const [column, row] = [Math.floor(x / grid.pitchX), Math.floor(y / grid.pitchY)];
  const slot = row * grid.columns + column;
  if (x < 0 || y < 0 || column >= grid.columns || slot >= grid.count) return null;
  const corner = cornerOfHead(grid, slot);
  const local = { slot, x: x - corner.x, y: y - corner.y };
  return local.y >= 0 && local.x < grid.edge && local.y < grid.edge ? local : null;
}
