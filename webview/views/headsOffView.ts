/** What if a head, or all heads of a layer, said nothing: verdict, largest changes, change along the text, and a ranking. */

import { finiteMean } from '../../src/attention/ablationEffects';
import { type HeadBaseline, headBaselines } from '../../src/shared/headAblation';
import { formatValue, withLocalMark } from '../../src/shared/labels';
import type { PanelState } from '../../src/shared/panel/panelMessages';
import { t } from '../../src/shared/tools/l10n';
import { type Column, createDataTable } from '../components/dataTable';
import { radioGroup } from '../components/fields';
import { createTokenStrip } from '../components/tokenStrip';
import { h } from '../dom';
import { HeadTrials, type Trial } from '../headTrials';
import { largestTokenChanges, sayProgress, trialName, verdict } from '../headTrialsText';
import { formatPlain } from '../labels';
import type { State } from '../state';
import { button } from '../toolkit';
import { Places } from '../whyQuestion';
import type { PanelView, ViewContext, ViewDefinition } from './view';

const nChanges = 8;

interface ChangeRow {
  readonly idx: number;
  readonly before: number;
  readonly change: number;
}

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
  title: t('Heads off'),
  isOffered: host => host.hasEditor,
  hasContent: ({ model }) => model?.viewer === undefined,
  usesHead: () => true,
  create: context => new HeadsOffView(context),
};

class HeadsOffView implements PanelView {
  readonly element: HTMLElement;
  private readonly trials: HeadTrials;
  private readonly baselines;
  private baseline: HeadBaseline = 'mean';
  private readonly headButton;
  private readonly layerButton;
  private readonly cancel;
  private readonly progress = h('progress', { 'aria-label': t('Heads tried') });
  private readonly said = h('span', { role: 'status' });
  private readonly failure = h('p', { class: 'failure', role: 'alert', hidden: true });
  private readonly verdict = h('p', { class: 'heads-off-verdict', role: 'status' });
  private readonly changes;
  private readonly strip;
  private readonly result: HTMLElement;
  private readonly ranking;
  private readonly rankingSection: HTMLElement;
  private shown: Trial | null = null;
  private places: Places | null = null;
  private placesOf: unknown = null;

  constructor(private readonly context: ViewContext) {
    const { host, actions } = context;
    this.trials = new HeadTrials(host, () => this.update(this.context.store.state));
    this.baselines = radioGroup<HeadBaseline>(
      t('In its place'),
      headBaselines.map(value => ({ value, label: baselineLabels[value] })),
      value => {
        this.baseline = value;
        this.update(this.context.store.state);
        if (this.shown) this.try([this.shown]);
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
    this.changes = createDataTable<ChangeRow>(t('Largest changes of surprisal'), this.changeColumns());
    this.ranking = createDataTable<RankRow>(t('Heads by effect'), this.rankColumns());
    this.strip = createTokenStrip(actions, 'off-token');
    this.result = h(
      'section',
      { 'aria-label': t('Result') },
      this.verdict,
      h('h2', {}, t('Largest changes of surprisal')),
      this.changes.element,
      h('h2', {}, t('Change of surprisal along the text')),
      this.strip.element,
    );
    this.rankingSection = h(
      'section',
      { 'aria-label': t('Heads by effect') },
      h('h2', {}, t('Heads by effect')),
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
      this.result,
      this.rankingSection,
    );
  }

  update(state: State): void {
    const { panel } = state;
    const trainedId = panel?.ablation.trainedId ?? null;
    this.element.hidden = !panel?.tokens || !panel.model || trainedId === null;
    if (this.element.hidden || !panel?.tokens) return;
    if (panel.tokens.offsets !== this.placesOf) {
      this.placesOf = panel.tokens.offsets;
      this.places = new Places(panel.tokens, panel.windowLines?.first ?? 1);
      this.shown = null;
    }
    this.trials.show(trainedId!, this.baseline);
    this.baselines.set(this.baseline);
    const { layerIdx, headIdx } = panel.view;
    this.headButton.textContent = t('Turn Off {0}', trialName({ layerIdx, headIdx }));
    this.headButton.setAttribute('aria-label', this.headButton.textContent);
    this.layerButton.textContent = t('Turn Off All Heads of Layer {0}', layerIdx);
    this.layerButton.setAttribute('aria-label', this.layerButton.textContent);
    this.draw(panel, state);
  }

  hide(): void {
    this.trials.stop();
  }

  private draw(panel: PanelState, state: State): void {
    const { trials, shown } = this;
    const { isRunning, done, total, failure } = trials;
    for (const element of [this.progress, this.said, this.cancel]) element.hidden = !isRunning;
    this.progress.max = Math.max(1, total);
    this.progress.value = done;
    this.said.textContent = isRunning ? sayProgress(trials) : '';
    this.failure.hidden = failure === '';
    this.failure.textContent = failure;
    const effect = shown && trials.effectOf(shown);
    this.result.hidden = !effect;
    Object.assign(this.element.dataset, {
      ...{ status: isRunning ? 'running' : effect ? 'done' : 'none', tried: trials.ranked().length },
      kl: effect?.meanKlBits ?? '',
    });
    const surprisal = this.trainedBits(panel);
    if (effect && shown && surprisal) {
      this.verdict.textContent = verdict(shown, effect, trials, finiteMean(surprisal));
      this.changes.update(
        largestTokenChanges(effect.changeBits, nChanges).map(idx => ({
          ...{ idx, before: surprisal[idx]!, change: effect.changeBits[idx]! },
        })),
      );
      const values = effect.changeBits.map(value => (Number.isNaN(value) ? 0 : value));
      this.strip.update(state, { values, max: values.reduce((most, value) => Math.max(most, Math.abs(value)), 0) });
    }
    const ranked = trials.ranked();
    this.ranking.element.hidden = ranked.length === 0;
    this.ranking.update(
      ranked.map(({ trial, effect: { meanKlBits, meanChangeBits } }, i) => ({
        ...{ trial, rank: i + 1, kl: meanKlBits, change: meanChangeBits },
      })),
    );
  }

  /** Surprisal of the model as trained, also while an ablated run is on screen. */
  private trainedBits({ ablation, tokens }: PanelState): Float32Array | null {
    return ablation.effect?.trainedSurprisalBits ?? tokens?.surprisalBits ?? null;
  }

  private pick(trial: Trial): void {
    this.shown = trial;
    // All heads of the layer are what one of them is compared with.
    this.try(trial.headIdx === null ? [trial] : [trial, { ...trial, headIdx: null }]);
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

  private changeColumns(): Column<ChangeRow>[] {
    const bits = (value: number) => withLocalMark(value.toFixed(2));
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
      {
        title: t('Change'),
        isNumber: true,
        sortBy: ({ change }) => change,
        cell: ({ change }) => formatValue(change),
      },
    ];
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
            this.shown = trial;
            this.context.actions.setView({ layerIdx, headIdx: headIdx ?? 0 });
          });
          return link;
        },
      },
      { title: t('Mean KL, bits'), isNumber: true, sortBy: ({ kl }) => kl, cell: ({ kl }) => formatPlain(kl) },
      {
        title: t('Surprisal, bits per token'),
        isNumber: true,
        sortBy: ({ change }) => change,
        cell: ({ change }) => formatValue(change),
      },
    ];
  }
}
