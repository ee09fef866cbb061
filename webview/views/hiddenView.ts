/** What if lines were hidden from everything after them, in all layers and heads. */

import type { TokenRange } from '../../src/shared/address';
import { t } from '../../src/shared/tools/l10n';
import { h } from '../dom';
import { allows } from '../experimentKinds';
import { pickedRange, wholeLines } from '../lineRange';
import { type Places, placesIn } from '../places';
import type { State } from '../state';
import { button } from '../toolkit';
import type { PanelView, ViewContext, ViewDefinition } from './view';

export const hiddenView: ViewDefinition = {
  id: 'hidden',
  title: t('Line hidden'),
  isOffered: host => host.hasEditor,
  hasContent: panel => allows('hidden', panel),
  usesHead: () => true,
  create: context => new HiddenView(context),
};

class HiddenView implements PanelView {
  readonly element: HTMLElement;
  private readonly said = h('p', { class: 'place-name' });
  private readonly run;
  private places: Places | null = null;
  private lines: TokenRange | null = null;

  constructor(private readonly context: ViewContext) {
    this.run = button(t('Hide the Line'), 'primary', () => this.hideLines());
    this.element = h(
      'div',
      { class: 'hidden-lines' },
      h('p', { class: 'hint' }, t('What would the model predict if no later token could see the selected lines?')),
      this.said,
      h('div', { class: 'buttons' }, this.run),
    );
  }

  update({ panel }: State): void {
    this.element.hidden = !panel?.tokens || panel.ablation.trainedId === null;
    if (!panel?.tokens || this.element.hidden) return;
    this.places = placesIn(panel, panel.tokens);
    const places = this.places!;
    const picked = pickedRange(panel);
    const lines = picked && wholeLines(picked, places);
    // The last line has nothing after it, and the begin token is in none.
    const canHide = lines !== null && lines.end < places.labels.length && places.lineOf(lines.first) !== null;
    this.lines = canHide ? lines : null;
    this.run.toggleAttribute('disabled', !canHide);
    this.said.textContent = this.lines
      ? places.nameOfRange(this.lines)
      : t('Select a word of a line that has others after it.');
  }

  private hideLines(): void {
    const { lines, places } = this;
    if (!lines || !places) return;
    const queries = { first: lines.end, end: places.labels.length };
    void this.context.experiments.run('hidden', {
      label: t('Without {0}', places.nameOfRange(lines)),
      change: { kind: 'edges', cuts: [{ keys: lines, queries }] },
      yardstick: {
        label: t('Everything up to there hidden'),
        change: { kind: 'edges', cuts: [{ keys: { first: 0, end: lines.end }, queries }] },
      },
    });
  }
}
