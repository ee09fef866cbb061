/**
 * Bands: a layer computed some rows at a time, so that no whole matrix of queries and keys is ever held. Rows never
 * depend on later tokens, so a band needs the keys up to its last row only; half of the matrix is not computed at all.
 */

import { setImmediate as nextTurn } from 'node:timers/promises';
import { keptKeyDim, type LayerPlan, reachAbove } from '../../graph/layerPlan';
import type { ExecutionProvider } from '../../shared/analysis';
import { Cancelled, Failure } from '../../shared/tools/failure';
import type { Value } from './session';
import { emptyValue } from './values';

/** Rows [start, end) of a layer, fed from `first` on: the convolutions reach back over the rows before `start`. */
export interface Band {
  readonly first: number;
  readonly start: number;
  readonly end: number;
}

/** A layer's input, and the keys and values made of it: what any of its rows can be computed again from. */
export interface LayerRows {
  /** The residual stream before the layer, [1, T, D]. */
  readonly hidden: Value;
  /** Keys with their rotary positions and forget gates, and values; [1, T, n_kv, d] each. Filled band by band. */
  readonly keys: Value;
  readonly values: Value;
}

/** Of a layer none of whose rows is computed yet. */
export function emptyRows(plan: LayerPlan, hidden: Value): LayerRows {
  const empty = (size: number) => emptyValue([...hidden.dims.slice(0, 2), plan.nKvHeads, size]);
  return { hidden, keys: empty(keptKeyDim(plan)), values: empty(plan.headDim) };
}

/** Rows of a band where nothing speaks against it: measured fastest for 512 to 4096 tokens, whole matrix included. */
export const usualBandRows = 256;
/**
 * Largest buffer that ONNX Runtime's WebGPU provider keeps for the next use: to make one anew in each run takes longer than
 * what is computed in it.
 */
export const maxKeptBytes = 160 * 2 ** 20;
const mostGpuRows = 2048;

/** Rows of a band where memory allows, at most: every band costs a GPU the same work to start, however small. */
export function mostBandRows(provider: ExecutionProvider): number {
  return provider === 'cpu' ? usualBandRows : mostGpuRows;
}

/** Cells of a head's map in a band, at most: on a GPU as many as its memory for maps is kept for. */
export function mostBandCells(provider: ExecutionProvider, nHeads: number): number {
  return provider === 'cpu' ? Number.POSITIVE_INFINITY : maxKeptBytes / (4 * nHeads);
}

/**
 * Where the band that holds a row ends: the same wherever a run starts, so that every run cuts alike. The first bands, which
 * have fewest keys, have most rows.
 */
function bandEnd(row: number, mostRows: number, mostCells: number): number {
  let end = 0;
  while (end <= row) {
    const fitting = (Math.sqrt(end ** 2 + 4 * mostCells) - end) / 2; // fitting * (end + fitting) is mostCells
    end += Math.min(mostRows, Math.max(usualBandRows, Math.floor(fitting / usualBandRows) * usualBandRows));
  }
  return end;
}

/** Smaller bands would save little memory beside the weights and take long. */
export const minBandRows = 16;

/**
 * The band that computes rows [start, end).
 * @param blockSize the rows fed begin at a multiple of it, so that pooled blocks are those of the whole map.
 */
export function bandAt(plan: LayerPlan, start: number, end: number, blockSize = 1): Band {
  const nAbove = Math.ceil(reachAbove(plan) / blockSize) * blockSize;
  return { first: Math.max(0, start - nAbove), start, end };
}

/**
 * Does some work for rows [start, end), some rows at a time, and lets other work in between.
 * When memory runs out the rest goes on in smaller parts.
 * @param nRows of a part, a multiple of `minBandRows`, at first and at most.
 * @param mostCells of a part whose rows have as many cells as its end; parts of `usualBandRows` may have more.
 * @returns the number of rows that fitted.
 * @throws Cancelled between parts once `signal` fires; Failure `memory` when the smallest part does not fit.
 */
export async function inBands(
  { start, end }: { readonly start: number; readonly end: number },
  nRows: number,
  work: (start: number, end: number) => Promise<void>,
  signal?: AbortSignal,
  mostCells = Number.POSITIVE_INFINITY,
): Promise<number> {
  let next = start;
  let rows = nRows;
  while (next < end) {
    if (next > start) await nextTurn(); // lets a cancel in, and other requests
    if (signal?.aborted) throw new Cancelled();
    const stop = Math.min(end, bandEnd(next, rows, mostCells));
    try {
      await work(next, stop);
      next = stop;
    } catch (error) {
      if (!(error instanceof Failure && error.code === 'memory') || rows <= minBandRows) throw error;
      rows = Math.max(minBandRows, Math.floor(rows / 2 / minBandRows) * minBandRows);
    }
  }
  return rows;
}
