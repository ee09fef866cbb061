/** A real table whose columns sort by their headings, as many rows at a time as can be read. */

import { t } from '../../src/shared/tools/l10n';
import { h, redraw } from '../dom';

export interface Column<Row> {
  readonly title: string;
  /** Said of the column on hover. */
  readonly hint?: string;
  readonly isNumber?: boolean;
  /** Without it the column cannot be sorted by. NaN and '' sort last. */
  readonly sortBy?: (row: Row) => number | string;
  readonly cell: (row: Row) => Node | string;
}

export interface DataTable<Row> {
  readonly element: HTMLElement;
  /** Draws other rows, in the order chosen. */
  update(rows: readonly Row[]): void;
}

type Order = { readonly column: number; readonly isDescending: boolean } | null;

/** @param rows are given in an order of their own, which is kept until a heading is chosen. */
export function createDataTable<Row>(name: string, columns: readonly Column<Row>[], pageSize = 50): DataTable<Row> {
  let rows: readonly Row[] = [];
  let order: Order = null;
  let nShown = pageSize;
  const headings = columns.map((column, i) => toHeading(column, () => sortBy(i)));
  const body = h('tbody');
  const caption = h('caption', { class: 'sr-only' }, name);
  const table = h('table', { class: 'data-table' }, caption, h('thead', {}, h('tr', {}, ...headings)), body);
  const more = h('button', { class: 'link-button', type: 'button' });
  more.addEventListener('click', () => {
    nShown += 4 * pageSize;
    draw();
  });
  const scroller = h('div', { class: 'table-scroller', tabindex: 0, role: 'region', 'aria-label': name }, table);

  function sortBy(column: number): void {
    // Numbers are looked at from the largest down, text from A on; the next click turns it round.
    const isNumber = columns[column]!.isNumber === true;
    order = { column, isDescending: order?.column === column ? !order.isDescending : isNumber };
    draw();
  }

  function draw(): void {
    const sorted = sortRows(rows, order && columns[order.column]!.sortBy!, order?.isDescending ?? false);
    headings.forEach((heading, i) => {
      const direction = order?.isDescending ? 'descending' : 'ascending';
      heading.setAttribute('aria-sort', order?.column === i ? direction : 'none');
    });
    redraw(
      body,
      ...sorted
        .slice(0, nShown)
        .map(row =>
          h('tr', {}, ...columns.map(({ isNumber, cell }) => h('td', { class: isNumber ? 'number' : '' }, cell(row)))),
        ),
    );
    const nLeft = sorted.length - nShown;
    more.hidden = nLeft <= 0;
    more.textContent = t('Show more ({0} left)', nLeft);
  }

  return {
    element: h('div', { class: 'data-table-box' }, scroller, more),
    update(next) {
      if (next.length < rows.length) nShown = pageSize;
      rows = next;
      draw();
    },
  };
}

/** Pure. Values that are not numbers, and empty texts, come last in either direction. */
export function sortRows<Row>(
  rows: readonly Row[],
  keyOf: ((row: Row) => number | string) | null,
  isDescending: boolean,
): readonly Row[] {
  if (!keyOf) return rows;
  const isMissing = (value: number | string) => value === '' || Number.isNaN(value);
  const compare = (a: number | string, b: number | string) =>
    typeof a === 'string' || typeof b === 'string' ? String(a).localeCompare(String(b)) : a - b;
  return rows.toSorted((rowA, rowB) => {
    const [a, b] = [keyOf(rowA), keyOf(rowB)];
    if (isMissing(a) || isMissing(b)) return Number(isMissing(a)) - Number(isMissing(b));
    return isDescending ? compare(b, a) : compare(a, b);
  });
}

function toHeading<Row>({ title, hint, isNumber, sortBy }: Column<Row>, onSort: () => void): HTMLElement {
  const heading = h('th', { scope: 'col', class: isNumber ? 'number' : '', title: hint });
  if (!sortBy) {
    heading.textContent = title;
    return heading;
  }
  const button = h('button', { class: 'sort-button', type: 'button' }, title);
  button.addEventListener('click', onSort);
  heading.append(button);
  return heading;
}
