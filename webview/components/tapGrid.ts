/** A convolution's taps around a cell: kernel weight times value gives the contribution, as three grids and in words. */

import type { Tap } from '../../src/attention/lens';
import { formatValue, visibleToken } from '../../src/shared/labels';
import { t } from '../../src/shared/tools/l10n';
import { h, redraw } from '../dom';
import { shortValue, unitExponent } from '../labels';
import type { Places } from '../places';
import type { Theme } from '../theme';
import { colorCell } from './valueCell';

export interface TapGridContent {
  /** Shape [row, column] of the kernel, row-major. */
  readonly taps: readonly Tap[];
  readonly columns: number;
  readonly places: Places;
  /** What the values are: "Score" or "Pattern". */
  readonly valueName: string;
  /** Factor on every contribution besides the kernel's weight; 1 without head mixing. */
  readonly mixWeight: number;
  readonly isDifference: boolean;
  readonly theme: Theme;
}

type Quantity = 'weight' | 'value' | 'term';

export function createTapGrid() {
  const line = h('p', { class: 'tap-line', 'aria-live': 'polite' });
  const element = h('div', { class: 'taps' });
  let content: TapGridContent | null = null;
  let cells: HTMLElement[][] = [];
  /** Where the keyboard is. */
  let focused = 0;
  /** What is marked and in words: where the keyboard is, or the pointer. */
  let marked = 0;

  function mark(idx: number): void {
    for (const grid of cells) grid[marked]?.classList.remove('tap-focused');
    marked = idx;
    for (const grid of cells) grid[marked]?.classList.add('tap-focused');
    if (content) line.textContent = describeTap(content, content.taps[idx]!);
  }

  function focusTap(idx: number, isByHand: boolean): void {
    cells[2]?.[focused]?.setAttribute('tabindex', '-1');
    focused = idx;
    cells[2]?.[focused]?.setAttribute('tabindex', '0');
    if (isByHand) cells[2]?.[focused]?.focus();
    mark(idx);
  }

  function grid(quantity: Quantity, title: string): HTMLElement {
    const { taps, columns, places, theme } = content!;
    const max = Math.max(0, ...taps.map(tap => Math.abs(tap[quantity])).filter(Number.isFinite));
    const exponent = unitExponent(max);
    const token = (idx: number) => (places.labels[idx] === undefined ? '' : visibleToken(places.labels[idx]));
    const made = taps.map((tap, idx) => {
      const isShown = tap.place === 'value' || quantity === 'weight';
      const cell = h('td', { class: `tap ${isShown ? '' : `tap-${tap.place}`}`, role: 'gridcell' });
      if (isShown) colorCell(cell, tap[quantity], max, theme);
      cell.append(
        h('span', {}, isShown ? shortValue(tap[quantity] / 10 ** exponent) : tap.place === 'future' ? t('future') : ''),
      );
      cell.classList.toggle('tap-own', tap.isOwn);
      cell.title = describeTap(content!, tap);
      if (quantity === 'term') {
        cell.append(h('span', { class: 'sr-only' }, cell.title));
        const { queryIdx: query, keyIdx: key } = tap;
        Object.assign(cell.dataset, {
          query,
          key,
          weight: tap.weight,
          value: tap.value,
          term: tap.term,
          place: tap.place,
        });
        cell.tabIndex = -1;
        cell.addEventListener('focus', () => focusTap(idx, false));
      }
      // The keyboard goes on from where it was, wherever the pointer rests.
      cell.addEventListener('pointerenter', () => mark(idx));
      return cell;
    });
    cells.push(made);
    const rows = Array.from({ length: taps.length / columns }, (_, row) => {
      const first = taps[row * columns]!;
      const head = header('row', t('query {0}', places.nameOf(first.queryIdx)), token(first.queryIdx));
      return h('tr', {}, head, ...made.slice(row * columns, (row + 1) * columns));
    });
    const keys = taps
      .slice(0, columns)
      .map(({ keyIdx }) => header('col', t('key {0}', places.nameOf(keyIdx)), token(keyIdx)));
    const table = h(
      'table',
      { class: 'tap-table', role: quantity === 'term' ? 'grid' : 'table', 'aria-label': title },
      h('thead', {}, h('tr', {}, h('td'), ...keys)),
      h('tbody', {}, ...rows),
    );
    if (quantity === 'term') table.addEventListener('keydown', event => onKey(event));
    const unit = exponent === 0 ? '' : t('in {0} · ', (10 ** exponent).toExponential(0).replace('-', '−'));
    const scale = max > 0 ? `${unit}±${formatValue(max).slice(1)}` : '';
    return h(
      'figure',
      { class: 'tap-figure' },
      h('figcaption', {}, title, h('span', { class: 'pane-scale' }, scale)),
      table,
    );
  }

  function onKey(event: KeyboardEvent): void {
    const { taps, columns } = content!;
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[event.key];
    if (step === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    const isAcross = Math.abs(step) === 1 && columns > 1;
    const next = focused + step;
    if (next < 0 || next >= taps.length) return;
    if (isAcross && Math.floor(next / columns) !== Math.floor(focused / columns)) return;
    focusTap(next, true);
  }

  return {
    element,
    /** Draws other taps. The keyboard begins at the own pair; while it is in the grid, it stays at its place. */
    show(next: TapGridContent): void {
      content = next;
      cells = [];
      const { isDifference, valueName, mixWeight } = next;
      const minus = isDifference ? t(' − reference’s') : '';
      const factor = mixWeight === 1 ? '' : t(' × {0} (mixing)', formatValue(mixWeight));
      redraw(
        element,
        grid('weight', t('Kernel weight')),
        h('div', { class: 'tap-operator', 'aria-hidden': 'true' }, '×'),
        grid('value', `${valueName}${minus}`),
        h('div', { class: 'tap-operator', 'aria-hidden': 'true' }, '='),
        grid('term', t('Contribution{0}', factor)),
        line,
      );
      const held = cells[2]!.indexOf(document.activeElement as HTMLElement);
      const own = next.taps.findIndex(({ isOwn }) => isOwn);
      focusTap(held >= 0 ? held : Math.max(0, own), false);
    },
  };
}

/** A token over its column or before its row; beside the text there is none to name. */
function header(scope: 'row' | 'col', title: string, token: string): HTMLElement {
  return token === '' ? h('td', {}) : h('th', { scope, title }, h('span', {}, token));
}

/** One tap in a sentence. */
function describeTap(content: Omit<TapGridContent, 'theme'>, tap: Tap): string {
  const { places, valueName, mixWeight } = content;
  const own = tap.isOwn ? t(' (own pair)') : '';
  if (tap.place === 'outside')
    return t('Before the start or past the end of the text: weight {0} meets nothing.', formatValue(tap.weight));
  const where = `${places.nameOfCell(tap)}${own}`;
  if (tap.place === 'future') {
    return t('{0}: the key comes after the query, so weight {1} meets a zero.', where, formatValue(tap.weight));
  }
  const factor = mixWeight === 1 ? '' : t(' × mixing {0}', formatValue(mixWeight));
  const value = `${valueName === t('Score') ? t('score') : t('pattern')} ${formatValue(tap.value)}`;
  return t('{0}: weight {1} × {2}{3} = {4}', where, formatValue(tap.weight), value, factor, formatValue(tap.term));
}
