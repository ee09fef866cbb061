/** The canvas of several heads' maps, and over it their names and the crosshair. Has no state of its own; the caller passes what to draw. */

import type { Cell } from '../../src/shared/address';
import { isSame } from '../../src/shared/tools/isSame';
import { h } from '../dom';
import { cornerOfHead, type HeadGrid, headUnder } from '../heatmap/headGrid';
import { createHeadGridRenderer, type HeadGridRenderer } from '../heatmap/headGridRenderer';
import { cornerOf } from '../heatmap/hitTest';
import type { LayerMaps } from '../heatmap/layerMaps';
import { toDevice } from '../heatmap/levels';
import type { Viewport } from '../heatmap/viewport';
import type { Theme } from '../theme';
import { mapColors, place } from './mapCanvas';

/** What stands over one map. */
interface HeadPlate {
  readonly element: HTMLElement;
  readonly name: HTMLElement;
  readonly scale: HTMLElement;
  readonly ring: HTMLElement;
}

export class HeadGridCanvas {
  readonly frame: HTMLElement;
  readonly canvas = h('canvas', { class: 'map-canvas', tabindex: 0, role: 'application' });
  private readonly overlay = h('div', { class: 'map-overlay', 'aria-hidden': 'true' });
  private readonly renderer: HeadGridRenderer;
  private plates: HeadPlate[] = [];
  private grid: HeadGrid | null = null;
  private theme: Theme | null = null;
  private reserved = '';
  private pending: (() => void) | null = null;
  private isBlank = true;

  /** @param onRestore the graphics context came back: everything is to be drawn again. */
  constructor(onRestore: () => void) {
    this.frame = h('div', { class: 'head-grid' }, this.canvas, this.overlay);
    this.renderer = createHeadGridRenderer(this.canvas, () => {
      this.reserved = '';
      onRestore();
    });
    this.canvas.dataset['renderer'] = this.renderer.kind;
  }

  /** Takes the room it is given; a new size empties the canvas. */
  layOut(grid: HeadGrid): void {
    if (isSame(grid, this.grid)) return;
    this.grid = grid;
    Object.assign(this.canvas, { width: grid.width, height: grid.height });
    const px = (length: number) => `${length / devicePixelRatio}px`;
    this.frame.style.setProperty('height', px(grid.height));
    this.plates = Array.from({ length: grid.count }, createPlate);
    this.overlay.replaceChildren(...this.plates.map(({ element }) => element));
    this.plates.forEach(({ element }, slot) => {
      const { x, y } = cornerOfHead(grid, slot);
      const box = { left: x, top: y - grid.header, width: grid.edge, height: grid.edge + grid.header };
      for (const [side, length] of Object.entries(box)) element.style.setProperty(side, px(length));
      element.style.setProperty('--header', px(grid.header));
    });
    this.isBlank = true;
  }

  /** Hands over what changed of the maps' values. */
  take(maps: LayerMaps, theme: Theme): void {
    if (theme !== this.theme) {
      this.theme = theme;
      this.renderer.setColors(mapColors(theme));
    }
    const size = Math.max(1, ...maps.maps.map(({ overviewGrid }) => overviewGrid?.size ?? 0));
    const room = `${maps.maps.length}/${size}`;
    if (room !== this.reserved) {
      this.reserved = room;
      this.renderer.reserve(Math.max(1, maps.maps.length), size);
      for (const slot of maps.maps.keys()) maps.changed.add(slot);
      maps.isPatchChanged = true;
    }
    for (const slot of maps.changed) this.renderer.setOverview(slot, maps.maps[slot]?.overviewGrid ?? null);
    maps.changed.clear();
    if (maps.isPatchChanged) this.renderer.setPatch(maps.patchLevels());
    maps.isPatchChanged = false;
  }

  /** Lets go of the values. */
  clear(): void {
    this.renderer.reserve(1, 1);
    this.reserved = '';
  }

  label(slot: number, name: string, scale: string, isShown: boolean): void {
    const plate = this.plates[slot];
    if (!plate) return;
    if (plate.name.textContent !== name) plate.name.textContent = name;
    if (plate.scale.textContent !== scale) plate.scale.textContent = scale;
    plate.element.classList.toggle('head-shown', isShown);
  }

  /** Draws with the next frame, once however often it is called. @param viewport of one map, CSS pixels. */
  draw(nTokens: number, blockSize: number, viewport: Viewport): void {
    const isScheduled = this.pending !== null;
    this.pending = () => {
      // The first token has no strip here: it stays in the maps.
      this.renderer.draw(nTokens, blockSize, this.grid!, toDevice(viewport, devicePixelRatio, 0));
    };
    if (this.isBlank) this.drawNow();
    else if (!isScheduled) requestAnimationFrame(() => this.drawNow());
  }

  /** A frame around the same cell of every map. */
  mark(viewport: Viewport, cell: Cell | null): void {
    const { cellSize } = viewport;
    const corner = cell && cornerOf(viewport, cell);
    for (const { ring } of this.plates) {
      place(ring, corner && { left: corner.x - 2, top: corner.y - 2, width: cellSize + 4, height: cellSize + 4 });
    }
  }

  /** The map under a point of the canvas, and the point from its corner; CSS pixels. */
  under(x: number, y: number): { slot: number; x: number; y: number } | null {
    const ratio = devicePixelRatio;
    const found = this.grid && headUnder(this.grid, x * ratio, y * ratio);
    return found && { slot: found.slot, x: found.x / ratio, y: found.y / ratio };
  }

  private drawNow(): void {
    const draw = this.pending;
    this.pending = null;
    this.isBlank = false;
    if (this.grid) draw?.();
  }
}

function createPlate(): HeadPlate {
  const [name, scale] = [h('span', { class: 'head-name' }), h('span', { class: 'head-value' })];
  const ring = h('div', { class: 'mark mark-cell', hidden: true });
  const bands = h('div', { class: 'head-bands' }, ring);
  const element = h('div', { class: 'head-plate' }, h('div', { class: 'head-title' }, name, scale), bands);
  return { element, name, scale, ring };
}
