/** The heatmap with its axes, crosshair, tooltip and zoom buttons. */

import type { Rgb } from '../../src/shared/colorScale';
import type { Actions } from '../actions';
import { h } from '../dom';
import { axisTicks, showsTokens } from '../heatmap/axisTicks';
import type { Renderer } from '../heatmap/drawing';
import { type Cell, cellAt, cornerOf, stepCell, visibleCells } from '../heatmap/hitTest';
import type { LevelGrid } from '../heatmap/levels';
import type { MapLoader } from '../heatmap/mapLoader';
import { createRenderer } from '../heatmap/renderer';
import {
  fit,
  fromSavedZoom,
  isFit,
  pan,
  reveal,
  type Size,
  toSavedZoom,
  type Viewport,
  zoomAt,
} from '../heatmap/viewport';
import { stageLabels, visibleToken } from '../labels';
import type { State, Store } from '../state';
import { onPixelRatioChange } from '../theme';
import { button } from '../toolkit';
import { createAxis } from './mapAxes';
import { listenToMap, type MapGestures } from './mapInput';
import { createMapTooltip, describeCell } from './mapTooltip';

const buttonZoom = 1.5;
const instructions =
  'Arrow keys move the cell, with Shift by ten. Plus and minus zoom, 0 shows all, Enter selects the query, Escape leaves.';

export class MapPanel {
  readonly element: HTMLElement;
  private readonly canvas = h('canvas', { class: 'map-canvas', tabindex: 0, role: 'application' });
  private readonly row = h('div', { class: 'band', hidden: true });
  private readonly column = h('div', { class: 'band', hidden: true });
  private readonly selectedRow = h('div', { class: 'band band-selected', hidden: true });
  private readonly tooltip = createMapTooltip();
  private readonly queryAxis = createAxis('query');
  private readonly keyAxis = createAxis('key');
  private readonly frame: HTMLElement;
  private readonly renderer: Renderer;
  private size: Size = { width: 0, height: 0 };
  private viewport: Viewport = { originX: 0, originY: 0, cellSize: 1 };
  private shownTokens = 0;
  private focus: Cell | null = null;
  private hovered: Cell | null = null;
  private drawnTheme: State['theme'] | undefined;
  private drawnMap: State['map'] = null;
  private drawnVersion = -1;
  private drawnExact: LevelGrid | null = null;

  constructor(
    private readonly store: Store<State>,
    private readonly loader: MapLoader,
    private readonly actions: Actions,
  ) {
    this.frame = h(
      'div',
      { class: 'map-frame' },
      this.canvas,
      h('div', { class: 'map-overlay' }, this.selectedRow, this.row, this.column),
      ...this.tooltip.elements,
    );
    const gestures = this.gestures();
    const tools = h(
      'div',
      { class: 'map-tools', role: 'toolbar', 'aria-label': 'Zoom' },
      button('+', 'icon', () => gestures.zoom(buttonZoom), 'Zoom in'),
      button('−', 'icon', () => gestures.zoom(1 / buttonZoom), 'Zoom out'),
      button('Fit', 'icon', () => gestures.fit(), 'Show the whole map'),
    );
    const corner = h(
      'div',
      { class: 'map-corner', 'aria-hidden': 'true' },
      h('span', {}, 'key →'),
      h('span', {}, 'query ↓'),
    );
    const grid = h('div', { class: 'map-grid' }, corner, this.keyAxis.element, this.queryAxis.element, this.frame);
    this.element = h('section', { class: 'map', 'aria-label': 'Attention map' }, tools, grid);
    this.renderer = createRenderer(this.canvas, () => this.draw());
    this.canvas.dataset['renderer'] = this.renderer.kind;
    listenToMap(this.canvas, gestures);
    this.canvas.addEventListener('focus', () => this.showCell());
    this.canvas.addEventListener('blur', () => this.showCell());
    new ResizeObserver(() => this.resize()).observe(this.frame);
    onPixelRatioChange(() => this.resize());
  }

  update(): void {
    const { map, mapVersion, changedTile, theme, panel } = this.store.state;
    this.element.hidden = map === null;
    if (!map) {
      this.shownTokens = 0;
      this.drawnMap = null;
      delete this.canvas.dataset['analysisId'];
      return;
    }
    if (theme !== this.drawnTheme) this.applyTheme(theme);
    if (map.ref.nTokens !== this.shownTokens) {
      this.shownTokens = map.ref.nTokens;
      this.focus = null;
      this.hovered = null;
      this.restoreZoom();
    }
    if (mapVersion !== this.drawnVersion) {
      const isKnown = map.exactGrid === this.drawnExact && mapVersion === this.drawnVersion + 1;
      if (changedTile && map === this.drawnMap && isKnown) this.renderer.updateExact(changedTile);
      else this.renderer.setGrids(map.overviewGrid, map.exactGrid);
    }
    this.drawnMap = map;
    this.drawnVersion = mapVersion;
    this.drawnExact = map.exactGrid;
    const { layerIdx, headIdx } = map.ref;
    const label = `Attention map, layer ${layerIdx}, head ${headIdx}, ${stageLabels[map.ref.stage]}. ${instructions}`;
    this.canvas.setAttribute('aria-label', label);
    this.describe(panel?.view.stage);
    this.draw();
  }

  /** Facts about what is drawn, for tests and scripts. */
  private describe(stage: string | undefined): void {
    const { map } = this.store.state;
    if (!map) return;
    const { analysisId, layerIdx, headIdx, nTokens } = map.ref;
    Object.assign(this.canvas.dataset, {
      analysisId,
      layer: layerIdx,
      head: headIdx,
      stage,
      effectiveStage: map.ref.stage,
      difference: map.ref.minus !== null,
      minus: map.ref.minus ?? '',
      nTokens,
    });
  }

  private draw(): void {
    const { map, panel } = this.store.state;
    if (!map || this.size.width === 0) return;
    const { viewport, canvas } = this;
    const ratio = canvas.width / this.size.width;
    const scaled = {
      originX: viewport.originX * ratio,
      originY: viewport.originY * ratio,
      cellSize: viewport.cellSize * ratio,
    };
    this.renderer.draw(this.shownTokens, scaled);
    const range = visibleCells(viewport, this.shownTokens, this.size);
    this.loader.view(range);
    const isExact = map.covers(this.loader.wanted);
    Object.assign(canvas.dataset, {
      originX: viewport.originX,
      originY: viewport.originY,
      cellSize: viewport.cellSize,
      source: isExact ? 'tiles' : map.overviewGrid ? 'overview' : 'none',
    });
    const { isTooLarge } = this.loader;
    if (isExact !== this.store.state.isExact || isTooLarge !== this.store.state.isTooLarge) {
      this.store.update({ isExact, isTooLarge });
    }
    const labels = panel?.tokens?.labels ?? [];
    const label = (idx: number) => visibleToken(labels[idx] ?? '');
    const selected = panel?.selectedToken ?? null;
    const ticks = (origin: number, length: number) =>
      axisTicks(origin, viewport.cellSize, length, this.shownTokens, label);
    this.queryAxis.draw(ticks(viewport.originY, this.size.height), selected, false);
    this.keyAxis.draw(ticks(viewport.originX, this.size.width), null, showsTokens(viewport.cellSize));
    placeBand(this.selectedRow, selected === null ? null : this.rowBand(selected), 'row');
    this.showCell();
  }

  /** Crosshair and tooltip of the cell under the pointer, or of the one the keyboard is on. */
  private showCell(): void {
    const { map, panel } = this.store.state;
    const focused = document.activeElement === this.canvas ? this.focus : null;
    const cell = this.hovered ?? focused;
    placeBand(this.row, cell && this.rowBand(cell.queryIdx), 'row');
    placeBand(this.column, cell && { start: cornerOf(this.viewport, cell).x, size: this.viewport.cellSize }, 'column');
    if (!cell || !map) {
      this.tooltip.hide();
      return;
    }
    const corner = cornerOf(this.viewport, cell);
    const near = { x: corner.x + this.viewport.cellSize, y: corner.y + this.viewport.cellSize };
    const labels = panel?.tokens?.labels ?? [];
    this.tooltip.show(cell, map.valueAt(cell), labels, near, this.size);
    if (cell === focused) this.tooltip.announce(describeCell(cell, map.valueAt(cell), labels));
  }

  private rowBand(queryIdx: number): { start: number; size: number } {
    return { start: cornerOf(this.viewport, { queryIdx, keyIdx: 0 }).y, size: this.viewport.cellSize };
  }

  private gestures(): MapGestures {
    const at = (x: number, y: number) => cellAt(this.viewport, x, y, this.shownTokens) ?? null;
    return {
      hover: point => {
        this.hovered = point && at(point.x, point.y);
        this.showCell();
      },
      click: (x, y) => {
        this.focus = at(x, y);
        if (this.focus) this.actions.selectToken(this.focus.queryIdx, true);
        this.showCell();
      },
      pan: (dx, dy) => this.move(pan(this.viewport, dx, dy, this.shownTokens, this.size)),
      zoom: (factor, x, y) => {
        const center = this.focus && cornerOf(this.viewport, this.focus);
        const atX = x ?? center?.x ?? this.size.width / 2;
        const atY = y ?? center?.y ?? this.size.height / 2;
        const before = this.viewport.cellSize;
        this.move(zoomAt(this.viewport, factor, atX, atY, this.shownTokens, this.size));
        return this.viewport.cellSize !== before;
      },
      fit: () => this.move(fit(this.shownTokens, this.size)),
      step: (queries, keys) => {
        this.hovered = null;
        this.focus = this.focus ? stepCell(this.focus, queries, keys, this.shownTokens) : this.firstCell();
        this.move(reveal(this.viewport, this.focus.queryIdx, this.focus.keyIdx, this.shownTokens, this.size));
      },
      select: () => {
        if (this.focus) this.actions.selectToken(this.focus.queryIdx, true);
      },
      clear: () => {
        if (!this.focus) this.actions.selectToken(null, false);
        this.focus = null;
        this.hovered = null;
        this.showCell();
      },
    };
  }

  /** Where the keyboard begins: the selected query's own cell, or the first one on screen. */
  private firstCell(): Cell {
    const selected = this.store.state.panel?.selectedToken;
    if (selected != null) return { queryIdx: selected, keyIdx: selected };
    const { queryStart, keyStart } = visibleCells(this.viewport, this.shownTokens, this.size);
    return { queryIdx: queryStart, keyIdx: keyStart };
  }

  private move(viewport: Viewport): void {
    this.viewport = viewport;
    if (this.shownTokens === 0 || this.size.width === 0) return;
    this.draw();
    this.actions.setLayout({ zoom: toSavedZoom(viewport, this.shownTokens, this.size) });
  }

  private resize(): void {
    const width = this.frame.clientWidth;
    const height = this.frame.clientHeight;
    if (width === 0 || height === 0) return;
    const isSettled = isFit(this.viewport, this.shownTokens, this.size) || this.size.width === 0;
    const zoom = isSettled ? null : toSavedZoom(this.viewport, this.shownTokens, this.size);
    const wasUnsized = this.size.width === 0;
    this.size = { width, height };
    this.canvas.width = Math.round(width * devicePixelRatio);
    this.canvas.height = Math.round(height * devicePixelRatio);
    if (wasUnsized) this.restoreZoom();
    else this.viewport = zoom ? fromSavedZoom(zoom, this.shownTokens, this.size) : fit(this.shownTokens, this.size);
    this.draw();
  }

  private restoreZoom(): void {
    if (this.size.width === 0 || this.shownTokens === 0) return;
    this.viewport = fromSavedZoom(this.store.state.layout.zoom, this.shownTokens, this.size);
  }

  private applyTheme(theme: State['theme']): void {
    this.drawnTheme = theme;
    const share = theme.isHighContrast ? 0.5 : 0.14;
    const hatch = theme.background.map((from, i) => Math.round(from + (theme.foreground[i]! - from) * share));
    this.renderer.setColors({ table: theme.colors, background: theme.background, hatch: hatch as unknown as Rgb });
  }
}

function placeBand(band: HTMLElement, at: { start: number; size: number } | null, kind: 'row' | 'column'): void {
  band.hidden = at === null;
  if (!at) return;
  const isRow = kind === 'row';
  band.style.setProperty(isRow ? 'top' : 'left', `${at.start}px`);
  band.style.setProperty(isRow ? 'height' : 'width', `${Math.max(1, at.size)}px`);
  band.classList.add(`band-${kind}`);
}
