/** How a document longer than the context is cut into windows that overlap. Pure. */

import type { TokenRange } from '../shared/address';

/** Tokens `first` .. `report.end` - 1 go through the model; what is reported is of the tokens of `report` alone. */
export interface PlannedRange {
  readonly first: number;
  readonly report: TokenRange;
}

/**
 * Windows whose reports cover all tokens once, in order.
 *
 *     tokens   0 ........................ n
 *     window   [===report===]
 *     window        [before][==report=]      before: at least `before` tokens, or all there are
 *     window                 [before][==report=]
 *
 * A report ends before a token that starts a line where one does near its end, so that lines stay whole.
 * @param room tokens of a window. @param before fewer than `room`.
 */
export function planRanges(
  nTokens: number,
  room: number,
  before: number,
  startsLine: (token: number) => boolean,
): PlannedRange[] {
  if (!(before >= 0 && before < room)) throw new RangeError(`${before} tokens before leave nothing of ${room}`);
  const windows: PlannedRange[] = [];
  for (let first = 0; first < nTokens; ) {
    const start = Math.max(0, first - before);
    let end = Math.min(nTokens, start + room);
    if (end < nTokens) {
      const least = Math.max(first + 1, end - Math.floor((end - first) / 2));
      for (let token = end; token >= least; token--) {
        if (!startsLine(token)) continue;
        end = token;
        break;
      }
    }
    windows.push({ first: start, report: { first, end } });
    first = end;
  }
  return windows;
}

/** The same windows, those nearest to a token first. */
export function nearestFirst(windows: readonly PlannedRange[], token: number): PlannedRange[] {
  const distance = ({ report }: PlannedRange) =>
    token < report.first ? report.first - token : token >= report.end ? token - report.end + 1 : 0;
  return windows.toSorted((a, b) => distance(a) - distance(b) || a.first - b.first);
}
