/**
 * What the panel needs of a map, computed inside the graph so that little leaves it: the strongest keys per query
 * and a pooled overview. A map of 8 heads at T = 1024 is 33 MB; its reductions are 3 MB.
 */

import { maxOverviewSize } from '../shared/attentionMap';
import type { GraphBuilder } from './graphBuilder';

/** Cells pooled along each axis so that the overview has at most `maxOverviewSize` cells an edge: 1, 2, 4, ... */
export function blockSizeFor(nTokens: number): number {
  let blockSize = 1;
  while (nTokens > blockSize * maxOverviewSize) blockSize *= 2;
  return blockSize;
}

/** Names of values and their int64 places, [..., k] each. */
interface Largest {
  readonly values: string;
  readonly indices: string;
}

/** The k largest of the last axis, largest first. @param k int64 [1]. */
export function largest(g: GraphBuilder, x: string, k: string): Largest {
  const [values, indices] = g.ops('TopK', [x, k], { axis: -1, largest: 1, sorted: 1 }, 2);
  return { values: values!, indices: indices! };
}

/**
 * Keys each query attends to most, by magnitude, with their signs.
 * @param map [B, H, R, K]
 * @param k int64 [1], at most K.
 * @returns both [B, H, R, k].
 */
export function addTopKeys(g: GraphBuilder, map: string, k: string): { indices: string; weights: string } {
  const { indices } = largest(g, g.op('Abs', [map]), k);
  const weights = g.op('GatherElements', [map, indices], { axis: -1 });
  return { indices: g.cast(indices, 'int32'), weights };
}

/**
 * What maps are quantised by. @param cells [1, H, I, J]
 * @returns both [1, H, 1, 1]: the largest magnitude of each, and the same never 0, to divide by.
 */
export function addScales(g: GraphBuilder, cells: string): { readonly scales: string; readonly divisor: string } {
  const scales = g.op('ReduceMax', [g.op('Abs', [cells]), g.ints([2, 3])], { keepdims: 1 });
  return { scales, divisor: g.op('Max', [scales, g.scalar(1e-30)]) };
}

/**
 * The value of largest magnitude, with its sign, of each block of cells; a last block may be smaller.
 * @param map [1, H, R, K]; values below 0 only if `isSigned`.
 * @returns [1, H, I, J].
 */
export function addPooling(g: GraphBuilder, map: string, blockSize: number, isSigned: boolean): string {
  if (blockSize === 1) return map;
  const pool = (value: string) =>
    g.op('MaxPool', [value], { kernel_shape: [blockSize, blockSize], strides: [blockSize, blockSize], ceil_mode: 1 });
  const highest = pool(map);
  if (!isSigned) return highest;
  const magnitude = pool(g.op('Abs', [map])); // which the strongest keys need too: the runtime computes it once
  const isPositive = g.op('GreaterOrEqual', [highest, magnitude]);
  return g.op('Where', [isPositive, highest, g.op('Neg', [magnitude])]);
}
