/** Surprisal of the selected tokens, what was predicted in their place, and what is predicted after them. */

import type { TokenRange } from '../../src/shared/address';
import type { Predictions } from '../../src/shared/analysis';
import { visibleToken, withLocalMark } from '../../src/shared/labels';
import type { PanelState } from '../../src/shared/panel/panelMessages';
import { t } from '../../src/shared/tools/l10n';
import { h } from '../dom';
import { placesIn } from '../places';
import { createDataTable } from './dataTable';

interface SurprisalRow {
  readonly idx: number;
  /** From 1; null for the begin token. */
  readonly line: number | null;
  readonly label: string;
  readonly bits: number;
  readonly predicted: readonly Prediction[];
}

export interface Prediction {
  readonly label: string;
  readonly probability: number;
  readonly isActual: boolean;
}

/** Rows drawn for a range; a longer one says so. */
const maxRows = 200;

export function createPredictions(select: (tokenIdx: number) => void) {
  const title = h('h2', {}, t('Surprisal and predictions'));
  const summary = h('p', { class: 'hint' });
  const table = createDataTable<SurprisalRow>(t('Surprisal and predictions of the selected tokens'), [
    {
      title: t('Token'),
      sortBy: ({ label }) => label,
      cell: ({ idx, label }) => {
        const link = h('button', { class: 'token-link', type: 'button' }, visibleToken(label));
        link.addEventListener('click', () => select(idx));
        return link;
      },
    },
    { title: t('Line'), isNumber: true, sortBy: ({ idx }) => idx, cell: ({ line }) => String(line ?? '–') },
    {
      title: t('Surprisal'),
      hint: t('Bits: minus the binary logarithm of the probability that the model gave this token.'),
      isNumber: true,
      sortBy: ({ bits }) => bits,
      cell: ({ bits }) => (Number.isNaN(bits) ? '–' : withLocalMark(bits.toFixed(2))),
    },
    {
      title: t('Predicted in its place, with probability'),
      cell: ({ predicted }) => (predicted.length === 0 ? t('nothing predicts the first token') : listOf(predicted)),
    },
  ]);
  const next = h('div', { class: 'predicted-next' });
  const element = h('section', { class: 'predictions' }, title, summary, table.element, next);
  return {
    element,
    update(panel: PanelState | null, range: TokenRange | null, predictions: Predictions | null): void {
      element.hidden = range === null || !panel?.tokens;
      if (!range || !panel?.tokens) return;
      table.element.hidden = !predictions;
      next.hidden = !predictions;
      if (!predictions) {
        summary.textContent = t('They come with the last layer.');
        return;
      }
      const places = placesIn(panel, panel.tokens);
      const { labels } = panel.tokens;
      const rows = Array.from({ length: Math.min(maxRows, range.end - range.first) }, (_, i) => {
        const idx = range.first + i;
        const label = labels[idx] ?? '';
        const predicted = idx === 0 ? [] : predictedAt(predictions, idx - 1, label);
        return { idx, line: places.lineOf(idx), label, bits: predictions.surprisalBits[idx] ?? Number.NaN, predicted };
      });
      table.update(rows);
      summary.textContent = summaryOf(predictions.surprisalBits, range);
      const last = range.end - 1;
      next.replaceChildren(
        h('h3', {}, t('Predicted after {0}', places.nameOf(last))),
        listOf(predictedAt(predictions, last, labels[last + 1])),
      );
    },
  };
}

/** The likeliest next tokens after a position. @param actual the label of the one that follows. */
export function predictedAt(predictions: Predictions, position: number, actual: string | undefined): Prediction[] {
  const { k, topIds, topProbabilities, labels } = predictions;
  return Array.from({ length: k }, (_, i) => {
    const label = labels[topIds[position * k + i]!] ?? '';
    return { label, probability: topProbabilities[position * k + i]!, isActual: label === actual };
  });
}

/** One sentence on the surprisal of a range. */
export function summaryOf(bits: Float32Array, { first, end }: TokenRange): string {
  const known = bits.subarray(first, end).filter(value => !Number.isNaN(value));
  const cut = end - first > maxRows ? t(' The first {0} of {1} tokens are listed.', maxRows, end - first) : '';
  if (known.length === 0) return t('Nothing predicts the first token.{0}', cut);
  if (known.length === 1) return t('Surprisal {0} bits.{1}', withLocalMark(known[0]!.toFixed(2)), cut);
  const sum = known.reduce((total, value) => total + value, 0);
  return t(
    'Surprisal {0} bits per token on average, {1} bits in all.{2}',
    withLocalMark((sum / known.length).toFixed(2)),
    withLocalMark(sum.toFixed(1)),
    cut,
  );
}

function listOf(predicted: readonly Prediction[]): HTMLElement {
  return h(
    'ol',
    { class: 'predicted' },
    ...predicted.map(({ label, probability, isActual }) =>
      h(
        'li',
        isActual ? { class: 'is-actual' } : {},
        h('code', {}, visibleToken(label)),
        ` ${formatPercent(probability)}`,
        ...(isActual
          ? [h('span', { class: 'mark' }, ' ✓'), h('span', { class: 'sr-only' }, t(' as in the text'))]
          : []),
      ),
    ),
  );
}

function formatPercent(probability: number): string {
  return `${withLocalMark((probability * 100).toFixed(probability < 0.0995 ? 1 : 0))} %`;
}
