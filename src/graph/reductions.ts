/**
 * What the panel needs of a map, computed inside the graph so that little leaves it: the strongest cells per query and
 * per key, and a pooled overview quantised to 8 bits. A map of 8 heads at T = 1024 is 33 MB; its reductions are 1 MB.
 */

import { maxOverviewSize } from '../shared/attentionMap';
import type { GraphBuilder } from './graphBuilder';

/** Cells pooled along each axis so that the overview has at most `maxOverviewSize` cells an edge: 1, 2, 4, ... */
export function blockSizeFor(nTokens: number): number {
  let blockSize = 1;
  while (nTokens > blockSize * maxOverviewSize) blockSize *= 2;
  return blockSize;
}

/**
 * Strongest cells by magnitude along one axis, with their signs.
 * @param map [1, H, T, T]
 * @param axis 3: keys per query; 2: queries per key.
 * @param k int64 [1], at most T.
 */
export function addTopCells(
  g: GraphBuilder,
  map: string,
  axis: 2 | 3,
  k: string,
): { indices: string; weights: string } {
  const rows = axis === 3 ? map : g.op('Transpose', [map], { perm: [0, 1, 3, 2] });
  const [, indices] = g.ops('TopK', [g.op('Abs', [rows]), k], { axis: -1, largest: 1, sorted: 1 }, 2);
  const weights = g.op('GatherElements', [rows, indices!], { axis: -1 });
  return { indices: g.op('Cast', [indices!], { to: 6 /* int32 */ }), weights };
}

/**
 * The value of largest magnitude, with its sign, of each block of cells, quantised to -127..127 with a scale per head.
 * @param map [1, H, T, T]; values below 0 only if `isSigned`.
 */
export function addOverview(
  g: GraphBuilder,
  map: string,
  blockSize: number,
  isSigned: boolean,
): { cells: string; scales: string } {
  const pool = (value: string) =>
    g.op('MaxPool', [value], { kernel_shape: [blockSize, blockSize], strides: [blockSize, blockSize], ceil_mode: 1 });
  let pooled = map;
  if (blockSize > 1) {
    pooled = pool(map);
    if (isSigned) {
      const lowest = g.op('Neg', [pool(g.op('Neg', [map]))]);
      const isPositive = g.op('GreaterOrEqual', [pooled, g.op('Neg', [lowest])]);
      pooled = g.op('Where', [isPositive, pooled, lowest]);
    }
  }
  const scales = g.op('ReduceMax', [g.op('Abs', [pooled]), g.ints([2, 3])], { keepdims: 1 });
  const divisor = g.op('Max', [scales, g.scalar(1e-30)]);
  const steps = g.op('Round', [g.op('Mul', [g.op('Div', [pooled, divisor]), g.scalar(127)])]);
  return { cells: g.op('Cast', [steps], { to: 3 /* int8 */ }), scales };
}
