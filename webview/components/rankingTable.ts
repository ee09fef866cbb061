/** All single ablations by what they do to the prediction: started here, shown as they come. */

import { type Ablation, type AblationEffect, describePart } from '../../src/shared/ablation';
import { formatBits, formatPlainBits } from '../../src/shared/labels';
import type { Ranking } from '../../src/shared/panel/panelAblation';
import { t } from '../../src/shared/tools/l10n';
import { sayRanking } from '../ablationText';
import { h, onChange, redraw } from '../dom';

import { Pace } from '../pace';
import { button } from '../toolkit';

/** Rows shown until the reader asks for all. */
const nRows = 25;

export interface RankingActions {
  start(withHeads: boolean): void;
  cancel(): void;
  /** Shows the document with this ablation. */
  show(ablation: Ablation): void;
}

export function createRankingTable(actions: RankingActions) {
  const bar = h('progress', { 'aria-label': t('Ablations tried') });
  const said = h('span', { role: 'status' });
  const cancel = button(t('Cancel'), 'secondary', () => actions.cancel(), t('Cancel the ranking'));
  const progress = h('div', { class: 'progress' }, bar, said, cancel);
  const start = h(
    'div',
    { class: 'buttons' },
    button(t('Rank Parts'), 'secondary', () => actions.start(false), t('Rank Parts: rank every part of every layer')),
    button(
      t('Rank Parts and Heads'),
      'secondary',
      () => actions.start(true),
      t('Rank Parts and Heads: rank every part and every head'),
    ),
  );
  const headRow = h(
    'tr',
    {},
    ...['', t('Switched off'), t('Mean KL, bits'), t('Surprisal, bits per token')].map(name =>
      h('th', { scope: 'col' }, name),
    ),
  );
  const body = h('tbody');
  const table = h(
    'table',
    { class: 'fact-table ranking', 'aria-label': t('Single ablations by effect') },
    h('thead', {}, headRow),
    body,
  );
  const more = button(t('Show All'), 'secondary', () => {
    isWhole = true;
    if (current) draw(current, true, leftOf(current));
  });
  const scroller = h('div', { class: 'details-table', tabindex: 0, role: 'region', 'aria-label': t('Ranking') }, table);
  const element = h('div', {}, start, progress, scroller, more);
  const pace = new Pace();
  const leftOf = (ranking: Ranking | null) => {
    const job = ranking?.status === 'running' ? `${ranking.trainedId}/${ranking.withHeads}` : null;
    return pace.leftMs(job, ranking?.done ?? 0, ranking?.total ?? 0);
  };
  let isWhole = false;
  let current: Ranking | null = null;

  const draw = onChange((ranking: Ranking | null, whole: boolean, leftMs: number | null) => {
    const effects = ranking?.effects ?? [];
    const shown = whole ? effects : effects.slice(0, nRows);
    const largest = Math.max(1e-30, ...effects.map(({ meanKlBits }) => meanKlBits || 0));
    redraw(body, ...shown.map((effect, i) => toRow(effect, i, largest, actions)));
    scroller.hidden = effects.length === 0;
    more.hidden = shown.length === effects.length;
    progress.hidden = ranking === null;
    cancel.hidden = ranking?.status !== 'running';
    bar.hidden = ranking?.status !== 'running';
    if (!ranking) return;
    bar.max = Math.max(1, ranking.total);
    bar.value = ranking.done;
    said.textContent = sayRanking(ranking, leftMs);
  });
  return {
    element,
    update(ranking: Ranking | null): void {
      if (ranking?.trainedId !== current?.trainedId) isWhole = false;
      current = ranking;
      element.dataset['status'] = ranking?.status ?? 'none';
      draw(ranking, isWhole, leftOf(ranking));
    },
  };
}

function toRow(effect: AblationEffect, index: number, largest: number, actions: RankingActions): HTMLElement {
  const { edit, meanKlBits, meanSurprisalChangeBits } = effect;
  const what = describePart(edit);
  const length = h('div', { class: 'ranking-bar' });
  length.style.setProperty('width', `${(100 * Math.max(0, meanKlBits)) / largest}%`);
  const show = h('button', { class: 'link', type: 'button', title: t('Show the document with {0} off', what) }, what);
  show.addEventListener('click', () => actions.show({ scope: 'model', edits: [edit] }));
  return h(
    'tr',
    { 'data-kl': meanKlBits, 'data-what': what },
    h('td', { class: 'number' }, String(index + 1)),
    h('td', {}, show),
    h('td', { class: 'number' }, formatPlainBits(meanKlBits), length),
    h('td', { class: 'number' }, Number.isNaN(meanSurprisalChangeBits) ? '–' : formatBits(meanSurprisalChangeBits)),
  );
}
