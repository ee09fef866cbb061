/** The kernel gallery: every learned kernel and mixing matrix of the model, and where each of them mattered. */

import { stagesOfPart } from '../../src/attention/largestChanges';
import type { CellChange } from '../../src/shared/attentionMap';
import { isConv, type KernelPart, kernelParts } from '../../src/shared/kernels';
import { toFailureData } from '../../src/shared/tools/failure';
import { t } from '../../src/shared/tools/l10n';
import { createKernelDetail } from '../components/kernelDetail';
import { createKernelSlider } from '../components/kernelSlider';
import { matrixPicture } from '../components/matrixPicture';
import { h, onChange, redraw } from '../dom';
import {
  changesOf,
  type DocumentChanges,
  describeKernel,
  entriesOf,
  type GalleryEntry,
  type KernelOrder,
  kernelOrders,
  orderTitles,
  partTitles,
  placeOf,
  shapeNames,
  sortEntries,
} from '../kernelGallery';
import { type Snapshot, snapshotsOf } from '../kernelHistory';
import { viewerNote } from '../labels';
import { placesOf } from '../places';
import { hasKernels, type State } from '../state';
import type { Theme } from '../theme';
import { button, dropdown } from '../toolkit';
import type { PanelView, ViewContext, ViewDefinition } from './view';

export const kernelsView: ViewDefinition = {
  id: 'kernels',
  title: t('Kernels'),
  isOffered: host => host.hasTiles,
  hasContent: hasKernels,
  usesHead: () => false,
  create: context => new KernelsView(context),
};

/** Cards drawn at once; a model with 200 heads has thousands of kernels. */
const pageSize = 72;

class KernelsView implements PanelView {
  readonly element: HTMLElement;
  private readonly order = dropdown('kernel-order', t('Order'), value =>
    this.context.actions.setLayout({ kernelOrder: value as KernelOrder }),
  );
  private readonly part = dropdown('kernel-part', t('Kernels'), value =>
    this.context.actions.setLayout({ kernelPart: kernelParts.find(part => part === value) ?? null }),
  );
  private readonly hint = h('p', { class: 'hint' });
  private readonly cards = h('div', { class: 'cards', role: 'group', 'aria-label': t('Kernels') });
  private readonly more = button(t('Show more'), 'secondary', () => this.showMore());
  private readonly slider = createKernelSlider(position => {
    this.position = position;
    this.draw(this.context.store.state);
  });
  private readonly detail = createKernelDetail(
    this.slider.element,
    headIdx => this.pick(this.picked, headIdx),
    change => this.openCell(change),
    () => this.turnOff(),
  );
  private readonly body: HTMLElement;
  private entries: readonly GalleryEntry[] = [];
  private changes: DocumentChanges = new Map();
  private measured = '';
  private loaded = '';
  private nShown = pageSize;
  /** The kernel that another view leads to. */
  private asked: string | null = null;
  private picked: GalleryEntry | null = null;
  private pickedHead = 0;
  /** Of the picked kernel; a text says why there is none. */
  private history: readonly Snapshot[] | string = [];
  private position = 0;
  private requests = new AbortController();

  constructor(private readonly context: ViewContext) {
    this.body = h(
      'div',
      { class: 'columns gallery' },
      h(
        'div',
        { class: 'gallery-column' },
        h('div', { class: 'gallery-tools' }, this.part.element, this.order.element),
        this.hint,
        this.cards,
        this.more,
      ),
      h('div', { class: 'text-column' }, this.detail.element),
    );
    this.element = this.body;
  }

  update(state: State): void {
    const { panel, layout } = state;
    this.order.set(
      kernelOrders.map(value => ({ value, label: orderTitles[value] })),
      layout.kernelOrder,
    );
    this.part.set(
      [{ value: '', label: t('All') }, ...kernelParts.map(value => ({ value, label: partTitles[value] }))],
      layout.kernelPart ?? '',
    );
    const nReady = Math.min(panel?.layersDone ?? 0, panel?.model?.nLayers ?? 0);
    if (layout.kernel !== this.asked) this.pickAsked(layout.kernel, panel?.view.headIdx ?? 0);
    const key = panel?.tokens ? `${panel.analysisId}/${nReady}` : '';
    if (key !== this.loaded) {
      this.loaded = key;
      void this.load(key, panel?.analysisId ?? -1, nReady);
    }
    this.draw(state);
  }

  hide(): void {
    this.requests.abort();
  }

  private async load(key: string, analysisId: number, nReady: number): Promise<void> {
    let entries: GalleryEntry[] = [];
    let failure = '';
    try {
      const layers = Array.from({ length: nReady }, (_, layerIdx) => this.context.kernels.layer(analysisId, layerIdx));
      entries = (await Promise.all(layers)).flatMap((kernels, layerIdx) => entriesOf(layerIdx, kernels));
    } catch (error) {
      const { code, message } = toFailureData(error);
      if (code !== 'no-analysis') failure = message;
    }
    if (key !== this.loaded) return; // A newer run, or more layers of this one.
    if (failure) this.loaded = '';
    this.entries = entries;
    this.hint.textContent =
      failure ||
      (entries.length === 0 && viewerNote(this.context.store.state.panel?.model)) ||
      (entries.length === 0 ? t('This model has no convolution kernels and mixes no heads: a plain Transformer.') : '');
    const kept = entries.find(entry => entry.key === this.picked?.key);
    this.pick(kept ?? null, kept ? this.pickedHead : 0);
    const { layout, panel } = this.context.store.state;
    if (!kept && layout.kernel) this.pickAsked(layout.kernel, panel?.view.headIdx ?? 0);
    this.draw(this.context.store.state);
  }

  /** Shows the kernel that the layout names, once it is there. */
  private pickAsked(key: string | null, headIdx: number): void {
    const entry = this.entries.find(entry => entry.key === key);
    if (!entry) return;
    this.asked = key;
    this.pick(entry, entry.headIdx ?? headIdx);
    this.reveal();
  }

  private reveal(): void {
    // Pages are put together first.
    requestAnimationFrame(() => this.detail.element.scrollIntoView({ block: 'nearest' }));
  }

  /** Measures how much each convolution changed attention, once per run. */
  private async measure(): Promise<void> {
    const key = this.loaded;
    if (key === this.measured) return;
    this.measured = key;
    this.changes = new Map();
    const { host, store } = this.context;
    const analysisId = store.state.panel!.analysisId;
    const layers = new Set(this.entries.filter(({ part }) => isConv(part)).map(({ layerIdx }) => layerIdx));
    try {
      for (const layerIdx of layers) {
        const measures = await host.request('headMeasures', { analysisId, layerIdx });
        if (key !== this.loaded) return;
        this.changes = new Map([...this.changes, ...changesOf(layerIdx, measures)]);
        this.draw(store.state);
      }
    } catch (error) {
      this.measured = '';
      const { code, message } = toFailureData(error);
      if (code !== 'no-analysis') this.hint.textContent = message;
    }
  }

  private draw({ layout, theme }: State): void {
    this.hint.hidden = this.hint.textContent === '';
    if (layout.kernelOrder === 'document') void this.measure();
    // Cards that are made anew lose clicks and focus: not for measures that do not order them.
    const changes = layout.kernelOrder === 'document' ? this.changes : unmeasured;
    this.drawCards(this.entries, layout.kernelOrder, layout.kernelPart, this.nShown, theme, changes);
    this.mark(this.picked, this.cards.childElementCount, this.entries);
    this.detail.element.hidden = this.picked === null;
    if (!this.picked) return;
    const then = typeof this.history === 'string' ? undefined : this.history[this.position]?.entry;
    this.drawDetail(then ?? this.picked, this.pickedHead, this.changes.get(this.picked.key), theme);
    this.drawSlider(this.history, this.position, this.pickedHead);
  }

  private drawCards = onChange(
    (
      entries: readonly GalleryEntry[],
      order: KernelOrder,
      part: KernelPart | null,
      nShown: number,
      theme: Theme,
      changes: DocumentChanges,
    ) => {
      const ofPart = entries.filter(entry => part === null || entry.part === part);
      const chosen = sortEntries(ofPart, order, changes);
      redraw(this.cards, ...chosen.slice(0, nShown).map(entry => this.card(entry, theme)));
      this.more.hidden = chosen.length <= nShown;
      const label = t('Show more of {0}', chosen.length);
      this.more.textContent = label;
      this.more.setAttribute('aria-label', label);
      this.more.title = label;
      this.markNow();
    },
  );

  private card(entry: GalleryEntry, theme: Theme): HTMLElement {
    const { layerIdx, headIdx, part, features } = entry;
    const side = part.startsWith('pre') ? t('before') : t('after');
    const place = headIdx === null ? `L${layerIdx} · ${side}` : `L${layerIdx} H${headIdx} · ${side}`;
    const card = h(
      'button',
      {
        class: 'card',
        type: 'button',
        'data-key': entry.key,
        'data-name': features.name,
        // Name from what is seen, description from here.
        title: `${partTitles[part]}, ${placeOf(entry)}. ${describeKernel(entry)}`,
      },
      h('span', { class: 'card-picture' }, matrixPicture(entry, theme)),
      h('span', { class: 'card-name' }, shapeNames[features.name]),
      h('span', { class: 'card-place' }, place),
    );
    card.addEventListener('click', () => {
      this.asked = entry.key;
      this.context.actions.setLayout({ kernel: entry.key });
      this.pick(entry, headIdx ?? mostMixed(entry));
      this.reveal();
    });
    return card;
  }

  private mark = onChange((_picked: GalleryEntry | null, _nCards: number, _entries: unknown) => this.markNow());

  private markNow(): void {
    for (const card of this.cards.children) {
      card.setAttribute('aria-pressed', String((card as HTMLElement).dataset['key'] === this.picked?.key));
    }
  }

  private showMore(): void {
    this.nShown += pageSize;
    this.draw(this.context.store.state);
  }

  private drawDetail = onChange((entry: GalleryEntry, headIdx: number, change: number | undefined, theme: Theme) =>
    this.detail.show(entry, headIdx, change, theme),
  );

  private drawSlider = onChange((history: readonly Snapshot[] | string, position: number, headIdx: number) =>
    this.slider.show(history, position, headIdx),
  );

  private pick(entry: GalleryEntry | null, headIdx: number): void {
    if (entry !== this.picked) this.history = [];
    this.picked = entry;
    this.pickedHead = headIdx;
    this.requests.abort();
    this.draw(this.context.store.state);
    if (!entry) return;
    void this.loadChanges(entry, headIdx);
    if (this.history.length === 0) void this.loadHistory(entry);
  }

  private async loadHistory(entry: GalleryEntry): Promise<void> {
    const { analysisId } = this.context.store.state.panel!;
    let history: readonly Snapshot[] | string = [];
    try {
      const found = await this.context.kernels.history(analysisId, entry.layerIdx);
      if (found) history = snapshotsOf(entry, found);
    } catch (error) {
      const { code, message } = toFailureData(error);
      if (code !== 'no-analysis') history = message;
    }
    if (entry !== this.picked) return;
    this.history = history;
    this.position = Math.max(0, history.length - 1);
    this.draw(this.context.store.state);
  }

  private async loadChanges({ layerIdx, part, features }: GalleryEntry, headIdx: number): Promise<void> {
    const { host, store } = this.context;
    const { panel } = store.state;
    const places = placesOf(panel);
    this.requests = new AbortController();
    const { signal } = this.requests;
    this.detail.showChanges(t('Looking …'), places, part);
    try {
      const address = { analysisId: panel!.analysisId, layerIdx, headIdx, part };
      const changes = await host.request('largestChanges', address, signal);
      if (signal.aborted) return;
      const none =
        features.name === 'not a number' ? t('What it made is not a number anywhere.') : t('It changed nothing here.');
      this.detail.showChanges(changes.length > 0 ? changes : none, places, part);
    } catch (error) {
      if (!signal.aborted) this.detail.showChanges(toFailureData(error).message, places, part);
    }
  }

  /** Shows what becomes of the predictions and the maps without the kernel alone. */
  private turnOff(): void {
    const { actions } = this.context;
    if (!this.picked) return;
    const { part, layerIdx, headIdx } = this.picked;
    actions.setAblation({ scope: 'model', edits: [{ part, layerIdx, headIdx, weights: null }] });
    actions.showTab('ablation');
  }

  /** Shows a cell in the lens, at the stage that the kernel made. */
  private openCell({ queryIdx, keyIdx }: CellChange): void {
    const { actions, store } = this.context;
    const layer = this.picked && store.state.panel?.model?.layers[this.picked.layerIdx];
    if (!this.picked || !layer) return;
    const { part, layerIdx } = this.picked;
    const { after } = stagesOfPart(part, layer.stages);
    actions.setView({ layerIdx, headIdx: this.pickedHead, stage: after, difference: false });
    actions.selectToken(queryIdx, true);
    actions.pickCell({ queryIdx, keyIdx });
    actions.showTab('lens');
  }
}

const unmeasured: DocumentChanges = new Map();

/** The head of a mixing matrix whose row is furthest from the identity. */
function mostMixed({ rows, columns, values, part }: GalleryEntry): number {
  if (isConv(part)) return 0;
  const distances = Array.from({ length: rows }, (_, row) =>
    values
      .subarray(row * columns, (row + 1) * columns)
      .reduce((sum, weight, column) => sum + (weight - (column === row % columns ? 1 : 0)) ** 2, 0),
  );
  return Math.max(0, distances.indexOf(Math.max(...distances)));
}
