/** One of several maps side by side: its name and scale, the drawn map, and what the looked-at cell and row hold. */

import type { Cell, Rect } from '../../src/shared/address';
import type { ScaleKind } from '../../src/shared/colorScale';
import { formatValue, stageInText, stageLabel } from '../../src/shared/labels';
import { isPreSoftmax } from '../../src/shared/operators';
import { t } from '../../src/shared/tools/l10n';
import { h } from '../dom';
import { visibleCells } from '../heatmap/hitTest';
import type { MapRef } from '../heatmap/mapData';
import { MapLoader } from '../heatmap/mapLoader';
import type { MapRow, MapSource } from '../heatmap/mapSource';
import type { Navigation } from '../heatmap/navigation';
import { describeCellValue, scaleEndText } from '../labels';
import type { State } from '../state';
import { MapCanvas } from './mapCanvas';

export class StagePane {
  readonly element: HTMLElement;
  readonly drawing = new MapCanvas(() => this.onChange());
  readonly loader: MapLoader;
  private readonly title = h('h3');
  private readonly scale = h('span', { class: 'pane-scale' });
  private readonly value = h('div', { class: 'pane-value' });
  private readonly note = h('div', { class: 'pane-note' });
  private version = 0;
  private changedTile: Rect | null = null;

  /** @param onChange more of the map has arrived: it is to be drawn. */
  constructor(
    maps: MapSource,
    private readonly onChange: () => void,
  ) {
    this.loader = new MapLoader(maps, rect => {
      this.version++;
      this.changedTile = rect ?? null;
      this.onChange();
    });
    this.element = h(
      'figure',
      { class: 'pane' },
      h('figcaption', {}, this.title, this.scale),
      this.drawing.element,
      this.value,
      this.note,
    );
  }

  get ref(): MapRef | null {
    return this.loader.map?.ref ?? null;
  }

  /** Takes another map, or none; the pane is hidden then. */
  show(ref: MapRef | null, scale: ScaleKind, title = ref && titleOf(ref)): void {
    const { map } = this.loader;
    const isRescaled = this.loader.show(ref, scale);
    if (this.loader.map !== map || isRescaled) {
      this.version++;
      this.changedTile = null;
    }
    this.element.hidden = ref === null;
    if (ref === null) this.drawing.clear();
    if (ref !== null) this.title.textContent = title;
  }

  shareScale(max: number): void {
    if (!this.loader.map?.shareScale(max)) return;
    this.version++;
    this.changedTile = null;
  }

  /** @param cell that is marked. */
  draw(navigation: Navigation, { theme, panel }: State, cell: Cell | null): void {
    const { map } = this.loader;
    if (!map || !navigation.isReady) return;
    const { viewport, size, nTokens } = navigation;
    this.loader.view(visibleCells(viewport, nTokens, size));
    this.drawing.show(map, this.version, this.changedTile, theme);
    this.changedTile = null;
    this.drawing.draw(viewport, nTokens);
    this.drawing.mark(viewport, cell, panel?.selectedToken ?? null);
    this.scale.textContent = scaleEndText(map);
    Object.assign(this.element.dataset, {
      stage: map.ref.stage,
      minus: map.ref.minus ?? '',
      max: map.max,
      source: map.covers(this.loader.needed) ? 'tiles' : map.overviewGrid ? 'overview' : 'none',
    });
    const shown = cell && map.valueAt(cell);
    this.value.textContent = shown ? describeCellValue(shown) : '';
    this.element.dataset['value'] = shown?.kind === 'exact' ? String(shown.value) : '';
    this.drawNote();
  }

  /** The sum of the looked-at row, where it is not 1. */
  showRow(row: MapRow | null): void {
    const { ref } = this;
    const sum = row?.isExact ? row.values.reduce((total, value) => total + value, 0) : Number.NaN;
    const isOne = Math.abs(sum - 1) < 1e-3;
    this.rowSum =
      ref && row && !isPreSoftmax(ref.stage) && !ref.minus && !isOne ? t('row sum {0}', formatValue(sum)) : '';
    this.element.dataset['rowSum'] = Number.isNaN(sum) ? '' : String(sum);
    this.drawNote();
  }

  private rowSum = '';

  private drawNote(): void {
    const { failure, isTooLarge, map } = this.loader;
    const wait = map?.ref.minus && isTooLarge ? t('Zoom in: too many cells for exact differences.') : '';
    this.note.textContent = failure?.message ?? (wait || this.rowSum);
  }
}

export function titleOf({ stage, minus }: Pick<MapRef, 'stage' | 'minus'>): string {
  return minus ? `${stageLabel(stage)} − ${stageInText(minus)}` : stageLabel(stage);
}
