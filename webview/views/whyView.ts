/** Where the prediction of a word comes from: alternatives, lines, heads, and one line on the whole text. */

import type { Predictions } from '../../src/shared/analysis';
import { formatValue, visibleToken, withLocalMark } from '../../src/shared/labels';
import type { AnswerHead, AnswerLine, TokenAnswer } from '../../src/shared/panel/answer';
import type { PanelState } from '../../src/shared/panel/panelMessages';
import { isSame } from '../../src/shared/tools/isSame';
import { t } from '../../src/shared/tools/l10n';
import { radioGroup } from '../components/fields';
import { createFileFindings } from '../components/fileFindings';
import { createHold } from '../components/hold';
import { type Prediction, predictedAt } from '../components/predictions';
import { signedBar } from '../components/signedBar';
import { h, redraw } from '../dom';
import { type Places, placesIn } from '../places';
import type { State, WhyRow } from '../state';
import { button } from '../toolkit';
import { WhyLoader } from '../whyLoader';
import { type Question, questionOf } from '../whyQuestion';
import type { PanelView, ViewContext, ViewDefinition } from './view';

const nPredicted = 3;
const nLines = 3;
const nHeads = 3;

export const whyView: ViewDefinition = {
  id: 'why',
  title: t('Why'),
  section: 'bare',
  isOffered: host => host.hasEditor,
  usesHead: () => false,
  keepsUp: true,
  create: context => new WhyView(context),
};

class WhyView implements PanelView {
  readonly element: HTMLElement;
  private readonly loader: WhyLoader;
  private readonly findings;
  private readonly title = h('p', { class: 'why-title', role: 'status' });
  private readonly row;
  private readonly tokens = h('span', { role: 'group', 'aria-label': t('Tokens of the word') });
  private readonly hint = h('p', { class: 'hint' });
  private readonly failure = h('p', { class: 'failure', role: 'alert', hidden: true });
  private readonly predicted = h('ol', { class: 'why-list why-predicted' });
  private readonly linesTitle = h('h2');
  private readonly lines = h('ol', { class: 'why-list why-lines' });
  private readonly lineNote = h('p', { class: 'why-note' });
  private readonly progress = h('progress', { 'aria-label': t('Lines hidden') });
  private readonly more;
  private readonly cancel;
  private readonly headsTitle = h('h2');
  private readonly heads = h('ol', { class: 'why-list why-heads' });
  private readonly parts = h('p', { class: 'why-note' });
  private readonly body: HTMLElement;
  private readonly hold: (isHeld: boolean) => void;
  /** The document that the answer is about. */
  private documentLabel = '';
  private chosen: number | null = null;
  private shownRange: Question['range'] | null = null;
  private places: Places | null = null;
  private predictions: { readonly analysisId: number; readonly answer: Predictions | null } | null = null;

  constructor(private readonly context: ViewContext) {
    const { host, actions } = context;
    this.loader = new WhyLoader(host, () => this.update(this.context.store.state));
    this.findings = createFileFindings(
      context,
      tokenIdx => this.select(tokenIdx),
      () => this.update(this.context.store.state),
    );
    this.row = radioGroup<WhyRow>(
      t('Row'),
      [
        { value: 'predicting', label: t('predicting it') },
        { value: 'reading', label: t('reading it') },
      ],
      whyRow => actions.setLayout({ whyRow }),
    );
    this.more = button(t('Hide More Lines'), 'secondary', () => this.loader.hideMore());
    this.cancel = button(t('Cancel'), 'secondary', () => this.loader.cancelHiding(), t('Cancel hiding lines'));
    this.body = h(
      'div',
      { class: 'why-body' },
      this.predicted,
      this.linesTitle,
      this.lines,
      h('div', { class: 'why-tools' }, this.progress, this.more, this.cancel),
      this.lineNote,
      this.headsTitle,
      this.heads,
      this.parts,
    );
    this.element = h(
      'section',
      { class: 'why', 'aria-label': t('Why this word') },
      this.title,
      h('div', { class: 'why-choice' }, this.row.element, this.tokens),
      this.hint,
      this.failure,
      this.body,
      this.findings.element,
    );
    this.hold = createHold(this.element);
  }

  update(state: State): void {
    const { panel, layout } = state;
    const isHeld = this.isRenewing(panel);
    this.hold(isHeld);
    if (isHeld) {
      this.element.dataset['status'] = 'waiting';
      return;
    }
    this.documentLabel = panel?.documentLabel ?? '';
    if (panel?.tokens) this.places = placesIn(panel, panel.tokens);
    this.row.set(layout.whyRow);
    let question = questionOf(panel, layout.whyRow, this.chosen);
    if (!isSame(question?.range ?? null, this.shownRange)) {
      this.chosen = null;
      this.shownRange = question?.range ?? null;
      question = questionOf(panel, layout.whyRow, null);
    }
    if (panel?.status === 'done') this.loadPredictions(panel);
    if (!isSame(question, this.loader.question) && (question || panel?.status === 'done')) this.loader.ask(question);
    this.draw();
    const isQuiet = !this.loader.isHiding && (this.loader.answer !== null || question === null);
    this.findings.update(state, this.places, isQuiet);
  }

  /** Whether a run of the document that the answer is about is under way: until it is done there is nothing newer to say. */
  private isRenewing(panel: PanelState | null): boolean {
    if (!this.loader.answer || panel?.documentLabel !== this.documentLabel) return false;
    return panel.status === 'loading' || panel.status === 'running';
  }

  hide(): void {
    this.loader.stop();
    this.loader.question = null;
    this.findings.hide();
  }

  private loadPredictions({ analysisId }: PanelState): void {
    if (this.predictions?.analysisId === analysisId) return;
    this.predictions = { analysisId, answer: null };
    this.context.host.request('predictions', { analysisId }).then(
      answer => {
        if (this.predictions?.analysisId !== analysisId) return;
        this.predictions = { analysisId, answer };
        this.draw();
      },
      () => {}, // A view-only model predicts nothing; a newer run asks for its own.
    );
  }

  private draw(): void {
    const { state } = this.context.store;
    const { panel, layout } = state;
    const { question, answer, failure } = this.loader;
    const { places } = this;
    const isShown = question !== null && places !== null && panel?.tokens !== null;
    this.hint.hidden = isShown;
    this.title.hidden = !isShown;
    this.tokens.hidden = !isShown;
    this.failure.hidden = failure === '';
    this.failure.textContent = failure;
    this.body.hidden = !isShown || (answer === null && failure !== '');
    const isAnswered = answer !== null && !this.loader.isWaiting;
    this.element.classList.toggle('is-waiting', !isAnswered);
    Object.assign(this.element.dataset, {
      ...{ run: question?.analysisId ?? '', row: question?.row ?? '', measure: answer?.measure ?? '' },
      ...{ status: failure ? 'failed' : isAnswered ? 'done' : 'waiting', hidden: this.loader.effects.size },
    });
    if (!isShown) {
      this.hint.textContent =
        panel?.status === 'done'
          ? t('Put the cursor on a word to see where its prediction comes from.')
          : t('The answer comes with the last layer.');
      return;
    }
    this.drawTitle(question, places, panel!);
    if (question.row < 0) {
      this.body.hidden = true;
      this.hint.hidden = false;
      this.hint.textContent = t('Nothing predicts the first token.');
      return;
    }
    this.drawPredicted(question, panel!);
    if (answer) this.drawAnswer(answer, question, places, layout.whyRow);
    else {
      redraw(this.lines);
      redraw(this.heads);
      this.linesTitle.textContent = t('Working it out …');
      this.headsTitle.textContent = '';
      this.lineNote.textContent = '';
      this.parts.textContent = '';
      for (const element of [this.progress, this.more, this.cancel]) element.hidden = true;
    }
  }

  private drawTitle(question: Question, places: Places, panel: PanelState): void {
    const { range, tokenIdx } = question;
    const surprisal = panel.tokens?.surprisalBits;
    const sum = (first: number, end: number) => {
      let total = 0;
      for (let i = first; i < end; i++) total += surprisal?.[i] ?? Number.NaN;
      return total;
    };
    const bits = sum(range.first, range.end);
    const line = places.lineOf(range.first);
    const where = line === null ? '' : t('line {0}', line);
    const said = Number.isNaN(bits) ? '' : ` · ${t('{0} bits', withLocalMark(bits.toFixed(1)))}`;
    const text = [h('code', {}, places.wordOf(range)), ` ${where}${said}`];
    const key = `${places.wordOf(range)}${where}${said}`;
    if (this.title.dataset['key'] !== key) {
      this.title.dataset['key'] = key;
      this.title.replaceChildren(...text);
    }
    const chips =
      range.end - range.first > 1 && range.end - range.first <= 12
        ? Array.from({ length: range.end - range.first }, (_, i) => this.chip(range.first + i, tokenIdx, places))
        : [];
    redraw(this.tokens, ...chips);
  }

  private chip(idx: number, shown: number, places: Places): HTMLElement {
    const label = visibleToken(places.labels[idx] ?? '');
    const chip = h(
      'button',
      { class: 'why-token', type: 'button', 'aria-pressed': String(idx === shown), title: t('Explain this token') },
      label,
    );
    chip.addEventListener('click', () => {
      this.chosen = idx;
      this.update(this.context.store.state);
    });
    return chip;
  }

  private drawPredicted({ row }: Question, panel: PanelState): void {
    const answer = this.predictions?.analysisId === panel.analysisId ? this.predictions.answer : null;
    const actual = panel.tokens?.labels[row + 1];
    const all = answer ? predictedAt(answer, row, actual) : [];
    const first = all.slice(0, nPredicted);
    const bits = panel.tokens?.surprisalBits?.[row + 1];
    // What the text has, however unlikely it was.
    const own: Prediction[] =
      actual === undefined || bits === undefined || Number.isNaN(bits) || first.some(({ isActual }) => isActual)
        ? []
        : [{ label: actual, probability: 2 ** -bits, isActual: true }];
    const rows = [...first, ...own];
    redraw(
      this.predicted,
      ...rows.map(({ label, probability, isActual }) => {
        const bar = h('span', { class: 'why-bar', 'aria-hidden': 'true' });
        bar.style.setProperty('width', `${(100 * probability).toFixed(1)}%`);
        return h(
          'li',
          isActual ? { class: 'is-actual' } : {},
          h('code', {}, visibleToken(label)),
          h('span', {}, bar),
          h(
            'span',
            { class: 'number' },
            percent(probability),
            ...(isActual ? [' ✓', h('span', { class: 'sr-only' }, t(' as in the text'))] : []),
          ),
        );
      }),
    );
  }

  private drawAnswer(answer: TokenAnswer, question: Question, places: Places, kind: WhyRow): void {
    const { measure, target, note, parts, frozen } = answer;
    const isLogit = measure === 'logit';
    const named = target ? `“${visibleToken(target.text)}”` : '';
    this.linesTitle.textContent = isLogit ? t('Lines that added to {0}', named) : t('Lines it attended to');
    const shown = Math.max(nLines, this.loader.nHidden);
    const lines = answer.lines.slice(0, shown);
    const largest = Math.max(0, ...answer.lines.map(({ value }) => Math.abs(value)));
    redraw(
      this.lines,
      ...(lines.length > 0 ? [this.lineHeads(isLogit)] : []),
      ...lines.map(line => this.line(line, largest)),
    );
    const { isHiding, effects, nHidden, hideFailure } = this.loader;
    this.progress.hidden = !isHiding;
    this.progress.max = Math.max(1, nHidden);
    this.progress.value = effects.size;
    this.cancel.hidden = !isHiding;
    this.more.hidden = isHiding || !target || hideFailure !== '' || effects.size >= this.loader.hideable().length;
    const own = formatShort(answer.ownLine);
    this.lineNote.textContent = isLogit
      ? [
          t('Bar: what the line adds to the logit of {0}, with attention as it is; its own line {1}.', named, own),
          hideFailure || t('Right: bits that {0} costs more when no later token may see the line (knock-out).', named),
        ].join(' ')
      : t('Bar: mean attention over all heads; its own line {0}. {1}', own, note);
    this.headsTitle.textContent = isLogit ? t('Heads that added most to {0}', named) : t('Heads that looked back most');
    const largestHead = Math.max(0, ...answer.heads.map(({ value }) => Math.abs(value)));
    redraw(
      this.heads,
      ...answer.heads.slice(0, nHeads).map(head => this.head(head, largestHead, places, question.row)),
    );
    this.parts.textContent = parts
      ? [
          t(
            'Logit {0} = embedding {1} + heads {2} + MLPs {3} + biases {4} + remainder {5}.',
            ...[parts.logit, parts.embedding, parts.heads, parts.mlps, parts.other, parts.remainder].map(formatShort),
          ),
          parts.cap === null ? '' : t('Logits are capped at {0}.', parts.cap),
          frozen.length === 0 ? '' : t('Held at their values: {0}.', frozen.map(part => frozenNames[part]).join(', ')),
        ]
          .filter(Boolean)
          .join(' ')
      : '';
    this.element.dataset['kind'] = kind;
  }

  private lineHeads(isLogit: boolean): HTMLElement {
    const names = isLogit ? [t('adds'), t('hidden')] : [t('mean'), ''];
    const spans = ['', '', '', ...names].map(name => h('span', { class: 'number' }, name));
    return h('li', { class: 'why-columns', 'aria-hidden': 'true' }, ...spans);
  }

  private line(line: AnswerLine, largest: number): HTMLElement {
    const { lineIdx, text, value } = line;
    const link = h('button', { class: 'why-link cut', type: 'button', title: text }, h('code', {}, text));
    link.addEventListener('click', () => {
      void this.context.host.request('revealLine', { lineIdx }).catch(() => {});
    });
    const effect = this.loader.effects.get(lineIdx);
    return h(
      'li',
      { 'data-line': lineIdx + 1, 'data-value': value, ...(effect ? { 'data-lost': effect.lostBits } : {}) },
      h('span', { class: 'number' }, h('span', { class: 'sr-only' }, t('line')), ` ${lineIdx + 1}`),
      link,
      signedBar(value, largest),
      h('span', { class: 'number' }, formatShort(value)),
      h(
        'span',
        {
          class: 'number',
          title: effect
            ? t('Without this line “{0}” is the likeliest, {1}.', effect.topLabel, percent(effect.topProbability))
            : '',
        },
        effect ? formatShort(effect.lostBits) : '',
      ),
    );
  }

  private head(head: AnswerHead, largest: number, places: Places, row: number): HTMLElement {
    const { layerIdx, headIdx, value, keyIdx } = head;
    const open = h(
      'button',
      {
        ...{ class: 'why-link', type: 'button' },
        title: t('Show the map of layer {0}, head {1}', layerIdx, headIdx),
      },
      `L${layerIdx}H${headIdx}`,
    );
    open.addEventListener('click', () => {
      const { actions } = this.context;
      actions.setView({ layerIdx, headIdx, stage: 'mixed_pattern', difference: false });
      actions.pickCell({ queryIdx: row, keyIdx });
      actions.showTab('map');
    });
    const place = h('button', { class: 'why-link cut', type: 'button' }, places.nameOf(keyIdx));
    place.addEventListener('click', () => {
      const line = places.lineOf(keyIdx);
      if (line !== null) void this.context.host.request('revealLine', { lineIdx: line - 1 }).catch(() => {});
    });
    return h(
      'li',
      { 'data-head': `${layerIdx}.${headIdx}`, 'data-value': value },
      open,
      h('span', {}, this.findings.kindOf(layerIdx, headIdx)),
      signedBar(value, largest),
      h('span', { class: 'number' }, formatShort(value)),
      place,
    );
  }

  private select(tokenIdx: number): void {
    this.context.actions.selectToken(tokenIdx, true);
  }
}

const frozenNames: Readonly<Record<TokenAnswer['frozen'][number], string>> = {
  'norm after attention': t('norm after attention'),
  'per-head norm': t('norm per head'),
  gate: t('gate'),
};

/** Signed, in two digits after the mark: what a first look needs. */
function formatShort(value: number): string {
  if (!Number.isFinite(value)) return formatValue(value);
  const text = withLocalMark(Math.abs(value).toFixed(2));
  return `${value < 0 ? '−' : '+'}${text}`;
}

function percent(probability: number): string {
  return `${withLocalMark((probability * 100).toFixed(probability < 0.0995 ? 1 : 0))} %`;
}
