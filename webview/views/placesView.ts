/** Places: the strongest cells of the head as pairs of texts; a click shows both in the document. */

import type { Cell } from '../../src/shared/address';
import { formatValue, stageInText } from '../../src/shared/labels';
import { linesOfLabels, placeName, textOfTokens, wordAt } from '../../src/shared/places';
import { Cancelled, toFailureData } from '../../src/shared/tools/failure';
import { isSame } from '../../src/shared/tools/isSame';
import { t } from '../../src/shared/tools/l10n';
import { h, onChange, redraw } from '../dom';
import type { MapRef } from '../heatmap/mapData';
import { coverWithTiles } from '../heatmap/tiles';
import { mapRefOf, type State } from '../state';
import { type StrongCell, StrongestCells } from '../strongestCells';
import type { PanelView, ViewContext, ViewDefinition } from './view';

const nPlaces = 20;
/** Cells of the same two words are one place: more of them are read than shown. */
const nCells = 200;

export const placesView: ViewDefinition = {
  id: 'places',
  title: t('Places'),
  isOffered: host => host.hasMeasures,
  usesHead: () => true,
  create: context => new PlacesView(context),
};

class PlacesView implements PanelView {
  readonly element: HTMLElement;
  private readonly what = h('p', { class: 'hint' });
  private readonly list = h('ol', { class: 'places' });
  private readonly note = h('p', { class: 'facts', role: 'status' });
  private requests = new AbortController();
  private ref: MapRef | null = null;
  private cells: readonly StrongCell[] = [];

  constructor(private readonly context: ViewContext) {
    this.element = h('div', {}, this.what, this.note, this.list);
  }

  update(state: State): void {
    // Its own layer may still be under way: then there is nothing to read.
    const ref = mapRefOf(state.panel);
    if (!isSame(ref, this.ref)) {
      this.ref = ref;
      this.cells = [];
      this.requests.abort();
      if (ref) void this.load(ref);
    }
    this.element.hidden = ref === null;
    if (ref) this.draw(this.cells, state.panel?.tokens?.labels ?? [], state.panel?.windowLines?.first ?? 1, state.cell);
  }

  hide(): void {
    this.requests.abort();
    this.ref = null;
  }

  private async load(ref: MapRef): Promise<void> {
    this.requests = new AbortController();
    const { signal } = this.requests;
    const { maps, store } = this.context;
    const stage = ref.minus ? `${stageInText(ref.stage)} − ${stageInText(ref.minus)}` : stageInText(ref.stage);
    const name = `L${ref.layerIdx}H${ref.headIdx}`;
    this.what.textContent = t(
      'The {0} pairs of words with the strongest cells of {1}, {2}, without the first token and the token itself. A click shows both.',
      ...[nPlaces, name, stage],
    );
    this.note.textContent = t('Searching…');
    try {
      const strongest = new StrongestCells(nCells);
      const whole = { queryStart: 0, queryEnd: ref.nTokens, keyStart: 0, keyEnd: ref.nTokens };
      for (const rect of coverWithTiles(whole, ref.nTokens)) {
        strongest.add(rect, await maps.values(ref, rect, signal));
        if (signal.aborted) return;
      }
      this.cells = strongest.cells;
      this.note.textContent = this.cells.length > 0 ? '' : t('This head looks at nothing else.');
    } catch (error) {
      const failure = toFailureData(error);
      // `no-analysis`: a newer run has begun, and its state is on the way.
      if (signal.aborted || error instanceof Cancelled || failure.code === 'no-analysis') return;
      this.note.textContent = failure.message;
    }
    this.update(store.state);
  }

  private readonly draw = onChange(
    (cells: readonly StrongCell[], labels: readonly string[], firstLine: number, picked: Cell | null) => {
      const lines = linesOfLabels(labels, firstLine);
      const nameOf = (token: number) =>
        placeName(labels[token] === '' ? null : lines[token]!, textOfTokens(labels, wordAt(labels, token)));
      const items = placesOf(cells, labels).map(({ queryIdx, keyIdx, value }) => {
        const [query, key] = [nameOf(queryIdx), nameOf(keyIdx)];
        const button = h(
          'button',
          { class: 'place', type: 'button', 'data-key': `${queryIdx}/${keyIdx}` },
          h('span', { class: 'place-pair' }, `${query} → ${key}`),
          h('span', { class: 'place-value' }, formatValue(value)),
        );
        button.title = t('{0} looks at {1}: {2}', query, key, formatValue(value));
        if (picked?.queryIdx === queryIdx && picked.keyIdx === keyIdx) button.setAttribute('aria-current', 'true');
        button.addEventListener('click', () => this.show({ queryIdx, keyIdx }));
        return h('li', {}, button);
      });
      redraw(this.list, ...items);
    },
  );

  private show(cell: Cell): void {
    const { actions, host } = this.context;
    actions.pickCell(cell);
    actions.selectToken(cell.queryIdx, false);
    if (host.hasEditor) host.request('showPlace', cell).catch(() => {}); // the run is gone: the next state says so
  }
}

/** The strongest cell of each pair of words. */
function placesOf(cells: readonly StrongCell[], labels: readonly string[]): StrongCell[] {
  const seen = new Set<string>();
  const places = cells.filter(({ queryIdx, keyIdx }) => {
    const pair = `${wordAt(labels, queryIdx).first}/${wordAt(labels, keyIdx).first}`;
    return !seen.has(pair) && seen.add(pair);
  });
  return places.slice(0, nPlaces);
}
