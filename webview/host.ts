/** What the app needs from the owner of the analysis, and the extension host as that owner. */

import type { HeadRef } from '../src/shared/address';
import type { PanelEvents, PanelRequests } from '../src/shared/panel/panelMessages';
import { panelAnswers, panelEvents } from '../src/shared/panel/panelSchemas';
import { Failure } from '../src/shared/tools/failure';
import { t } from '../src/shared/tools/l10n';
import { type None, Rpc } from '../src/shared/tools/rpc';

type PanelRpc = Rpc<PanelRequests, None, PanelEvents, None>;

export interface PanelHost {
  readonly request: PanelRpc['request'];
  readonly on: PanelRpc['on'];
  /** Exact values of every head can be requested, and what is computed from them. */
  readonly hasTiles: boolean;
  /** Exact values of a head can be requested. */
  holdsExact(head: HeadRef): boolean;
  /** Measures and pictures of all heads can be requested. */
  readonly hasMeasures: boolean;
  /** There is an editor behind the panel whose commands the buttons can start. */
  readonly hasEditor: boolean;
  /** How the reader arranged the panel last time, as `saveLayout` got it. */
  loadLayout(): unknown;
  saveLayout(layout: unknown): void;
}

interface VsCodeApi {
  postMessage(message: unknown): void;
  getState(): unknown;
  setState(state: unknown): void;
}

declare function acquireVsCodeApi(): VsCodeApi;

interface Colored {
  readonly colorMap?: unknown;
}

/** A saved layout, with the colors that the reader's setting names where the panel has not chosen others. */
export function withSetting(saved: unknown, { colorMap }: Colored): object {
  return { colorMap, ...(saved as object | undefined) };
}

/** A layout to save: colors that are those of the setting are not the panel's own choice, and change with it. */
export function withoutSetting(layout: unknown, setting: Colored): object {
  const { colorMap, ...others } = layout as Colored & object;
  return colorMap === setting.colorMap ? others : { ...others, colorMap };
}

/** The extension host over postMessage. To be called once: VS Code hands out its API only once. */
export function connectToVsCode(): PanelHost {
  const api = acquireVsCodeApi();
  const rpc: PanelRpc = new Rpc(
    {
      send: message => api.postMessage(message),
      onMessage: listener => window.addEventListener('message', event => listener(event.data)),
    },
    {},
    { answers: panelAnswers, events: panelEvents },
  );
  window.addEventListener('pagehide', () => rpc.close(new Failure('closed', t('The panel was closed.'))));
  return {
    request: rpc.request.bind(rpc) as PanelRpc['request'],
    on: rpc.on.bind(rpc) as PanelRpc['on'],
    hasTiles: true,
    holdsExact: () => true,
    hasMeasures: true,
    hasEditor: true,
    loadLayout: () => withSetting(api.getState(), document.body.dataset),
    saveLayout: layout => api.setState(withoutSetting(layout, document.body.dataset)),
  };
}
