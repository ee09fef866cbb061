/** Columns that tables of a document's lines share. */

import { withLocalMark } from '../../src/shared/labels';
import { t } from '../../src/shared/tools/l10n';
import { h } from '../dom';
import type { Column } from './dataTable';

interface Line {
  readonly lineIdx: number;
  readonly text: string;
}

interface WeighedLine {
  readonly weight: number;
  readonly meanWeight: number;
  /** Of the largest mean weight, for the bar. */
  readonly share: number;
}

/** The line's number and text; a click leads to it. */
export function lineColumn<Row extends Line>(open: (row: Row) => void): Column<Row> {
  return {
    title: t('Line'),
    isNumber: true,
    sortBy: ({ lineIdx }) => lineIdx,
    cell: row => {
      const { lineIdx, text } = row;
      const link = h('button', { class: 'line-link', type: 'button' }, String(lineIdx + 1), h('code', {}, text));
      link.title = text;
      link.addEventListener('click', () => open(row));
      return link;
    },
  };
}

/** The line's mean weight, as a number and as a bar, and its sum. Tables are in the order of the mean. */
export function relevanceColumns<Row extends WeighedLine>(hint: string): Column<Row>[] {
  return [
    {
      title: t('Relevance per token'),
      hint,
      isNumber: true,
      sortBy: ({ meanWeight }) => meanWeight,
      cell: ({ meanWeight, share }) => {
        const bar = h('span', { class: 'bar', 'aria-hidden': 'true' });
        bar.style.setProperty('width', `${Math.round(share * 48)}px`);
        return h('span', { class: 'with-bar' }, bar, withLocalMark(meanWeight.toPrecision(3)));
      },
    },
    {
      title: t('Sum'),
      hint: t('Sum over the tokens of the line. Long lines have more of it.'),
      isNumber: true,
      sortBy: ({ weight }) => weight,
      cell: ({ weight }) => withLocalMark(weight.toPrecision(3)),
    },
  ];
}
