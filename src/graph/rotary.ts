/** Rotary position embedding as two tables and one constant matrix, so that both conventions share one graph. */

import { type RopeScaling, rotaryFrequencies } from './ropeScaling';

export type RopeStyle = 'interleaved' | 'half';

/** Tables of shape [position, head_dim], row-major. */
export interface RotaryTables {
  readonly cos: Float32Array;
  readonly sin: Float32Array;
}

/** Index of the angle that rotates component `i` of a head: pairs are (2m, 2m+1) or (m, m + d/2). */
export function pairOf(i: number, headDim: number, style: RopeStyle): number {
  return style === 'interleaved' ? Math.floor(i / 2) : i % (headDim / 2);
}

/**
 * cos and sin of t * theta^(-2m/d), scaled as `scaling` says, for positions 0 .. nPositions-1. Angles are rounded to float32 before cos and sin,
 * as in the authors' code; a float64 table differs by 1.6e-4 at position 2048 (mta-spec, rotary positions).
 */
export function rotaryTables(
  nPositions: number,
  headDim: number,
  theta: number,
  style: RopeStyle,
  scaling: RopeScaling | null = null,
): RotaryTables {
  const { frequencies, amplitude } = rotaryFrequencies(headDim, theta, scaling, nPositions);
  const cos = new Float32Array(nPositions * headDim);
  const sin = new Float32Array(nPositions * headDim);
  for (let t = 0; t < nPositions; t++) {
    for (let i = 0; i < headDim; i++) {
      const angle = Math.fround(t * frequencies[pairOf(i, headDim, style)]!);
      cos[t * headDim + i] = amplitude * Math.cos(angle);
      sin[t * headDim + i] = amplitude * Math.sin(angle);
    }
  }
  return { cos, sin };
}

/**
 * The matrix R with rotated(x) = x * cos + (x R) * sin; shape [head_dim, head_dim], entries 0, 1 and -1, so the product
 * is exact. Each pair (first, second) becomes (-second, first).
 */
export function rotationMatrix(headDim: number, style: RopeStyle): Float32Array {
  const matrix = new Float32Array(headDim * headDim);
  for (let m = 0; m < headDim / 2; m++) {
    const first = style === 'interleaved' ? 2 * m : m;
    const second = style === 'interleaved' ? 2 * m + 1 : m + headDim / 2;
    matrix[second * headDim + first] = -1;
    matrix[first * headDim + second] = 1;
  }
  return matrix;
}
