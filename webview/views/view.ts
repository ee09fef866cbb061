/** What a view of the panel is: one part of a page, one module. */

import type { PanelState } from '../../src/shared/panel/panelMessages';
import type { Actions } from '../actions';
import type { Experiments } from '../experiments';
import type { MapLoader } from '../heatmap/mapLoader';
import type { MapSource } from '../heatmap/mapSource';
import type { PanelHost } from '../host';
import type { KernelSource } from '../kernelSource';
import type { State, Store } from '../state';

export interface PanelView {
  readonly element: HTMLElement;
  /**
   * Draws the state. Called when the view comes on screen and then after every change of the store, never while it is
   * hidden: compare with what was drawn last (`onChange` in dom.ts), since changes may have been missed.
   */
  update(state: State): void;
  /** Another view is shown now: the place to abort requests whose answers nobody waits for. */
  hide?(): void;
}

/** What a view works with. */
export interface ViewContext {
  /** The one store; a view reads it and changes it through `actions` only. */
  readonly store: Store<State>;
  readonly actions: Actions;
  /** For requests of the view's own. */
  readonly host: PanelHost;
  /** Overviews, tiles and rows of any map of the current run, cached for all views. */
  readonly maps: MapSource;
  /** The learned parts of the current run's layers. */
  readonly kernels: KernelSource;
  /** Runs with something changed. */
  readonly experiments: Experiments;
  /** Of the map that the shared choices name, `state.map`. */
  readonly loader: MapLoader;
}

export interface ViewDefinition {
  /** 1 to 20 letters from a to z. Saved in the layout and named in links: never renamed. */
  readonly id: string;
  /** One word where possible: the side bar is narrow. */
  readonly title: string;
  /** Whether this host can fill the view: an exported page has no exact values. */
  isOffered(host: PanelHost): boolean;
  /** Whether there is something to see for the current model; always where it is left out. */
  hasContent?(panel: PanelState): boolean;
  /** Whether the view shows the layer, head and stage of the breadcrumb. */
  usesHead(state: State): boolean;
  /** Whether the view goes on while a run of the shown document is on its way to the map in view; others are held. */
  readonly keepsUp?: boolean;
  /** In a region that shows all of its views: without a heading, open at first (the default), or closed at first. */
  readonly section?: 'bare' | 'open' | 'closed';
  /** Called once, when the view is shown for the first time. */
  create(context: ViewContext): PanelView;
}
