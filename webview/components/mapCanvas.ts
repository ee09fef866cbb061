/** One drawn map: canvas, crosshair and the selected row. Has no state of its own; the caller passes what to draw and where. */

import type { Cell, Rect } from '../../src/shared/address';
import type { Rgb } from '../../src/shared/colorScale';
import { h } from '../dom';
import type { MapColors, Renderer } from '../heatmap/drawing';
import { cornerOf } from '../heatmap/hitTest';
import type { LevelGrid } from '../heatmap/levels';
import type { MapData } from '../heatmap/mapData';
import { createRenderer } from '../heatmap/renderer';
import type { Viewport } from '../heatmap/viewport';
import type { Theme } from '../theme';

export class MapCanvas {
  readonly frame: HTMLElement;
  readonly canvas = h('canvas', { class: 'map-canvas', tabindex: 0, role: 'application' });
  private readonly row = h('div', { class: 'band band-row', hidden: true });
  private readonly column = h('div', { class: 'band band-column', hidden: true });
  private readonly selectedRow = h('div', { class: 'band band-row band-selected', hidden: true });
  private readonly renderer: Renderer;
  private theme: Theme | null = null;
  private map: MapData | null = null;
  private version = -1;
  private exact: LevelGrid | null = null;
  private pending: { readonly viewport: Viewport; readonly nTokens: number } | null = null;
  /** A new size empties a canvas; it must not be seen empty. */
  private isBlank = true;

  /** @param onRestore the graphics context came back: everything is to be drawn again. */
  constructor(onRestore: () => void) {
    const overlay = h('div', { class: 'map-overlay' }, this.selectedRow, this.row, this.column);
    this.frame = h('div', { class: 'map-frame' }, this.canvas, overlay);
    this.renderer = createRenderer(this.canvas, onRestore);
    this.canvas.dataset['renderer'] = this.renderer.kind;
  }

  /**
   * Hands over the map's values, once per version; drawing needs no further upload.
   * @param changedTile all that the last version changed, or null.
   */
  show(map: MapData, version: number, changedTile: Rect | null, theme: Theme): void {
    if (theme !== this.theme) this.applyTheme(theme);
    if (map === this.map && version === this.version) return;
    const isNext = map === this.map && version === this.version + 1 && map.exactGrid === this.exact;
    if (changedTile && isNext) this.renderer.updateExact(changedTile);
    else this.renderer.setGrids(map.overviewGrid, map.exactGrid);
    this.map = map;
    this.version = version;
    this.exact = map.exactGrid;
  }

  /** Lets go of the map's values. */
  clear(): void {
    if (this.map) this.renderer.setGrids(null, null);
    this.map = null;
    this.exact = null;
  }

  /** @param width and `height` of the frame, CSS pixels. */
  resize(width: number, height: number): void {
    this.canvas.width = Math.round(width * devicePixelRatio);
    this.canvas.height = Math.round(height * devicePixelRatio);
    this.isBlank = true;
  }

  /** Draws with the next frame, once however often it is called: a map may cost more than all the rest of a change. */
  draw(viewport: Viewport, nTokens: number): void {
    const isScheduled = this.pending !== null;
    this.pending = { viewport, nTokens };
    if (this.isBlank) this.drawNow();
    else if (!isScheduled) requestAnimationFrame(() => this.drawNow());
  }

  private drawNow(): void {
    if (!this.pending) return;
    const { viewport, nTokens } = this.pending;
    this.pending = null;
    this.isBlank = false;
    const ratio = this.canvas.width / Math.max(1, this.frame.clientWidth);
    this.renderer.draw(nTokens, {
      originX: viewport.originX * ratio,
      originY: viewport.originY * ratio,
      cellSize: viewport.cellSize * ratio,
    });
  }

  /** Crosshair over a cell, and a frame around the selected query's row. */
  mark(viewport: Viewport, cell: Cell | null, selectedQuery: number | null): void {
    const { cellSize } = viewport;
    const top = (queryIdx: number) => cornerOf(viewport, { queryIdx, keyIdx: 0 }).y;
    place(this.row, cell && { top: top(cell.queryIdx), height: cellSize });
    place(this.column, cell && { left: cornerOf(viewport, cell).x, width: cellSize });
    place(this.selectedRow, selectedQuery === null ? null : { top: top(selectedQuery), height: cellSize });
  }

  private applyTheme(theme: Theme): void {
    this.theme = theme;
    this.renderer.setColors(mapColors(theme));
  }
}

/** The colours that a theme's maps are drawn in. */
export function mapColors(theme: Theme): MapColors {
  const share = theme.isHighContrast ? 0.5 : 0.14;
  const hatch = theme.background.map((from, i) => Math.round(from + (theme.foreground[i]! - from) * share));
  return { table: theme.colors, background: theme.background, hatch: hatch as unknown as Rgb };
}

/** Puts a line of the crosshair somewhere, in CSS pixels; null hides it. */
export function place(band: HTMLElement, at: Readonly<Record<string, number>> | null): void {
  band.hidden = at === null;
  for (const [property, value] of Object.entries(at ?? {})) {
    const isLength = property === 'width' || property === 'height';
    band.style.setProperty(property, `${isLength ? Math.max(1, value) : value}px`);
  }
}
