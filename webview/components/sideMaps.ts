/** The map of two runs side by side and, over the tokens that both have, their difference. */

import type { Cell } from '../../src/shared/address';
import { isSame } from '../../src/shared/tools/isSame';
import { t } from '../../src/shared/tools/l10n';
import { cellAcross, refsOf, type Sides, zoomAcross } from '../counterpart';
import { h, onChange } from '../dom';
import { Navigation } from '../heatmap/navigation';
import { describeCellValue } from '../labels';
import { markCell } from '../places';
import type { State } from '../state';
import { onPixelRatioChange } from '../theme';
import { dropdown } from '../toolkit';
import type { ViewContext } from '../views/view';
import { paneTitle, sayCell } from './compareText';
import { nKeysBeside } from './mapCanvas';
import { createGestures, mapInstructions } from './mapGestures';
import type { MapGestures } from './mapInput';
import { zoomTools } from './mapPanel';
import { StagePane } from './stagePane';

export class SideMaps {
  readonly element: HTMLElement;
  private readonly layer = dropdown('other-layer', t('Layer there'), value =>
    this.pickOther({ layerIdx: Number(value) }),
  );
  private readonly head = dropdown('other-head', t('Head there'), value => this.pickOther({ headIdx: Number(value) }));
  private readonly others = h('div', { class: 'other-head' }, this.layer.element, this.head.element);
  private readonly note = h(
    'p',
    { class: 'hint' },
    t('One side shows scores, the other weights: there is no difference map.'),
  );
  private readonly cellLine = h('div', { class: 'cell-line' });
  private readonly live = h('div', { class: 'sr-only', 'aria-live': 'polite' });
  /** What the run is compared with, the run, and the second minus the first. */
  private readonly before: StagePane;
  private readonly after: StagePane;
  private readonly difference: StagePane;
  private readonly panes: readonly StagePane[];
  private readonly navigation = new Navigation(zoom => this.context.actions.setLayout({ zoom }), nKeysBeside);
  private readonly beforeNavigation = new Navigation(zoom => {
    const { sides } = this;
    if (!sides) return;
    const [from, to] = [sides.right.tokens.labels.length, sides.left.tokens.labels.length];
    this.context.actions.setLayout({ zoom: zoomAcross(zoom, sides.toLeft, from, to) });
  }, nKeysBeside);
  /** The head of the other model, where the reader chose another one than is shown. */
  private other: { layerIdx?: number; headIdx?: number } = {};
  private sides: Sides | null = null;
  private beforeZoom: State['layout']['zoom'] = { factor: 1, centerQuery: 0.5, centerKey: 0.5 };
  private hovered: Cell | null = null;

  constructor(private readonly context: ViewContext) {
    const { actions, store, maps } = context;
    const pane = () => new StagePane(maps, () => this.draw());
    [this.before, this.after, this.difference] = [pane(), pane(), pane()];
    this.panes = [this.before, this.after, this.difference];
    const gestures = createGestures(store, actions, this.navigation, cell => this.hover(cell));
    this.after.drawing.listen(gestures);
    this.difference.drawing.listen(gestures);
    this.before.drawing.listen(this.gesturesBefore(gestures));
    for (const { drawing } of this.panes) drawing.canvas.addEventListener('focus', () => this.draw());
    const grid = h('div', { class: 'pane-grid side-panes' }, ...this.panes.map(({ element }) => element));
    this.element = h(
      'div',
      { class: 'side-maps' },
      this.others,
      h('div', { class: 'stage-tools' }, this.cellLine, zoomTools(gestures)),
      grid,
      this.note,
      this.live,
    );
    new ResizeObserver(() => this.resize()).observe(grid);
    onPixelRatioChange(() => this.resize());
  }

  update(state: State, sides: Sides): void {
    const { panel, layout } = state;
    if (!panel) return;
    this.sides = sides;
    const refs = refsOf(panel, sides, this.drawOthers(state, sides));
    this.before.show(refs.right, layout.scale, paneTitle(sides.right.label, refs.right));
    this.after.show(refs.left, layout.scale, paneTitle(sides.left.label, refs.left));
    this.difference.show(refs.difference, layout.scale, t('{0} − {1}', sides.left.label, sides.right.label));
    this.note.hidden = refs.difference !== null;
    this.navigation.follow(refs.left.nTokens, layout.zoom);
    const across = zoomAcross(layout.zoom, sides.toRight, refs.left.nTokens, refs.right.nTokens);
    // A fresh object each time, so that it is compared by what it says.
    if (!isSame(across, this.beforeZoom)) this.beforeZoom = across;
    this.beforeNavigation.follow(refs.right.nTokens, this.beforeZoom);
    if (this.navigation.size.width === 0) this.resize();
    this.draw();
  }

  hide(): void {
    this.sides = null;
    for (const pane of this.panes) pane.show(null, 'linear');
  }

  /** Layer and head of the other model: as shown as far as that model has them, unless the reader chose. */
  private drawOthers({ panel, comparison }: State, { model, rightId }: Sides) {
    const within = (value: number, count: number) => Math.min(value, count - 1);
    const { view } = panel!;
    const isOther = comparison?.isOtherModel === true && comparison.analysisId === rightId;
    const other = isOther ? this.other : {};
    const layerIdx = within(other.layerIdx ?? view.layerIdx, model.nLayers);
    const headIdx = within(other.headIdx ?? view.headIdx, model.nHeads);
    this.others.hidden = !isOther;
    const numbers = (count: number) =>
      Array.from({ length: count }, (_, i) => ({ value: String(i), label: String(i) }));
    this.layer.set(numbers(model.nLayers), String(layerIdx));
    this.head.set(numbers(model.nHeads), String(headIdx));
    return { layerIdx, headIdx };
  }

  private pickOther(patch: { layerIdx?: number; headIdx?: number }): void {
    this.other = { ...this.other, ...patch };
    if (this.sides) this.update(this.context.store.state, this.sides);
  }

  private hover(cell: Cell | null): void {
    this.hovered = cell;
    this.draw();
  }

  /** Gestures on the map of other tokens act on the shared selection by way of the alignment. */
  private gesturesBefore(own: MapGestures): MapGestures {
    const { actions, store } = this.context;
    const proxy = createGestures(
      store,
      {
        ...actions,
        pickCell: cell => actions.pickCell(this.toOwn(cell)),
        selectToken: (token, reveal) => {
          const across = token === null ? null : (this.sides?.toLeft[token] ?? -1);
          if (across !== -1) actions.selectToken(across, reveal);
        },
      },
      this.beforeNavigation,
      cell => this.hover(this.toOwn(cell)),
    );
    // The keyboard moves the shared cell in the shown text's tokens, whichever map has the focus.
    return { ...proxy, step: own.step, select: own.select, clear: own.clear, fit: own.fit };
  }

  private toOwn(cell: Cell | null): Cell | null {
    return this.sides ? cellAcross(cell, this.sides.toLeft) : null;
  }

  private resize(): void {
    for (const [pane, navigation] of [
      [this.after, this.navigation],
      [this.before, this.beforeNavigation],
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
    if (!sides || !panel) return;
    const cell = this.hovered ?? state.cell;
    const across = cellAcross(cell, sides.toRight);
    const token = panel.selectedToken;
    const selectedThere = token === null ? null : (sides.toRight[token] ?? -1);
    const there = { ...state, panel: { ...panel, selectedToken: selectedThere === -1 ? null : selectedThere } };
    // One scale for both, so that the same color means the same value.
    const max = Math.max(this.before.loader.map?.ownMax ?? 0, this.after.loader.map?.ownMax ?? 0);
    const isOneStage = this.before.ref?.stage === this.after.ref?.stage;
    for (const pane of [this.before, this.after]) pane.shareScale(isOneStage ? max : 0);
    this.before.draw(this.beforeNavigation, there, across);
    this.after.draw(this.navigation, state, cell);
    this.difference.draw(this.navigation, state, cell);
    for (const pane of this.panes) {
      const title = pane.element.querySelector('h3')?.textContent;
      pane.drawing.canvas.setAttribute('aria-label', `${title}. ${mapInstructions}`);
    }
    markCell(this.cellLine, cell);
    this.cellLine.textContent = cell
      ? sayCell(panel, cell, across, sides)
      : t('Point at a cell, or move with the arrow keys.');
    this.announce(state.cell);
  }

  private announce = onChange((cell: Cell | null) => {
    const { sides } = this;
    if (!cell || !sides || !this.panes.some(pane => pane.drawing.canvas === document.activeElement)) return;
    const across = cellAcross(cell, sides.toRight);
    const say = (pane: StagePane, at: Cell | null) =>
      at && pane.loader.map ? describeCellValue(pane.loader.map.valueAt(at)) : t('no counterpart');
    this.live.textContent = `${this.cellLine.textContent}: ${sides.right.label} ${say(this.before, across)}; ${sides.left.label} ${say(this.after, cell)}`;
  });
}
