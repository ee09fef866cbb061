/** One drawn map: canvas, the strip of the first token, and marks. Has no state of its own; the caller passes what to draw and where. */

import type { Cell, Rect } from '../../src/shared/address';
import { contrast, type Rgb } from '../../src/shared/colorScale';
import { t } from '../../src/shared/tools/l10n';
import { h } from '../dom';
import type { Renderer } from '../heatmap/drawing';
import { paintFirstKey } from '../heatmap/firstKey';
import { cornerOf } from '../heatmap/hitTest';
import { type DeviceViewport, type LevelGrid, type MapColors, toDevice, toPixels } from '../heatmap/levels';
import type { MapData } from '../heatmap/mapData';
import { createRenderer } from '../heatmap/renderer';
import type { Viewport } from '../heatmap/viewport';
import type { Theme } from '../theme';
import { listenToMap, type MapGestures } from './mapInput';

/** Keys that stand beside the canvas, in a strip. */
export const nKeysBeside = 1;

export class MapCanvas {
  /** The strip and the map. */
  readonly element: HTMLElement;
  /** What holds the canvas and is as large. */
  readonly frame: HTMLElement;
  readonly canvas = h('canvas', { class: 'map-canvas', tabindex: 0, role: 'application' });
  private readonly strip = h('canvas', { class: 'first-key-canvas', width: 1, height: 1 });
  private readonly stripFrame: HTMLElement;
  private readonly row = h('div', { class: 'mark mark-row', hidden: true });
  private readonly column = h('div', { class: 'mark mark-column', hidden: true });
  private readonly ring = h('div', { class: 'mark mark-cell', hidden: true });
  private readonly renderer: Renderer;
  private theme: Theme | null = null;
  private colors: MapColors | null = null;
  private map: MapData | null = null;
  private version = -1;
  private exact: LevelGrid | null = null;
  private pending: { readonly viewport: Viewport; readonly nTokens: number } | null = null;
  private viewport: Viewport = { originX: 0, originY: 0, cellSize: 1 };
  /** A new size empties a canvas; it must not be seen empty. */
  private isBlank = true;

  /** @param onRestore the graphics context came back: everything is to be drawn again. */
  constructor(onRestore: () => void) {
    this.stripFrame = h('div', { class: 'first-key', title: t('First token') }, this.strip, this.row);
    const overlay = h('div', { class: 'map-overlay' }, this.column, this.ring);
    this.frame = h('div', { class: 'map-frame' }, this.canvas, overlay);
    this.element = h('div', { class: 'map-body' }, this.stripFrame, this.frame);
    this.renderer = createRenderer(this.canvas, onRestore);
    this.canvas.dataset['renderer'] = this.renderer.kind;
  }

  /** Passes on what the reader does on the map and on the strip. */
  listen(gestures: MapGestures): void {
    listenToMap(this.canvas, gestures);
    const inFirstColumn = ({ offsetY }: MouseEvent) => ({
      x: this.viewport.originX + this.viewport.cellSize / 2,
      y: offsetY,
    });
    this.strip.addEventListener('pointermove', event => gestures.hover(inFirstColumn(event)));
    this.strip.addEventListener('pointerleave', () => gestures.hover(null));
    this.strip.addEventListener('click', event => {
      const { x, y } = inFirstColumn(event);
      gestures.click(x, y);
    });
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
    const device = toDevice(viewport, ratio, nTokens > nKeysBeside ? nKeysBeside : 0);
    this.renderer.draw(nTokens, device);
    this.drawStrip(nTokens, device);
  }

  private drawStrip(nTokens: number, viewport: DeviceViewport): void {
    const { height } = this.canvas;
    const context = this.strip.getContext('2d');
    if (!context || !this.colors || !this.map || height === 0) return;
    Object.assign(this.strip, { width: 1, height });
    const image = context.createImageData(1, height);
    const { overviewGrid, exactGrid } = this.map;
    image.data.set(toPixels(paintFirstKey(overviewGrid, exactGrid, nTokens, viewport, height), this.colors));
    context.putImageData(image, 0, 0);
  }

  /** Marks in the margins for one selection: a cell, or else a query. Nothing is drawn over the map's cells. */
  mark(viewport: Viewport, cell: Cell | null, selectedQuery: number | null): void {
    this.viewport = viewport;
    const { cellSize } = viewport;
    const queryIdx = cell?.queryIdx ?? selectedQuery;
    const top = queryIdx === null ? 0 : cornerOf(viewport, { queryIdx, keyIdx: 0 }).y;
    const isInSight = queryIdx !== null && top + cellSize > 0 && top < this.frame.clientHeight;
    place(this.row, isInSight ? { top, height: cellSize } : null);
    const corner = cell && cornerOf(viewport, cell);
    const inMap = corner && cell!.keyIdx >= nKeysBeside ? corner : null;
    place(this.column, inMap && { left: inMap.x, width: cellSize });
    place(
      this.ring,
      inMap && {
        left: inMap.x - ringGap,
        top: inMap.y - ringGap,
        width: cellSize + 2 * ringGap,
        height: cellSize + 2 * ringGap,
      },
    );
  }

  private applyTheme(theme: Theme): void {
    this.theme = theme;
    this.colors = mapColors(theme);
    this.renderer.setColors(this.colors);
  }
}

/** Room between a cell and the frame around it, in CSS pixels. */
const ringGap = 3;

/** The colors that a theme's maps are drawn in. */
export function mapColors({ background, foreground, isHighContrast, colors }: Theme): MapColors {
  const mix = (share: number) =>
    background.map((from, i) => Math.round(from + (foreground[i]! - from) * share)) as unknown as Rgb;
  const edges = Array.from({ length: 20 }, (_, i) => mix((i + 1) / 20));
  const edge = edges.find(color => contrast(color, background) >= 3) ?? foreground;
  return { table: colors, background, masked: mix(isHighContrast ? 0.12 : 0.05), edge };
}

/** Puts a mark somewhere, in CSS pixels; null hides it. */
export function place(band: HTMLElement, at: Readonly<Record<string, number>> | null): void {
  band.hidden = at === null;
  for (const [property, value] of Object.entries(at ?? {})) {
    const isLength = property === 'width' || property === 'height';
    band.style.setProperty(property, `${isLength ? Math.max(3, value) : value}px`);
  }
}
