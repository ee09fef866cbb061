/** One kernel in full: its weights, what it does and by which numbers, and where it mattered in this document. */

import type { CellChange } from '../../src/shared/attentionMap';
import { isConv, type KernelPart, sourceHead } from '../../src/shared/kernels';
import { formatValue } from '../../src/shared/labels';
import { t } from '../../src/shared/tools/l10n';
import { h, redraw } from '../dom';
import { changeColumns, describeKernel, type GalleryEntry, listFeatures, partTitles, placeOf } from '../kernelGallery';
import { shortValue } from '../labels';
import type { Places } from '../places';
import type { Theme } from '../theme';
import { button, dropdown } from '../toolkit';
import { matrixMax } from './matrixPicture';
import { colorCell } from './valueCell';

/** Larger matrices are left to their picture. */
const maxTableCells = 1024;

export interface KernelDetail {
  readonly element: HTMLElement;
  /** @param headIdx whose changes are listed; of a convolution its own. */
  show(entry: GalleryEntry, headIdx: number, change: number | undefined, theme: Theme): void;
  /** The cells that the kernel changed most; text where there are none to list. */
  showChanges(changes: readonly CellChange[] | string, places: Places | null, part: KernelPart): void;
}

/** @param history what moves the kernel through its training. */
export function createKernelDetail(
  history: HTMLElement,
  onHead: (headIdx: number) => void,
  onCell: (cell: CellChange) => void,
  onTurnOff: () => void,
): KernelDetail {
  const title = h('h2');
  const does = h('p', { class: 'kernel-does' });
  const off = button(t('Turn Off This Kernel'), 'primary', onTurnOff, t('Show what the model predicts without it'));
  const matrix = h('div', { class: 'details-table', tabindex: 0, role: 'group', 'aria-label': t('Weights') });
  const features = h('dl', { class: 'features' });
  const head = dropdown('mix-head', t('Head that is mixed'), value => onHead(Number(value)));
  const changes = h('div', { class: 'changes', 'aria-live': 'polite' });
  const element = h(
    'section',
    { class: 'kernel-detail', 'aria-label': t('Chosen kernel') },
    title,
    does,
    history,
    off,
    h('div', { class: 'kernel-columns' }, matrix, features),
    h('h2', {}, t('Where it changed attention most in this document')),
    head.element,
    changes,
  );
  return {
    element,
    show(entry, headIdx, change, theme) {
      title.textContent = `${entry.features.name}: ${placeOf(entry)}`;
      does.textContent = `${partTitles[entry.part]}. ${describeKernel(entry)}`;
      matrix.replaceChildren(weightTable(entry, theme));
      features.replaceChildren(
        ...listFeatures(entry, change).flatMap(([name, value]) => [h('dt', {}, name), h('dd', {}, value)]),
      );
      head.element.hidden = isConv(entry.part);
      const heads = Array.from({ length: entry.rows }, (_, idx) => ({ value: String(idx), label: t('head {0}', idx) }));
      if (!isConv(entry.part)) head.set(heads, String(headIdx));
    },
    showChanges(found, places, part) {
      if (typeof found === 'string') return redraw(changes, h('p', { class: 'hint' }, found));
      const token = (idx: number) => places?.nameOf(idx) ?? '';
      const rows = found.map(change => {
        const { queryIdx, keyIdx, before, after } = change;
        const link = h('button', { class: 'token-link', type: 'button' }, `${token(queryIdx)} → ${token(keyIdx)}`);
        link.title = t('Open in the lens');
        link.addEventListener('click', () => onCell(change));
        const number = (value: number) => h('td', { class: 'number' }, formatValue(value));
        const place = { 'data-query': queryIdx, 'data-key': keyIdx, 'data-change': change.change };
        return h('tr', place, h('td', {}, link), number(change.change), number(before), number(after));
      });
      const header = h('tr', {}, ...changeColumns(part).map(name => h('th', { scope: 'col' }, name)));
      const table = h('table', { class: 'fact-table' }, h('thead', {}, header), h('tbody', {}, ...rows));
      redraw(
        changes,
        h('div', { class: 'details-table', tabindex: 0, role: 'group', 'aria-label': t('Largest changes') }, table),
      );
    },
  };
}

function weightTable(entry: GalleryEntry, theme: Theme): HTMLElement {
  const { rows, columns, values, identityColumn, part } = entry;
  if (rows * columns > maxTableCells)
    return h('p', { class: 'hint' }, t('{0}×{1} weights, too many for a table.', rows, columns));
  const max = matrixMax(entry);
  const isKernel = isConv(part);
  const columnName = (column: number) => (isKernel ? signedStep(column - identityColumn!) : String(column));
  const rowName = (row: number) => (isKernel ? signedStep(row - (rows - 1)) : t('head {0}', row));
  const heads = Array.from({ length: columns }, (_, column) => h('th', { scope: 'col' }, columnName(column)));
  const body = Array.from({ length: rows }, (_, row) => {
    const cells = Array.from({ length: columns }, (_, column) => {
      const value = values[row * columns + column]!;
      const isOwn = isKernel
        ? row === rows - 1 && column === identityColumn
        : sourceHead({ rows: 1, columns, identityColumn: null }, row, column) === row;
      const cell = h(
        'td',
        { class: isOwn ? 'tap tap-own' : 'tap', title: formatValue(value) },
        h('span', {}, shortValue(value)),
      );
      colorCell(cell, value, max, theme);
      return cell;
    });
    return h('tr', {}, h('th', { scope: 'row' }, rowName(row)), ...cells);
  });
  const corner = h('td', {}, isKernel ? t('query \\ key') : t('to \\ from'));
  const label = isKernel
    ? t('Weights by query and key, counted from the own pair')
    : t('Weights by mixed head and source head');
  return h(
    'table',
    { class: `tap-table weight-table${columns <= 8 ? ' has-room' : ''}`, 'aria-label': label },
    h('thead', {}, h('tr', {}, corner, ...heads)),
    h('tbody', {}, ...body),
  );
}

function signedStep(step: number): string {
  return step === 0 ? '0' : step < 0 ? `−${-step}` : `+${step}`;
}
