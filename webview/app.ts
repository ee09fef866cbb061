/** Puts the panel together: one store, the pages, the breadcrumb, and the current map's data for all views. */

import { previousStage } from '../src/shared/attentionMap';
import type { Stage } from '../src/shared/operators';
import type { PanelState, RunTokens } from '../src/shared/panel/panelMessages';
import { withUpdate } from '../src/shared/panel/panelUpdates';
import { Cancelled } from '../src/shared/tools/failure';
import { isSame } from '../src/shared/tools/isSame';
import { t } from '../src/shared/tools/l10n';
import type { Actions } from './actions';
import { createAblationBanner } from './components/ablationBanner';
import { createBreadcrumb } from './components/breadcrumb';
import { createMenu } from './components/menu';
import { createPages } from './components/pages';
import { createStatus } from './components/status';
import { createTour } from './components/tour';
import { h } from './dom';
import { Experiments } from './experiments';
import type { MapRef } from './heatmap/mapData';
import { MapLoader } from './heatmap/mapLoader';
import { type MapRow, MapSource } from './heatmap/mapSource';
import type { PanelHost } from './host';
import { KernelSource } from './kernelSource';
import { OptimisticState } from './optimisticState';
import {
  defaultLayout,
  isRenewing,
  isSameRange,
  keepsCell,
  layerOf,
  mapRefOf,
  readLayout,
  type State,
  Store,
  zoomRangeOf,
} from './state';
import { onThemeChange, readTheme } from './theme';
import { menuView, offeredPages, placeOf } from './views/registry';
import type { PanelView } from './views/view';

export async function startApp(root: HTMLElement, host: PanelHost): Promise<void> {
  const layout = readLayout(host.loadLayout());
  const store = new Store<State>({
    panel: null,
    context: null,
    comparison: null,
    layout,
    theme: readTheme(layout.colorMap),
    map: null,
    mapVersion: 0,
    changedTile: null,
    mapFailure: null,
    selection: null,
    cell: null,
  });
  const maps = new MapSource(host);
  const kernels = new KernelSource(host);
  const loader = new MapLoader(maps, rect => {
    changeMap({ map: loader.map, changedTile: rect ?? null, mapFailure: loader.failure });
  });

  const optimistic = new OptimisticState(setPanel);
  const actions: Actions = {
    setView(patch) {
      const { panel } = store.state;
      if (!panel) return;
      const view = { ...panel.view, ...patch };
      optimistic.choose(state => ({ ...state, view }), host.request('setView', view));
    },
    selectToken(tokenIdx, reveal, anchorIdx = null) {
      const selectionAnchor = anchorIdx === tokenIdx ? null : anchorIdx;
      optimistic.choose(
        state => ({ ...state, selectedToken: tokenIdx, selectionAnchor }),
        host.request('selectToken', { tokenIdx, anchorIdx: selectionAnchor, reveal }),
      );
    },
    run: command => void host.request('command', { command }).catch(ignore),
    pickCell: cell => store.update({ cell }),
    setAblation(requested) {
      // Shown at once as the request, so that the next change builds on this one.
      optimistic.choose(
        state => ({ ...state, ablation: { ...state.ablation, requested } }),
        host.request('setAblation', requested),
      );
    },
    stepAblation: step => void host.request('stepAblation', { step }).catch(ignore),
    showTab(id) {
      const place = placeOf(offered, id);
      if (!place) return;
      const { views, sections } = store.state.layout;
      const { region } = place;
      const chosen =
        region === null
          ? {}
          : region.shows === 'one'
            ? { views: { ...views, [region.id]: id } }
            : { sections: { ...sections, [id]: true } };
      actions.setLayout({ tab: id, ...chosen });
      pages.reveal(id);
    },
    setLayout(patch) {
      store.update({ layout: { ...store.state.layout, ...patch } });
      host.saveLayout(store.state.layout);
      if (patch.scale !== undefined) showMap();
      if (patch.colorMap !== undefined) store.update({ theme: readTheme(patch.colorMap) });
    },
  };

  const status = createStatus(actions, host.hasEditor);
  const banner = createAblationBanner(actions);
  const tour = createTour(store, actions, host);
  const breadcrumb = createBreadcrumb(actions, host.hasTiles);
  const offered = offeredPages(host);
  // A result of an experiment is drawn like any other change.
  const experiments = new Experiments(host, () => store.update({}));
  const views = { store, actions, host, maps, kernels, loader, experiments };
  const pages = createPages(offered, views);
  let menuPart: PanelView | null = null;
  const fillMenu = () => {
    menuPart = menuView.create(views);
    return menuPart.element;
  };
  const menu = menuView.isOffered(host)
    ? createMenu(menuView.id, t('Export and links'), fillMenu, () => draw(store.state))
    : null;
  const bar = h('div', { class: 'shell-bar' }, pages.bar, ...(menu ? [menu.button] : []));
  const header = h('div', { class: 'shell' }, bar, breadcrumb.element, ...(menu ? [menu.panel] : []));
  // An exported page has a title of its own.
  const title = document.querySelector('h1') ? [] : [h('h1', { class: 'sr-only' }, t('Attention'))];
  const content = h('div', { class: 'content' }, ...title, tour.element, status.element, banner.element, pages.element);
  root.setAttribute('role', 'main');
  root.replaceChildren(header, content);

  let shownTab = '';
  /** The document whose pages are on screen. */
  let drawn: string | null = null;
  function draw(state: State): void {
    const { panel, layout } = state;
    const isWaiting = isRenewing(panel, drawn);
    content.classList.toggle('is-waiting', isWaiting);
    experiments.follow(panel?.ablation.trainedId ?? null);
    // Before the first run there is nothing to switch between.
    status.update(state);
    if (!isWaiting) header.hidden = !panel?.tokens;
    pages.update(state, isWaiting);
    if (!isWaiting) {
      banner.update(state);
      breadcrumb.update(state, pages.usesHead(state));
      drawn = panel?.tokens ? panel.documentLabel : null;
    }
    tour.update(state);
    if (menu?.isOpen) menuPart?.update(state);
    // Facts about the run, for tests and scripts.
    root.dataset['run'] = String(panel?.analysisId ?? 0);
    root.dataset['status'] = panel?.status ?? 'none';
    const tab = placeOf(offered, layout.tab) ? layout.tab : offered[0]!.id;
    if (tab === shownTab) return;
    shownTab = tab;
    tellTab();
  }
  store.subscribe(draw);

  function tellTab(): void {
    if (host.hasEditor) void host.request('setTab', { tab: shownTab }).catch(ignore);
  }

  /** Shows the view that a link asks for, if there is one. */
  function openTab(tab: string | null): void {
    if (tab === menuView.id) menu?.open();
    else if (tab === tourId) tour.start();
    else if (tab !== null) actions.showTab(tab);
  }

  function setPanel(panel: PanelState): void {
    const { panel: before, cell } = store.state;
    store.update(cell && !keepsCell(before, panel, cell) ? { panel, cell: null } : { panel });
    fitNewRange(panel);
    showMap();
  }

  /** Shows the whole map of another text, range or model: the zoom was that of the one before. */
  function fitNewRange(panel: PanelState): void {
    const range = zoomRangeOf(panel);
    const { zoomRange } = store.state.layout;
    if (!range || (zoomRange && isSameRange(range, zoomRange))) return;
    actions.setLayout({ zoomRange: range, zoom: defaultLayout.zoom });
  }

  function changeMap(patch: Partial<State>): void {
    store.update({ changedTile: null, ...patch, mapVersion: store.state.mapVersion + 1 });
  }

  /** Shows the map the view asks for, and the selected query's rows. */
  function showMap(): void {
    const { panel, layout } = store.state;
    if (isRenewing(panel, drawn)) return; // the map on screen stays until there is another one
    const ref = mapRefOf(panel);
    const isRescaled = loader.show(ref, layout.scale);
    if (loader.map !== store.state.map) changeMap({ map: loader.map, mapFailure: null });
    else if (isRescaled) changeMap({});
    void loadSelection(ref, panel?.selectedToken ?? null);
  }

  let selectionRequests = new AbortController();
  let shownSelection: object | null = null;
  async function loadSelection(ref: MapRef | null, queryIdx: number | null): Promise<void> {
    const selected = ref && queryIdx !== null && queryIdx < ref.nTokens ? { ref, queryIdx } : null;
    if (isSame(selected, shownSelection)) return;
    shownSelection = selected;
    selectionRequests.abort();
    selectionRequests = new AbortController();
    const { signal } = selectionRequests;
    if (!selected) return store.update({ selection: null });
    try {
      const row = await maps.row(selected.ref, selected.queryIdx, signal);
      const convolution = await convolutionRows(selected.ref, selected.queryIdx, signal);
      if (!signal.aborted) store.update({ selection: { row, convolution } });
    } catch (error) {
      // A newer run or selection took over; its rows are on the way.
      if (!signal.aborted && !(error instanceof Cancelled)) shownSelection = null;
    }
  }

  /** Scores before and after the convolution, in layers that have one. */
  async function convolutionRows(ref: MapRef, queryIdx: number, signal: AbortSignal) {
    const { panel } = store.state;
    const layer = panel && layerOf(panel);
    const before = layer?.stages.includes('convolved_scores') && previousStage(layer.stages, 'convolved_scores');
    if (!before || !maps.holdsExact(ref)) return null;
    const rowOf = (stage: Stage): Promise<MapRow> => maps.row({ ...ref, stage, minus: null }, queryIdx, signal);
    return { before: await rowOf(before), after: await rowOf('convolved_scores') };
  }

  onThemeChange(() => store.update({ theme: readTheme(store.state.layout.colorMap) }));
  let run: RunTokens | null = null;
  host.on('tokens', tokens => {
    run = tokens;
  });
  host.on('state', update => optimistic.receiveUpdate(panel => withUpdate(panel, update, run)));
  host.on('comparison', comparison => store.update({ comparison }));
  host.on('context', context => store.update({ context }));
  optimistic.receive(await host.request('ready', {}));
  if (!host.hasEditor) return;
  // Of two pages the one with the focus is meant.
  window.addEventListener('focus', tellTab);
  host.on('tab', ({ tab }) => {
    openTab(tab);
    void host.request('tab', {}).catch(ignore); // taken
  });
  host.on('cell', cell => actions.pickCell(cell));
  openTab(await host.request('tab', {}));
  const comparison = await host.request('comparison', {});
  store.update({ context: await host.request('context', {}), comparison: store.state.comparison ?? comparison });
}

/** A link to this starts the tour. */
const tourId = 'tour';

function ignore(): void {
  // The host's state, which follows, is the answer that counts.
}
