/** Fetches the answer to a question, then what hiding its lines does, one line after the other. */

import type { AnswerLine, HideEffect, TokenAnswer } from '../src/shared/panel/answer';
import { Cancelled, toFailureData } from '../src/shared/tools/failure';
import type { PanelHost } from './host';
import { hiddenTokens, type Question } from './whyQuestion';

/** Lines hidden without being asked, and with each further request. */
const nAtFirst = 3;
const nMore = 5;
/** A reader who moves on is not held up by lines of the word before. */
const restMs = 150;

export class WhyLoader {
  question: Question | null = null;
  answer: TokenAnswer | null = null;
  failure = '';
  /** The answer, if there is one, is of another question. */
  isWaiting = false;
  /** What hiding does, by line. */
  effects: ReadonlyMap<number, HideEffect> = new Map();
  /** Why lines cannot be hidden; empty while they can. */
  hideFailure = '';
  /** Lines that are to be hidden. */
  nHidden = 0;
  isHiding = false;
  private requests = new AbortController();
  private hiding = new AbortController();

  constructor(
    private readonly host: Pick<PanelHost, 'request'>,
    private readonly onChange: () => void,
  ) {}

  /** Asks another question; the answer to the one before stays until there is a new one. */
  ask(question: Question | null): void {
    this.stop();
    this.question = question;
    this.requests = new AbortController();
    this.failure = '';
    this.isWaiting = question !== null && question.row >= 0;
    if (!question || !this.isWaiting) this.answer = null;
    else void this.load(question, this.requests.signal);
  }

  stop(): void {
    this.requests.abort();
    this.hiding.abort();
    this.isHiding = false;
  }

  cancelHiding(): void {
    this.hiding.abort();
    this.isHiding = false;
    this.onChange();
  }

  hideMore(): void {
    this.nHidden = Math.min(this.hideable().length, this.nHidden + nMore);
    void this.hide();
  }

  /** Lines that something can be hidden of. */
  hideable(): readonly AnswerLine[] {
    const { answer, question } = this;
    return (answer?.lines ?? []).filter(line => hiddenTokens(line, question?.row ?? 0) !== null);
  }

  private async load(question: Question, signal: AbortSignal): Promise<void> {
    const { analysisId, row, target } = question;
    try {
      const answer = await this.host.request('answer', { analysisId, row, target }, signal);
      if (signal.aborted) return;
      this.answer = answer;
      this.isWaiting = false;
      this.effects = new Map();
      this.hideFailure = '';
      this.nHidden = Math.min(nAtFirst, this.hideable().length);
      this.onChange();
      await new Promise(resolve => setTimeout(resolve, restMs));
      if (!signal.aborted) await this.hide();
    } catch (error) {
      if (signal.aborted || error instanceof Cancelled) return;
      const { code, message } = toFailureData(error);
      this.answer = null;
      this.isWaiting = false;
      // Else a newer run has begun; its state asks again.
      if (code !== 'no-analysis') this.failure = message;
      this.onChange();
    }
  }

  private async hide(): Promise<void> {
    const { question } = this;
    const targetId = this.answer?.target?.id;
    if (!question || targetId === undefined || this.isHiding) return;
    this.hiding.abort();
    this.hiding = new AbortController();
    const { signal } = this.hiding;
    this.isHiding = true;
    this.onChange();
    try {
      for (const line of this.hideable().slice(0, this.nHidden)) {
        if (this.effects.has(line.lineIdx)) continue;
        const { analysisId, row } = question;
        const args = { analysisId, row, targetId, keys: hiddenTokens(line, row)! };
        const effect = await this.host.request('hide', args, signal);
        if (signal.aborted) return;
        this.effects = new Map([...this.effects, [line.lineIdx, effect]]);
        this.onChange();
      }
    } catch (error) {
      if (signal.aborted || error instanceof Cancelled) return;
      const { code, message } = toFailureData(error);
      if (code !== 'no-analysis') this.hideFailure = message;
    } finally {
      if (!signal.aborted) {
        this.isHiding = false;
        this.onChange();
      }
    }
  }
}
