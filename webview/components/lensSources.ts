/** The heads that a cell is mixed of, with what each of them adds; one of them is opened to its taps. */

import type { LensSource } from '../../src/attention/lens';
import { formatValue } from '../../src/shared/labels';
import { t } from '../../src/shared/tools/l10n';
import { h, redraw } from '../dom';
import type { Theme } from '../theme';
import { colorCell } from './valueCell';

/** With more heads than this, the weakest are summed up. */
const nShown = 16;

export function createLensSources(onOpen: (headIdx: number) => void) {
  const body = h('tbody');
  const columns = [t('Head'), t('Adds'), t('Mixing weight'), t('Value in head'), t('Own pair'), t('Neighbours')];
  const table = h(
    'table',
    { class: 'fact-table sources' },
    h('thead', {}, h('tr', {}, ...columns.map(name => h('th', { scope: 'col' }, name)))),
    body,
  );
  let showsAll = false;
  let drawRows = () => {};
  const more = h('button', { class: 'token-link more-heads', type: 'button' });
  more.addEventListener('click', () => {
    showsAll = !showsAll;
    drawRows();
  });
  const element = h(
    'div',
    { class: 'details-table', tabindex: 0, role: 'group', 'aria-label': t('Heads mixed here') },
    table,
    more,
  );

  function row(source: LensSource, max: number, openedHead: number, theme: Theme): HTMLElement {
    const { headIdx, mixWeight, convolved, subtotal, own } = source;
    const isOpen = headIdx === openedHead;
    const open = h(
      'button',
      { class: 'token-link', type: 'button', 'aria-pressed': String(isOpen) },
      t('head {0}', headIdx),
    );
    open.addEventListener('click', () => onOpen(headIdx));
    const number = (value: number) => h('td', { class: 'number' }, formatValue(value));
    const adds = number(subtotal);
    colorCell(adds, subtotal, max, theme);
    const attributes = { class: isOpen ? 'source-open' : '', 'data-head': headIdx, 'data-subtotal': subtotal };
    return h(
      'tr',
      attributes,
      h('td', {}, open),
      adds,
      number(mixWeight),
      number(convolved),
      number(own),
      number(subtotal - own),
    );
  }

  return {
    element,
    show(sources: readonly LensSource[], openedHead: number, theme: Theme): void {
      drawRows = () => {
        const max = Math.max(0, ...sources.map(({ subtotal }) => Math.abs(subtotal)).filter(Number.isFinite));
        const strongest = sources.toSorted((a, b) => Math.abs(b.subtotal) - Math.abs(a.subtotal));
        const isLong = sources.length > nShown;
        const shown = isLong && !showsAll ? strongest.slice(0, nShown) : sources;
        const rows = shown.map(source => row(source, max, openedHead, theme));
        more.hidden = !isLong;
        const rest = strongest.slice(nShown).reduce((sum, { subtotal }) => sum + subtotal, 0);
        more.textContent = showsAll
          ? t('Show the strongest only')
          : t('The other {0} heads add {1}. Show all', sources.length - nShown, formatValue(rest));
        redraw(body, ...rows);
      };
      drawRows();
    },
  };
}
