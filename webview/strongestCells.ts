/** The strongest cells of a map: the places where a head looks most. Pure. */

import type { Cell, Rect } from '../src/shared/address';

export interface StrongCell extends Cell {
  readonly value: number;
}

/**
 * Takes the strongest cells of the maps' tiles, one tile after the other. Left out are the first token, on which many heads rest,
 * and the query itself: neither is a place in the text that says what a head looks for. So are masked cells and what is
 * not a number.
 */
export class StrongestCells {
  /** The strongest first; of equal ones the one that was added first. */
  cells: readonly StrongCell[] = [];

  constructor(private readonly count: number) {}

  add(rect: Rect, values: Float32Array): void {
    const found = [...this.cells];
    let weakest = found.length < this.count ? 0 : Math.abs(found.at(-1)!.value);
    for (let row = 0; row < rect.nQueries; row++) {
      const queryIdx = rect.queryStart + row;
      const end = Math.min(rect.nKeys, queryIdx - rect.keyStart);
      for (let column = Math.max(0, 1 - rect.keyStart); column < end; column++) {
        const value = values[row * rect.nKeys + column]!;
        const magnitude = Math.abs(value);
        if (!(magnitude > weakest) || magnitude === Number.POSITIVE_INFINITY) continue;
        let at = found.length;
        while (at > 0 && Math.abs(found[at - 1]!.value) < magnitude) at--;
        found.splice(at, 0, { queryIdx, keyIdx: rect.keyStart + column, value });
        if (found.length > this.count) found.pop();
        if (found.length === this.count) weakest = Math.abs(found.at(-1)!.value);
      }
    }
    this.cells = found;
  }
}
