/** Which prediction the Token page explains. Pure. */

import type { TokenRange } from '../src/shared/address';
import type { AnswerAddress, AnswerLine } from '../src/shared/panel/answer';
import type { PanelState } from '../src/shared/panel/panelMessages';
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
