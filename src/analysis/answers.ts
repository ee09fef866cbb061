/** Where predictions of the current run come from; what was worked out is kept until another run takes its place. */

import { LRUCache } from 'lru-cache';
import { largestHeads, partsOf, sumByLine } from '../attention/tokenAnswer';
import type { AnswerAddress, HideAddress, HideEffect, TokenAnswer } from '../shared/panel/answer';
import { Cancelled, Failure } from '../shared/tools/failure';
import type { Analysis } from './analysis';

/** What the answers need of the analysis. */
type Source = Pick<Analysis, 'details' | 'linesOfTokens' | 'document' | 'snapshot'>;

const nLines = 24;
const nHeads = 8;
const maxLineLength = 160;
/** A reader who goes back and forth between words finds them there. */
const nKept = 400;

export class Answers {
  private readonly answers = new LRUCache<string, TokenAnswer>({ max: nKept });
  private readonly effects = new LRUCache<string, HideEffect>({ max: nKept });

  constructor(private readonly analysis: Source) {}

  async answer(address: AnswerAddress, signal?: AbortSignal): Promise<TokenAnswer> {
    const key = `${address.analysisId}/${address.row}/${address.target}`;
    const kept = this.answers.get(key);
    if (kept) return kept;
    const answer = await this.split(address, signal).catch(error => {
      if (error instanceof Cancelled || !(error instanceof Failure) || error.code === 'no-analysis') throw error;
      return this.look(address, error.message, signal);
    });
    this.answers.set(key, answer);
    return answer;
  }

  async hide({ analysisId, row, targetId, keys }: HideAddress, signal?: AbortSignal): Promise<HideEffect> {
    const key = [analysisId, row, targetId, keys.first, keys.end].join('/');
    const kept = this.effects.get(key);
    if (kept) return kept;
    const rows = { first: row, end: row + 1 };
    const request = { analysisId, rows, target: targetId, cuts: [{ keys }] };
    const [cut] = (await this.analysis.details.knockOuts(request, signal)).effects;
    const { text, probability } = cut!.likeliest[0]!;
    const effect = { lostBits: -cut!.changeBits, topLabel: text, topProbability: probability };
    this.effects.set(key, effect);
    return effect;
  }

  /** What each part adds to the logit. */
  private async split(address: AnswerAddress, signal?: AbortSignal): Promise<TokenAnswer> {
    const found = await this.analysis.details.explain(address, signal);
    const hasBegin = this.analysis.linesOfTokens()[0] === -1;
    return {
      ...{ measure: 'logit', note: '', target: found.target, parts: partsOf(found), frozen: found.frozen },
      heads: largestHeads(found, this.analysis.snapshot.model?.nHeads ?? 1, nHeads, hasBegin ? 1 : 0),
      ...this.byLine(found.tokens, address),
    };
  }

  /** Where the heads look, for models whose logits cannot be split. */
  private async look(address: AnswerAddress, note: string, signal?: AbortSignal): Promise<TokenAnswer> {
    const { details, snapshot } = this.analysis;
    const { analysisId, row } = address;
    const rows = { first: row, end: row + 1 };
    const options = { method: 'mean', direction: 'attends', heads: 'all' } as const;
    const weights = await details.relevance(options, rows, { analysisId, ...snapshot.view }, signal);
    const heads = details.strongestOfHeads(analysisId, row);
    return {
      ...{ measure: 'attention', note, target: null, parts: null, frozen: [] },
      heads: heads.sort((a, b) => Math.abs(b.value) - Math.abs(a.value)).slice(0, nHeads),
      ...this.byLine(weights, address),
    };
  }

  private byLine(
    values: ArrayLike<number>,
    { row, target }: AnswerAddress,
  ): Pick<TokenAnswer, 'lines' | 'ownLine' | 'outside'> {
    const { document } = this.analysis;
    // The row that predicts the first word of a line is the end of the line before.
    const lineOf = this.analysis.linesOfTokens();
    const own = target === 'actual' && row + 1 < lineOf.length ? row + 1 : row;
    const { lines, ownLine, outside } = sumByLine(values, row, lineOf, own);
    const textOf = (line: number) => (document && line < document.lineCount ? document.lineAt(line).text.trim() : '');
    return {
      lines: lines
        .filter(({ lineIdx }) => textOf(lineIdx) !== '')
        .slice(0, nLines)
        .map(line => ({ ...line, text: textOf(line.lineIdx).slice(0, maxLineLength) })),
      ...{ ownLine, outside },
    };
  }
}
