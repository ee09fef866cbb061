/** The heatmap with its axes, scale, marks, tooltip and zoom buttons. */

import type { Cell } from '../../src/shared/address';
import { localRowSumNote, stageInText, stageLabel, visibleToken } from '../../src/shared/labels';
import { fittingMarks, type LineMark, lineMarks } from '../../src/shared/lineMarks';
import { axisTicks, showsTokens, type Tick } from '../../src/shared/tools/axisTicks';
import { t } from '../../src/shared/tools/l10n';
import type { Actions } from '../actions';
import { h, onChange } from '../dom';
import { cornerOf, visibleCells } from '../heatmap/hitTest';
import type { MapLoader } from '../heatmap/mapLoader';
import { Navigation } from '../heatmap/navigation';
import type { PanelHost } from '../host';
import { placesOf } from '../places';
import type { State, Store } from '../state';
import { onPixelRatioChange } from '../theme';
import { button } from '../toolkit';
import { LineLabels } from './lineLabels';
import { createAxis } from './mapAxes';
import { MapCanvas, nKeysBeside } from './mapCanvas';
import { buttonZoom, createGestures, mapInstructions } from './mapGestures';
import type { MapGestures } from './mapInput';
import { createMapTooltip, describeCell } from './mapTooltip';
import { RowSums } from './rowSums';
import { createScale } from './scale';

/** Room between line numbers along the axes, in CSS pixels. */
const lineSpacing = { query: 16, key: 28 };

export class MapPanel {
  readonly element: HTMLElement;
  private readonly drawing = new MapCanvas(() => this.draw());
  private readonly canvas = this.drawing.canvas;
  private readonly tooltip = createMapTooltip();
  private readonly queryAxis = createAxis('query');
  private readonly keyAxis = createAxis('key');
  private readonly lineLabels = new LineLabels();
  private readonly scale = createScale();
  private readonly navigation: Navigation;
  private readonly rowSums: RowSums | null;
  private hovered: Cell | null = null;
  /** Tokens of the map that is drawn. */
  private drawnOf: number | null = null;
  private marks: readonly LineMark[] = [];
  /** What the reader was zoomed to last. */
  private zoomedTo: { readonly analysisId: number; readonly token: number | null } | null = null;

  constructor(
    private readonly store: Store<State>,
    private readonly loader: MapLoader,
    actions: Actions,
    /** Where row sums come from; null where they are not shown. */
    sumsFrom: PanelHost | null = null,
    /** Another part of the map came on screen, or went. */
    private readonly onResize: () => void = () => {},
  ) {
    this.navigation = new Navigation(zoom => actions.setLayout({ zoom }), nKeysBeside);
    const gestures = createGestures(store, actions, this.navigation, cell => {
      this.hovered = cell;
      this.showCell();
    });
    this.rowSums = sumsFrom && new RowSums(sumsFrom, () => this.showCell());
    const { frame, element: body } = this.drawing;
    frame.append(this.lineLabels.element, ...this.tooltip.elements);
    const corner = h(
      'div',
      { class: 'map-corner', 'aria-hidden': 'true' },
      h('span', {}, t('key →')),
      h('span', {}, t('query ↓')),
    );
    const grid = h(
      'div',
      { class: 'map-grid' },
      ...[corner, this.keyAxis.element, this.queryAxis.element, body, this.scale.element, zoomTools(gestures)],
    );
    this.element = h(
      'section',
      { class: 'map', 'aria-label': t('Attention map') },
      grid,
      ...(this.rowSums ? [this.rowSums.element] : []),
    );
    this.drawing.listen(gestures);
    this.canvas.addEventListener('focus', () => this.showCell());
    this.canvas.addEventListener('blur', () => this.showCell());
    new ResizeObserver(() => this.resize()).observe(frame);
    onPixelRatioChange(() => this.resize());
  }

  update(): void {
    const { map, mapVersion, changedTile, theme, panel, layout, cell } = this.store.state;
    this.element.hidden = map === null;
    const operators = (map && panel?.model?.layers[map.ref.layerIdx]?.operators) ?? [];
    const why = map ? localRowSumNote(operators, map.ref.stage) : '';
    this.rowSums?.show(map && panel?.status === 'done' ? map.ref : null, why);
    // The map before stays, dimmed, until something of this one is there.
    const isWaiting = map !== null && !map.hasValues && this.drawnOf === map.ref.nTokens && !this.loader.failure;
    this.element.classList.toggle('is-waiting', isWaiting);
    if (isWaiting) {
      const { viewport, size, nTokens } = this.navigation;
      this.loader.view(visibleCells(viewport, nTokens, size));
      return;
    }
    this.drawnOf = map?.ref.nTokens ?? null;
    if (!map) {
      this.hovered = null;
      this.drawing.clear();
      delete this.canvas.dataset['analysisId'];
      return;
    }
    this.readLines(panel?.tokens?.labels ?? [], panel?.windowLines?.first ?? 1);
    if (this.navigation.follow(map.ref.nTokens, layout.zoom)) this.hovered = null;
    this.drawing.show(map, mapVersion, changedTile, theme);
    const { layerIdx, headIdx, stage } = map.ref;
    const label = t(
      'Attention map, layer {0}, head {1}, {2}. {3}',
      layerIdx,
      headIdx,
      stageLabel(stage),
      mapInstructions,
    );
    this.canvas.setAttribute('aria-label', label);
    this.canvas.classList.toggle('is-zoomed', layout.zoom.factor > 1);
    this.describe(panel?.view.stage);
    this.followSelection(map.ref.analysisId, panel?.selectedToken ?? null, cell);
    this.navigation.followCell(cell);
    this.draw();
  }

  private readonly readLines = onChange((labels: readonly string[], firstLine: number) => {
    this.marks = lineMarks(labels, firstLine);
  });

  /** Zooms to a word that was selected elsewhere; a cell picked on a map is in sight already. */
  private followSelection(analysisId: number, token: number | null, cell: Cell | null): void {
    const last = this.zoomedTo;
    if (last?.analysisId === analysisId && last.token === token) return;
    if (!this.navigation.isReady) return;
    this.zoomedTo = { analysisId, token };
    // After an edit the same word has another index: the map stays where it is.
    const isSameRun = last?.analysisId === analysisId;
    if (token !== null && cell?.queryIdx !== token && (isSameRun || last === null)) this.navigation.zoomTo(token);
  }

  /** Facts about what is drawn, for tests and scripts. */
  private describe(stage: string | undefined): void {
    const { map } = this.store.state;
    if (!map) return;
    const { analysisId, layerIdx, headIdx, nTokens } = map.ref;
    Object.assign(this.canvas.dataset, {
      analysisId,
      layer: layerIdx,
      head: headIdx,
      stage,
      effectiveStage: map.ref.stage,
      difference: map.ref.minus !== null,
      minus: map.ref.minus ?? '',
      nTokens,
    });
  }

  private draw(): void {
    const { map, panel, theme } = this.store.state;
    const { viewport, size, nTokens, isReady } = this.navigation;
    if (!map || !isReady) return;
    this.drawing.draw(viewport, nTokens);
    this.loader.view(visibleCells(viewport, nTokens, size));
    Object.assign(this.canvas.dataset, {
      originX: viewport.originX,
      originY: viewport.originY,
      cellSize: viewport.cellSize,
      source: this.loader.isExact ? 'tiles' : map.overviewGrid ? 'overview' : 'none',
    });
    const { layerIdx, headIdx, stage, minus } = map.ref;
    const caption = `L${layerIdx}H${headIdx} · ${stageInText(stage)}${minus ? ` − ${stageInText(minus)}` : ''}`;
    this.scale.show(map, theme, caption);
    const tokenIdx = panel?.selectedToken ?? null;
    const selection =
      tokenIdx === null ? null : { tokenIdx, text: visibleToken(panel?.tokens?.labels[tokenIdx] ?? '') };
    const isInMap = this.lineLabels.draw(viewport, size, nTokens, this.marks, selection);
    this.scale.element.classList.toggle('scale-in-map', isInMap);
    this.drawAxes();
    this.showCell();
  }

  private drawAxes(): void {
    const { panel } = this.store.state;
    const { viewport, size, nTokens } = this.navigation;
    const { originX, originY, cellSize } = viewport;
    const labels = panel?.tokens?.labels ?? [];
    const selected = panel?.selectedToken ?? null;
    if (showsTokens(cellSize)) {
      const label = (idx: number) => visibleToken(labels[idx] ?? '');
      const ticks = (origin: number, length: number) => axisTicks(origin, cellSize, length, nTokens, label);
      this.queryAxis.draw(ticks(originY, size.height), selected, false);
      this.keyAxis.draw(ticks(originX, size.width), null, true);
      return;
    }
    const ticks = (origin: number, length: number, spacing: number): Tick[] =>
      fittingMarks(this.marks, origin, cellSize, length, spacing).map(({ tokenIdx, at, line }) => ({
        ...{ idx: tokenIdx, at, text: String(line) },
      }));
    const selectedMark = selected === null ? null : this.marks.findLast(({ tokenIdx }) => tokenIdx <= selected);
    this.queryAxis.draw(ticks(originY, size.height, lineSpacing.query), selectedMark?.tokenIdx ?? null, false);
    this.keyAxis.draw(ticks(originX, size.width, lineSpacing.key), null, false);
  }

  /** Marks and tooltip of the cell under the pointer, or of the one that is looked at. */
  private showCell(): void {
    const { map, panel, cell: picked } = this.store.state;
    const { viewport, size } = this.navigation;
    const cell = this.hovered ?? picked;
    this.drawing.mark(viewport, cell, panel?.selectedToken ?? null);
    this.rowSums?.say(cell?.queryIdx ?? panel?.selectedToken ?? null, placesOf(panel));
    const isFocused = document.activeElement === this.canvas;
    // What was picked keeps its marks; its tooltip would hide the map from a reader who is elsewhere.
    const places = placesOf(panel);
    if (!cell || !map || !places || !(this.hovered || isFocused)) {
      this.tooltip.hide();
      return;
    }
    const corner = cornerOf(viewport, cell);
    const near = { x: corner.x + viewport.cellSize, y: corner.y + viewport.cellSize };
    this.tooltip.show(cell, map.valueAt(cell), places, near, size);
    if (cell === picked && isFocused) {
      const said = [describeCell(cell, map.valueAt(cell), places), this.rowSums?.ofRow(cell.queryIdx) ?? ''];
      this.tooltip.announce(said.filter(Boolean).join(', '));
    }
  }

  private resize(): void {
    const { clientWidth, clientHeight } = this.drawing.frame;
    if (clientWidth === 0 || clientHeight === 0) return;
    this.drawing.resize(clientWidth, clientHeight);
    if (!this.navigation.resize(clientWidth, clientHeight)) return;
    this.draw();
    this.onResize();
  }
}

/** Buttons for what wheel and keys do. */
export function zoomTools(gestures: Pick<MapGestures, 'zoom' | 'fit'>): HTMLElement {
  return h(
    'div',
    { class: 'map-tools', role: 'toolbar', 'aria-label': t('Zoom') },
    button('+', 'icon', () => gestures.zoom(buttonZoom), t('Zoom in')),
    button('−', 'icon', () => gestures.zoom(1 / buttonZoom), t('Zoom out')),
    button(t('Fit'), 'icon', () => gestures.fit(), t('Fit the whole map')),
  );
}
