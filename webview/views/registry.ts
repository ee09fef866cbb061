/**
 * The views of the panel, in the order of their tabs.
 *
 * To add one:
 * 1. Write `webview/views/<name>View.ts`, which exports a `ViewDefinition` (see view.ts). Its `create` makes the DOM once
 *    and returns `{ element, update(state) }`. Its texts go through `t('…')` of src/shared/tools/l10n.ts. Parts that more than one view shows go into `webview/components/`.
 * 2. Add it to `views` below. The tab, its keyboard handling, the saved choice and the wide layout follow by themselves.
 * 3. What the view needs from the host is a request in `src/shared/panel/panelMessages.ts`, checked in
 *    `src/panel/checkRequests.ts` and answered in `src/panel/bridge.ts`. Call it through `context.host.request`.
 *    Maps come from `context.maps`, which caches them for all views.
 * 4. What the reader chooses in it and expects to find again is a field of `Layout` in state.ts (with its reader in
 *    `readLayout`), changed by `actions.setLayout`. What comes from the host is `state.panel`. Which cell of the map is
 *    looked at is `state.cell`, shared by all views: `actions.pickCell`.
 * 5. Its style goes into `webview/views/<name>View.css`, imported at the top of `webview/style.css`. The panel's width
 *    decides about columns: `@container panel (min-width: 720px)`, never the window's.
 */

import type { PanelHost } from '../host';
import { ablationView } from './ablationView';
import { compareView } from './compareView';
import { contextView } from './contextView';
import { exportView } from './exportView';
import { headsView } from './headsView';
import { kernelsView } from './kernelsView';
import { layerView } from './layerView';
import { lensView } from './lensView';
import { mapView } from './mapView';
import { stagesView } from './stagesView';
import { tableView } from './tableView';
import { tokensView } from './tokensView';
import type { ViewDefinition } from './view';

const views: readonly ViewDefinition[] = [
  mapView,
  headsView,
  layerView,
  stagesView,
  lensView,
  kernelsView,
  ablationView,
  compareView,
  tokensView,
  contextView,
  tableView,
  exportView,
];

/** The views that this host can fill; the first one is shown when nothing else was chosen. */
export function offeredViews(host: PanelHost): readonly ViewDefinition[] {
  return views.filter(view => view.isOffered(host));
}
