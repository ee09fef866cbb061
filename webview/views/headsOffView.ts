/** What if a head, or all heads of a layer, said nothing: one of them, or all ranked one after the other. */

import { type HeadBaseline, headBaselines } from '../../src/shared/headAblation';
import { formatBits, formatPlainBits } from '../../src/shared/labels';
import { t } from '../../src/shared/tools/l10n';
import { type Column, createDataTable } from '../components/dataTable';
import { radioGroup } from '../components/fields';
import { h } from '../dom';
import { allows } from '../experimentKinds';
import { headsChange } from '../experiments';
import type { HeadTrials, Trial } from '../headTrials';
import { sayProgress, trialName } from '../headTrialsText';
import type { State } from '../state';
import { button } from '../toolkit';
import type { PanelView, ViewContext, ViewDefinition } from './view';

interface RankRow {
  readonly trial: Trial;
  readonly rank: number;
  readonly kl: number;
  readonly change: number;
}

const baselineLabels: Readonly<Record<HeadBaseline, string>> = {
  mean: t('its mean over the text'),
  zero: t('zero'),
};

export const headsOffView: ViewDefinition = {
  id: 'headsoff',
  title: t('Head off'),
  isOffered: host => host.hasEditor,
  hasContent: panel => allows('headsoff', panel),
  usesHead: () => true,
  create: context => new HeadsOffView(context),
};

class HeadsOffView implements PanelView {
  readonly element: HTMLElement;
  private readonly trials: HeadTrials;
  private readonly baselines;
  private baseline: HeadBaseline = 'mean';
  private picked: Trial | null = null;
  private readonly headButton;
  private readonly layerButton;
  private readonly cancel;
  private readonly progress = h('progress', { 'aria-label': t('Heads tried') });
  private readonly said = h('span', { role: 'status' });
  private readonly failure = h('p', { class: 'failure', role: 'alert', hidden: true });
  private readonly ranking;
  private readonly rankingSection: HTMLElement;

  constructor(private readonly context: ViewContext) {
    this.trials = context.experiments.heads;
    this.baselines = radioGroup<HeadBaseline>(
      t('In its place'),
      headBaselines.map(value => ({ value, label: baselineLabels[value] })),
      value => {
        this.baseline = value;
        this.update(this.context.store.state);
        if (this.picked && context.experiments.resultOf('headsoff')) this.pick(this.picked);
      },
    );
    const current = () => this.context.store.state.panel!.view;
    this.headButton = button(t('Turn Off Head'), 'primary', () => {
      const { layerIdx, headIdx } = current();
      this.pick({ layerIdx, headIdx });
    });
    this.layerButton = button(t('Turn Off Layer'), 'secondary', () =>
      this.pick({ layerIdx: current().layerIdx, headIdx: null }),
    );
    this.cancel = button(
      t('Cancel'),
      'secondary',
      () => {
        this.trials.stop();
        this.update(this.context.store.state);
      },
      t('Cancel the trials'),
    );
    this.ranking = createDataTable<RankRow>(t('Heads by effect'), this.rankColumns());
    this.rankingSection = h(
      'details',
      { class: 'ranking-section' },
      h('summary', {}, t('Heads by effect')),
      h(
        'div',
        { class: 'buttons' },
        button(t('Rank Heads of Layer'), 'secondary', () => this.rank(false)),
        button(t('Rank All Heads'), 'secondary', () => this.rank(true)),
      ),
      this.ranking.element,
    );
    this.element = h(
      'div',
      { class: 'heads-off' },
      h('p', { class: 'hint' }, t('What would the model predict if a head said the same everywhere, or nothing?')),
      this.baselines.element,
      h('div', { class: 'buttons' }, this.headButton, this.layerButton),
      h('div', { class: 'progress' }, this.progress, this.said, this.cancel),
      this.failure,
      this.rankingSection,
    );
  }

  update(state: State): void {
    const { panel } = state;
    const trainedId = panel?.ablation.trainedId ?? null;
    this.element.hidden = !panel?.tokens || !panel.model || trainedId === null;
    if (this.element.hidden || !panel?.tokens) return;
    this.trials.show(trainedId!, this.baseline);
    this.baselines.set(this.baseline);
    const { layerIdx, headIdx } = panel.view;
    this.headButton.textContent = t('Turn Off {0}', trialName({ layerIdx, headIdx }));
    this.headButton.setAttribute('aria-label', this.headButton.textContent);
    this.layerButton.textContent = t('Turn Off All Heads of Layer {0}', layerIdx);
    this.layerButton.setAttribute('aria-label', this.layerButton.textContent);
    this.draw();
  }

  hide(): void {
    this.trials.stop();
  }

  private draw(): void {
    const { isRunning, done, total, failure } = this.trials;
    for (const element of [this.progress, this.said, this.cancel]) element.hidden = !isRunning;
    this.progress.max = Math.max(1, total);
    this.progress.value = done;
    this.said.textContent = isRunning ? sayProgress(this.trials) : '';
    this.failure.hidden = failure === '';
    this.failure.textContent = failure;
    const ranked = this.trials.ranked();
    Object.assign(this.element.dataset, { status: isRunning ? 'running' : 'none', tried: ranked.length });
    this.ranking.element.hidden = ranked.length === 0;
    this.ranking.update(
      ranked.map(({ trial, effect: { meanKlBits, meanChangeBits } }, i) => ({
        ...{ trial, rank: i + 1, kl: meanKlBits, change: meanChangeBits },
      })),
    );
  }

  private pick({ layerIdx, headIdx }: Trial): void {
    const { panel } = this.context.store.state;
    if (!panel?.model) return;
    this.trials.stop();
    this.picked = { layerIdx, headIdx };
    const all = headsChange(layerIdx, [...Array(panel.model.nHeads).keys()], this.baseline);
    void this.context.experiments.run('headsoff', {
      label: t('Without {0}', trialName({ layerIdx, headIdx })),
      change: headIdx === null ? all : headsChange(layerIdx, [headIdx], this.baseline),
      yardstick: headIdx === null ? null : { label: t('All heads of layer {0} off', layerIdx), change: all },
    });
  }

  private rank(isWhole: boolean): void {
    const { panel } = this.context.store.state;
    const { nLayers, nHeads } = panel!.model!;
    const layers = isWhole ? Array.from({ length: nLayers }, (_, i) => i) : [panel!.view.layerIdx];
    this.try(layers.flatMap(layerIdx => Array.from({ length: nHeads }, (_, headIdx) => ({ layerIdx, headIdx }))));
  }

  private try(trials: readonly Trial[]): void {
    const { panel } = this.context.store.state;
    const trainedId = panel?.ablation.trainedId ?? null;
    if (!panel?.model || trainedId === null) return;
    void this.trials.run(trials, trainedId, panel.model.nHeads, this.baseline);
  }

  private rankColumns(): Column<RankRow>[] {
    return [
      { title: t('Rank'), isNumber: true, sortBy: ({ rank }) => rank, cell: ({ rank }) => String(rank) },
      {
        title: t('Head'),
        sortBy: ({ trial }) => trial.layerIdx * 1000 + (trial.headIdx ?? 0),
        cell: ({ trial }) => {
          const link = h('button', { class: 'why-link', type: 'button' }, trialName(trial));
          link.addEventListener('click', () => {
            const { layerIdx, headIdx } = trial;
            this.context.actions.setView({ layerIdx, headIdx: headIdx ?? 0 });
            this.pick(trial);
          });
          return link;
        },
      },
      { title: t('Mean KL, bits'), isNumber: true, sortBy: ({ kl }) => kl, cell: ({ kl }) => formatPlainBits(kl) },
      {
        title: t('Surprisal, bits per token'),
        isNumber: true,
        sortBy: ({ change }) => change,
        cell: ({ change }) => formatBits(change),
      },
    ];
  }
}
