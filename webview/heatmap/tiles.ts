/** Which tiles a part of the map needs. */

import type { Rect } from '../../src/shared/address';
import { tileSize } from '../../src/shared/attentionMap';
import type { CellRange } from './hitTest';

/**
 * The tiles that cover `range`, nearest to its middle first. Tiles that hold only masked cells are left out.
 * @param edge of a tile, in cells.
 */
export function coverWithTiles(range: CellRange, nTokens: number, edge = tileSize): Rect[] {
  const tiles: Rect[] = [];
  const firstQuery = Math.floor(range.queryStart / edge) * edge;
  const firstKey = Math.floor(range.keyStart / edge) * edge;
  for (let queryStart = firstQuery; queryStart < range.queryEnd; queryStart += edge) {
    const nQueries = Math.min(edge, nTokens - queryStart);
    for (let keyStart = firstKey; keyStart < range.keyEnd; keyStart += edge) {
      if (keyStart > queryStart + nQueries - 1) break;
      tiles.push({ queryStart, keyStart, nQueries, nKeys: Math.min(edge, nTokens - keyStart) });
    }
  }
  const middleQuery = (range.queryStart + range.queryEnd) / 2;
  const middleKey = (range.keyStart + range.keyEnd) / 2;
  const distance = (tile: Rect) =>
    Math.hypot(tile.queryStart + tile.nQueries / 2 - middleQuery, tile.keyStart + tile.nKeys / 2 - middleKey);
  return tiles.sort((a, b) => distance(a) - distance(b));
}
