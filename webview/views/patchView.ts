/** What if a part of the model computed what it computes in another text. */

import type { TokenRange } from '../../src/shared/address';
import type { PatchChange } from '../../src/shared/interventions';
import type { PanelState } from '../../src/shared/panel/panelMessages';
import { t } from '../../src/shared/tools/l10n';
import { radioGroup } from '../components/fields';
import { h } from '../dom';
import { allows } from '../experimentKinds';
import { pickedRange } from '../lineRange';
import { type Places, placesIn } from '../places';
import type { State } from '../state';
import { button } from '../toolkit';
import type { PanelView, ViewContext, ViewDefinition } from './view';

type Part = 'head' | 'layer' | 'mlp' | 'residual';
const patched = { head: 'head', layer: 'head', mlp: 'mlp', residual: 'residual' } as const;
type Where = 'all' | 'selection';

export const patchView: ViewDefinition = {
  id: 'patch',
  title: t('Part of another text'),
  isOffered: host => host.hasEditor,
  hasContent: panel => allows('patch', panel),
  usesHead: () => true,
  create: context => new PatchView(context),
};

class PatchView implements PanelView {
  readonly element: HTMLElement;
  private readonly other = h('p', { class: 'place-name', role: 'status' });
  private readonly partField;
  private readonly whereField;
  private readonly run;
  private part: Part = 'head';
  private where: Where = 'all';
  private places: Places | null = null;

  constructor(private readonly context: ViewContext) {
    this.partField = radioGroup<Part>(
      t('Part'),
      [
        { value: 'head', label: t('the current head') },
        { value: 'layer', label: t('all heads of the layer') },
        { value: 'mlp', label: t('the feed-forward part of the layer') },
        { value: 'residual', label: t('the stream before the layer') },
      ],
      part => {
        this.part = part;
      },
    );
    this.whereField = radioGroup<Where>(
      t('At'),
      [
        { value: 'all', label: t('all tokens that both texts have') },
        { value: 'selection', label: t('the selected word') },
      ],
      where => {
        this.where = where;
        this.update(this.context.store.state);
      },
    );
    const choose = button(t('Choose the Text…'), 'secondary', () => context.actions.run('compare'));
    this.run = button(t('Put It In'), 'primary', () => this.putIn());
    this.element = h(
      'div',
      { class: 'patch' },
      h('p', { class: 'hint' }, t('What would the model predict if a part of it saw another text?')),
      h('div', { class: 'place-field' }, this.other, choose),
      this.partField.element,
      this.whereField.element,
      h('div', { class: 'buttons' }, this.run),
    );
  }

  update(state: State): void {
    const { panel, comparison } = state;
    this.element.hidden = !panel?.tokens || panel.ablation.trainedId === null;
    if (!panel?.tokens || this.element.hidden) return;
    this.places = placesIn(panel, panel.tokens);
    this.partField.set(this.part);
    this.whereField.set(this.where);
    this.other.textContent = !comparison
      ? t('No other text is chosen.')
      : comparison.isOtherModel
        ? t('{0} is another model. Choose another version of the text.', comparison.label)
        : comparison.status === 'done'
          ? t('From: {0}', comparison.label)
          : t('{0}: not ready yet.', comparison.label);
    const isReady = comparison?.status === 'done' && !comparison.isOtherModel;
    this.run.toggleAttribute('disabled', !isReady || (this.where === 'selection' && !pickedRange(panel)));
  }

  private putIn(): void {
    const { panel, comparison } = this.context.store.state;
    if (!panel?.model || !comparison || !this.places) return;
    const { layerIdx, headIdx } = panel.view;
    const tokens = this.where === 'selection' ? pickedRange(panel) : null;
    const from = { kind: 'patch', layerIdx, headIdx: null, tokens, otherId: comparison.analysisId } as const;
    const whole = { ...from, layerIdx: panel.model.nLayers - 1, what: patched.residual };
    void this.context.experiments.run('patch', {
      label: t('{0} as in {1}{2}', this.partName(panel), comparison.label, this.placeName(tokens)),
      change: this.change(from, headIdx),
      yardstick: { label: t('The stream before the last layer as there'), change: whole },
    });
  }

  private change(from: Omit<PatchChange, 'what'>, headIdx: number): PatchChange {
    return { ...from, what: patched[this.part], headIdx: this.part === 'head' ? headIdx : null };
  }

  private partName({ view: { layerIdx, headIdx } }: PanelState): string {
    switch (this.part) {
      case 'head':
        return `L${layerIdx}H${headIdx}`;
      case 'layer':
        return t('All heads of layer {0}', layerIdx);
      case 'mlp':
        return t('Feed-forward part of layer {0}', layerIdx);
      case 'residual':
        return t('Stream before layer {0}', layerIdx);
    }
  }

  private placeName(tokens: TokenRange | null): string {
    return tokens && this.places ? t(', at {0}', this.places.nameOfRange(tokens)) : '';
  }
}
