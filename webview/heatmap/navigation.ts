/** Where one map, or several side by side, stand: one viewport for all, and what moves it. */

import type { Cell } from '../../src/shared/address';
import {
  fit,
  fromSavedZoom,
  pan,
  reveal,
  type SavedZoom,
  type Size,
  toSavedZoom,
  type Viewport,
  zoomAt,
  zoomTo,
} from './viewport';

export class Navigation {
  size: Size = { width: 0, height: 0 };
  viewport: Viewport = { originX: 0, originY: 0, cellSize: 1 };
  nTokens = 0;
  private zoom: SavedZoom | null = null;
  private cell: Cell | null = null;

  /**
   * @param save the reader moved the viewport: keep it in a form that outlives the panel's size, and draw.
   * @param nKeysBeside the map's first keys, which are drawn beside the canvas.
   */
  constructor(
    private readonly save: (zoom: SavedZoom) => void,
    private readonly nKeysBeside = 0,
  ) {}

  /** There is a map and room for it. */
  get isReady(): boolean {
    return this.nTokens > 0 && this.size.width > 0;
  }

  /** Takes over the number of tokens and the saved zoom, which may have been moved elsewhere. @returns whether it moved. */
  follow(nTokens: number, zoom: SavedZoom): boolean {
    if (nTokens === this.nTokens && zoom === this.zoom) return false;
    this.nTokens = nTokens;
    this.zoom = zoom;
    this.restore();
    return true;
  }

  /** @returns whether there is now something to draw. */
  resize(width: number, height: number): boolean {
    if (width === 0 || height === 0) return false;
    this.size = { width, height, nKeysBeside: this.nKeysBeside };
    this.restore();
    return this.isReady;
  }

  pan(dx: number, dy: number): void {
    this.move(pan(this.viewport, dx, dy, this.nTokens, this.size));
  }

  /** Zooms around a point of the canvas. @returns whether there was something left to zoom. */
  zoomAt(factor: number, x: number, y: number): boolean {
    const before = this.viewport.cellSize;
    this.move(zoomAt(this.viewport, factor, x, y, this.nTokens, this.size));
    return this.viewport.cellSize !== before;
  }

  fit(): void {
    this.move(fit(this.nTokens, this.size));
  }

  /** Moves as little as possible so that the cell is in sight. */
  reveal({ queryIdx, keyIdx }: Cell): void {
    this.move(reveal(this.viewport, queryIdx, keyIdx, this.nTokens, this.size));
  }

  /** Zooms to a query and the tokens before it. */
  zoomTo(queryIdx: number): void {
    this.move(zoomTo(queryIdx, this.nTokens, this.size));
  }

  /** Brings a cell that was picked elsewhere to the middle, unless it is in sight already. */
  followCell(cell: Cell | null): void {
    if (cell === this.cell || !this.isReady) return;
    this.cell = cell;
    const { queryIdx, keyIdx } = cell ?? { queryIdx: 0, keyIdx: 0 };
    if (!cell || reveal(this.viewport, queryIdx, keyIdx, this.nTokens, this.size) === this.viewport) return;
    const { originX, originY, cellSize } = this.viewport;
    const { width, height } = this.size;
    this.pan(width / 2 - originX - (keyIdx + 0.5) * cellSize, height / 2 - originY - (queryIdx + 0.5) * cellSize);
  }

  private move(viewport: Viewport): void {
    if (!this.isReady || viewport === this.viewport) return;
    this.viewport = viewport;
    this.zoom = toSavedZoom(viewport, this.nTokens, this.size);
    this.save(this.zoom);
  }

  private restore(): void {
    if (!this.isReady) return;
    this.viewport = this.zoom ? fromSavedZoom(this.zoom, this.nTokens, this.size) : fit(this.nTokens, this.size);
  }
}
