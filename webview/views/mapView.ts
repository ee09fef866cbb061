/** One map large, with its scale, and the stages of its head as steps. */

import { t } from '../../src/shared/tools/l10n';
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
    const legend = createLegend(actions, loader);
    const map = new MapPanel(store, loader, actions, host.hasEditor ? host : null, () => legend.update(store.state));
    return {
      element: h('div', { class: 'map-column' }, steps.element, map.element, legend.element),
      update(state) {
        steps.update(state);
        map.update(); // before the legend: it passes the visible part to the loader
        legend.update(state);
      },
    };
  },
};
