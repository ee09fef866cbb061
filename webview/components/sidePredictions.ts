/** What two runs predict after the selected token, and where they look from it. */

import { keysOfRow } from '../../src/attention/topKeys';
import type { Predictions } from '../../src/shared/analysis';
import { visibleToken, withLocalMark } from '../../src/shared/labels';
import { isSame } from '../../src/shared/tools/isSame';
import { t } from '../../src/shared/tools/l10n';
import { refsOf, type Sides } from '../counterpart';
import { h } from '../dom';
import type { MapRef } from '../heatmap/mapData';
import type { State } from '../state';
import type { ViewContext } from '../views/view';
import { keyTable } from './compareText';

/** Keys listed of the selected token. */
const nKeys = 8;

export class SidePredictions {
  readonly element: HTMLElement;
  private readonly next = h('div', { class: 'prediction-pair' });
  private readonly keys = h('div', { class: 'prediction-pair' });
  private readonly hint = h('p', { class: 'hint' }, t('Select a row of a map, or a word in the document.'));
  private requests = new AbortController();
  private shown: readonly unknown[] = [];

  constructor(private readonly context: ViewContext) {
    this.element = h('div', { class: 'side-predictions' }, this.hint, this.next, this.keys);
  }

  update({ panel }: State, sides: Sides): void {
    if (!panel) return;
    const token = panel.selectedToken;
    const { view } = panel;
    const key = [token, sides.leftId, sides.rightId, view];
    if (isSame(key, this.shown)) return;
    this.hide();
    this.shown = key;
    this.hint.hidden = token !== null;
    if (token === null) {
      this.next.replaceChildren();
      this.keys.replaceChildren();
      return;
    }
    const { signal } = this.requests;
    const there = sides.toRight[token] ?? -1;
    const last = (count: number, idx: number) => Math.min(idx, count - 1);
    const head = {
      layerIdx: last(sides.model.nLayers, view.layerIdx),
      headIdx: last(sides.model.nHeads, view.headIdx),
    };
    const refs = refsOf(panel, sides, head);
    const rows = [
      [sides.right, sides.rightId, there, refs.right],
      [sides.left, sides.leftId, token, refs.left],
    ] as const;
    const fill = (element: HTMLElement, tables: Promise<HTMLElement>[]) =>
      Promise.all(tables).then(
        all => !signal.aborted && element.replaceChildren(...all),
        () => {
          this.shown = []; // aborted, or a run that is gone: the next update asks again
        },
      );
    void fill(
      this.next,
      rows.map(([side, analysisId, idx]) => this.predictionsOf(side, analysisId, idx, signal)),
    );
    void fill(
      this.keys,
      rows.map(([side, , idx, ref]) => this.keysOf(side, ref, idx, signal)),
    );
  }

  hide(): void {
    this.requests.abort();
    this.requests = new AbortController();
    this.shown = [];
  }

  private async predictionsOf(side: Sides['left'], analysisId: number, token: number, signal: AbortSignal) {
    if (token < 0) return h('p', { class: 'hint' }, t('{0}: this token has no counterpart.', side.label));
    return predictionTable(side.label, await this.context.host.request('predictions', { analysisId }, signal), token);
  }

  private async keysOf(side: Sides['left'], ref: MapRef, token: number, signal: AbortSignal) {
    if (token < 0) return h('p', { class: 'hint' }, t('{0}: this token has no counterpart.', side.label));
    const { values } = await this.context.maps.row(ref, token, signal);
    const { panel } = this.context.store.state;
    return keyTable(panel!, side, token, keysOfRow(values, token, nKeys));
  }
}

function predictionTable(
  name: string,
  { k, topIds, topProbabilities, labels }: Predictions,
  token: number,
): HTMLElement {
  const rows = Array.from({ length: k }, (_, i) => {
    const at = token * k + i;
    const label = visibleToken(labels[topIds[at]!] ?? '');
    const probability = `${withLocalMark((100 * topProbabilities[at]!).toFixed(1))} %`;
    return h('tr', {}, h('td', { class: 'token-cell' }, label), h('td', { class: 'number' }, probability));
  });
  return h('table', { class: 'fact-table' }, h('caption', {}, t('{0}: next token', name)), h('tbody', {}, ...rows));
}
