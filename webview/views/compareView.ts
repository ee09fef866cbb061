/** The shown run beside another one: another model, another version of the text, or the model as trained. */

import { keysOfRow } from '../../src/attention/topKeys';
import type { Cell } from '../../src/shared/address';
import type { PanelComparison } from '../../src/shared/panel/comparison';
import type { PanelState } from '../../src/shared/panel/panelMessages';
import { isSame } from '../../src/shared/tools/isSame';
import { t } from '../../src/shared/tools/l10n';
import { factsOf, keyTable, paneTitle, sayCell, sayComparison } from '../components/compareText';
import { nKeysBeside } from '../components/mapCanvas';
import { createGestures, mapInstructions } from '../components/mapGestures';
import type { MapGestures } from '../components/mapInput';
import { zoomTools } from '../components/mapPanel';
import { StagePane } from '../components/stagePane';
import { cellAcross, refsOf, type Sides, sidesOf, zoomAcross } from '../counterpart';
import { h, onChange } from '../dom';
import type { MapRef } from '../heatmap/mapData';
import { Navigation } from '../heatmap/navigation';
import { describeCellValue } from '../labels';
import type { State } from '../state';
import { onPixelRatioChange } from '../theme';
import { button, dropdown, progressRing } from '../toolkit';
import type { PanelView, ViewContext, ViewDefinition } from './view';

/** Keys listed of the selected token. */
const nKeys = 8;

export const compareView: ViewDefinition = {
  id: 'compare',
  title: t('Compare'),
  isOffered: host => host.hasEditor,
  usesHead: () => true,
  create: context => new CompareView(context),
};

class CompareView implements PanelView {
  readonly element: HTMLElement;
  private readonly says = h('div', { class: 'compare-says', role: 'status' });
  private readonly end: HTMLElement;
  private readonly facts = h('ul', { class: 'notes' });
  private readonly layer = dropdown('other-layer', t('Layer there'), value =>
    this.pickOther({ layerIdx: Number(value) }),
  );
  private readonly head = dropdown('other-head', t('Head there'), value => this.pickOther({ headIdx: Number(value) }));
  private readonly others = h('div', { class: 'compare-others' }, this.layer.element, this.head.element);
  private readonly cellLine = h('div', { class: 'cell-line' });
  private readonly live = h('div', { class: 'sr-only', 'aria-live': 'polite' });
  private readonly keys = h('div', { class: 'prediction-pair' });
  private readonly body: HTMLElement;
  private readonly left: StagePane;
  private readonly right: StagePane;
  private readonly difference: StagePane;
  private readonly navigation = new Navigation(zoom => this.context.actions.setLayout({ zoom }), nKeysBeside);
  private readonly rightNavigation = new Navigation(zoom => {
    const { sides } = this;
    if (!sides) return;
    const [from, to] = [sides.right.tokens.labels.length, sides.left.tokens.labels.length];
    this.context.actions.setLayout({ zoom: zoomAcross(zoom, sides.toLeft, from, to) });
  }, nKeysBeside);
  private comparison: PanelComparison | null = null;
  /** The head on the right, where the reader chose another one than on the left. */
  private other: { layerIdx?: number; headIdx?: number } = {};
  private sides: Sides | null = null;
  private sidesKey: readonly unknown[] = [];
  private rightZoom: State['layout']['zoom'] = { factor: 1, centerQuery: 0.5, centerKey: 0.5 };
  private hovered: Cell | null = null;
  private isShown = false;
  private rows = new AbortController();
  private shownRows: readonly unknown[] = [];

  constructor(private readonly context: ViewContext) {
    const { host, actions, store, maps } = context;
    const pane = () => new StagePane(maps, () => this.isShown && this.draw());
    [this.left, this.right, this.difference] = [pane(), pane(), pane()];
    const gestures = createGestures(store, actions, this.navigation, cell => this.hover(cell));
    this.left.drawing.listen(gestures);
    this.difference.drawing.listen(gestures);
    this.right.drawing.listen(this.rightGestures(gestures));
    for (const { drawing } of this.panes()) drawing.canvas.addEventListener('focus', () => this.draw());
    this.end = button(t('End'), 'secondary', () => actions.run('endComparison'), t('End the comparison'));
    const choose = button(t('Compare With…'), 'primary', () => actions.run('compare'));
    this.body = h(
      'div',
      {},
      this.facts,
      this.others,
      h('div', { class: 'stage-tools' }, this.cellLine, zoomTools(gestures)),
      h('div', { class: 'pane-grid compare-panes' }, this.left.element, this.right.element, this.difference.element),
      h(
        'section',
        { class: 'details', 'aria-label': t('Selected token') },
        h('h2', {}, t('Selected token')),
        this.keys,
      ),
      this.live,
    );
    this.element = h(
      'div',
      { class: 'compare' },
      h('div', { class: 'compare-tools' }, this.says, h('div', { class: 'buttons' }, choose, this.end)),
      this.body,
    );
    host.on('comparison', comparison => {
      this.comparison = comparison;
      if (this.isShown) this.update(this.context.store.state);
    });
    host.request('comparison', {}).then(
      comparison => {
        this.comparison ??= comparison;
        this.update(this.context.store.state);
      },
      () => {}, // Without an answer nothing is compared yet.
    );
    new ResizeObserver(() => this.resize()).observe(this.left.element);
    onPixelRatioChange(() => this.resize());
  }

  update(state: State): void {
    this.isShown = true;
    const { panel, layout } = state;
    this.element.hidden = !panel?.tokens;
    if (!panel?.tokens) return;
    this.sides = this.currentSides(panel);
    this.say(panel);
    this.body.hidden = this.sides === null;
    const { sides } = this;
    if (!sides) {
      for (const pane of this.panes()) pane.show(null, 'linear');
      return;
    }
    const other = this.drawOthers(panel, sides);
    const refs = refsOf(panel, sides, other);
    this.left.show(refs.left, layout.scale, paneTitle(sides.left.label, refs.left));
    this.right.show(refs.right, layout.scale, paneTitle(sides.right.label, refs.right));
    this.difference.show(refs.difference, layout.scale, t('Difference: left − right'));
    this.writeFacts(sides, refs.difference !== null);
    this.navigation.follow(refs.left.nTokens, layout.zoom);
    const { toRight } = sides;
    const across = zoomAcross(layout.zoom, toRight, refs.left.nTokens, refs.right.nTokens);
    // A fresh object each time, so that it is compared by what it says.
    if (!isSame(across, this.rightZoom)) this.rightZoom = across;
    this.rightNavigation.follow(refs.right.nTokens, this.rightZoom);
    if (this.navigation.size.width === 0) this.resize();
    this.loadRows(panel, refs.left, refs.right);
    this.draw();
  }

  hide(): void {
    this.isShown = false;
    this.rows.abort();
    this.shownRows = [];
    for (const pane of this.panes()) pane.show(null, 'linear');
  }

  private panes(): StagePane[] {
    return [this.left, this.right, this.difference];
  }

  /** Aligning takes a moment for long windows: once per pair of runs. */
  private currentSides(panel: PanelState): Sides | null {
    const { comparison } = this;
    const key = [panel.analysisId, panel.status, comparison?.analysisId, comparison?.status];
    if (!isSame(key, this.sidesKey)) {
      this.sidesKey = key;
      this.sides = sidesOf(panel, comparison);
    }
    return this.sides;
  }

  private say(panel: PanelState): void {
    const { comparison } = this;
    this.end.hidden = comparison === null;
    const said = sayComparison(panel, comparison);
    this.element.dataset['status'] = comparison?.status ?? (this.sides ? 'done' : 'none');
    this.drawSaid(said, comparison?.status === 'loading' || comparison?.status === 'running');
  }

  private drawSaid = onChange((said: string, isBusy: boolean) => {
    this.says.replaceChildren(...(isBusy ? [progressRing(t('Computing the other run'))] : []), h('span', {}, said));
  });

  /** Layer and head on the right: as on the left as far as that model has them, unless the reader chose. */
  private drawOthers({ view }: PanelState, { model }: Sides) {
    const within = (value: number, count: number) => Math.min(value, count - 1);
    const layerIdx = within(this.other.layerIdx ?? view.layerIdx, model.nLayers);
    const headIdx = within(this.other.headIdx ?? view.headIdx, model.nHeads);
    this.others.hidden = !this.comparison?.isOtherModel;
    const numbers = (count: number) =>
      Array.from({ length: count }, (_, i) => ({ value: String(i), label: String(i) }));
    this.layer.set(numbers(model.nLayers), String(layerIdx));
    this.head.set(numbers(model.nHeads), String(headIdx));
    return { layerIdx, headIdx };
  }

  private pickOther(patch: { layerIdx?: number; headIdx?: number }): void {
    this.other = { ...this.other, ...patch };
    this.update(this.context.store.state);
  }

  private writeFacts(sides: Sides, hasDifference: boolean): void {
    this.drawFacts(factsOf(sides, hasDifference).join('\n'));
  }

  private drawFacts = onChange((text: string) => {
    this.facts.replaceChildren(...text.split('\n').map(line => h('li', {}, line)));
  });

  private hover(cell: Cell | null): void {
    this.hovered = cell;
    this.draw();
  }

  /** Gestures on the right map act on the shared selection by way of the alignment. */
  private rightGestures(left: MapGestures): MapGestures {
    const { actions, store } = this.context;
    const proxy = createGestures(
      store,
      {
        ...actions,
        pickCell: cell => actions.pickCell(this.toLeft(cell)),
        selectToken: (token, reveal) => {
          const across = token === null ? null : (this.sides?.toLeft[token] ?? -1);
          if (across !== -1) actions.selectToken(across, reveal);
        },
      },
      this.rightNavigation,
      cell => this.hover(this.toLeft(cell)),
    );
    // The keyboard moves the shared cell in the left map's tokens, whichever map has the focus.
    return { ...proxy, step: left.step, select: left.select, clear: left.clear, fit: left.fit };
  }

  private toLeft(cell: Cell | null): Cell | null {
    return this.sides ? cellAcross(cell, this.sides.toLeft) : null;
  }

  private resize(): void {
    for (const [pane, navigation] of [
      [this.left, this.navigation],
      [this.right, this.rightNavigation],
      [this.difference, null],
    ] as const) {
      const { clientWidth, clientHeight } = pane.drawing.frame;
      if (pane.element.hidden || clientWidth === 0) continue;
      pane.drawing.resize(clientWidth, clientHeight);
      navigation?.resize(clientWidth, clientHeight);
    }
    this.draw();
  }

  private draw(): void {
    const { sides } = this;
    const { state } = this.context.store;
    const { panel } = state;
    if (!this.isShown || this.body.hidden || !sides || !panel) return;
    const cell = this.hovered ?? state.cell;
    const across = cellAcross(cell, sides.toRight);
    const token = panel.selectedToken;
    const selectedThere = token === null ? null : (sides.toRight[token] ?? -1);
    const there = { ...state, panel: { ...panel, selectedToken: selectedThere === -1 ? null : selectedThere } };
    this.left.draw(this.navigation, state, cell);
    this.right.draw(this.rightNavigation, there, across);
    this.difference.draw(this.navigation, state, cell);
    for (const pane of this.panes()) {
      pane.drawing.canvas.setAttribute(
        'aria-label',
        `${pane.element.querySelector('h3')?.textContent}. ${mapInstructions}`,
      );
    }
    this.cellLine.textContent = cell
      ? sayCell(cell, across, sides)
      : t('Point at a cell, or move with the arrow keys.');
    this.announce(state.cell);
  }

  private announce = onChange((cell: Cell | null) => {
    const { sides } = this;
    const isHere = this.panes().some(pane => pane.drawing.canvas === document.activeElement);
    if (!cell || !sides || !isHere) return;
    const across = cellAcross(cell, sides.toRight);
    const say = (pane: StagePane, at: Cell | null) =>
      at && pane.loader.map ? describeCellValue(pane.loader.map.valueAt(at)) : t('no counterpart');
    this.live.textContent = t(
      '{0}: left {1}, right {2}',
      this.cellLine.textContent,
      say(this.left, cell),
      say(this.right, across),
    );
  });

  /** What the selected token attends to most, on both sides. */
  private loadRows({ selectedToken: token }: PanelState, left: MapRef, right: MapRef): void {
    const { sides } = this;
    const key = [token, left, right];
    if (!sides || isSame(key, this.shownRows)) return;
    this.shownRows = key;
    this.rows.abort();
    this.rows = new AbortController();
    const { signal } = this.rows;
    const across = token === null ? -1 : (sides.toRight[token] ?? -1);
    if (token === null) {
      this.keys.replaceChildren(h('p', { class: 'hint' }, t('Select a row of a map, or a word in the document.')));
      return;
    }
    const list = async (ref: MapRef, query: number, side: Sides['left']) => {
      if (query < 0) return h('p', { class: 'hint' }, t('{0}: this token has no counterpart.', side.label));
      const { values } = await this.context.maps.row(ref, query, signal);
      return keyTable(side, query, keysOfRow(values, query, nKeys));
    };
    Promise.all([list(left, token, sides.left), list(right, across, sides.right)]).then(
      tables => !signal.aborted && this.keys.replaceChildren(...tables),
      () => {
        this.shownRows = []; // aborted, or a run that is gone: the next update asks again
      },
    );
  }
}
