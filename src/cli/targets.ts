/** Selected tokens, the rows of a question about them, and what those rows should predict: --at, --to, --row, --target. */

import type { TokenRange } from '../shared/address';
import { type RowKind, rangeBetween } from '../shared/relevance';
import { Failure } from '../shared/tools/failure';
import { tokenAt } from '../tokenization/offsets';
import { type AnalyzedDocument, checkOffset } from './document';

/** What a row should predict: the token that came, the one the model finds likeliest, or any other. */
export type TargetChoice = 'actual' | 'predicted' | number;

export interface TokenQuestion {
  /** Selected tokens. */
  readonly selection: TokenRange;
  readonly rows: TokenRange;
  /** One for each row. */
  readonly targets: readonly number[];
}

/**
 * Tokens between two offsets. @param to exclusive; absent: the token at `at` alone.
 * @throws Failure `bad-usage` for an offset outside of the file or the window
 */
export function selectedTokens(document: AnalyzedDocument, at: number, to: number | undefined): TokenRange {
  const { tokens, text, engine } = document;
  if (to !== undefined) checkOffset('--to', to, text);
  const token = (offset: number) => {
    const found = tokenAt(tokens.offsets, offset);
    if (found >= 0) return found;
    throw new Failure(
      'bad-usage',
      `No token of the inspected window is at offset ${offset}: it holds ${tokens.offsets[0]} to ${tokens.offsets.at(-1)}. Give an offset in it, another --window-start, or a larger --max-tokens (at most ${engine.model.maxSeqlen}).`,
    );
  };
  return rangeBetween(token(at), token(to === undefined ? at : Math.max(at, to - 1)));
}

/** @throws Failure `bad-usage` for a row that the window lacks, or a target outside the vocabulary. */
export function tokenQuestion(
  document: AnalyzedDocument,
  selection: TokenRange,
  kind: RowKind,
  target: TargetChoice,
): TokenQuestion {
  const { tokens, engine, predictions } = document;
  const shift = kind === 'predicting' ? 1 : 0;
  const rows = { first: selection.first - shift, end: selection.end - shift };
  if (rows.first < 0) {
    throw new Failure(
      'bad-usage',
      'Nothing predicts the first token of the window: the model has no begin token. Select a later token, or --row reading.',
    );
  }
  if (typeof target === 'number') checkToken('--target', target, engine.model.vocabSize);
  if (target === 'actual' && rows.end >= tokens.ids.length) {
    throw new Failure(
      'bad-usage',
      'No token follows the last one of the window, so there is no actual target. Use --target predicted or a token id.',
    );
  }
  const targetOf = (row: number) => {
    if (target === 'actual') return tokens.ids[row + 1]!;
    return target === 'predicted' ? predictions.topIds[row * predictions.k]! : target;
  };
  return {
    selection,
    rows,
    targets: Array.from({ length: rows.end - rows.first }, (_, i) => targetOf(rows.first + i)),
  };
}

/** @throws Failure `bad-usage` for a token outside the vocabulary. */
export function checkToken(option: string, id: number, vocabSize: number): void {
  if (id < vocabSize) return;
  throw new Failure(
    'bad-usage',
    `${option} is ${id}, expected a token id from 0 to ${vocabSize - 1}, the vocabulary of the model.`,
  );
}

export interface TokenJson {
  readonly id: number;
  readonly text: string;
}
