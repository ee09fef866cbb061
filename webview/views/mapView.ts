/** One map large, with its scale, the selected token's keys, and the text. */

import { t } from '../../src/shared/tools/l10n';
import { createDetails } from '../components/details';
import { createLegend } from '../components/legend';
import { MapPanel } from '../components/mapPanel';
import { createTokenStrip, rowShading } from '../components/tokenStrip';
import { h } from '../dom';
import type { ViewDefinition } from './view';

export const mapView: ViewDefinition = {
  id: 'map',
  title: t('Map'),
  isOffered: () => true,
  choices: ['head', 'stage', 'difference'],
  create({ store, loader, actions, host }) {
    const legend = createLegend(actions, loader);
    const map = new MapPanel(store, loader, actions, host.hasEditor ? host : null, () => legend.update(store.state));
    const tokens = createTokenStrip(actions, 'token');
    const details = createDetails(actions, host.hasEditor);
    const tokenSection = h('section', { class: 'token-section', 'aria-label': t('Text') }, tokens.element);
    const element = h(
      'div',
      { class: 'columns' },
      h('div', { class: 'map-column' }, map.element, legend.element),
      h('div', { class: 'text-column' }, details.element, tokenSection),
    );
    return {
      element,
      update(state) {
        map.update(); // first: it passes the visible part to the loader
        legend.update(state);
        details.update(state);
        tokenSection.hidden = !state.panel?.tokens;
        tokens.update(state, rowShading(state));
      },
    };
  },
};
