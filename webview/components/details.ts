/** The keys that the selected token attends to most, and what the convolution made of their scores. */

import { keysOfRow } from '../../src/attention/topKeys';
import { formatValue, stageInText, visibleToken } from '../../src/shared/labels';
import { t } from '../../src/shared/tools/l10n';
import type { Actions } from '../actions';
import { h, onChange, redraw } from '../dom';
import { type Places, placesOf } from '../places';
import type { Selection, State } from '../state';

const nRows = 12;

export function createDetails(actions: Actions, hasEditor: boolean) {
  const title = h('h2', { id: 'details-title' });
  const body = h('tbody');
  const head = h('thead');
  const table = h('table', { class: 'fact-table', 'aria-labelledby': 'details-title' }, head, body);
  const places = hasEditor
    ? t('a token below, a row of the map, or a word in the document')
    : t('a token below or a row of the map');
  const note = h('p', { class: 'hint' }, t('Select {0}.', places));
  const scroller = h('div', { class: 'details-table', tabindex: 0 }, table);
  const element = h('section', { class: 'details', 'aria-label': t('Selected token') }, title, note, scroller);

  const draw = onChange((selection: Selection | null, places: Places | null, stage: string) => {
    const isShown = selection !== null && places !== null;
    scroller.hidden = !isShown;
    note.hidden = isShown;
    title.textContent = isShown
      ? t('{0} attends to · {1}', places.nameOf(selection.row.queryIdx), stage)
      : t('Selected token');
    if (!isShown) return;
    const { row, convolution } = selection;
    const columns = [
      t('Key'),
      t('Line'),
      t('Value'),
      ...(convolution ? [t('Score'), t('After convolution'), t('Difference')] : []),
    ];
    head.replaceChildren(h('tr', {}, ...columns.map(name => h('th', { scope: 'col' }, name))));
    redraw(
      body,
      ...keysOfRow(row.values, row.queryIdx, nRows).map(({ keyIdx, weight }) => {
        const before = convolution?.before.values[keyIdx] ?? Number.NaN;
        const after = convolution?.after.values[keyIdx] ?? Number.NaN;
        const numbers = convolution ? [before, after, after - before] : [];
        const token = h('button', { class: 'token-link', type: 'button' }, visibleToken(places.labels[keyIdx] ?? ''));
        token.addEventListener('click', () => actions.selectToken(keyIdx, true));
        return h(
          'tr',
          {},
          h('td', {}, token),
          h('td', { class: 'number' }, String(places.lineOf(keyIdx) ?? '–')),
          h('td', { class: 'number' }, formatValue(weight)),
          ...numbers.map(value => h('td', { class: 'number' }, formatValue(value))),
        );
      }),
    );
  });
  return {
    element,
    update({ panel, selection, map }: State): void {
      element.hidden = map === null;
      draw(selection, placesOf(panel), map ? stageInText(map.ref.stage) : '');
    },
  };
}
