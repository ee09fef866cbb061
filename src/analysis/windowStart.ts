/** Where a window that stays in place begins while its document changes. Pure. */

import type { AnalysisWindow } from '../shared/analysis';

/** A replacement of text, as VS Code reports it: offsets are in the text before it. */
export interface TextChange {
  readonly rangeOffset: number;
  readonly rangeLength: number;
  readonly text: string;
}

/** Where the next window of the document should begin; undefined where all of it fits and nothing holds the window. */
export function keptStart({ start, end, documentLength }: AnalysisWindow, isPinned: boolean): number | undefined {
  const isWhole = start === 0 && end >= documentLength;
  return isWhole && !isPinned ? undefined : start;
}

/** The same place once the text has changed; a place inside what was replaced moves behind the replacement. */
export function shiftedBy(start: number, changes: readonly TextChange[]): number {
  // The last change in the text first: offsets before it still hold.
  const ordered = changes.toSorted((a, b) => b.rangeOffset - a.rangeOffset);
  return ordered.reduce((place, { rangeOffset, rangeLength, text }) => {
    if (rangeOffset + rangeLength <= place) {
      // What is written right at the window's start belongs to it.
      return rangeLength === 0 && rangeOffset === place ? place : place + text.length - rangeLength;
    }
    return rangeOffset < place ? rangeOffset + text.length : place;
  }, start);
}
