/** What the selected token attends to most in the current map, and the text where there is no editor beside it. */

import { t } from '../../src/shared/tools/l10n';
import { createDetails } from '../components/details';
import { createTokenStrip, rowShading } from '../components/tokenStrip';
import { h } from '../dom';
import type { ViewDefinition } from './view';

export const rowView: ViewDefinition = {
  id: 'row',
  title: t('Selected row'),
  isOffered: () => true,
  usesHead: () => true,
  create({ actions, host }) {
    const details = createDetails(actions, host.hasEditor);
    if (host.hasEditor) return details;
    const tokens = createTokenStrip(actions, 'token');
    const section = h('section', { class: 'token-section', 'aria-label': t('Text') }, tokens.element);
    return {
      element: h('div', {}, details.element, section),
      update(state) {
        details.update(state);
        section.hidden = !state.panel?.tokens;
        tokens.update(state, rowShading(state));
      },
    };
  },
};
