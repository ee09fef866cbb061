/** Feeds of a band of rows: its part of the residual stream, what is kept of the rows before, rotary tables, mask. */

import type { LayerPlan } from '../../graph/layerPlan';
import { queryScale, type RotaryTables, rotaryTables } from '../../graph/rotary';
import type { Band, LayerRows } from './bands';
import type { Value, Values } from './session';
import { int64, rowsOf } from './values';

/**
 * Which keys the queries [first, end) may look at: those not after it, in the same document.
 * @param docLengths lengths of packed documents; one document when absent.
 * @param slidingWindow keys a query looks back to, itself included.
 * @param attentionChunk tokens of a chunk, whose keys alone its queries see; counted from the start of the window.
 * @returns shape [query, key] with the keys before `end`, 1 where allowed.
 */
export function allowedCells(
  first: number,
  end: number,
  docLengths: readonly number[] = [end],
  slidingWindow: number | null = null,
  attentionChunk: number | null = null,
): Uint8Array {
  const allowed = new Uint8Array((end - first) * end);
  let start = 0;
  for (const length of docLengths) {
    for (let query = Math.max(start, first); query < Math.min(start + length, end); query++) {
      const chunkStart = attentionChunk === null ? start : query - (query % attentionChunk);
      const firstKey = Math.max(start, chunkStart, query + 1 - (slidingWindow ?? end));
      const row = (query - first) * end;
      allowed.fill(1, row + firstKey, row + query + 1);
    }
    start += length;
  }
  return allowed;
}

/** Rotary tables for the first `nTokens` positions; longer ones serve shorter windows too. */
export interface RotaryRows extends RotaryTables {
  readonly nTokens: number;
  readonly headDim: number;
  /** 0, 1, 2, ...; [nTokens] */
  readonly positions: Float32Array;
}

/** What the tables of a layer depend on. */
export type RotatingPlan = Pick<LayerPlan, 'headDim' | 'rotary' | 'queryScaling'>;

/** @param plan of a layer; one that does not rotate has the factors of its queries as `cos`, or zeros, which its graph does not take. */
export function rotaryRows({ headDim, rotary, queryScaling }: RotatingPlan, nTokens: number): RotaryRows {
  const positions = Float32Array.from({ length: nTokens }, (_, i) => i);
  const none = () => new Float32Array(nTokens * headDim);
  const tables = rotary ? rotaryTables(nTokens, headDim, rotary) : { cos: none(), sin: none() };
  if (queryScaling)
    tables.cos.forEach((_, i, cos) => {
      cos[i] = queryScale(queryScaling, Math.floor(i / headDim));
    });
  return { nTokens, headDim, positions, ...tables };
}

/**
 * Everything a block's graph takes but kernels. Rows of `layer` before `band.first` must have their keys and values.
 * @param docLengths of packed documents; one document when absent.
 */
export function bandFeeds(
  { slidingWindow, attentionChunk }: Pick<LayerPlan, 'slidingWindow' | 'attentionChunk'>,
  { hidden, keys, values }: LayerRows,
  { first, start, end }: Band,
  rotary: RotaryRows,
  docLengths?: readonly number[],
): Values {
  const nRows = end - first;
  const { headDim } = rotary;
  const table = (data: Float32Array): Value => ({
    type: 'float32',
    data: data.subarray(first * headDim, end * headDim),
    dims: [nRows, headDim],
  });
  const allowed = allowedCells(first, end, docLengths, slidingWindow, attentionChunk);
  return {
    hidden: rowsOf(hidden, first, end),
    past_keys: rowsOf(keys, 0, first),
    past_values: rowsOf(values, 0, first),
    rotary_cos: table(rotary.cos),
    rotary_sin: table(rotary.sin),
    allowed: { type: 'bool', data: allowed, dims: [1, 1, nRows, end] },
    n_above: int64([start - first], [1]),
  };
}
