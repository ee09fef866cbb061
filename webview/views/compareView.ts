/** What if another model ran, or the text were another version: starts and ends the second run. */

import { t } from '../../src/shared/tools/l10n';
import { sayComparison } from '../components/compareText';
import { h, onChange } from '../dom';
import type { State } from '../state';
import { button, progressRing } from '../toolkit';
import type { PanelView, ViewContext, ViewDefinition } from './view';

export const compareView: ViewDefinition = {
  id: 'compare',
  title: t('Other text or model'),
  isOffered: host => host.hasEditor,
  usesHead: () => true,
  create: context => new CompareView(context),
};

class CompareView implements PanelView {
  readonly element: HTMLElement;
  private readonly says = h('div', { class: 'compare-says', role: 'status' });
  private readonly end: HTMLElement;

  constructor({ actions }: ViewContext) {
    this.end = button(t('End'), 'secondary', () => actions.run('endComparison'), t('End the comparison'));
    const choose = button(t('Compare With…'), 'primary', () => actions.run('compare'));
    this.element = h(
      'div',
      { class: 'compare' },
      h('p', { class: 'hint' }, t('What if the text were the committed or the saved one, or another model read it?')),
      h('div', { class: 'compare-tools' }, h('div', { class: 'buttons' }, choose, this.end)),
      this.says,
    );
  }

  update({ panel, comparison }: State): void {
    this.element.hidden = !panel?.tokens;
    if (!panel?.tokens) return;
    this.end.hidden = comparison === null;
    this.element.dataset['status'] = comparison?.status ?? 'none';
    const isBusy = comparison?.status === 'loading' || comparison?.status === 'running';
    this.draw(comparison ? sayComparison(panel, comparison) : '', isBusy);
  }

  private draw = onChange((said: string, isBusy: boolean) => {
    this.says.replaceChildren(...(isBusy ? [progressRing(t('Computing the other run'))] : []), h('span', {}, said));
  });
}
