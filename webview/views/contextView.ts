/** The lines that are relevant for the selection, and what occluding them does: claims beside causes. */

import { formatBits, formatValue, visibleToken, withLocalMark } from '../../src/shared/labels';
import type { ContextLine, OcclusionRow, PanelContext } from '../../src/shared/panel/context';
import {
  chosenHeads,
  type Direction,
  formatHeads,
  type OcclusionMode,
  parseHeads,
  type RelevanceMethod,
  type RelevanceOptions,
  type RowKind,
  skippedLayers,
} from '../../src/shared/relevance';
import { t } from '../../src/shared/tools/l10n';
import { type Column, createDataTable } from '../components/dataTable';
import { createDocumentSearch, type DocumentSearchPart } from '../components/documentSearch';
import { radioGroup, textField } from '../components/fields';
import { lineColumn, relevanceColumns } from '../components/lineColumns';
import { h } from '../dom';
import { describeCheck, stepsOfCheck } from '../occlusionText';
import { Pace } from '../pace';
import { type Places, placesOf } from '../places';
import type { State } from '../state';
import { button, dropdown } from '../toolkit';
import type { PanelView, ViewContext, ViewDefinition } from './view';

interface LineRow {
  readonly lineIdx: number;
  readonly text: string;
  readonly weight: number;
  readonly meanWeight: number;
  /** Of the largest mean weight, for the bar. */
  readonly share: number;
  readonly strongest: string;
  readonly strongestWeight: number;
  readonly effect: OcclusionRow['effect'] | null;
  readonly lostBits: number | null;
}

const methodOptions: readonly { readonly value: RelevanceMethod; readonly label: string }[] = [
  { value: 'head', label: t('The current head') },
  { value: 'mean', label: t('Mean of heads') },
  { value: 'max', label: t('Strongest head') },
  { value: 'rollout', label: t('Rollout') },
];

const methodNotes: Readonly<Record<RelevanceMethod, string>> = {
  head: t('The current head and stage.'),
  mean: t('Mean over the heads of the weights that multiply the values.'),
  max: t('Of each token the weight of largest magnitude among the heads, with its sign.'),
  rollout: t(
    'Attention rollout (Abnar and Zuidema 2020) on magnitudes: each layer passes half through its heads, half past them. Not signed.',
  ),
};

/** A disabled button says nothing to many readers: why it is disabled stands beside it. */
const cannotCheck = t(
  'Occluding can check only what the selection attends to: it takes earlier lines away and looks at the selection’s predictions, which later lines never change. Choose “What the selection attends to” to check.',
);

export const contextView: ViewDefinition = {
  id: 'context',
  title: t('Context'),
  section: 'closed',
  isOffered: host => host.hasEditor,
  usesHead: ({ context }) => context?.options.method === 'head',
  create: context => new ContextView(context),
};

class ContextView implements PanelView {
  readonly element: HTMLElement;
  private readonly search: DocumentSearchPart;
  private readonly method;
  private readonly heads;
  private readonly direction;
  private readonly row;
  private readonly mode;
  private occlusionMode: OcclusionMode = 'replace';
  private readonly table;
  private readonly title = h('h2', { id: 'context-title' }, t('Relevant lines'));
  private readonly note = h('p', { class: 'hint' });
  private readonly failure = h('p', { class: 'failure', role: 'alert', hidden: true });
  private readonly progress = h('progress', { max: 1, value: 0, 'aria-label': t('Lines occluded') });
  private readonly pace = new Pace();
  private readonly checkNotes = h('ul', { class: 'notes', role: 'status' });
  private readonly checkHint = h('p', { class: 'hint', hidden: true });
  private readonly check;
  private readonly cancel;
  private shown: PanelContext | null = null;
  private lines: readonly ContextLine[] = [];
  /** Of the lines that are there, or on their way. */
  private linesId = 0;

  constructor(private readonly context: ViewContext) {
    this.search = createDocumentSearch(context);
    const { actions, host } = context;
    this.method = dropdown('relevance', t('Measured by'), value => this.change({ method: value as RelevanceMethod }));
    this.heads = textField(t('Heads'), text => this.changeHeads(text), {
      placeholder: t('layer, all, 2.0, 3.*'),
      on: 'change',
    });
    this.direction = radioGroup<Direction>(
      t('Direction'),
      [
        { value: 'attends', label: t('What the selection attends to') },
        { value: 'attendedBy', label: t('What attends to the selection') },
      ],
      direction => this.change({ direction }),
    );
    this.row = radioGroup<RowKind>(
      t('Row'),
      [
        { value: 'reading', label: t('reading it') },
        { value: 'predicting', label: t('predicting it') },
      ],
      row => this.change({ row }),
    );
    this.mode = dropdown('occlusion', t('Occluded by'), value => {
      this.occlusionMode = value as OcclusionMode;
      this.showMode();
    });
    this.showMode();
    this.check = button(t('Check by Occluding'), 'secondary', () => {
      void host.request('occlude', { mode: this.occlusionMode }).catch(error => this.showFailure(error));
    });
    this.cancel = button(t('Cancel'), 'secondary', () => void host.request('cancelOcclusion', {}).catch(() => {}));
    this.table = createDataTable(t('Relevant lines'), this.columns());
    this.element = h(
      'div',
      { class: 'context-view' },
      h(
        'div',
        { class: 'controls' },
        this.method.element,
        this.heads.element,
        this.direction.element,
        this.row.element,
      ),
      h(
        'div',
        { class: 'buttons' },
        button(t('Find Relevant Context…'), 'secondary', () => actions.run('findContext')),
        button(t('Show Relevant Lines…'), 'secondary', () => actions.run('showRelevantLines')),
      ),
      this.title,
      this.failure,
      h('div', { class: 'controls check-controls' }, this.mode.element, this.check, this.cancel, this.progress),
      this.checkHint,
      this.table.element,
      this.checkNotes,
      this.note,
      this.search.element,
    );
  }

  update({ context, panel }: State): void {
    if (!context || context === this.shown) return;
    this.shown = context;
    this.loadLines(context);
    this.draw(context, placesOf(panel));
  }

  /** Lines of the selection before stay until the new ones are there. */
  private loadLines({ linesId, nLines }: PanelContext): void {
    if (linesId === this.linesId) return;
    this.linesId = linesId;
    if (nLines === 0) {
      this.lines = [];
      return;
    }
    this.context.host.request('contextLines', {}).then(
      ({ lines, linesId }) => {
        // Newer ones may have been requested meanwhile.
        if (linesId < this.linesId) return;
        this.linesId = linesId;
        this.lines = lines;
        const { panel, context } = this.context.store.state;
        if (context) this.draw(context, placesOf(panel));
      },
      error => {
        this.linesId = 0;
        this.showFailure(error);
      },
    );
  }

  private draw(context: PanelContext, places: Places | null): void {
    const { options, range, isBusy, hasWeights, occlusion } = context;
    const { lines } = this;
    this.search.update(range !== null);
    this.method.set(methodOptions, options.method);
    this.heads.element.hidden = options.method === 'head';
    this.heads.set(formatHeads(options.heads));
    this.direction.set(options.direction);
    this.row.element.hidden = options.direction !== 'attends';
    this.row.set(options.row ?? 'reading');
    this.failure.hidden = !context.failure;
    this.failure.textContent = context.failure?.message ?? '';
    this.title.textContent =
      range && places ? t('Lines relevant for {0}', places.nameOfRange(range)) : t('Relevant lines');
    this.note.textContent = !range
      ? t('Select a word in the document or a token in another view, or ask a question.')
      : isBusy && !hasWeights
        ? t('Working it out …')
        : [
            methodNotes[options.method],
            ...skippedNote(options, this.context.store.state.panel),
            t('Lines are in the order of the mean magnitude of their tokens, without the selection’s own.'),
          ].join(' ');
    const isChecking = occlusion?.status === 'running';
    const canCheck = hasWeights && options.direction === 'attends' && !isChecking;
    this.check.toggleAttribute('disabled', !canCheck);
    this.check.title = t('Runs the model twice per earlier line: without it, and with it hidden from the selection');
    const isOtherWay = options.direction !== 'attends';
    this.checkHint.hidden = !isOtherWay;
    this.checkHint.textContent = isOtherWay ? cannotCheck : '';
    this.cancel.hidden = !isChecking;
    this.progress.hidden = !isChecking;
    const steps = occlusion ? stepsOfCheck(occlusion) : { done: 0, total: 1 };
    this.progress.max = Math.max(1, steps.total);
    this.progress.value = steps.done;
    const job = isChecking ? `${occlusion.mode}/${occlusion.target.first}/${occlusion.target.end}` : null;
    const leftMs = this.pace.leftMs(job, steps.done, steps.total);
    const notes = occlusion ? describeCheck(occlusion, leftMs) : [];
    this.checkNotes.replaceChildren(...notes.map(line => h('li', {}, line)));
    this.table.element.hidden = lines.length === 0;
    const checked = new Map(occlusion?.rows.map(row => [row.lineIdx, row]));
    const lostOf = (line: ContextLine) => checked.get(line.lineIdx)?.lostBits ?? Number.NEGATIVE_INFINITY;
    const ranked = occlusion?.hiding ? lines.toSorted((a, b) => lostOf(b) - lostOf(a) || 0) : lines;
    const largest = lines[0]?.meanWeight ?? 1;
    this.table.update(
      ranked.map(line => ({
        ...{ lineIdx: line.lineIdx, text: line.text, weight: line.weight, meanWeight: line.meanWeight },
        share: Math.min(1, line.meanWeight / largest), // blank lines come last, whatever their weight
        strongest: visibleToken(places?.labels[line.strongestIdx] ?? ''),
        strongestWeight: line.strongestWeight,
        effect: checked.get(line.lineIdx)?.effect ?? null,
        lostBits: checked.get(line.lineIdx)?.lostBits ?? null,
      })),
    );
    this.element.classList.toggle('has-effects', checked.size > 0);
  }

  private change(patch: Partial<RelevanceOptions>): void {
    const options = this.shown?.options;
    if (options)
      void this.context.host.request('setRelevance', { ...options, ...patch }).catch(e => this.showFailure(e));
  }

  private changeHeads(text: string): string | undefined {
    const model = this.context.store.state.panel?.model;
    if (!model) return undefined;
    try {
      this.change({ heads: parseHeads(text, model.nLayers, model.nHeads) });
      return undefined;
    } catch (error) {
      return (error as Error).message;
    }
  }

  private showMode(): void {
    this.mode.set(
      [
        { value: 'replace', label: t('a neutral token in each place') },
        { value: 'remove', label: t('leaving the line out') },
      ],
      this.occlusionMode,
    );
  }

  private showFailure(error: unknown): void {
    this.failure.hidden = false;
    this.failure.textContent = (error as Error).message;
  }

  private columns(): Column<LineRow>[] {
    const bits = (value: number) => (Number.isFinite(value) ? formatBits(value) : '–');
    return [
      lineColumn(({ lineIdx }) => void this.context.host.request('revealLine', { lineIdx }).catch(() => {})),
      ...relevanceColumns<LineRow>(t('Mean magnitude of the weights of its tokens.')),
      {
        title: t('Most on'),
        cell: ({ strongest, strongestWeight }) =>
          h('span', {}, h('code', {}, strongest), ` ${formatValue(strongestWeight)}`),
      },
      {
        title: t('Lost when hidden'),
        hint: t(
          'Bits per selected token that are lost where the tokens that predict the selection may not see the line, in any layer and head (knock-out). Lines are ranked by it once it is there.',
        ),
        isNumber: true,
        sortBy: ({ lostBits }) => lostBits ?? Number.NaN,
        cell: ({ lostBits }) => (lostBits === null ? '' : bits(lostBits)),
      },
      {
        title: t('Surprisal change'),
        hint: t('Bits per selected token that occluding the line adds; above zero the line helped to predict them.'),
        isNumber: true,
        sortBy: ({ effect }) => effect?.surprisalBits ?? Number.NaN,
        cell: ({ effect }) => (effect ? bits(effect.surprisalBits) : ''),
      },
      {
        title: t('Prediction change'),
        hint: t(
          'Kullback-Leibler divergence in bits of the predictions made at the selected tokens, before from after.',
        ),
        isNumber: true,
        sortBy: ({ effect }) => effect?.divergenceBits ?? Number.NaN,
        cell: ({ effect }) => (effect ? bits(effect.divergenceBits).replace('+', '') : ''),
      },
      {
        title: t('Predicted next then'),
        cell: ({ effect }) =>
          effect
            ? h(
                'span',
                {},
                h('code', {}, visibleToken(effect.topLabel)),
                ` ${withLocalMark((effect.topProbability * 100).toFixed(1))} %`,
              )
            : '',
      },
    ];
  }
}

/** Which layers a rollout over some of the heads leaves out. */
function skippedNote({ method, heads }: RelevanceOptions, panel: State['panel']): string[] {
  const model = panel?.model;
  if (method !== 'rollout' || !model) return [];
  const chosen = chosenHeads(heads, panel.view.layerIdx, model.nLayers, model.nHeads);
  const skipped = skippedLayers(chosen, model.nLayers);
  return skipped.length > 0 ? [t('It skips layers {0}, of which no head is chosen.', skipped.join(', '))] : [];
}
