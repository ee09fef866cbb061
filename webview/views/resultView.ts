/** The result of an experiment, of whatever kind: verdict, largest changes, change along the text, maps before and after. */

import { colorOf, maxLevel } from '../../src/shared/colorScale';
import { formatBits, formatPlainBits, withLocalMark } from '../../src/shared/labels';
import { t } from '../../src/shared/tools/l10n';
import { factsOf, sayComparison } from '../components/compareText';
import { type Column, createDataTable } from '../components/dataTable';
import { SideMaps } from '../components/sideMaps';
import { SidePredictions } from '../components/sidePredictions';
import { createTokenStrip } from '../components/tokenStrip';
import { changeOf, largestTokenChanges, type Sides } from '../counterpart';
import { h, keepLast, onChange } from '../dom';
import { chosenExperiment, type ExperimentKind } from '../experimentKinds';
import type { ChangeResult } from '../experiments';

import { outcomeOf, sidesOfExperiment } from '../outcome';
import { type Places, placesIn } from '../places';
import type { State } from '../state';
import type { Theme } from '../theme';
import { button, progressRing } from '../toolkit';
import type { PanelView, ViewContext, ViewDefinition } from './view';

const nChanges = 10;

interface ChangeRow {
  readonly idx: number;
  readonly before: number;
  readonly now: number;
}

export const resultView: ViewDefinition = {
  id: 'result',
  title: t('Result'),
  isOffered: host => host.hasEditor,
  usesHead: () => true,
  section: 'bare',
  create: context => new ResultView(context),
};

class ResultView implements PanelView {
  readonly element: HTMLElement;
  private readonly hint = h('p', { class: 'hint' });
  private readonly progress: HTMLElement;
  private readonly said = h('span', { role: 'status' });
  private readonly failure = h('p', { class: 'failure', role: 'alert', hidden: true });
  private readonly verdict = h('p', { class: 'verdict', role: 'status' });
  private readonly facts = h('ul', { class: 'notes' });
  private readonly legend = h('p', { class: 'hint strip-legend' });
  private readonly tokenLine = h('p', { class: 'facts' });
  private readonly changes;
  private readonly strip;
  private readonly maps;
  private readonly predictions;
  private readonly body: HTMLElement;
  private places: Places | null = null;

  constructor(private readonly context: ViewContext) {
    const { actions, experiments } = context;
    this.changes = createDataTable<ChangeRow>(t('Largest changes of surprisal'), this.columns());
    this.strip = createTokenStrip(actions, 'result-token');
    this.maps = new SideMaps(context);
    this.predictions = new SidePredictions(context);
    const cancel = button(
      t('Cancel'),
      'secondary',
      () => {
        experiments.stop();
        this.update(this.context.store.state);
      },
      t('Cancel the experiment'),
    );
    this.progress = h('div', { class: 'progress' }, progressRing(t('Computing the experiment')), this.said, cancel);
    const section = (title: string, ...content: HTMLElement[]) =>
      h('section', { 'aria-label': title }, h('h2', {}, title), ...content);
    this.body = h(
      'div',
      {},
      this.verdict,
      this.facts,
      section(t('Largest changes of surprisal'), this.changes.element),
      section(t('Change of surprisal along the text'), this.legend, this.strip.element),
      section(t('Maps'), this.maps.element),
      section(t('Selected token'), this.tokenLine, this.predictions.element),
    );
    this.element = h(
      'section',
      { class: 'result', 'aria-label': t('Result') },
      h('h2', { class: 'result-title' }, t('Result')),
      this.hint,
      this.progress,
      this.failure,
      this.body,
    );
  }

  update(state: State): void {
    const { panel } = state;
    const { experiments } = this.context;
    this.element.hidden = !panel?.tokens;
    if (!panel?.tokens) return;
    const kind = chosenExperiment(state);
    const isRunning = kind === 'ablation' ? panel.ablation.isRunning : experiments.running === kind;
    const result = kind === 'ablation' || kind === 'compare' ? null : experiments.resultOf(kind);
    const { ablation, tokens, analysisId, status } = panel;
    const sides = this.sidesOf(
      kind,
      state.comparison,
      result,
      tokens,
      ablation.effect,
      ablation.trainedId,
      analysisId,
      status,
    );
    const failure = kind === 'ablation' || kind === 'compare' ? '' : experiments.failure;
    this.progress.hidden = !isRunning || kind === 'ablation';
    this.said.textContent = isRunning ? t('Computing …') : '';
    this.failure.hidden = failure === '';
    this.failure.textContent = failure;
    this.hint.hidden = sides !== null || isRunning || failure !== '';
    this.hint.textContent = kind === 'compare' ? sayComparison(panel, state.comparison) : nothingYet(kind);
    this.body.hidden = sides === null;
    this.body.classList.toggle('is-waiting', isRunning);
    Object.assign(this.element.dataset, {
      ...{ kind, status: isRunning ? 'running' : sides ? 'done' : 'none' },
    });
    if (sides) this.draw(state, kind, sides);
    else this.rest();
  }

  hide(): void {
    this.rest();
  }

  private rest(): void {
    this.maps.hide();
    this.predictions.hide();
  }

  /** Aligning takes a moment for long ranges: the sides stay the same ones while the runs do. */
  private sidesOf = keepLast(
    (kind: ExperimentKind, comparison: State['comparison'], result: ChangeResult | null, ..._runs: unknown[]) =>
      sidesOfExperiment(this.context.store.state.panel!, comparison, kind, result),
  );

  private draw(state: State, kind: ExperimentKind, sides: Sides): void {
    const { klBits, meanKlBits, verdict } = outcomeOf(state.panel!, kind, sides, this.context.experiments);
    this.element.dataset['kl'] = String(meanKlBits ?? '');
    if (this.verdict.textContent !== verdict) this.verdict.textContent = verdict;
    this.drawFacts(sides);
    this.drawChanges(sides);
    const shading = this.shading(sides);
    this.strip.update(state, shading);
    this.drawLegend(shading.max, state.theme);
    this.maps.update(state, sides);
    this.drawToken(sides, klBits, state.panel!.selectedToken);
    this.predictions.update(state, sides);
  }

  private drawFacts = onChange((sides: Sides) => {
    const facts = sides.isSame ? [] : factsOf(sides);
    this.facts.replaceChildren(...facts.map(line => h('li', {}, line)));
  });

  private drawChanges = onChange((sides: Sides) => {
    this.places = placesIn(this.context.store.state.panel!, sides.left.tokens);
    const change = changeOf(sides);
    const now = sides.left.tokens.surprisalBits!;
    this.changes.update(
      largestTokenChanges(change, nChanges).map(idx => ({ idx, before: now[idx]! - change[idx]!, now: now[idx]! })),
    );
  });

  private shading = keepLast((sides: Sides) => {
    const values = changeOf(sides).map(value => (Number.isNaN(value) ? 0 : value));
    return { values, max: values.reduce((most, value) => Math.max(most, Math.abs(value)), 0) };
  });

  private drawLegend = onChange((max: number, theme: Theme) => {
    const swatch = (level: number) => {
      const element = h('span', { class: 'swatch' });
      element.style.setProperty('background-color', `rgb(${colorOf(theme.colors, level).join(' ')})`);
      return element;
    };
    const end = withLocalMark(max.toFixed(2));
    this.legend.replaceChildren(
      ...[swatch(maxLevel), t('costs up to {0} bits more', end), swatch(-maxLevel), t('costs less')],
    );
  });

  private drawToken = onChange((sides: Sides, klBits: Float32Array | null, token: number | null) => {
    this.tokenLine.hidden = token === null;
    if (token === null) return;
    const now = sides.left.tokens.surprisalBits?.[token] ?? Number.NaN;
    const change = changeOf(sides)[token]!;
    const name = this.places?.nameOf(token) ?? String(token);
    const own = Number.isNaN(change)
      ? t('{0}: no surprisal to compare.', name)
      : t(
          '{0}: surprisal {1} → {2} bits ({3}).',
          name,
          formatPlainBits(now - change),
          formatPlainBits(now),
          formatBits(change),
        );
    const kl = klBits ? t(' Divergence of what is predicted next: {0} bits.', formatPlainBits(klBits[token]!)) : '';
    this.tokenLine.textContent = own + kl;
  });

  private columns(): Column<ChangeRow>[] {
    const bits = (value: number) => withLocalMark(value.toFixed(2));
    const change = ({ now, before }: ChangeRow) => now - before;
    return [
      {
        title: t('Token'),
        cell: ({ idx }) => {
          const link = h('button', { class: 'why-link', type: 'button' }, this.places?.nameOf(idx) ?? String(idx));
          link.addEventListener('click', () => this.context.actions.selectToken(idx, true));
          return link;
        },
      },
      { title: t('Before, bits'), isNumber: true, sortBy: ({ before }) => before, cell: ({ before }) => bits(before) },
      { title: t('After, bits'), isNumber: true, sortBy: ({ now }) => now, cell: ({ now }) => bits(now) },
      { title: t('Change'), isNumber: true, sortBy: change, cell: row => formatBits(change(row)) },
    ];
  }
}

function nothingYet(kind: ExperimentKind): string {
  return kind === 'ablation'
    ? t('Switch a kernel off, or edit it, to see what that does to the predictions and the maps.')
    : t('Start the experiment to see what it does to the predictions and the maps.');
}
