/** Overviews made small enough to show all heads of a model at once. Pure. */

import type { LayerOverview } from '../shared/analysis';
import type { Thumbnails } from '../shared/panel/panelMessages';

/** Longest edge of a thumbnail, in cells. */
export const thumbnailSize = 64;

/**
 * Some heads of a layer's overview, pooled again: a cell is the strongest, with its sign, of those it covers. Heads
 * keep their scales.
 */
export function poolOverview({ size, scales, cells }: LayerOverview, headStart: number, nHeads: number): Thumbnails {
  const factor = Math.ceil(size / thumbnailSize);
  const small = Math.ceil(size / factor);
  const pooled = new Int8Array(nHeads * small * small);
  for (let head = 0; head < nHeads; head++) {
    const from = (headStart + head) * size * size;
    for (let i = 0; i < size; i++) {
      const row = from + i * size;
      let to = (head * small + Math.floor(i / factor)) * small;
      for (let j = 0; j <= i; to++) {
        let strongest = pooled[to]!;
        for (const end = Math.min(j + factor, i + 1); j < end; j++) {
          const cell = cells[row + j]!;
          if (Math.abs(cell) > Math.abs(strongest)) strongest = cell;
        }
        pooled[to] = strongest;
      }
    }
  }
  return { size: small, scales: scales.slice(headStart, headStart + nHeads), cells: pooled };
}
