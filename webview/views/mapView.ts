/** One map large, with its scale, and the stages of its head as steps. */

import { t } from '../../src/shared/tools/l10n';
import { DistanceMap } from '../components/distanceMap';
import { createLegend } from '../components/legend';
import { MapPanel } from '../components/mapPanel';
import { createStageSteps } from '../components/stageSteps';
import { h } from '../dom';
import type { ViewDefinition } from './view';

export const mapView: ViewDefinition = {
  id: 'map',
  title: t('Map'),
  isOffered: () => true,
  usesHead: () => true,
  create(context) {
    const { store, loader, actions, host } = context;
    const steps = createStageSteps(context);
    const legend = createLegend(actions, loader, true);
    const map = new MapPanel(store, loader, actions, host.hasEditor ? host : null, () => legend.update(store.state));
    const distance = new DistanceMap(store, loader, actions);
    return {
      element: h('div', { class: 'map-column' }, steps.element, map.element, distance.element, legend.element),
      update(state) {
        steps.update(state);
        const isByDistance = state.layout.mapLayout === 'distance';
        // Before the legend: the one that is shown passes the visible part to the loader.
        if (isByDistance) distance.update();
        else {
          distance.hide();
          map.update();
        }
        if (isByDistance) map.element.hidden = true;
        legend.update(state);
      },
    };
  },
};
