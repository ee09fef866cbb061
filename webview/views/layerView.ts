/** All heads of one layer side by side, on one viewport and with one crosshair. */

import type { Cell } from '../../src/shared/address';
import { stageLabel } from '../../src/shared/labels';
import { t } from '../../src/shared/tools/l10n';
import { HeadGridCanvas } from '../components/headGridCanvas';
import { createGestures, mapInstructions } from '../components/mapGestures';
import { listenToMap, type MapGestures } from '../components/mapInput';
import { zoomTools } from '../components/mapPanel';
import { gradient, linearScaleBox } from '../components/scale';
import { h, onChange } from '../dom';
import { layOutHeads } from '../heatmap/headGrid';
import { visibleCells } from '../heatmap/hitTest';
import { LayerMaps } from '../heatmap/layerMaps';
import type { MapRef } from '../heatmap/mapData';
import { Navigation } from '../heatmap/navigation';
import { describeCellValue, scaleEndText } from '../labels';
import { markCell, placesOf } from '../places';
import { mapRefOf, type State } from '../state';
import { onPixelRatioChange, type Theme } from '../theme';
import { button, checkbox, dropdown } from '../toolkit';
import type { PanelView, ViewContext, ViewDefinition } from './view';

/** More heads than this stand on several pages: their maps would be too small, their canvas too large. */
const pageSize = 32;
/** CSS pixels. */
const wideFrom = 720;
const measures = { narrow: { minEdge: 120, gap: 6, header: 16 }, wide: { minEdge: 200, gap: 10, header: 18 } };

export const layerView: ViewDefinition = {
  id: 'layer',
  title: t('Layer'),
  isOffered: host => host.hasTiles,
  usesHead: () => true,
  create: context => new LayerView(context),
};

class LayerView implements PanelView {
  readonly element: HTMLElement;
  private readonly navigation: Navigation;
  private readonly drawing = new HeadGridCanvas(() => this.draw());
  private readonly maps: LayerMaps;
  private readonly page = dropdown('heads-page', t('Heads'), value => {
    this.context.actions.setView({ headIdx: Number(value) });
  });
  private readonly cellLine = h('p', { class: 'facts cell-line' });
  private readonly values = h('ul', { class: 'layer-values' });
  private readonly note = h('p', { class: 'notes' });
  private readonly live = h('div', { class: 'sr-only', 'aria-live': 'polite' });
  private readonly empty = h('p', { class: 'hint' }, t('The heads of a layer appear here once it is ready.'));
  private readonly bar = h('div', { class: 'scale-bar', 'aria-hidden': 'true' });
  private readonly body: HTMLElement;
  private readonly linear = linearScaleBox(scale => this.context.actions.setLayout({ scale }));
  private readonly share = checkbox(t('Same scale for all heads'), sharesScale =>
    this.context.actions.setLayout({ sharesScale }),
  );
  private readonly open = button(t('Open this head in Map'), 'secondary', () => this.context.actions.showTab('map'));
  private hovered: { readonly cell: Cell; readonly slot: number } | null = null;
  private pointed = 0;
  /** CSS pixels; read once, since reading forces a layout. */
  private width = 0;
  private isShown = false;

  constructor(private readonly context: ViewContext) {
    const { store, actions } = context;
    this.maps = new LayerMaps(context.maps, context.host, () => this.isShown && this.draw());
    this.navigation = new Navigation(zoom => actions.setLayout({ zoom }));
    const gestures = createGestures(store, actions, this.navigation, cell => {
      this.hovered = cell && { cell, slot: this.pointed };
      this.draw();
    });
    listenToMap(this.drawing.canvas, this.inOneMap(gestures));
    this.drawing.canvas.addEventListener('keydown', event => this.onKey(event));
    this.body = h(
      'div',
      {},
      h('div', { class: 'layer-tools' }, this.page.element, this.open, zoomTools(gestures)),
      this.drawing.frame,
      this.cellLine,
      this.values,
      h('section', { class: 'stage-scale', 'aria-label': t('Color scale') }, this.bar, this.note, this.linear.element),
      this.share.element,
      this.live,
    );
    this.element = h('div', { class: 'layer' }, this.empty, this.body);
    new ResizeObserver(() => {
      this.width = this.body.clientWidth;
      this.layOut();
    }).observe(this.body);
    onPixelRatioChange(() => this.layOut());
  }

  update(state: State): void {
    this.isShown = true;
    const refs = refsOf(state);
    const { panel, layout } = state;
    const nHeads = panel?.model?.nHeads ?? 0;
    this.body.hidden = refs.length === 0;
    this.empty.hidden = refs.length > 0 || !panel?.tokens;
    this.maps.show(refs, nHeads, layout.scale, layout.sharesScale);
    if (refs.length === 0) {
      this.hovered = null;
      this.drawing.clear();
      return;
    }
    this.paintBar(state.theme);
    this.linear.set(layout.scale);
    this.share.set(layout.sharesScale, true, t('The same color then means the same value in every head.'));
    this.page.element.hidden = nHeads <= pageSize;
    this.page.set(pagesOf(nHeads), String(refs[0]!.headIdx));
    if (this.navigation.follow(refs[0]!.nTokens, layout.zoom)) this.hovered = null;
    this.layOut();
    this.navigation.followCell(state.cell);
    this.draw();
  }

  hide(): void {
    this.isShown = false;
    this.maps.show([], 0, 'linear', false);
    this.drawing.clear();
  }

  private layOut(): void {
    const { width } = this;
    const { length } = this.maps.maps;
    if (width === 0 || length === 0) return;
    const ratio = devicePixelRatio;
    const { minEdge, gap, header } = width < wideFrom ? measures.narrow : measures.wide;
    const inDevice = { minEdge: minEdge * ratio, gap: Math.round(gap * ratio), header: Math.round(header * ratio) };
    const grid = layOutHeads(length, Math.floor(width * ratio), inDevice);
    this.drawing.layOut(grid);
    const edge = grid.edge / ratio;
    if (edge !== this.navigation.size.width && this.navigation.resize(edge, edge)) this.draw();
  }

  private draw(): void {
    const { state } = this.context.store;
    const [first] = this.maps.maps;
    const { viewport, size, nTokens, isReady } = this.navigation;
    if (!this.isShown || !first || !isReady) return;
    this.maps.view(visibleCells(viewport, nTokens, size));
    this.drawing.take(this.maps, state.theme);
    this.drawing.draw(nTokens, first.blockSize, viewport);
    const shown = state.panel!.view.headIdx;
    for (const [slot, map] of this.maps.maps.entries()) {
      const { headIdx } = map.ref;
      this.drawing.label(slot, t('Head {0}', headIdx), scaleEndText(map), headIdx === shown);
    }
    const { layerIdx, stage } = first.ref;
    const what = t('{0} of all heads of layer {1}', stageLabel(stage), layerIdx);
    this.drawing.canvas.setAttribute(
      'aria-label',
      t('{0}. Page up and down change the head. {1}', what, mapInstructions),
    );
    const { dataset } = this.drawing.canvas;
    Object.assign(dataset, { layer: layerIdx, stage, heads: this.maps.maps.length, cellSize: viewport.cellSize });
    const isComplete = this.maps.maps.every(({ hasValues }) => hasValues);
    dataset['overviews'] = isComplete ? 'all' : 'some';
    dataset['values'] = this.maps.isExact ? 'exact' : 'overview';
    this.note.textContent = this.maps.failure?.message ?? noteOf(first.blockSize, this.maps.isExact);
    this.showCell(state);
  }

  /** The looked-at cell, in every map and in words. */
  private showCell({ panel, cell: picked }: State): void {
    const cell = this.hovered?.cell ?? picked;
    this.drawing.mark(this.navigation.viewport, cell);
    const places = placesOf(panel);
    markCell(this.cellLine, cell);
    this.cellLine.textContent =
      cell && places
        ? places.nameOfCell(cell)
        : t('Point at a cell, or move with the arrow keys, to read it in every head.');
    const lines = this.maps.maps.map(({ ref }, slot) => {
      const value = cell && this.maps.valueAt(slot, cell);
      return value ? t('head {0}: {1}', ref.headIdx, describeCellValue(value)) : '';
    });
    this.writeValues(lines.filter(Boolean).join('\n'));
    const shown = lines[this.slotOf(panel?.view.headIdx ?? -1)];
    if (picked && document.activeElement === this.drawing.canvas) this.say(`${this.cellLine.textContent}, ${shown}`);
  }

  private readonly writeValues = onChange((text: string) => {
    this.values.replaceChildren(...(text === '' ? [] : text.split('\n').map(line => h('li', {}, line))));
  });
  private readonly say = onChange((text: string) => {
    this.live.textContent = text;
  });
  private readonly paintBar = onChange((theme: Theme) => {
    this.bar.style.setProperty('background-image', gradient(theme.colors));
  });

  private slotOf(headIdx: number): number {
    return this.maps.maps.findIndex(({ ref }) => ref.headIdx === headIdx);
  }

  /** Gestures at a point of the canvas, carried out at that point of the map under it. */
  private inOneMap(gestures: MapGestures): MapGestures {
    const { drawing } = this;
    return {
      ...gestures,
      hover: point => {
        const at = point && drawing.under(point.x, point.y);
        this.pointed = at?.slot ?? 0;
        gestures.hover(at);
      },
      click: (x, y) => {
        const at = drawing.under(x, y);
        if (!at) return;
        this.context.actions.setView({ headIdx: this.maps.maps[at.slot]!.ref.headIdx });
        gestures.click(at.x, at.y);
      },
      zoom: (factor, x, y) => {
        const at = x === undefined || y === undefined ? null : drawing.under(x, y);
        return gestures.zoom(factor, at?.x, at?.y);
      },
    };
  }

  /** From head to head; the rest is as on every map. */
  private onKey(event: KeyboardEvent): void {
    const step = { PageUp: -1, PageDown: 1 }[event.key];
    const { panel } = this.context.store.state;
    if (step === undefined || !panel?.model || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    const headIdx = Math.max(0, Math.min(panel.model.nHeads - 1, panel.view.headIdx + step));
    this.context.actions.setView({ headIdx });
  }
}

/** The maps of the heads on the page of the chosen one. */
function refsOf({ panel }: State): MapRef[] {
  const ref = panel && mapRefOf({ ...panel, view: { ...panel.view, difference: false } });
  const nHeads = panel?.model?.nHeads ?? 0;
  if (!ref) return [];
  const headStart = Math.floor(ref.headIdx / pageSize) * pageSize;
  const length = Math.max(0, Math.min(pageSize, nHeads - headStart));
  return Array.from({ length }, (_, i) => ({ ...ref, headIdx: headStart + i }));
}

function pagesOf(nHeads: number): { value: string; label: string }[] {
  return Array.from({ length: Math.ceil(nHeads / pageSize) }, (_, i) => ({
    value: String(i * pageSize),
    label: `${i * pageSize}–${Math.min(nHeads, (i + 1) * pageSize) - 1}`,
  }));
}

function noteOf(blockSize: number, isExact: boolean): string {
  const scale = t('The end of each head’s scale is written above it; the first token does not count for it.');
  if (blockSize === 1) return scale;
  return isExact
    ? t('Exact values. {0}', scale)
    : t('Each cell shows the strongest of {0}×{1}; zoom in for exact values. {2}', blockSize, blockSize, scale);
}
