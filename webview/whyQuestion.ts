/** Which prediction the Token page explains. Pure. */

import type { TokenRange } from '../src/shared/address';
import type { PanelTokens } from '../src/shared/analysis';
import type { AnswerAddress, AnswerLine } from '../src/shared/panel/answer';
import type { PanelState } from '../src/shared/panel/panelMessages';
import { linesOfLabels, type NamedTokens, placeName, readableLabels, textOfTokens } from '../src/shared/places';
import { selectedRange, type WhyRow } from './state';

export interface Question extends AnswerAddress {
  /** The word, or whatever was selected. */
  readonly range: TokenRange;
  /** Nothing is selected: the word was picked for the reader. */
  readonly isSuggested: boolean;
  /** Of the range's tokens, the one that the row predicts or is. */
  readonly tokenIdx: number;
}

/**
 * @param chosen the token of the range that the reader picked; the first one is explained otherwise, and the last one's row
 * read, which has seen the whole word.
 * @returns null where no run is done or there is nothing to explain; the address is missing where nothing predicts the token.
 */
export function questionOf(panel: PanelState | null, kind: WhyRow, chosen: number | null): Question | null {
  if (panel?.status !== 'done' || !panel.tokens) return null;
  const selected = selectedRange(panel);
  const range = selected ?? panel.suggestion;
  if (!range || range.end > panel.tokens.labels.length) return null;
  const isInside = chosen !== null && chosen >= range.first && chosen < range.end;
  const tokenIdx = isInside ? chosen : kind === 'predicting' ? range.first : range.end - 1;
  const { analysisId } = panel;
  const row = kind === 'predicting' ? tokenIdx - 1 : tokenIdx;
  const target = kind === 'predicting' ? 'actual' : 'predicted';
  return { analysisId, row, target, range, isSuggested: selected === null, tokenIdx };
}

/** The tokens that hiding a line takes away: those before the row. Null where there are none. */
export function hiddenTokens({ tokens }: AnswerLine, row: number): TokenRange | null {
  const end = Math.min(tokens.end, row);
  return tokens.first < end ? { first: tokens.first, end } : null;
}

const known = new WeakMap<Uint32Array, Places>();

/** Names of the shown text's tokens, made once a text. */
export function placesIn({ windowLines }: Pick<PanelState, 'windowLines'>, tokens: PanelTokens): Places {
  const places = known.get(tokens.offsets) ?? new Places(tokens, windowLines?.first ?? 1);
  known.set(tokens.offsets, places);
  return places;
}

/** Names tokens by line and text. */
export class Places {
  readonly labels: readonly string[];
  private readonly lines: Int32Array;

  constructor(tokens: NamedTokens, firstLine: number) {
    this.labels = readableLabels(tokens);
    // The begin token is in no line, and begins none.
    const hasBegin = tokens.offsets[1] === tokens.offsets[0];
    const texts = hasBegin ? ['', ...this.labels.slice(1)] : this.labels;
    this.lines = linesOfLabels(texts, firstLine);
    if (hasBegin) this.lines[0] = 0;
  }

  /** From 1; null for the begin token. */
  lineOf(tokenIdx: number): number | null {
    return this.lines[tokenIdx] || null;
  }

  textOf(range: TokenRange): string {
    return textOfTokens(this.labels, range);
  }

  /** The same without signs that its first token begins with, as in ".name". */
  wordOf(range: TokenRange): string {
    return this.textOf(range).replace(/^[^\p{L}\p{N}\p{M}_$]+(?=[\p{L}\p{N}_$])/u, '');
  }

  /** "line 33 `byteWidth`". */
  nameOf(tokenIdx: number): string {
    return placeName(this.lineOf(tokenIdx), this.textOf({ first: tokenIdx, end: tokenIdx + 1 }));
  }
}
