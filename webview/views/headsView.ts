/** All heads at a glance, ranked: which one to look at. */

import { type HeadKind, headKindOf, headKinds } from '../../src/attention/headKinds';
import { type Measure, type MeasuredHead, measures, rankHeads } from '../../src/attention/headRanking';
import type { MeasureName } from '../../src/shared/headMeasures';
import type { PanelState } from '../../src/shared/panel/panelMessages';
import { t } from '../../src/shared/tools/l10n';
import { createHeadCard, type HeadCard } from '../components/headCard';
import { h, redraw } from '../dom';
import { HeadsLoader } from '../headsLoader';
import { formatMeasure } from '../labels';
import { Pace, withTimeLeft } from '../pace';
import type { State } from '../state';
import { dropdown } from '../toolkit';
import type { PanelView, ViewContext, ViewDefinition } from './view';

export const headsView: ViewDefinition = {
  id: 'heads',
  title: t('All heads'),
  isOffered: host => host.hasMeasures,
  usesHead: () => false,
  keepsUp: true,
  create: context => new HeadsView(context),
};

class HeadsView implements PanelView {
  readonly element: HTMLElement;
  private readonly loader: HeadsLoader;
  // The grid scrolls by itself and would cut off lists that open upwards.
  private readonly measure = dropdown(
    'measure',
    t('Measure'),
    value => this.context.actions.setLayout({ headMeasure: value as MeasureName }),
    'below',
  );
  private readonly order = dropdown(
    'order',
    t('Order'),
    value => this.context.actions.setLayout({ headOrder: value === 'layer' ? 'layer' : 'rank' }),
    'below',
  );
  private readonly kind = dropdown(
    'head-kind',
    t('Kind'),
    value => this.context.actions.setLayout({ headKind: value === '' ? null : value }),
    'below',
  );
  private readonly sorting = h('summary');
  private readonly why = h('p', { class: 'heads-why' });
  private readonly progress = h('p', { class: 'facts heads-progress', role: 'status' });
  private readonly grid = h('div', { class: 'heads-grid', role: 'group', 'aria-label': t('Heads') });
  private readonly observer: IntersectionObserver;
  private readonly visible = new Set<HeadCard>();
  private readonly pace = new Pace();
  private cards: HeadCard[] = [];
  /** The cards in the order that is seen. */
  private sequence: HeadCard[] = [];
  private shownModel = '';
  private shownOrder: readonly unknown[] = [];
  /** What the reader chose when cards were last put in order. */
  private choice = '';
  private isUnderPointer = false;
  /** The run, and how many of its layers were ready, when pictures were last asked for. */
  private pictured = '';
  private focused = 0;

  constructor(private readonly context: ViewContext) {
    this.loader = new HeadsLoader(context.host, () => this.update(this.context.store.state));
    this.element = h(
      'div',
      { class: 'heads' },
      this.kind.element,
      this.progress,
      h(
        'details',
        { class: 'heads-sorting' },
        this.sorting,
        h('div', { class: 'heads-tools' }, this.measure.element, this.order.element),
        this.why,
      ),
      this.grid,
      h(
        'p',
        { class: 'hint' },
        t(
          'Measured on the exact maps of each layer’s last stage. Pictures show the strongest cells, each on a scale of its own; red is below zero, blue above.',
        ),
      ),
    );
    this.observer = new IntersectionObserver(entries => {
      for (const { isIntersecting, target } of entries) {
        const card = this.cards.find(({ element }) => element === target);
        if (!card) continue;
        if (isIntersecting) this.visible.add(card);
        else this.visible.delete(card);
      }
      this.wantPictures();
    });
    this.grid.addEventListener('click', event => {
      const card = this.cards.find(({ element }) => element.contains(event.target as Node));
      if (card) this.open(card);
    });
    this.grid.addEventListener('keydown', event => this.onKey(event));
    this.grid.addEventListener('pointerenter', () => {
      this.isUnderPointer = true;
    });
    this.grid.addEventListener('pointerleave', () => {
      this.isUnderPointer = false;
      this.update(this.context.store.state);
    });
  }

  update(state: State): void {
    const { panel, layout, theme } = state;
    // Between two runs of a text the heads of the one before stay.
    if (panel?.status === 'loading' && !panel.tokens) return;
    this.element.hidden = !panel?.tokens || !panel.model;
    if (!panel?.tokens || !panel.model) return;
    this.loader.show(panel);
    const measure = measures.find(({ name }) => name === layout.headMeasure) ?? measures[0]!;
    this.measure.set(
      measures.map(({ name, label }) => ({ value: name, label })),
      measure.name,
    );
    this.order.set(
      [
        { value: 'rank', label: t('By rank') },
        { value: 'layer', label: t('By layer') },
      ],
      layout.headOrder,
    );
    const kind = headKinds.find(({ name }) => name === layout.headKind) ?? null;
    this.kind.set(kindOptions(this.loader.heads, kind), kind?.name ?? '');
    this.kind.element.title = kind?.meaning ?? '';
    this.sorting.textContent =
      layout.headOrder === 'rank'
        ? t('Sorted by: {0}', measure.label)
        : t('Sorted by layer; number: {0}', measure.label);
    this.why.textContent = measure.meaning;
    this.progress.textContent = this.sayProgress(panel, measure);
    this.build(panel);
    this.arrange(panel, measure, layout.headOrder === 'rank', kind);
    for (const card of this.cards) card.paint(this.loader.thumbnail(card.layerIdx, card.headIdx), theme);
    const pictured = `${panel.analysisId}/${panel.layersDone}`;
    if (pictured === this.pictured) return;
    this.pictured = pictured;
    this.wantPictures();
  }

  hide(): void {
    this.isUnderPointer = false;
    this.loader.stop();
  }

  private wantPictures(): void {
    const { panel } = this.context.store.state;
    for (const { layerIdx, headIdx } of this.visible) {
      if (panel?.model && layerIdx < panel.layersDone) void this.loader.want(layerIdx, headIdx, panel.model.nHeads);
    }
  }

  /** One card per head, made anew for another model. */
  private build(panel: PanelState): void {
    const { directory, nLayers, nHeads } = panel.model!;
    const key = `${directory}/${nLayers}/${nHeads}`;
    if (key === this.shownModel) return;
    this.shownModel = key;
    this.shownOrder = [];
    this.observer.disconnect();
    this.visible.clear();
    this.cards = Array.from({ length: nLayers * nHeads }, (_, i) => createHeadCard(Math.floor(i / nHeads), i % nHeads));
    redraw(this.grid, ...this.cards.map(({ element }) => element));
    for (const { element } of this.cards) this.observer.observe(element);
    this.setTabStop(this.focused < this.cards.length ? this.focused : 0);
  }

  /** Labels the cards with their values and puts them in order; heads not measured yet come last. */
  private arrange(panel: PanelState, measure: Measure, isRanked: boolean, kind: HeadKind | null): void {
    const { nHeads } = panel.model!;
    const { view, layersDone } = panel;
    const order = [measure.name, kind?.name, isRanked, view.layerIdx, view.headIdx];
    const choice = [this.shownModel, measure.name, kind?.name, isRanked].join('/');
    // What arrives meanwhile moves no card from under the pointer.
    const isHeld = choice === this.choice && this.isUnderPointer;
    const key = [...order, panel.analysisId, layersDone, this.loader.heads, isHeld];
    if (key.every((value, i) => Object.is(value, this.shownOrder[i]))) return;
    this.shownOrder = key;
    this.choice = choice;
    const ranked = rankHeads(this.loader.heads, measure.name);
    const rankOf = new Map(ranked.map(({ layerIdx, headIdx }, rank) => [layerIdx * nHeads + headIdx, rank]));
    for (const card of this.cards) {
      const idx = card.layerIdx * nHeads + card.headIdx;
      const rank = rankOf.get(idx);
      const values = rank === undefined ? undefined : ranked[rank]!.values;
      const value = values?.[measure.name];
      const own = values && headKindOf(values);
      const name = t('Layer {0}, head {1}', card.layerIdx, card.headIdx);
      const isShown = card.layerIdx === view.layerIdx && card.headIdx === view.headIdx;
      const text = value === undefined ? '' : formatMeasure(value);
      const said =
        value === undefined
          ? t('{0}: not measured yet', name)
          : `${name}: ${own!.label}. ${measure.label} ${text} ${measure.unit}`.trimEnd() +
            (Number.isNaN(value) ? '' : t(', rank {0} of {1}', rank! + 1, this.cards.length));
      const isOutdated = own !== undefined && this.loader.isOutdated(card.layerIdx);
      card.label(own?.label ?? '', text, isOutdated ? t('{0} (before the last change)', said) : said, isShown);
      card.element.classList.toggle('is-outdated', isOutdated);
      card.element.dataset['kind'] = own?.name ?? '';
      // Not the attribute `disabled`, which would take the focus away when the text is run again.
      card.element.setAttribute('aria-disabled', String(card.layerIdx >= layersDone));
      if (!isHeld) {
        card.element.hidden = kind !== null && own !== kind;
        card.element.style.setProperty('order', String(isRanked ? (rank ?? idx + this.cards.length) : idx));
      }
      card.element.dataset['rank'] = rank === undefined ? '' : String(rank + 1);
      card.element.dataset['value'] = value === undefined ? '' : String(value);
    }
    this.grid.classList.toggle('heads-by-layer', !isRanked);
    this.grid.style.setProperty('--heads', String(Math.min(nHeads, 12)));
    this.sequence = this.cards.filter(({ element }) => !element.hidden).sort((a, b) => orderOf(a) - orderOf(b));
    const stop = this.cards[this.focused];
    const [first] = this.sequence;
    if (!stop?.element.hidden || !first) return;
    this.setTabStop(this.cards.indexOf(first));
    if (document.activeElement === stop.element) first.element.focus({ preventScroll: true });
  }

  private sayProgress(panel: PanelState, measure: Measure): string {
    const { failure, layersMeasured, heads } = this.loader;
    if (failure) return failure.message;
    const { nLayers } = panel.model!;
    const isMeasuring = panel.status !== 'cancelled' && panel.status !== 'failed';
    const leftMs = this.pace.leftMs(isMeasuring ? panel.analysisId : null, layersMeasured, nLayers);
    if (layersMeasured < nLayers)
      return `${withTimeLeft(t('{0} of {1} layers measured', layersMeasured, nLayers), leftMs)}.`;
    const nLacking = heads.filter(({ values }) => Number.isNaN(values[measure.name])).length;
    if (nLacking === 0) return '';
    if (nLacking === heads.length) return t('No head has this measure here.');
    return t('{0} of {1} heads do not have this measure and come last.', nLacking, heads.length);
  }

  private open({ layerIdx, headIdx }: HeadCard): void {
    const { actions, store } = this.context;
    if (layerIdx >= (store.state.panel?.layersDone ?? 0)) return;
    actions.setView({ layerIdx, headIdx, stage: 'mixed_pattern', difference: false });
    actions.showTab('map');
  }

  private onKey(event: KeyboardEvent): void {
    const at = this.sequence.findIndex(({ element }) => element === document.activeElement);
    if (at < 0 || event.altKey || event.ctrlKey || event.metaKey) return;
    const next = this.stepCard(event.key, at);
    if (next === undefined) return;
    event.preventDefault();
    const card = this.sequence[next]!;
    this.setTabStop(this.cards.indexOf(card));
    card.element.focus();
  }

  /** The place in the sequence that a key leads to. */
  private stepCard(key: string, at: number): number | undefined {
    const last = this.sequence.length - 1;
    const perRow = this.cardsPerRow();
    switch (key) {
      case 'ArrowRight':
        return Math.min(last, at + 1);
      case 'ArrowLeft':
        return Math.max(0, at - 1);
      case 'ArrowDown':
        return Math.min(last, at + perRow);
      case 'ArrowUp':
        return Math.max(0, at - perRow);
      case 'Home':
        return 0;
      case 'End':
        return last;
      default:
        return undefined;
    }
  }

  private cardsPerRow(): number {
    const top = this.sequence[0]?.element.offsetTop;
    const below = this.sequence.findIndex(({ element }) => element.offsetTop !== top);
    return below < 0 ? this.sequence.length : below;
  }

  private setTabStop(index: number): void {
    this.focused = index;
    this.cards.forEach(({ element }, i) => {
      element.tabIndex = i === index ? 0 : -1;
    });
  }
}

/** All kinds that occur, with how many heads each has, and the one that is chosen. */
function kindOptions(heads: readonly MeasuredHead[], chosen: HeadKind | null): { value: string; label: string }[] {
  const counts = new Map<string, number>();
  for (const { values } of heads) {
    const { name } = headKindOf(values);
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return [
    { value: '', label: t('All kinds') },
    ...headKinds
      .filter(kind => counts.has(kind.name) || kind === chosen)
      .map(({ name, label }) => ({ value: name, label: `${label} (${counts.get(name) ?? 0})` })),
  ];
}

function orderOf({ element }: HeadCard): number {
  return Number(element.style.getPropertyValue('order'));
}
