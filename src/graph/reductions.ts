/**
 * What the panel needs of a map, computed inside the graph so that little leaves it: the strongest keys per query
 * and a pooled overview quantised to 8 bits. A map of 8 heads at T = 1024 is 33 MB; its reductions are 1 MB.
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
 * Keys each query attends to most, by magnitude, with their signs.
 * @param map [B, H, T, T]
 * @param k int64 [1], at most T.
 * @returns both [B, H, T, k].
 */
export function addTopKeys(g: GraphBuilder, map: string, k: string): { indices: string; weights: string } {
  const [, indices] = g.ops('TopK', [g.op('Abs', [map]), k], { axis: -1, largest: 1, sorted: 1 }, 2);
  const weights = g.op('GatherElements', [map, indices!], { axis: -1 });
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
