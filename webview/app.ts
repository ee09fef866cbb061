/** Puts the panel together: one store, one loader, components that draw the state and say what the reader wants. */

import { effectiveStage } from '../src/shared/attentionMap';
import { Cancelled } from '../src/shared/failure';
import type { PanelState } from '../src/shared/panelMessages';
import type { Actions } from './actions';
import { createDetails } from './components/details';
import { createHeadPicker } from './components/headPicker';
import { createLegend } from './components/legend';
import { MapPanel } from './components/mapPanel';
import { createStatus } from './components/status';
import { createTokenStrip } from './components/tokenStrip';
import { h } from './dom';
import type { MapRef } from './heatmap/mapData';
import { MapLoader, type MapRow } from './heatmap/mapLoader';
import type { TileRect } from './heatmap/tiles';
import type { PanelHost } from './host';
import { layerOf, mapRefOf, readLayout, type State, Store, withLayer } from './state';
import { onThemeChange, readTheme } from './theme';

export async function startApp(root: HTMLElement, host: PanelHost): Promise<void> {
  const store = new Store<State>({
    panel: null,
    layout: readLayout(host.loadLayout()),
    theme: readTheme(),
    map: null,
    mapVersion: 0,
    mapFailure: null,
    isTooLarge: false,
    isExact: false,
    selection: null,
  });
  let changedTile: TileRect | undefined;
  const loader = new MapLoader(host, rect => {
    changedTile = rect;
    store.update({ map: loader.map, mapVersion: store.state.mapVersion + 1, mapFailure: loader.failure });
    changedTile = undefined;
  });

  const actions: Actions = {
    setView(patch) {
      const { panel } = store.state;
      if (!panel) return;
      const view = { ...panel.view, ...patch };
      setPanel({ ...panel, view });
      void host.request('setView', view).catch(ignore);
    },
    selectToken(tokenIdx, reveal) {
      const { panel } = store.state;
      if (panel) setPanel({ ...panel, selectedToken: tokenIdx });
      void host.request('selectToken', { tokenIdx, reveal }).catch(ignore);
    },
    run: command => void host.request('command', { command }).catch(ignore),
    setLayout(patch) {
      store.update({ layout: { ...store.state.layout, ...patch } });
      host.saveLayout(store.state.layout);
      if (patch.leavesOutFirst !== undefined) showMap();
    },
  };

  const status = createStatus(actions, host.hasEditor);
  const picker = createHeadPicker(actions, host.hasTiles);
  const map = new MapPanel(store, loader, actions);
  const legend = createLegend(actions);
  const tokens = createTokenStrip(actions);
  const details = createDetails(actions, host.hasEditor);
  const tokenSection = h('section', { class: 'token-section', 'aria-label': 'Text' }, tokens.element);
  root.replaceChildren(
    status.element,
    picker.element,
    h(
      'div',
      { class: 'columns' },
      h('div', { class: 'map-column' }, map.element, legend.element),
      h('div', { class: 'text-column' }, details.element, tokenSection),
    ),
  );
  store.subscribe(state => {
    status.update(state);
    picker.update(state);
    map.update(changedTile);
    legend.update(state);
    details.update(state);
    tokenSection.hidden = !state.panel?.tokens;
    tokens.update(state);
  });

  function setPanel(panel: PanelState): void {
    store.update({ panel });
    showMap();
  }

  /** Shows the map the view asks for, and the selected query's rows. */
  function showMap(): void {
    const { panel, layout } = store.state;
    const ref = mapRefOf(panel);
    loader.show(ref, layout.leavesOutFirst);
    if (loader.map !== store.state.map) {
      store.update({ map: loader.map, mapVersion: store.state.mapVersion + 1, mapFailure: null, isExact: false });
    } else store.update({ mapVersion: store.state.mapVersion + 1 });
    void loadSelection(ref, panel?.selectedToken ?? null);
  }

  let selectionRequests = new AbortController();
  let shownSelection = '';
  async function loadSelection(ref: MapRef | null, queryIdx: number | null): Promise<void> {
    const key = ref && queryIdx !== null && queryIdx < ref.nTokens ? JSON.stringify([ref, queryIdx]) : '';
    if (key === shownSelection) return;
    shownSelection = key;
    selectionRequests.abort();
    selectionRequests = new AbortController();
    const { signal } = selectionRequests;
    if (key === '' || !ref || queryIdx === null) return store.update({ selection: null });
    try {
      const row = await loader.row(ref, queryIdx, signal);
      const convolution = await convolutionRows(ref, queryIdx, signal);
      if (!signal.aborted) store.update({ selection: { row, convolution } });
    } catch (error) {
      // A newer run or selection took over; its rows are on the way.
      if (!signal.aborted && !(error instanceof Cancelled)) shownSelection = '';
    }
  }

  /** Scores before and after the convolution, in layers that have one. */
  async function convolutionRows(ref: MapRef, queryIdx: number, signal: AbortSignal) {
    const { panel } = store.state;
    const layer = panel && layerOf(panel);
    if (!layer || !host.hasTiles || effectiveStage(layer.stages, 'convolved_scores') !== 'convolved_scores')
      return null;
    const rowOf = (stage: 'scores' | 'convolved_scores'): Promise<MapRow> =>
      loader.row({ ...ref, stage, minus: null }, queryIdx, signal);
    return { before: await rowOf('scores'), after: await rowOf('convolved_scores') };
  }

  onThemeChange(() => store.update({ theme: readTheme(), mapVersion: store.state.mapVersion + 1 }));
  host.on('state', setPanel);
  host.on('layer', ({ analysisId, layerIdx }) => {
    const { panel } = store.state;
    if (panel) setPanel(withLayer(panel, analysisId, layerIdx));
  });
  setPanel(await host.request('ready', {}));
}

function ignore(): void {
  // The host's state, which follows, is the answer that counts.
}
