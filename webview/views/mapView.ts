/** One map large, with its scale. */

import { t } from '../../src/shared/tools/l10n';
import { createLegend } from '../components/legend';
import { MapPanel } from '../components/mapPanel';
import { h } from '../dom';
import type { ViewDefinition } from './view';

export const mapView: ViewDefinition = {
  id: 'map',
  title: t('Map'),
  isOffered: () => true,
  usesHead: () => true,
  create({ store, loader, actions, host }) {
    const legend = createLegend(actions, loader);
    const map = new MapPanel(store, loader, actions, host.hasEditor ? host : null, () => legend.update(store.state));
    return {
      element: h('div', { class: 'map-column' }, map.element, legend.element),
      update(state) {
        map.update(); // first: it passes the visible part to the loader
        legend.update(state);
      },
    };
  },
};
