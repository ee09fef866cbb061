/** The document search: relevance of all lines of the document for a selection, as far as it has come. */

import type { DocumentSearchState, SearchLine } from '../../src/shared/documentSearch';
import { formatBits, withLocalMark } from '../../src/shared/labels';
import { t } from '../../src/shared/tools/l10n';
import { nothingToSearch, searchNotes, searchProgress } from '../documentSearchText';
import { h } from '../dom';
import { Pace } from '../pace';
import { button } from '../toolkit';
import type { ViewContext } from '../views/view';
import { createDataTable } from './dataTable';
import { lineColumn, relevanceColumns } from './lineColumns';

type Row = DocumentSearchState['lines'][number] & { readonly share: number };

const height = 48;

export interface DocumentSearchPart {
  readonly element: HTMLElement;
  /** Without a selection there is nothing to search for. */
  update(hasSelection: boolean): void;
}

export function createDocumentSearch({ actions, host }: ViewContext): DocumentSearchPart {
  const pace = new Pace();
  let current: DocumentSearchState | null = null;
  let isSelected = false;
  const start = button(t('Search Whole Document'), 'secondary', () => actions.run('searchDocument'));
  const cancel = button(t('Cancel'), 'secondary', () => actions.run('cancelSearch'));
  const progress = h('progress', { max: 1, value: 0, 'aria-label': t('Progress of the document search') });
  const status = h('p', { class: 'hint', role: 'status' });
  const failure = h('p', { class: 'failure', role: 'alert', hidden: true });
  const picture = h('div', { class: 'search-profile' });
  const notes = h('ul', { class: 'notes' });
  const reveal = (offset: number) => void host.request('revealInDocument', { offset }).catch(() => {});
  // NaN comes as null from the host.
  const bits = (value: number) => (Number.isFinite(value) ? formatBits(value) : '–');
  const table = createDataTable<Row>(t('Relevant lines of the whole document'), [
    lineColumn(({ strongestAt }) => reveal(strongestAt)),
    ...relevanceColumns<Row>(
      t('Mean magnitude with which the selection, placed after the line’s window, attends to the tokens of the line.'),
    ),
    {
      title: t('Gain of its lines'),
      hint: t(
        'Bits per selected token that these lines together take off the selection’s surprisal, beyond what the text before them does. It belongs to all of them, not to one.',
      ),
      isNumber: true,
      sortBy: ({ gainBits }: SearchLine) => gainBits,
      cell: ({ gainBits, spanLines: [first, last] }) =>
        first === last
          ? t('{0} (line {1})', bits(gainBits), first + 1)
          : t('{0} (lines {1}–{2})', bits(gainBits), first + 1, last + 1),
    },
    {
      title: t('Surprisal'),
      hint: t('Mean bits per token of the line, each with at least half a context before it.'),
      isNumber: true,
      sortBy: ({ surprisalBits }) => surprisalBits,
      cell: ({ surprisalBits }) => (Number.isFinite(surprisalBits) ? withLocalMark(surprisalBits.toFixed(2)) : '–'),
    },
  ]);

  function show(state: DocumentSearchState | null): void {
    const isRunning = state?.status === 'reading' || state?.status === 'running';
    current = state;
    start.toggleAttribute('disabled', isRunning || !isSelected);
    cancel.hidden = !isRunning;
    progress.hidden = !isRunning;
    progress.max = Math.max(1, state?.total ?? 1);
    progress.value = state?.done ?? 0;
    const job = state?.status === 'running' ? `${state.documentLabel}\n${state.selection}` : null;
    const leftMs = pace.leftMs(job, state?.done ?? 0, state?.total ?? 0);
    status.textContent = state === null && !isSelected ? nothingToSearch() : searchProgress(state, leftMs);
    failure.hidden = !state?.failure;
    failure.textContent = state?.failure?.message ?? '';
    picture.replaceChildren(...(state?.profile ? [profile(state, state.profile)] : []));
    const lines = state?.lines ?? [];
    table.element.hidden = lines.length === 0;
    const largest = lines[0]?.meanWeight ?? 1;
    table.update(lines.map(line => ({ ...line, share: Math.min(1, line.meanWeight / largest) })));
    notes.replaceChildren(...(state && lines.length > 0 ? searchNotes(state) : []).map(note => h('li', {}, note)));
  }

  host.on('documentSearch', show);
  void host.request('documentSearch', {}).then(show, () => {});
  show(null);
  const element = h(
    'section',
    { class: 'document-search', 'aria-labelledby': 'document-search-title' },
    h('h2', { id: 'document-search-title' }, t('Document search')),
    h('div', { class: 'controls check-controls' }, start, cancel, progress),
    status,
    failure,
    picture,
    table.element,
    notes,
  );
  return {
    element,
    update(hasSelection) {
      if (hasSelection === isSelected) return;
      isSelected = hasSelection;
      show(current);
    },
  };
}

/** Relevance upwards and surprisal downwards from the middle, from the document's first searched line to the last. */
function profile(
  state: DocumentSearchState,
  { weights, surprisalBits }: NonNullable<DocumentSearchState['profile']>,
): Element {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  const n = weights.length;
  svg.setAttribute('viewBox', `0 0 ${n} ${height}`);
  svg.setAttribute('preserveAspectRatio', 'none');
  svg.setAttribute('role', 'img');
  const { first, end } = state.lineRange;
  svg.setAttribute('aria-label', t('Relevance (up) and surprisal (down) from line {0} to {1}', first + 1, end));
  const bars = (values: Float32Array, className: string, isUp: boolean) => {
    const known = values.filter(value => !Number.isNaN(value));
    const largest = known.reduce((most, value) => Math.max(most, value), 0) || 1;
    const middle = height / 2;
    const path = document.createElementNS('http://www.w3.org/2000/svg', 'path');
    const steps = Array.from(values, (value, i) => {
      if (!(value > 0)) return '';
      const length = (value / largest) * (middle - 1);
      return `M${i} ${middle}v${isUp ? -length : length}h1v${isUp ? length : -length}z`;
    });
    path.setAttribute('d', steps.join(''));
    path.setAttribute('class', className);
    return path;
  };
  svg.append(bars(weights, 'relevance', true), bars(surprisalBits, 'surprisal', false));
  return svg;
}
