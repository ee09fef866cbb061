/** One token or a range: what it attends to, what attends to it, how surprising it is, and what was predicted. */

import type { TokenRange } from '../../src/shared/address';
import type { Predictions } from '../../src/shared/analysis';
import { formatValue, stageInText, visibleToken, withLocalMark } from '../../src/shared/labels';
import type { PanelState } from '../../src/shared/panel/panelMessages';
import { type Direction, isApplicable } from '../../src/shared/relevance';
import { Cancelled } from '../../src/shared/tools/failure';
import { isSame } from '../../src/shared/tools/isSame';
import { t } from '../../src/shared/tools/l10n';
import { type Column, createDataTable } from '../components/dataTable';
import { radioGroup, textField } from '../components/fields';
import { createPredictions } from '../components/predictions';
import { createTokenStrip, type Shading } from '../components/tokenStrip';
import { h } from '../dom';
import { placesOf } from '../places';
import { isLayerReady, mapRefOf, type State, selectedRange } from '../state';
import type { PanelView, ViewContext, ViewDefinition } from './view';

interface WeightRow {
  readonly idx: number;
  /** From 1; null for the begin token. */
  readonly line: number | null;
  readonly label: string;
  readonly weight: number;
  readonly surprisalBits: number;
}

/** What the host answered for the current selection. */
interface Loaded {
  readonly key: string;
  readonly weights: Float32Array;
}

export const tokensView: ViewDefinition = {
  id: 'tokens',
  title: t('Tokens'),
  section: 'closed',
  isOffered: () => true,
  usesHead: () => true,
  create: context => new TokensView(context),
};

class TokensView implements PanelView {
  readonly element: HTMLElement;
  private readonly strip;
  private readonly table;
  private readonly predictionTables = createPredictions(idx => this.context.actions.selectToken(idx, true, null));
  private readonly title = h('h2', { id: 'tokens-title' });
  private readonly note = h('p', { class: 'hint' });
  private readonly results = h('div');
  private readonly directionChoice;
  private direction: Direction = 'attends';
  private filter = '';
  private loaded: Loaded | null = null;
  private requested = '';
  private problem = '';
  private requests = new AbortController();
  private predictions: { readonly analysisId: number; readonly answer: Predictions | null } | null = null;
  private drawn: readonly unknown[] = [];

  constructor(private readonly context: ViewContext) {
    const { actions, store } = context;
    this.strip = createTokenStrip(actions, 'selectable-token');
    this.table = createDataTable(t('Weights of tokens'), this.columns());
    this.directionChoice = radioGroup<Direction>(
      t('Direction'),
      [
        { value: 'attends', label: t('What it attends to') },
        { value: 'attendedBy', label: t('What attends to it') },
      ],
      direction => {
        this.direction = direction;
        this.update(store.state);
      },
    );
    this.directionChoice.set(this.direction);
    const filter = textField(
      t('Filter'),
      text => {
        this.filter = text;
        this.update(store.state);
        return undefined;
      },
      { placeholder: t('text of a token') },
    );
    this.results.append(
      h('div', { class: 'controls' }, this.directionChoice.element, filter.element),
      this.table.element,
    );
    this.element = h(
      'div',
      { class: 'columns tokens-view' },
      h('section', { class: 'token-section', 'aria-label': t('Text') }, this.strip.element),
      h(
        'section',
        { 'aria-labelledby': 'tokens-title' },
        this.title,
        this.note,
        this.results,
        this.predictionTables.element,
      ),
    );
  }

  update(state: State): void {
    const { panel } = state;
    const range = selectedRange(panel);
    this.load(panel, range);
    const isCurrent = this.loaded !== null && this.loaded.key === this.requested;
    this.strip.update(state, isCurrent ? shadingOf(this.loaded!.weights, range!, this.direction) : null);
    const drawn = [this.requested, isCurrent, this.filter, this.problem, this.predictions?.answer != null];
    if (isSame(drawn, this.drawn)) return;
    this.drawn = drawn;
    // Older rows stay until the new ones are there: what blinks cannot be read, and controls must not vanish under the hand.
    this.results.hidden = range === null;
    this.results.setAttribute('aria-busy', String(range !== null && !isCurrent && this.problem === ''));
    this.table.element.hidden = this.loaded === null || this.problem !== '';
    const hint = this.context.host.hasEditor ? t(', or a word in the document') : '';
    this.note.textContent = range
      ? this.problem || noteOf(range, this.direction, !panel || this.context.host.holdsExact(panel.view))
      : t('Select a token or a range{0}.', hint);
    this.title.textContent = panel && range ? titleOf(panel, range, this.direction) : t('Selected tokens');
    if (isCurrent && panel) this.table.update(this.rows(panel, range!));
    this.predictionTables.update(panel, range, this.predictions?.answer ?? null);
  }

  hide(): void {
    this.requests.abort();
    if (this.loaded?.key !== this.requested) this.requested = '';
  }

  /** Asks for the weights of the selection, and once per run for the predictions. */
  private load(panel: PanelState | null, range: TokenRange | null): void {
    const ref = mapRefOf(panel);
    const { layerIdx, headIdx, stage, analysisId } = ref ?? {
      layerIdx: 0,
      headIdx: 0,
      stage: 'scores',
      analysisId: -1,
    };
    const isReady = ref !== null && range !== null && panel !== null && isLayerReady(panel);
    const key = isReady ? [analysisId, layerIdx, headIdx, stage, range.first, range.end, this.direction].join('/') : '';
    if (panel?.status === 'done' && this.predictions?.analysisId !== panel.analysisId) {
      void this.loadPredictions(panel.analysisId);
    }
    if (key === this.requested) return;
    this.requested = key;
    this.problem = '';
    this.requests.abort();
    this.requests = new AbortController();
    if (!isReady) return;
    const { signal } = this.requests;
    const { direction } = this;
    this.context.host
      .request('rangeWeights', { analysisId, layerIdx, headIdx, stage, range, direction } as never, signal)
      .then(
        weights => {
          this.loaded = { key, weights };
        },
        error => {
          if (!(error instanceof Cancelled)) this.problem = (error as Error).message;
        },
      )
      .then(() => {
        if (!signal.aborted) this.update(this.context.store.state);
      });
  }

  private async loadPredictions(analysisId: number): Promise<void> {
    this.predictions = { analysisId, answer: null };
    // A newer run may have begun; its own end asks again.
    const answer = await this.context.host.request('predictions', { analysisId }).catch(() => null);
    if (this.predictions.analysisId !== analysisId) return;
    this.predictions = { analysisId, answer };
    this.update(this.context.store.state);
  }

  private rows(panel: PanelState, range: TokenRange): WeightRow[] {
    const { tokens } = panel;
    const places = placesOf(panel);
    const needle = this.filter.toLowerCase();
    const rows: WeightRow[] = [];
    this.loaded!.weights.forEach((weight, idx) => {
      const label = tokens?.labels[idx] ?? '';
      const isFound = `${label}\n${visibleToken(label)}`.toLowerCase().includes(needle);
      if (!isFound || !isApplicable(this.direction, range, idx)) return;
      rows.push({
        idx,
        line: places?.lineOf(idx) ?? null,
        label,
        weight,
        surprisalBits: tokens?.surprisalBits?.[idx] ?? Number.NaN,
      });
    });
    const magnitude = ({ weight }: WeightRow) => (Number.isNaN(weight) ? Number.POSITIVE_INFINITY : Math.abs(weight));
    return rows.sort((a, b) => magnitude(b) - magnitude(a) || a.idx - b.idx);
  }

  private columns(): Column<WeightRow>[] {
    return [
      {
        title: t('Token'),
        sortBy: ({ label }) => visibleToken(label),
        cell: ({ idx, label }) => {
          const link = h('button', { class: 'token-link', type: 'button', 'data-token': idx }, visibleToken(label));
          link.addEventListener('click', event => {
            const { panel } = this.context.store.state;
            const anchor = event.shiftKey ? (panel?.selectionAnchor ?? panel?.selectedToken ?? null) : null;
            this.context.actions.selectToken(idx, true, anchor);
          });
          return link;
        },
      },
      { title: t('Line'), isNumber: true, sortBy: ({ idx }) => idx, cell: ({ line }) => String(line ?? '–') },
      { title: t('Value'), isNumber: true, sortBy: ({ weight }) => weight, cell: ({ weight }) => formatValue(weight) },
      {
        title: t('Magnitude'),
        isNumber: true,
        sortBy: ({ weight }) => Math.abs(weight),
        cell: ({ weight }) => formatValue(Math.abs(weight)).replace('+', ''),
      },
      {
        title: t('Surprisal'),
        hint: t('Bits: minus the binary logarithm of the probability that the model gave this token.'),
        isNumber: true,
        sortBy: ({ surprisalBits }) => surprisalBits,
        cell: ({ surprisalBits }) => (Number.isNaN(surprisalBits) ? '–' : withLocalMark(surprisalBits.toFixed(2))),
      },
    ];
  }
}

function shadingOf(weights: Float32Array, range: TokenRange, direction: Direction): Shading {
  let max = 0;
  weights.forEach((weight, idx) => {
    const magnitude = Math.abs(weight);
    if (isApplicable(direction, range, idx) && magnitude > max && Number.isFinite(magnitude)) max = magnitude;
  });
  return { values: weights, max };
}

function titleOf(panel: PanelState, range: TokenRange, direction: Direction): string {
  const { view } = panel;
  const what = placesOf(panel)?.nameOfRange(range) ?? '';
  const how = direction === 'attends' ? t('attends to') : t('is attended by');
  return t('{0} {1} · layer {2}, head {3}, {4}', what, how, view.layerIdx, view.headIdx, stageInText(view.stage));
}

function noteOf({ first, end }: TokenRange, direction: Direction, isExact: boolean): string {
  const n = end - first;
  const mean =
    direction === 'attends'
      ? t('Each value is the mean over the {0} selected queries; masked cells count as 0. ', n)
      : t('Each value is the mean over the {0} selected keys; masked cells count as 0. ', n);
  return `${n === 1 ? '' : mean}${isExact ? '' : t('Values are rounded to a 127th of the largest.')}`;
}
