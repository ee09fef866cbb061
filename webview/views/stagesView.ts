/** All stages of one head side by side, on one viewport and with one crosshair, and the difference of any two. */

import type { Cell } from '../../src/shared/address';
import { formatValue, stageLabel } from '../../src/shared/labels';
import { isPreSoftmax, type Stage, stages } from '../../src/shared/operators';
import { isSame } from '../../src/shared/tools/isSame';
import { t } from '../../src/shared/tools/l10n';
import { nKeysBeside } from '../components/mapCanvas';
import { createGestures, mapInstructions } from '../components/mapGestures';
import { zoomTools } from '../components/mapPanel';
import { gradient, linearScaleBox } from '../components/scale';
import { StagePane, titleOf } from '../components/stagePane';
import { h, onChange } from '../dom';
import type { MapRef } from '../heatmap/mapData';
import { Navigation } from '../heatmap/navigation';
import { describeCellValue, viewerNote } from '../labels';
import { markCell, placesOf } from '../places';
import { type StagePair, stagePairOf } from '../stagePair';
import { isLayerReady, layerOf, type State } from '../state';
import { onPixelRatioChange, type Theme } from '../theme';
import { checkbox, dropdown } from '../toolkit';
import type { PanelView, ViewContext, ViewDefinition } from './view';

/** How long the crosshair rests on a row before its sum is requested. */
const rowDelayMs = 120;

export const stagesView: ViewDefinition = {
  id: 'stages',
  title: t('Stages'),
  isOffered: () => true,
  hasContent: panel => panel.model?.viewer === undefined,
  usesHead: () => true,
  create: context => new StagesView(context),
};

class StagesView implements PanelView {
  readonly element: HTMLElement;
  private readonly navigation: Navigation;
  private readonly panes = new Map<Stage, StagePane>();
  private readonly difference: StagePane;
  private readonly groups = {
    before: h('div', { class: 'pane-grid' }),
    after: h('div', { class: 'pane-grid' }),
    difference: h('div', { class: 'pane-grid' }),
  };
  private readonly cellLine = h('p', { class: 'facts cell-line' });
  private readonly live = h('div', { class: 'sr-only', 'aria-live': 'polite' });
  private readonly only = h('p', { class: 'hint' });
  private readonly empty = h('p', { class: 'hint' }, t('The stages of a head appear here once its layer is ready.'));
  private readonly body: HTMLElement;
  private readonly differenceSection: HTMLElement;
  private readonly bar = h('div', { class: 'scale-bar', role: 'img' });
  private readonly note = h('p', { class: 'notes' });
  private readonly stage = dropdown('difference-stage', t('Difference of'), value =>
    this.pick({ stage: value as Stage }),
  );
  private readonly minus = dropdown('difference-minus', t('Minus'), value => this.pick({ minus: value as Stage }));
  private readonly linear = linearScaleBox(scale => this.context.actions.setLayout({ scale }));
  private readonly share = checkbox(t('One scale before, one after the softmax'), sharesScale =>
    this.context.actions.setLayout({ sharesScale }),
  );
  private readonly gestures;
  private hovered: Cell | null = null;
  private isShown = false;
  private rowTimer: ReturnType<typeof setTimeout> | undefined;
  private rowRequests = new AbortController();
  private shownRow: readonly unknown[] = [];

  constructor(private readonly context: ViewContext) {
    const { store, actions } = context;
    this.navigation = new Navigation(zoom => actions.setLayout({ zoom }), nKeysBeside);
    this.gestures = createGestures(store, actions, this.navigation, cell => {
      this.hovered = cell;
      this.draw();
    });
    this.difference = this.createPane();
    const { before, after, difference } = this.groups;
    difference.append(
      this.difference.element,
      h('div', { class: 'pane-choices' }, this.stage.element, this.minus.element, this.note),
    );
    const section = (title: string, ...content: HTMLElement[]) =>
      h('section', { class: 'stage-group', 'aria-label': title }, h('h2', {}, title), ...content);
    this.differenceSection = section(t('Difference of two stages'), difference);
    this.body = h(
      'div',
      {},
      h('div', { class: 'stage-tools' }, this.cellLine, zoomTools(this.gestures)),
      section(t('Before the softmax'), this.only, before),
      section(t('After the softmax'), after),
      this.differenceSection,
      h(
        'section',
        { class: 'stage-scale', 'aria-label': t('Color scale') },
        this.bar,
        this.linear.element,
        this.share.element,
      ),
      this.live,
    );
    this.element = h('div', { class: 'stages' }, this.empty, this.body);
    new ResizeObserver(() => this.resize()).observe(before);
    onPixelRatioChange(() => this.resize());
  }

  update(state: State): void {
    this.isShown = true;
    const { panel, layout } = state;
    const refs = refsOf(state);
    this.body.hidden = refs.length === 0;
    this.empty.hidden = refs.length > 0 || !panel?.tokens;
    this.only.textContent = viewerNote(panel?.model);
    this.only.hidden = !panel?.model?.viewer;
    for (const ref of refs) {
      if (!this.panes.has(ref.stage)) this.addPane(ref.stage);
    }
    for (const [stage, pane] of this.panes) {
      const ref = refs.find(ref => ref.stage === stage) ?? null;
      pane.show(ref, layout.scale);
    }
    const pair = shownPair(state, refs);
    this.differenceSection.hidden = pair === null;
    this.difference.show(pair && { ...refs[0]!, ...pair }, layout.scale);
    if (refs.length === 0) return;
    this.drawChoices(state, refs, pair);
    if (this.navigation.follow(refs[0]!.nTokens, layout.zoom)) this.hovered = null;
    if (this.navigation.size.width === 0) this.resize();
    this.navigation.followCell(state.cell);
    this.draw();
  }

  hide(): void {
    this.isShown = false;
    clearTimeout(this.rowTimer);
    this.rowRequests.abort();
    this.shownRow = [];
    for (const pane of this.allPanes()) pane.show(null, 'linear');
  }

  private allPanes(): StagePane[] {
    return [...this.panes.values(), this.difference];
  }

  private addPane(stage: Stage): void {
    const pane = this.createPane();
    this.panes.set(stage, pane);
    const group = isPreSoftmax(stage) ? this.groups.before : this.groups.after;
    // Panes stand in the order in which the stages are computed, whenever they were made.
    const next = [...this.panes]
      .filter(([other]) => isPreSoftmax(other) === isPreSoftmax(stage) && stages.indexOf(other) > stages.indexOf(stage))
      .sort(([a], [b]) => stages.indexOf(a) - stages.indexOf(b))[0];
    group.insertBefore(pane.element, next?.[1].element ?? null);
  }

  private createPane(): StagePane {
    const pane = new StagePane(this.context.maps, () => this.isShown && this.draw());
    pane.drawing.listen(this.gestures);
    pane.drawing.canvas.addEventListener('focus', () => this.draw());
    return pane;
  }

  private pick(patch: Partial<{ stage: Stage; minus: Stage }>): void {
    const { state } = this.context.store;
    const pair = shownPair(state, refsOf(state));
    if (pair) this.context.actions.setLayout({ stagePair: { ...pair, ...patch } });
  }

  private resize(): void {
    const [first] = [...this.panes.values()].filter(pane => !pane.element.hidden);
    if (!first) return;
    const { clientWidth, clientHeight } = first.drawing.frame;
    for (const pane of this.allPanes()) {
      if (!pane.element.hidden) pane.drawing.resize(clientWidth, clientHeight);
    }
    if (this.navigation.resize(clientWidth, clientHeight)) this.draw();
  }

  private draw(): void {
    const { state } = this.context.store;
    if (!this.isShown || this.body.hidden) return;
    const cell = this.hovered ?? state.cell;
    this.shareScales(state.layout.sharesScale);
    for (const pane of this.allPanes()) {
      pane.draw(this.navigation, state, cell);
      if (pane.ref) pane.drawing.canvas.setAttribute('aria-label', `${titleOf(pane.ref)}. ${mapInstructions}`);
    }
    const places = placesOf(state.panel);
    markCell(this.cellLine, cell);
    this.cellLine.textContent =
      cell && places
        ? places.nameOfCell(cell)
        : t('Point at a cell, or move with the arrow keys, to read every stage there.');
    this.announce(state.cell);
    this.loadRow(cell?.queryIdx ?? null);
  }

  private shareScales(isShared: boolean): void {
    for (const isBefore of [true, false]) {
      const group = [...this.panes].filter(([stage]) => isPreSoftmax(stage) === isBefore).map(([, pane]) => pane);
      const max = isShared ? Math.max(...group.map(pane => pane.loader.map?.ownMax ?? 0)) : 0;
      for (const pane of group) pane.shareScale(max);
    }
  }

  private announce = onChange((cell: Cell | null) => {
    const isHere = this.allPanes().some(pane => pane.drawing.canvas === document.activeElement);
    if (!cell || !isHere) return;
    const values = [...this.panes.values()].flatMap(({ ref, loader }) =>
      ref && loader.map ? [`${stageLabel(ref.stage)} ${describeCellValue(loader.map.valueAt(cell))}`] : [],
    );
    this.live.textContent = `${this.cellLine.textContent}: ${values.join('; ')}`;
  });

  /** Asks for the sums of the looked-at row once the crosshair rests on it. */
  private loadRow(queryIdx: number | null): void {
    const after = [...this.panes.values()].filter(({ ref }) => ref && !isPreSoftmax(ref.stage));
    const row = queryIdx === null ? [] : [queryIdx, ...after.map(({ ref }) => ref)];
    if (isSame(row, this.shownRow)) return;
    this.shownRow = row;
    clearTimeout(this.rowTimer);
    this.rowRequests.abort();
    this.rowRequests = new AbortController();
    const { signal } = this.rowRequests;
    for (const pane of after) pane.showRow(null);
    if (queryIdx === null) return;
    this.rowTimer = setTimeout(() => {
      for (const pane of after) {
        this.context.maps.row(pane.ref!, queryIdx, signal).then(
          row => !signal.aborted && pane.showRow(row),
          () => {}, // Aborted, or a run that is gone: there is no row to sum up.
        );
      }
    }, rowDelayMs);
  }

  private drawChoices({ layout, theme }: State, refs: readonly MapRef[], pair: StagePair | null): void {
    this.paintBar(theme);
    this.linear.set(layout.scale);
    this.share.set(layout.sharesScale, true, t('The same color then means the same value in maps of the same kind.'));
    const options = refs.map(({ stage }) => ({ value: stage, label: stageLabel(stage) }));
    this.stage.set(options, pair?.stage ?? '');
    this.minus.set(options, pair?.minus ?? '');
    this.note.textContent = noteOf(pair);
  }

  private paintBar = onChange((theme: Theme) => {
    this.bar.style.setProperty('background-image', gradient(theme.colors));
    this.bar.setAttribute(
      'aria-label',
      t('From below zero to above zero; zero is the background. {0}', formatValue(0)),
    );
  });
}

/** The maps of all stages that the shown layer has. */
function refsOf({ panel }: State): MapRef[] {
  const layer = panel && layerOf(panel);
  if (!panel?.tokens || !layer || !isLayerReady(panel)) return [];
  const { analysisId, view, tokens } = panel;
  const { layerIdx, headIdx } = view;
  return layer.stages.map(stage => ({
    analysisId,
    layerIdx,
    headIdx,
    stage,
    minus: null,
    nTokens: tokens.labels.length,
  }));
}

function shownPair({ layout }: State, refs: readonly MapRef[]): StagePair | null {
  return stagePairOf(
    refs.map(({ stage }) => stage),
    layout.stagePair,
  );
}

function noteOf(pair: StagePair | null): string {
  const notes = [t('The end of each map’s scale is written above it.')];
  if (pair && isPreSoftmax(pair.stage) !== isPreSoftmax(pair.minus)) {
    notes.push(t('One of these stages holds scores, the other weights: their difference has no unit.'));
  }
  if (pair) notes.push(t('The difference’s scale ends at the largest one among the cells loaded so far.'));
  return notes.join(' ');
}
