/** The lens, inspector of the clicked cell: what its value is made of, tap by tap and head by head. */

import { formatValue, stageInText, stageLabel } from '../../src/shared/labels';
import { isPreSoftmax, type Stage } from '../../src/shared/operators';
import { Cancelled, toFailureData } from '../../src/shared/tools/failure';
import { isSame } from '../../src/shared/tools/isSame';
import { t } from '../../src/shared/tools/l10n';
import { createLensSources } from '../components/lensSources';
import { createStrongestTaps } from '../components/strongestTaps';
import { createTapGrid } from '../components/tapGrid';
import { h, onChange } from '../dom';
import { isMasked } from '../heatmap/hitTest';
import { viewerNote } from '../labels';
import { type LensContent, loadLens } from '../lensLoader';
import { placesOf } from '../places';
import { hasKernels, mapRefOf, type Reference, references, type State } from '../state';
import type { Theme } from '../theme';
import { button, dropdown } from '../toolkit';
import type { PanelView, ViewContext, ViewDefinition } from './view';

export const lensView: ViewDefinition = {
  id: 'lens',
  title: t('Lens'),
  isOffered: host => host.hasTiles,
  hasContent: hasKernels,
  usesHead: () => true,
  create: context => new LensView(context),
};

const referenceLabels: Readonly<Record<Reference, string>> = {
  none: t('Nothing: the value itself'),
  largestOther: t('The row’s largest other key'),
  rowMean: t('The mean of the row'),
};

const noConvolution = t('This layer has no convolution here: every head adds its own pair.');

/** How long the keyboard may rest on a cell before the lens follows. */
const delayMs = 80;

class LensView implements PanelView {
  readonly element: HTMLElement;
  private readonly hint = h('p', { class: 'hint' });
  private readonly hintButtons = h('div', { class: 'buttons' });
  private readonly title = h('h2', { class: 'lens-title' });
  private readonly sum = h('p', { class: 'lens-sum' });
  private readonly note = h('p', { class: 'hint' });
  private readonly reference = dropdown('reference', t('Compared with'), value =>
    this.context.actions.setLayout({ lensReference: value as Reference }),
  );
  private readonly sources = createLensSources(headIdx => this.open(headIdx));
  private readonly sourcesSection: HTMLElement;
  private readonly grid = createTapGrid();
  private readonly tapsSection: HTMLElement;
  private readonly gridTitle = h('h2');
  private readonly strongest = createStrongestTaps();
  private readonly body: HTMLElement;
  private requests = new AbortController();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private requested: object | null = null;
  private content: LensContent | null = null;
  private openedHead: number | null = null;

  constructor(private readonly context: ViewContext) {
    this.sourcesSection = h(
      'section',
      { 'aria-label': t('Head mixing') },
      h('h2', {}, t('Heads mixed into it')),
      this.sources.element,
    );
    this.tapsSection = h(
      'section',
      { 'aria-label': t('Taps') },
      this.gridTitle,
      this.grid.element,
      h('h2', {}, t('Strongest contributions')),
      this.strongest.element,
    );
    this.body = h(
      'div',
      { class: 'lens-body' },
      h('section', { 'aria-label': t('Sum') }, this.title, this.sum, this.note, this.reference.element),
      this.sourcesSection,
      this.tapsSection,
    );
    this.element = h('div', { class: 'lens' }, this.hint, this.hintButtons, this.body);
  }

  update(state: State): void {
    this.reference.set(
      references.map(value => ({ value, label: referenceLabels[value] })),
      state.layout.lensReference,
    );
    const shown = mapRefOf(state.panel);
    const { cell } = state;
    const ref = shown && { ...shown, minus: null };
    const request = ref && cell && !isMasked(cell) ? { ref, cell, reference: state.layout.lensReference } : null;
    if (!isSame(request, this.requested)) {
      this.requested = request;
      this.requests.abort();
      clearTimeout(this.timer);
      if (!request) this.content = null;
      else
        this.timer = setTimeout(
          () => void this.load(request.ref, request.cell, request.reference),
          this.content ? delayMs : 0,
        );
    }
    this.draw(state);
  }

  hide(): void {
    this.requests.abort();
    clearTimeout(this.timer);
    this.requested = null;
  }

  private async load(...[ref, cell, reference]: [LensContent['ref'], LensContent['cell'], Reference]): Promise<void> {
    this.requests = new AbortController();
    const { signal } = this.requests;
    try {
      const content = await loadLens(this.context, ref, cell, reference, signal);
      if (signal.aborted) return;
      if (ref.headIdx !== this.content?.ref.headIdx || ref.layerIdx !== this.content.ref.layerIdx)
        this.openedHead = null;
      this.content = content;
      this.draw(this.context.store.state);
    } catch (error) {
      if (signal.aborted || error instanceof Cancelled) return;
      const { code, message } = toFailureData(error);
      this.content = null;
      this.draw(this.context.store.state);
      // Else a newer run has begun: its state, which follows, asks again.
      if (code !== 'no-analysis') this.say(message);
    }
  }

  private open(headIdx: number): void {
    this.openedHead = headIdx;
    this.draw(this.context.store.state);
  }

  private draw(state: State): void {
    const { content } = this;
    this.body.hidden = content === null;
    this.hint.hidden = content !== null || !state.panel?.tokens;
    this.hintButtons.hidden = true;
    if (content) this.drawContent(content, this.openedHead, state.theme);
    else this.explain(state);
  }

  /** Why there is nothing to see, and what to do about it. */
  private explain({ panel, cell }: State): void {
    const stage = mapRefOf(panel)?.stage;
    const only = viewerNote(panel?.model);
    const later = only ? null : stageToExplain(stage);
    this.hintButtons.hidden = later === null;
    if (later) this.offer(later);
    if (!stage) this.say(t('The lens opens once the layer is ready.'));
    else if (only) this.say(only);
    else if (stage === 'scores')
      this.say(t('Scores are made of a query and a key alone: no convolution to look into.'));
    else if (stage === 'capped_scores')
      this.say(t('A cap made this of the scores, cell by cell: no convolution to look into.'));
    else if (stage === 'decayed_scores')
      this.say(t('Forget gates made this of the scores, cell by cell: no convolution to look into.'));
    else if (stage === 'pattern')
      this.say(t('The softmax made this of the mixed scores: no convolution to look into.'));
    else if (stage === 'differential_pattern')
      this.say(t('The patterns of two heads were subtracted, cell by cell: no convolution to look into.'));
    else if (stage === 'gated_pattern')
      this.say(t('A gate made this of the stage before, row by row: no convolution to look into.'));
    else if (cell && isMasked(cell)) this.say(t('This cell is masked, its key comes after its query. Pick one below.'));
    else this.say(t('Pick a cell: click in the map, or move there with the arrow keys.'));
  }

  private offer = onChange((stage: Stage) => {
    const label = t('Show {0}', stageInText(stage));
    this.hintButtons.replaceChildren(button(label, 'secondary', () => this.context.actions.setView({ stage })));
  });

  private say(text: string): void {
    this.hint.hidden = false;
    if (this.hint.textContent !== text) this.hint.textContent = text;
  }

  private drawContent = onChange((content: LensContent, openedHead: number | null, theme: Theme) => {
    const places = placesOf(this.context.store.state.panel);
    if (!places) return;
    const { ref, cell, lens, parts, value, difference, referenceKey, note } = content;
    const token = (idx: number) => places.nameOf(idx);
    this.title.textContent = t(
      '{0} of query {1} for key {2}',
      stageLabel(ref.stage),
      token(cell.queryIdx),
      token(cell.keyIdx),
    );
    const against =
      referenceKey === null
        ? t('the mean of its row')
        : difference !== null && difference < 0
          ? t('key {0}, the largest of the row, above this cell', token(referenceKey))
          : difference === 0
            ? t('key {0}, as large as this cell', token(referenceKey))
            : t('key {0}, the runner-up, below this cell', token(referenceKey));
    const whole =
      difference === null
        ? formatValue(value)
        : t('{0}, {1} against {2}', formatValue(value), formatValue(difference), against);
    this.sum.textContent = t(
      '{0} = own pair {1} and neighbours {2}',
      whole,
      formatValue(lens.own),
      formatValue(lens.total - lens.own),
    );
    Object.assign(this.sum.dataset, {
      layer: ref.layerIdx,
      head: ref.headIdx,
      stage: ref.stage,
      query: cell.queryIdx,
      key: cell.keyIdx,
      total: lens.total,
      own: lens.own,
      value,
      difference: difference ?? '',
    });
    this.note.textContent = [
      note || noteOf(ref.stage, difference !== null),
      ...(parts.conv ? [] : [noConvolution]),
    ].join(' ');
    this.sourcesSection.hidden = parts.mix === null;
    const opened = lens.sources.find(({ headIdx }) => headIdx === (openedHead ?? ref.headIdx)) ?? lens.sources[0]!;
    this.sources.show(lens.sources, opened.headIdx, theme);
    const taps = content.taps(opened.headIdx);
    const valueName = isPreSoftmax(ref.stage) ? t('Score') : t('Pattern');
    this.tapsSection.hidden = parts.conv === null;
    this.gridTitle.textContent = t('What head {0}’s kernel makes of it', opened.headIdx);
    const shown = {
      taps,
      columns: parts.conv?.columns ?? 1,
      places,
      valueName,
      mixWeight: opened.mixWeight,
      isDifference: difference !== null,
      theme,
    };
    this.grid.show(shown);
    this.strongest.show(shown);
  });
}

/** The stage of the same side that the lens can look into, for one that it cannot; null otherwise. */
function stageToExplain(stage: Stage | undefined): Stage | null {
  if (stage === 'scores' || stage === 'capped_scores' || stage === 'decayed_scores') return 'mixed_scores';
  const isOther = stage === 'pattern' || stage === 'differential_pattern' || stage === 'gated_pattern';
  return isOther ? 'mixed_pattern' : null;
}

function noteOf(stage: Stage, isDifference: boolean): string {
  if (isDifference) return t('Differences: what all keys of the row have in common is gone.');
  return isPreSoftmax(stage)
    ? t('The softmax ignores what all keys of a row have in common: to see why this key and not another, compare.')
    : t('Weights after the softmax need not sum to 1, and may be negative.');
}
