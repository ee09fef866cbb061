/**
 * The pages of the panel, their regions, and the views in them.
 *
 * To add a view:
 * 1. Write `webview/views/<name>View.ts`, which exports a `ViewDefinition` (see view.ts). Its `create` makes the DOM once
 *    and returns `{ element, update(state) }`. Its texts go through `t('…')` of src/shared/tools/l10n.ts. Parts that more than one view shows go into `webview/components/`.
 * 2. Add it to a region of a page below. Its tab or heading, the keyboard, the saved choice, links to it and the wide layout
 *    follow by themselves.
 * 3. What the view needs from the host is a request in `src/shared/panel/panelMessages.ts`, checked in
 *    `src/panel/checkRequests.ts` and answered in `src/panel/bridge.ts`. Call it through `context.host.request`.
 *    Maps come from `context.maps`, which caches them for all views.
 * 4. What the reader chooses in it and expects to find again is a field of `Layout` in state.ts (with its reader in
 *    `readLayout`), changed by `actions.setLayout`. What comes from the host is `state.panel`. Which cell of the map is
 *    looked at is `state.cell`, shared by all views: `actions.pickCell`.
 * 5. Its style goes into `webview/views/<name>View.css`, imported at the top of `webview/style.css`. The region's width
 *    decides about columns: `@container panel (min-width: 720px)`, never the window's. Where regions stand is in `pages.css`.
 */

import { t } from '../../src/shared/tools/l10n';
import type { PanelHost } from '../host';
import { ablationView } from './ablationView';
import { compareView } from './compareView';
import { contextView } from './contextView';
import { edgesView } from './edgesView';
import { exportView } from './exportView';
import { headsOffView } from './headsOffView';
import { headsView } from './headsView';
import { hiddenView } from './hiddenView';
import { kernelsView } from './kernelsView';
import { layerView } from './layerView';
import { lensView } from './lensView';
import { mapView } from './mapView';
import { patchView } from './patchView';
import { placesView } from './placesView';
import { resultView } from './resultView';
import { rowView } from './rowView';
import { stagesView } from './stagesView';
import { tableView } from './tableView';
import { tokensView } from './tokensView';
import type { ViewDefinition } from './view';
import { whyView } from './whyView';

/** A part of a page: one view at a time behind tabs, or all of them under headings that open and close. */
export interface RegionDefinition {
  readonly id: string;
  readonly label: string;
  readonly shows: 'one' | 'all';
  readonly views: readonly ViewDefinition[];
}

export interface PageDefinition {
  /** 1 to 20 letters from a to z, named in links as the ids of views are. */
  readonly id: string;
  readonly title: string;
  readonly regions: readonly RegionDefinition[];
  /** The region whose view the page's tab leads back to. */
  readonly main: string;
}

const pages: readonly PageDefinition[] = [
  {
    ...{ id: 'token', title: t('Token'), main: 'answer' },
    regions: [{ id: 'answer', label: t('Token'), shows: 'all', views: [whyView, contextView, tokensView] }],
  },
  {
    ...{ id: 'heads', title: t('Heads'), main: 'map' },
    regions: [
      { id: 'grid', label: t('All heads'), shows: 'one', views: [headsView, kernelsView] },
      { id: 'map', label: t('Map'), shows: 'one', views: [mapView, stagesView, layerView, tableView] },
      { id: 'inspector', label: t('Details'), shows: 'all', views: [placesView, rowView, lensView] },
    ],
  },
  {
    ...{ id: 'experiment', title: t('Experiment'), main: 'trial' },
    regions: [
      {
        ...{ id: 'trial', label: t('What if…'), shows: 'one' },
        views: [headsOffView, ablationView, hiddenView, edgesView, compareView, patchView],
      },
      { id: 'result', label: t('Result'), shows: 'all', views: [resultView] },
    ],
  },
];

/** What opens from the button beside the tabs. */
export const menuView = exportView;

/** The pages that this host can fill, without the views that it cannot; the first one is shown when none was chosen. */
export function offeredPages(host: PanelHost): readonly PageDefinition[] {
  return pages
    .map(page => ({
      ...page,
      regions: page.regions
        .map(region => ({ ...region, views: region.views.filter(view => view.isOffered(host)) }))
        .filter(({ views }) => views.length > 0),
    }))
    .filter(({ regions }) => regions.length > 0);
}

/** Where a view stands. @param id of a view, also one that links of older versions name, or of a page. */
export function placeOf(
  offered: readonly PageDefinition[],
  id: string,
): { readonly page: PageDefinition; readonly region: RegionDefinition | null } | null {
  for (const page of offered) {
    const region = page.regions.find(({ views }) => views.some(view => view.id === id));
    if (region) return { page, region };
  }
  const page = offered.find(candidate => candidate.id === id);
  return page ? { page, region: null } : null;
}
