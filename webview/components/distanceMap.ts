/** The map by distance: for long ranges, where the square one is mostly empty. Induction stands there as vertical streaks. */

import type { Cell } from '../../src/shared/address';
import { stageInText } from '../../src/shared/labels';
import { fittingMarks, lineMarks } from '../../src/shared/lineMarks';
import type { Tick } from '../../src/shared/tools/axisTicks';
import { t } from '../../src/shared/tools/l10n';
import type { Actions } from '../actions';
import { h, keepLast } from '../dom';
import { cellByDistance, paintByDistance, placeOfDistance } from '../heatmap/distance';
import { toPixels } from '../heatmap/levels';
import type { MapData } from '../heatmap/mapData';
import type { MapLoader } from '../heatmap/mapLoader';
import { placesOf } from '../places';
import type { State, Store } from '../state';
import type { Theme } from '../theme';
import { createAxis } from './mapAxes';
import { mapColors } from './mapCanvas';
import { createMapTooltip, describeCell } from './mapTooltip';
import { createScale } from './scale';

/** Room between labels of an axis, in CSS pixels. */
const spacing = { query: 16, distance: 26 };

export class DistanceMap {
  readonly element: HTMLElement;
  private readonly canvas = h('canvas', { class: 'distance-canvas', tabindex: 0, role: 'img' });
  private readonly body = h('div', { class: 'distance-body' }, this.canvas);
  private readonly queryAxis = createAxis('query');
  private readonly keyAxis = createAxis('key');
  private readonly scale = createScale();
  private readonly tooltip = createMapTooltip();
  private hovered: Cell | null = null;
  private isShown = false;

  constructor(
    private readonly store: Store<State>,
    private readonly loader: MapLoader,
    private readonly actions: Actions,
  ) {
    const corner = h(
      'div',
      { class: 'map-corner', 'aria-hidden': 'true' },
      h('span', {}, t('distance →')),
      h('span', {}, t('query ↓')),
    );
    this.body.append(...this.tooltip.elements);
    this.element = h(
      'section',
      { class: 'map', 'aria-label': t('Attention map by distance') },
      h(
        'div',
        { class: 'map-grid distance-grid' },
        ...[corner, this.keyAxis.element, this.queryAxis.element, this.body, this.scale.element],
      ),
    );
    this.canvas.addEventListener('pointermove', event => this.hover(this.cellAt(event.offsetX, event.offsetY)));
    this.canvas.addEventListener('pointerleave', () => this.hover(null));
    this.canvas.addEventListener('click', event => this.pick(this.cellAt(event.offsetX, event.offsetY)));
    this.canvas.addEventListener('keydown', event => this.onKey(event));
    this.canvas.addEventListener('blur', () => this.showCell());
    new ResizeObserver(() => this.isShown && this.draw()).observe(this.body);
  }

  update(): void {
    const { map } = this.store.state;
    this.isShown = true;
    this.element.hidden = map === null;
    if (!map) return;
    // The map before stays until something of this one is there.
    const isWaiting = !map.hasValues && this.loader.failure === null && this.canvas.dataset['layout'] !== undefined;
    this.element.classList.toggle('is-waiting', isWaiting);
    if (isWaiting) this.request(map);
    else this.draw();
  }

  hide(): void {
    this.isShown = false;
    this.element.hidden = true;
    this.tooltip.hide();
  }

  private draw(): void {
    const { map, mapVersion, theme, panel } = this.store.state;
    const { clientWidth: width, clientHeight: height } = this.body;
    if (!map || width === 0 || height === 0) return;
    const { nTokens, layerIdx, headIdx, stage, minus } = map.ref;
    this.request(map);
    this.paint(map, mapVersion, theme, width, height);
    const caption = `L${layerIdx}H${headIdx} · ${stageInText(stage)}${minus ? ` − ${stageInText(minus)}` : ''}`;
    this.scale.show(map, theme, caption);
    this.canvas.setAttribute(
      'aria-label',
      t('{0} by distance. Arrow keys move the cell, Enter selects the query.', caption),
    );
    Object.assign(this.canvas.dataset, { layout: 'distance', nTokens, exact: this.loader.isExact });
    this.keyAxis.draw(distanceTicks(nTokens, width), null, false);
    const marks = this.marks(panel?.tokens?.labels ?? [], panel?.windowLines?.first ?? 1);
    const ticks = fittingMarks(marks, 0, height / nTokens, height, spacing.query).map(
      ({ tokenIdx, at, line }): Tick => ({ idx: tokenIdx, at, text: String(line) }),
    );
    this.queryAxis.draw(ticks, null, false);
    this.showCell();
  }

  private request({ ref: { nTokens } }: MapData): void {
    this.loader.view({ queryStart: 0, queryEnd: nTokens, keyStart: 0, keyEnd: nTokens });
  }

  private marks = keepLast(lineMarks);

  private paint = keepLast((map: MapData, _version: number, theme: Theme, width: number, height: number) => {
    // A pixel of CSS is enough: cells of a long range are smaller.
    Object.assign(this.canvas, { width, height });
    const context = this.canvas.getContext('2d');
    if (!context) return;
    const image = context.createImageData(width, height);
    const levels = paintByDistance(map.overviewGrid, map.exactGrid, map.ref.nTokens, width, height);
    image.data.set(toPixels(levels, mapColors(theme)));
    context.putImageData(image, 0, 0);
  });

  private cellAt(x: number, y: number): Cell | null {
    const { map } = this.store.state;
    const { clientWidth: width, clientHeight: height } = this.body;
    if (!map || x < 0 || y < 0 || x >= width || y >= height) return null;
    return cellByDistance([map.overviewGrid, map.exactGrid], map.ref.nTokens, { x, y, width, height });
  }

  private hover(cell: Cell | null): void {
    this.hovered = cell;
    this.showCell();
  }

  private pick(cell: Cell | null): void {
    this.actions.pickCell(cell);
    if (cell) this.actions.selectToken(cell.queryIdx, true);
  }

  private onKey(event: KeyboardEvent): void {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const { map, cell, panel } = this.store.state;
    if (!map) return;
    const step = event.shiftKey ? 10 : 1;
    const moves: Readonly<Record<string, readonly [queries: number, back: number]>> = {
      ...{ ArrowUp: [-step, 0], ArrowDown: [step, 0], ArrowLeft: [0, -step], ArrowRight: [0, step] },
    };
    const [queries, back] = moves[event.key] ?? [0, 0];
    if (event.key === 'Enter') this.pick(cell);
    else if (event.key === 'Escape') this.actions.pickCell(null);
    else if (queries === 0 && back === 0) return;
    else {
      const start = cell ?? { queryIdx: panel?.selectedToken ?? 0, keyIdx: panel?.selectedToken ?? 0 };
      const queryIdx = Math.min(map.ref.nTokens - 1, Math.max(0, start.queryIdx + queries));
      const distance = Math.min(queryIdx, Math.max(0, start.queryIdx - start.keyIdx + back));
      this.actions.pickCell({ queryIdx, keyIdx: queryIdx - distance });
    }
    event.preventDefault();
  }

  private showCell(): void {
    const { map, panel, cell: picked } = this.store.state;
    const isFocused = document.activeElement === this.canvas;
    const cell = this.hovered ?? (isFocused ? picked : null);
    const places = placesOf(panel);
    if (!map || !cell || !places || !this.isShown) {
      this.tooltip.hide();
      return;
    }
    const { clientWidth: width, clientHeight: height } = this.body;
    const { nTokens } = map.ref;
    const near = {
      x: placeOfDistance(cell.queryIdx - cell.keyIdx, nTokens) * width,
      y: (cell.queryIdx * height) / nTokens,
    };
    this.tooltip.show(cell, map.valueAt(cell), places, near, { width, height });
    if (cell === picked && isFocused) this.tooltip.announce(describeCell(cell, map.valueAt(cell), places));
  }
}

/** 0, 1, 2, 4, 8 …, as many as there is room for. */
function distanceTicks(nTokens: number, width: number): Tick[] {
  const ticks: Tick[] = [];
  for (let distance = 0; distance < nTokens; distance = Math.max(1, distance * 2)) {
    // The first one clear of the corner.
    const at = Math.max(5, placeOfDistance(distance, nTokens) * width);
    if (at - (ticks.at(-1)?.at ?? Number.NEGATIVE_INFINITY) < spacing.distance) continue;
    ticks.push({ idx: distance, at, text: String(distance) });
  }
  return ticks;
}
