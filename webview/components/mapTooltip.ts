/** What is said of one cell: beside it as a tooltip, and to screen readers when the keyboard moves. */

import type { Cell } from '../../src/shared/address';
import { t } from '../../src/shared/tools/l10n';
import { h } from '../dom';
import type { CellValue } from '../heatmap/mapData';
import type { Size } from '../heatmap/viewport';
import { describeCellValue } from '../labels';
import type { Places } from '../places';

export interface MapTooltip {
  readonly elements: readonly HTMLElement[];
  show(cell: Cell, value: CellValue, places: Places, near: { x: number; y: number }, canvas: Size): void;
  hide(): void;
  announce(text: string): void;
}

export function createMapTooltip(): MapTooltip {
  const query = h('div', { class: 'tooltip-line' });
  const key = h('div', { class: 'tooltip-line' });
  const value = h('div', { class: 'tooltip-value' });
  const tooltip = h('div', { class: 'tooltip', role: 'tooltip', id: 'cell-tooltip', hidden: true }, query, key, value);
  const live = h('div', { class: 'sr-only', 'aria-live': 'polite' });
  return {
    elements: [tooltip, live],
    show(cell, cellValue, places, near, canvas) {
      query.textContent = t('query: {0}', places.nameOf(cell.queryIdx));
      key.textContent = t('key: {0}', places.nameOf(cell.keyIdx));
      value.textContent = describeCellValue(cellValue);
      tooltip.hidden = false;
      const gap = 12;
      const { offsetWidth: width, offsetHeight: height } = tooltip;
      const left = near.x + gap + width > canvas.width ? near.x - gap - width : near.x + gap;
      const top = near.y + gap + height > canvas.height ? near.y - gap - height : near.y + gap;
      tooltip.style.setProperty('left', `${Math.max(0, Math.min(canvas.width - width, left))}px`);
      tooltip.style.setProperty('top', `${Math.max(0, top)}px`);
    },
    hide() {
      tooltip.hidden = true;
    },
    announce(text) {
      if (live.textContent !== text) live.textContent = text;
    },
  };
}

/** One sentence on a cell. */
export function describeCell(cell: Cell, value: CellValue, places: Places): string {
  return `${places.nameOfCell(cell)}: ${describeCellValue(value)}`;
}
