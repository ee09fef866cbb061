/** A map laid out by distance: queries downwards, to the right how far back the key is, on a log scale. Pure. */

import type { Cell } from '../../src/shared/address';
import { absentLevel } from '../../src/shared/colorScale';
import { type LevelGrid, maskedPixel } from './levels';

/**
 * Distances [first, end) that a column shows. Column edges are powers of nTokens: edge x stands for the distance
 * nTokens ** (x / width) - 1, so that distance 0 has 1 / log2(nTokens) of the width.
 */
export function distancesOf(column: number, width: number, nTokens: number): readonly [first: number, end: number] {
  const edge = (x: number) => Math.floor(nTokens ** (x / width) + 1e-9) - 1;
  const first = Math.max(0, edge(column));
  return [first, Math.max(first + 1, edge(column + 1))];
}

/** Where a distance begins, as a part of the width. */
export function placeOfDistance(distance: number, nTokens: number): number {
  return nTokens > 1 ? Math.log(distance + 1) / Math.log(nTokens) : 0;
}

/**
 * Levels of an image: of each pixel the strongest cell that it covers, with its sign; `maskedPixel` where there is none, and
 * `absentLevel` where none has arrived.
 * @param exact where a cell is absent in it, the pooled one of the overview stands.
 */
export function paintByDistance(
  overview: LevelGrid | null,
  exact: LevelGrid | null,
  nTokens: number,
  width: number,
  height: number,
): Int16Array {
  const pixels = new Int16Array(width * height).fill(maskedPixel);
  const columns = Array.from({ length: width }, (_, x) => distancesOf(x, width, nTokens));
  for (let y = 0; y < height; y++) {
    const [from, to] = rowsOf(y, height, nTokens);
    for (let query = from; query < to; query++) {
      for (const [x, [first, end]] of columns.entries()) {
        if (first > query) break;
        for (let distance = first; distance < end && distance <= query; distance++) {
          const level = levelAt(overview, exact, query, query - distance);
          const at = y * width + x;
          if (isStronger(level, pixels[at]!)) pixels[at] = level;
        }
      }
    }
  }
  return pixels;
}

/** The strongest cell of a pixel; null where there is none. */
export function cellByDistance(
  grids: readonly [overview: LevelGrid | null, exact: LevelGrid | null],
  nTokens: number,
  { x, y, width, height }: { readonly x: number; readonly y: number; readonly width: number; readonly height: number },
): Cell | null {
  const [queryIdx] = rowsOf(Math.floor(y), Math.floor(height), nTokens);
  const [first, end] = distancesOf(Math.floor(x), Math.floor(width), nTokens);
  let found: Cell | null = null;
  let strongest = maskedPixel;
  for (let distance = first; distance < end && distance <= queryIdx; distance++) {
    const level = levelAt(...grids, queryIdx, queryIdx - distance);
    if (found && !isStronger(level, strongest)) continue;
    found = { queryIdx, keyIdx: queryIdx - distance };
    strongest = level;
  }
  return found;
}

function rowsOf(y: number, height: number, nTokens: number): readonly [from: number, to: number] {
  const from = Math.min(nTokens - 1, Math.floor((y * nTokens) / height));
  return [from, Math.max(from + 1, Math.floor(((y + 1) * nTokens) / height))];
}

function levelAt(overview: LevelGrid | null, exact: LevelGrid | null, query: number, key: number): number {
  const own = exact ? exact.levels[query * exact.size + key]! : absentLevel;
  if (own !== absentLevel || !overview) return own;
  const { blockSize, size, levels } = overview;
  return levels[Math.floor(query / blockSize) * size + Math.floor(key / blockSize)]!;
}

function isStronger(level: number, than: number): boolean {
  if (than === maskedPixel) return true;
  if (level === absentLevel) return false;
  return than === absentLevel || Math.abs(level) > Math.abs(than);
}
