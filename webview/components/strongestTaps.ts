/** The taps that contribute most, as a table. */

import { formatValue } from '../../src/shared/labels';
import { t } from '../../src/shared/tools/l10n';
import { h } from '../dom';
import type { TapGridContent } from './tapGrid';
import { colorCell } from './valueCell';

const nShown = 8;

export function createStrongestTaps() {
  const body = h('tbody');
  const value = h('th', { scope: 'col' });
  const column = (name: string) => h('th', { scope: 'col' }, name);
  const head = h(
    'tr',
    {},
    column(t('Query')),
    column(t('Key')),
    column(t('Contribution')),
    column(t('Kernel weight')),
    value,
  );
  const table = h('table', { class: 'fact-table' }, h('thead', {}, head), body);
  return {
    element: h(
      'div',
      { class: 'details-table', tabindex: 0, role: 'group', 'aria-label': t('Strongest contributions') },
      table,
    ),
    show({ taps, places, valueName, isDifference, theme }: TapGridContent): void {
      value.textContent = isDifference ? t('{0} difference', valueName) : valueName;
      const max = Math.max(0, ...taps.map(({ term }) => Math.abs(term)).filter(Number.isFinite));
      const strongest = taps
        .filter(({ place, term }) => place === 'value' && term !== 0)
        .toSorted((a, b) => Math.abs(b.term) - Math.abs(a.term))
        .slice(0, nShown);
      const token = (idx: number) => h('td', { class: 'token' }, places.nameOf(idx));
      const number = (x: number) => h('td', { class: 'number' }, formatValue(x));
      body.replaceChildren(
        ...strongest.map(tap => {
          const term = number(tap.term);
          colorCell(term, tap.term, max, theme);
          const query = token(tap.queryIdx);
          if (tap.isOwn) query.append(t(' · own'));
          return h('tr', {}, query, token(tap.keyIdx), term, number(tap.weight), number(tap.value));
        }),
      );
    },
  };
}
