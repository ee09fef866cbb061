/** The current map before and after an ablation, small and side by side, and what changed in it. */

import type { Cell } from '../../src/shared/address';
import { stageLabel, visibleToken } from '../../src/shared/labels';
import { t } from '../../src/shared/tools/l10n';
import { refsOf, sidesOf } from '../counterpart';
import { h, onChange } from '../dom';
import { Navigation } from '../heatmap/navigation';
import { describeCellValue } from '../labels';
import type { State } from '../state';
import { onPixelRatioChange } from '../theme';
import type { ViewContext } from '../views/view';
import { nKeysBeside } from './mapCanvas';
import { createGestures, mapInstructions } from './mapGestures';
import { StagePane } from './stagePane';

export class AblationMaps {
  readonly element: HTMLElement;
  private readonly hint = h('p', { class: 'hint' });
  private readonly cellLine = h('p', { class: 'facts cell-line' });
  private readonly live = h('div', { class: 'sr-only', 'aria-live': 'polite' });
  private readonly body: HTMLElement;
  private readonly panes: readonly [StagePane, StagePane, StagePane];
  private readonly navigation: Navigation;
  private hovered: Cell | null = null;
  private isShown = false;

  constructor(private readonly context: ViewContext) {
    const { store, actions, maps } = context;
    this.navigation = new Navigation(zoom => actions.setLayout({ zoom }), nKeysBeside);
    const gestures = createGestures(store, actions, this.navigation, cell => {
      this.hovered = cell;
      this.draw();
    });
    const pane = () => new StagePane(maps, () => this.draw());
    this.panes = [pane(), pane(), pane()];
    for (const { drawing } of this.panes) {
      drawing.listen(gestures);
      drawing.canvas.addEventListener('focus', () => this.draw());
    }
    const grid = h('div', { class: 'ablation-maps' }, ...this.panes.map(({ element }) => element));
    this.body = h('div', {}, this.cellLine, grid, this.live);
    this.element = h('div', {}, this.hint, this.body);
    new ResizeObserver(() => this.resize()).observe(grid);
    onPixelRatioChange(() => this.resize());
  }

  update(state: State): void {
    this.isShown = true;
    const { panel, layout } = state;
    const sides = panel && sidesOf(panel, null);
    this.body.hidden = !sides;
    if (!panel || !sides) {
      this.hint.textContent = t('Switch something off to see the map before and after it, and their difference.');
      this.hide();
      return;
    }
    const { view } = panel;
    const { left: ablated, right: trained, difference } = refsOf(panel, sides, view);
    this.hint.textContent = t('{0} of layer {1}, head {2}.', stageLabel(ablated.stage), view.layerIdx, view.headIdx);
    for (const [i, [ref, title]] of (
      [
        [trained, t('As trained')],
        [ablated, t('Ablated')],
        [difference, t('Ablated − trained')],
      ] as const
    ).entries()) {
      this.panes[i]!.show(ref, layout.scale, title);
    }
    this.navigation.follow(ablated.nTokens, layout.zoom);
    if (this.navigation.size.width === 0) this.resize();
    this.draw();
  }

  hide(): void {
    this.isShown = false;
    for (const pane of this.panes) pane.show(null, 'linear');
  }

  private resize(): void {
    const { clientWidth, clientHeight } = this.panes[0].drawing.frame;
    for (const pane of this.panes) {
      if (!pane.element.hidden && clientWidth > 0) pane.drawing.resize(clientWidth, clientHeight);
    }
    if (this.navigation.resize(clientWidth, clientHeight)) this.draw();
  }

  private draw(): void {
    if (!this.isShown || this.body.hidden) return;
    const { state } = this.context.store;
    const cell = this.hovered ?? state.cell;
    // One scale for both, so that the same colour means the same value.
    const [trained, ablated] = this.panes;
    const max = Math.max(trained.loader.map?.ownMax ?? 0, ablated.loader.map?.ownMax ?? 0);
    for (const pane of [trained, ablated]) pane.shareScale(max);
    for (const pane of this.panes) {
      pane.draw(this.navigation, state, cell);
      const title = pane.element.querySelector('h3')?.textContent;
      pane.drawing.canvas.setAttribute('aria-label', `${title}. ${mapInstructions}`);
    }
    const labels = state.panel?.tokens?.labels ?? [];
    const token = (idx: number) => `${idx} ${visibleToken(labels[idx] ?? '')}`;
    this.cellLine.textContent = cell
      ? t('query {0}, key {1}', token(cell.queryIdx), token(cell.keyIdx))
      : t('Point at a cell, or move with the arrow keys, to read it in all three.');
    this.announce(state.cell);
  }

  private announce = onChange((cell: Cell | null) => {
    if (!cell || !this.panes.some(pane => pane.drawing.canvas === document.activeElement)) return;
    const said = this.panes.flatMap(({ loader, element }) =>
      loader.map ? [`${element.querySelector('h3')?.textContent} ${describeCellValue(loader.map.valueAt(cell))}`] : [],
    );
    this.live.textContent = `${this.cellLine.textContent}: ${said.join('; ')}`;
  });
}
