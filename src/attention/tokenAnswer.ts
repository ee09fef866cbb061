/** From a split logit, or from attention, to the lines and heads that a reader is shown first. Pure. */

import type { LogitAttribution } from '../shared/attribution';
import type { AnswerHead, AnswerLine, AnswerParts } from '../shared/panel/answer';
import { tokensByLine } from './lines';

type LineValue = Omit<AnswerLine, 'text'>;

/** Other lines, the own line, and what lies in no line. */
export interface LineSums {
  readonly lines: readonly LineValue[];
  readonly ownLine: number;
  readonly outside: number;
}

/**
 * Sums the values of tokens 0 to `row` by line.
 * @param lineOfToken as `linesOfTokens` gives it; @param ownIdx a token of the line that is counted apart.
 */
export function sumByLine(values: ArrayLike<number>, row: number, lineOfToken: Int32Array, ownIdx = row): LineSums {
  const own = lineOfToken[ownIdx] ?? -1;
  const lines = tokensByLine(values, lineOfToken, token => token <= row).map(({ indices, ...line }) => ({
    ...line,
    value: indices.reduce((sum, token) => sum + values[token]!, 0),
  }));
  const outside = Array.from(values)
    .filter((_, token) => token <= row && (lineOfToken[token] ?? -1) < 0)
    .reduce((sum, value) => sum + value, 0);
  return {
    lines: lines
      .filter(({ lineIdx }) => lineIdx !== own)
      .sort((a, b) => Math.abs(b.value) - Math.abs(a.value) || a.lineIdx - b.lineIdx),
    ownLine: lines.find(({ lineIdx }) => lineIdx === own)?.value ?? 0,
    outside,
  };
}

/**
 * The heads that add most to a logit, each with the earlier token that gave most of it.
 * @param firstKey tokens before it are passed over: many heads rest on a begin token.
 */
export function largestHeads(
  { heads, cells, row }: Pick<LogitAttribution, 'heads' | 'cells' | 'row'>,
  nHeads: number,
  k: number,
  firstKey = 0,
): AnswerHead[] {
  const nKeys = row + 1;
  return Array.from(heads, (value, i) => ({ value, i }))
    .sort((a, b) => Math.abs(b.value) - Math.abs(a.value) || a.i - b.i)
    .slice(0, k)
    .map(({ value, i }) => {
      const { keyIdx, keyValue } = strongestKey(cells.subarray(i * nKeys, (i + 1) * nKeys), row, firstKey);
      return { layerIdx: Math.floor(i / nHeads), headIdx: i % nHeads, value, keyIdx, keyValue };
    });
}

/** The key of largest magnitude before the row, the row itself where there is none. */
export function strongestKey(
  values: ArrayLike<number>,
  row: number,
  firstKey = 0,
): { keyIdx: number; keyValue: number } {
  let keyIdx = row;
  for (let key = firstKey; key < row; key++) {
    if (keyIdx === row || Math.abs(values[key]!) > Math.abs(values[keyIdx]!)) keyIdx = key;
  }
  return { keyIdx, keyValue: values[keyIdx] ?? 0 };
}

export function partsOf(attribution: LogitAttribution): AnswerParts {
  const { logit, embedding, heads, mlps, other, remainder, cap } = attribution;
  return { logit, embedding, heads: sum(heads), mlps: sum(mlps), other, remainder, cap };
}

function sum(values: Float64Array): number {
  return values.reduce((total, value) => total + value, 0);
}
