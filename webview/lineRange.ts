/** Lines as ranges of tokens. Pure. */

import type { TokenRange } from '../src/shared/address';
import type { PanelState } from '../src/shared/panel/panelMessages';
import type { Places } from './places';
import { selectedRange } from './state';

/** What is selected, else the word that is explained. */
export function pickedRange(panel: PanelState): TokenRange | null {
  const range = selectedRange(panel) ?? panel.suggestion;
  return range && range.end <= (panel.tokens?.labels.length ?? 0) ? range : null;
}

/** All tokens of the lines that a range touches. */
export function wholeLines({ first, end }: TokenRange, places: Places): TokenRange {
  const n = places.labels.length;
  const [from, to] = [places.lineOf(first), places.lineOf(end - 1)];
  let start = first;
  while (start > 0 && places.lineOf(start - 1) === from && from !== null) start--;
  let stop = end;
  while (stop < n && places.lineOf(stop) === to && to !== null) stop++;
  return { first: start, end: stop };
}
