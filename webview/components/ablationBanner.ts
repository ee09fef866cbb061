/** Says, above every view, that what is shown is not the model as trained, and takes it back. */

import type { PanelAblation } from '../../src/shared/panel/panelAblation';
import { t } from '../../src/shared/tools/l10n';
import { bannerLines } from '../ablationText';
import type { Actions } from '../actions';
import { h, onChange, redraw } from '../dom';
import type { State } from '../state';
import { button, progressRing } from '../toolkit';

export function createAblationBanner(actions: Actions) {
  const element = h('section', {
    class: 'ablation-banner',
    'aria-live': 'polite',
    'aria-label': t('Ablation'),
    hidden: true,
  });
  const draw = onChange((text: string, isRunning: boolean) => {
    const lines = text === '' ? [] : text.split('\n');
    element.hidden = lines.length === 0;
    const ring = isRunning ? [progressRing(t('Computing the ablated model'))] : [];
    const isAblated = current.shown.edits.length > 0 || current.requested.edits.length > 0;
    const reset = isAblated
      ? [button(t('Reset'), 'secondary', () => actions.stepAblation('reset'), t('Reset ablation'))]
      : [];
    redraw(element, ...ring, h('div', {}, ...lines.map(line => h('p', {}, line))), ...reset);
  });
  let current!: PanelAblation;
  return {
    element,
    update({ panel }: State): void {
      if (!panel) return;
      current = panel.ablation;
      element.dataset['ablated'] = String(current.shown.edits.length > 0);
      element.dataset['running'] = String(current.isRunning);
      draw(panel.tokens ? bannerLines(current).join('\n') : '', current.isRunning);
    },
  };
}
