/** The map as a real table, a page at a time: for screen readers, and for reading the numbers. */

import type { Rect } from '../../src/shared/address';
import { formatValue, stageInText, stageLabel } from '../../src/shared/labels';
import { Cancelled } from '../../src/shared/tools/failure';
import { isSame } from '../../src/shared/tools/isSame';
import { t } from '../../src/shared/tools/l10n';
import { textField } from '../components/fields';
import { h } from '../dom';
import { isMasked } from '../heatmap/hitTest';
import { type CellValue, MapData, type MapRef } from '../heatmap/mapData';
import { describeCellValue } from '../labels';
import { type Places, placesOf } from '../places';
import { mapRefOf, type State } from '../state';
import { button } from '../toolkit';
import type { PanelView, ViewContext, ViewDefinition } from './view';

/** Queries and keys on a page. */
const page = { nQueries: 16, nKeys: 12 };

export const tableView: ViewDefinition = {
  id: 'table',
  title: t('Table'),
  isOffered: () => true,
  usesHead: () => true,
  create: context => new TableView(context),
};

class TableView implements PanelView {
  readonly element: HTMLElement;
  private readonly note = h('p', { class: 'hint', role: 'status' });
  private readonly caption = h('caption');
  private readonly head = h('thead');
  private readonly body = h('tbody');
  private readonly queryField;
  private readonly keyField;
  private queryStart = 0;
  private keyStart = 0;
  private ref: MapRef | null = null;
  private selected: number | null = null;
  private places: Places | null = null;
  private requests = new AbortController();

  constructor(private readonly context: ViewContext) {
    this.queryField = textField(t('First query, line'), text => this.jump(text, 'query'), { on: 'change' });
    this.keyField = textField(t('First key, line'), text => this.jump(text, 'key'), { on: 'change' });
    const move = (label: string, queries: number, keys: number) =>
      button(label, 'secondary', () => this.go(this.queryStart + queries, this.keyStart + keys));
    const table = h('table', { class: 'data-table map-table' }, this.caption, this.head, this.body);
    this.element = h(
      'section',
      { class: 'table-view', 'aria-label': t('Map as a table') },
      h(
        'div',
        { class: 'controls', role: 'group', 'aria-label': t('Pages') },
        ...[this.queryField.element, this.keyField.element],
        move(t('Queries before'), -page.nQueries, 0),
        move(t('Queries after'), page.nQueries, 0),
        move(t('Keys before'), 0, -page.nKeys),
        move(t('Keys after'), 0, page.nKeys),
      ),
      this.note,
      h('div', { class: 'table-scroller', tabindex: 0, role: 'region', 'aria-label': t('Map as a table') }, table),
    );
  }

  update({ panel, cell }: State): void {
    const ref = mapRefOf(panel);
    const selected = cell?.queryIdx ?? panel?.selectedToken ?? null;
    if (isSame(ref, this.ref) && selected === this.selected) return;
    const isMoved = selected !== null && selected !== this.selected;
    this.ref = ref;
    this.selected = selected;
    this.places = placesOf(panel);
    if (!ref) {
      this.body.replaceChildren();
      this.head.replaceChildren();
      this.note.textContent = t('The map is not ready yet.');
      return;
    }
    // The page follows the selection; where the keyboard moves pages, it stays until something else is selected.
    const isOnPage = selected !== null && selected >= this.queryStart && selected < this.queryStart + page.nQueries;
    const queryStart = isMoved && !isOnPage ? selected - Math.floor(page.nQueries / 2) : this.queryStart;
    const keyIdx = cell?.keyIdx ?? null;
    const isKeyOnPage = keyIdx === null || (keyIdx >= this.keyStart && keyIdx < this.keyStart + page.nKeys);
    this.go(queryStart, isMoved && !isKeyOnPage ? keyIdx! - Math.floor(page.nKeys / 2) : this.keyStart);
  }

  hide(): void {
    this.requests.abort();
  }

  private jump(text: string, axis: 'query' | 'key'): string | undefined {
    const { places, ref } = this;
    if (!places || !ref) return undefined;
    const token = /^\d{1,9}$/.test(text.trim()) ? places.firstOfLine(Number(text)) : null;
    if (token === null) {
      const last = places.lineOf(ref.nTokens - 1) ?? 0;
      return t('"{0}" is not a line of the range: write a whole number up to {1}', text, last);
    }
    if (axis === 'query') this.go(token, this.keyStart);
    else this.go(this.queryStart, token);
    return undefined;
  }

  private go(queryStart: number, keyStart: number): void {
    const { ref } = this;
    if (!ref) return;
    const inside = (start: number, count: number) => Math.max(0, Math.min(start, ref.nTokens - count));
    this.queryStart = inside(queryStart, page.nQueries);
    this.keyStart = inside(keyStart, page.nKeys);
    this.queryField.set(String(this.places?.lineOf(this.queryStart) ?? ''));
    this.keyField.set(String(this.places?.lineOf(this.keyStart) ?? ''));
    this.requests.abort();
    this.requests = new AbortController();
    void this.draw(ref, this.requests.signal);
  }

  private async draw(ref: MapRef, signal: AbortSignal): Promise<void> {
    const rect: Rect = {
      queryStart: this.queryStart,
      keyStart: this.keyStart,
      nQueries: Math.min(page.nQueries, ref.nTokens - this.queryStart),
      nKeys: Math.min(page.nKeys, ref.nTokens - this.keyStart),
    };
    try {
      const valueAt = await this.values(ref, rect, signal);
      if (!signal.aborted) this.fill(ref, rect, valueAt);
    } catch (error) {
      if (!signal.aborted && !(error instanceof Cancelled)) this.note.textContent = (error as Error).message;
    }
  }

  /** Exact values, or in an exported page what its overviews know. */
  private async values(ref: MapRef, rect: Rect, signal: AbortSignal) {
    const { maps } = this.context;
    if (maps.holdsExact(ref)) {
      const values = await maps.values(ref, rect, signal);
      return (row: number, column: number): CellValue => ({ kind: 'exact', value: values[row * rect.nKeys + column]! });
    }
    const data = new MapData(ref, 'linear');
    data.setOverview(await maps.overview(ref, signal));
    return (row: number, column: number) =>
      data.valueAt({ queryIdx: rect.queryStart + row, keyIdx: rect.keyStart + column });
  }

  private fill(ref: MapRef, rect: Rect, valueAt: (row: number, column: number) => CellValue): void {
    const { queryStart, keyStart, nQueries, nKeys } = rect;
    const token = (idx: number) => this.places?.nameOf(idx) ?? '';
    const range = (start: number, count: number) => t('{0} to {1}', token(start), token(start + count - 1));
    const minus = ref.minus ? t(' minus {0}', stageInText(ref.minus)) : '';
    Object.assign(this.caption.dataset, { query: queryStart, key: keyStart });
    this.caption.textContent =
      t('{0}{1}, layer {2}, head {3}: ', stageLabel(ref.stage), minus, ref.layerIdx, ref.headIdx) +
      t('queries {0}, keys {1}', range(queryStart, nQueries), range(keyStart, nKeys));
    this.note.textContent = t(
      'Rows are queries, columns are keys. – stands for a masked cell: the key comes after the query.',
    );
    const keys = Array.from({ length: nKeys }, (_, i) => keyStart + i);
    this.head.replaceChildren(
      h(
        'tr',
        {},
        h('th', { scope: 'col' }, t('Query')),
        ...keys.map(key => h('th', { scope: 'col', class: 'number' }, token(key))),
      ),
    );
    this.body.replaceChildren(
      ...Array.from({ length: nQueries }, (_, row) => {
        const queryIdx = queryStart + row;
        const cells = keys.map((keyIdx, column) => {
          const value: CellValue = isMasked({ queryIdx, keyIdx }) ? { kind: 'masked' } : valueAt(row, column);
          return h('td', { class: 'number' }, ...written(value));
        });
        const isSelected = queryIdx === this.selected;
        return h(
          'tr',
          isSelected ? { 'aria-selected': 'true', class: 'is-selected' } : {},
          h('th', { scope: 'row' }, token(queryIdx)),
          ...cells,
        );
      }),
    );
  }
}

function written(value: CellValue): (Node | string)[] {
  if (value.kind === 'exact') return [formatValue(value.value)];
  if (value.kind === 'masked') {
    return [h('span', { 'aria-hidden': 'true' }, '–'), h('span', { class: 'sr-only' }, t('masked'))];
  }
  return [describeCellValue(value)];
}
