/** Splits a cell of the mixed pattern over the cells of the pattern that it is made of. Pure. */

import type { CellAddress, CellPart, CellSplit } from '../shared/attribution';
import { headMatrix, type KernelWeights, sourceHead } from '../shared/kernels';

/** Rows of the pattern: all heads, rows [firstQuery, row], keys up to the row. */
export interface PatternRows {
  readonly firstQuery: number;
  readonly nKeys: number;
  /** [head, query, key] */
  readonly values: Float32Array;
}

/** Rows above its own that a cell reaches. */
export function rowsReached(kernels: readonly KernelWeights[]): number {
  return (kernels.find(({ part }) => part === 'post_softmax_conv')?.rows ?? 1) - 1;
}

/**
 * Formulas: convolved[h, i, j] = sum over a, b of kernel[h, a, b] pattern[h, i - (rows - 1) + a, j + b - c], where c is the
 * column of the key itself; mixed[h, i, j] = sum over s of mix[h, s] convolved[s, i, j].
 * @param row i; @param factor what the cell would add with a weight of 1.
 */
export function splitCell(
  cell: CellAddress,
  row: number,
  factor: number,
  kernels: readonly KernelWeights[],
  { firstQuery, nKeys, values }: PatternRows,
): CellSplit {
  const convolution = kernels.find(({ part }) => part === 'post_softmax_conv');
  const mixing = kernels.find(({ part }) => part === 'post_softmax_head_mix');
  const sources = mixing
    ? Array.from(headMatrix(mixing, cell.headIdx), (weight, column) => ({
        head: sourceHead(mixing, cell.headIdx, column),
        weight,
      }))
    : [{ head: cell.headIdx, weight: 1 }];
  const nQueries = values.length === 0 ? 0 : row + 1 - firstQuery;
  const parts: CellPart[] = [];
  const add = (headIdx: number, queryIdx: number, keyIdx: number, weight: number) => {
    if (queryIdx < firstQuery || keyIdx < 0 || keyIdx > queryIdx) return;
    const pattern = values[(headIdx * nQueries + queryIdx - firstQuery) * nKeys + keyIdx]!;
    parts.push({ headIdx, queryIdx, keyIdx, weight, pattern, contribution: weight * pattern * factor });
  };
  for (const { head, weight } of sources) {
    if (!convolution) {
      add(head, row, cell.keyIdx, weight);
      continue;
    }
    const { rows, columns, identityColumn } = convolution;
    for (const [i, tap] of headMatrix(convolution, head).entries()) {
      const [a, b] = [Math.floor(i / columns), i % columns];
      add(head, row - (rows - 1) + a, cell.keyIdx + b - identityColumn!, weight * tap);
    }
  }
  const contribution = parts.reduce((sum, part) => sum + part.contribution, 0);
  return { ...cell, contribution, parts };
}
