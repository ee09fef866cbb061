/** What if some tokens could not see others: in all heads, those of a layer, or one. */

import type { TokenRange } from '../../src/shared/address';
import type { EdgeCut } from '../../src/shared/interventions';
import type { PanelState } from '../../src/shared/panel/panelMessages';
import { t } from '../../src/shared/tools/l10n';
import { radioGroup } from '../components/fields';
import { createPlaceField } from '../components/placeField';
import { h } from '../dom';
import { allows } from '../experimentKinds';
import { pickedRange } from '../lineRange';
import { type Places, placesIn } from '../places';
import type { State } from '../state';
import { button } from '../toolkit';
import type { PanelView, ViewContext, ViewDefinition } from './view';

const reaches = ['model', 'layer', 'head'] as const;
type Reach = (typeof reaches)[number];

export const edgesView: ViewDefinition = {
  id: 'edges',
  title: t('Edges forbidden'),
  isOffered: host => host.hasEditor,
  hasContent: panel => allows('edges', panel),
  usesHead: () => true,
  create: context => new EdgesView(context),
};

class EdgesView implements PanelView {
  readonly element: HTMLElement;
  private readonly queryField;
  private readonly keyField;
  private readonly reachField;
  private readonly problem = h('p', { class: 'hint', role: 'status' });
  private readonly run;
  private places: Places | null = null;
  private queries: TokenRange | null = null;
  private keys: TokenRange | null = null;
  private reach: Reach = 'model';

  constructor(private readonly context: ViewContext) {
    const take = (set: (range: TokenRange | null) => void) => () => {
      const { panel } = context.store.state;
      set(panel && pickedRange(panel));
      this.update(context.store.state);
    };
    this.queryField = createPlaceField(
      t('Tokens that look'),
      take(range => {
        this.queries = range;
      }),
    );
    this.keyField = createPlaceField(
      t('Tokens that they must not see'),
      take(range => {
        this.keys = range;
      }),
    );
    this.reachField = radioGroup<Reach>(
      t('In'),
      [
        { value: 'model', label: t('all heads') },
        { value: 'layer', label: t('the current layer') },
        { value: 'head', label: t('the current head') },
      ],
      reach => {
        this.reach = reach;
      },
    );
    this.run = button(t('Forbid the Edges'), 'primary', () => this.forbid());
    this.element = h(
      'div',
      { class: 'edges' },
      h(
        'p',
        { class: 'hint' },
        t('What would the model predict if some tokens could not see others? Select words in the text and take them.'),
      ),
      this.keyField.element,
      this.queryField.element,
      this.reachField.element,
      this.problem,
      h('div', { class: 'buttons' }, this.run),
    );
  }

  update({ panel }: State): void {
    this.element.hidden = !panel?.tokens || panel.ablation.trainedId === null;
    if (!panel?.tokens || this.element.hidden) return;
    if (placesIn(panel, panel.tokens) !== this.places) {
      this.places = placesIn(panel, panel.tokens);
      this.queries = null;
      this.keys = null;
    }
    const canTake = pickedRange(panel) !== null;
    this.queryField.update(this.queries, this.places, canTake);
    this.keyField.update(this.keys, this.places, canTake);
    this.reachField.set(this.reach);
    const { queries, keys } = this;
    const isInOrder = queries !== null && keys !== null && keys.end <= queries.first;
    this.problem.textContent =
      queries && keys && !isInOrder ? t('Tokens only see earlier ones: the tokens that look have to come after.') : '';
    this.run.toggleAttribute('disabled', !isInOrder);
  }

  private forbid(): void {
    const { queries, keys, places } = this;
    const { panel } = this.context.store.state;
    if (!queries || !keys || !places || !panel) return;
    const where = this.where(panel);
    void this.context.experiments.run('edges', {
      label: t('{0} not seen by {1}{2}', places.nameOfRange(keys), places.nameOfRange(queries), where.said),
      change: { kind: 'edges', cuts: [{ keys, queries, ...where.cut }] },
      yardstick: {
        label: t('Nothing before them seen'),
        change: { kind: 'edges', cuts: [{ keys: { first: 0, end: queries.first }, queries, ...where.cut }] },
      },
    });
  }

  private where({ view }: PanelState): { readonly said: string; readonly cut: Pick<EdgeCut, 'layers' | 'heads'> } {
    const { layerIdx, headIdx } = view;
    if (this.reach === 'model') return { said: '', cut: {} };
    if (this.reach === 'layer') return { said: t(' in layer {0}', layerIdx), cut: { layers: [layerIdx] } };
    return { said: t(' in L{0}H{1}', layerIdx, headIdx), cut: { heads: [{ layerIdx, headIdx }] } };
  }
}
