/** Rotary position embedding as two tables and one constant matrix, so that both conventions share one graph. */

import { type RopeScaling, rotaryFrequencies } from './ropeScaling';

export type RopeStyle = 'interleaved' | 'half';

/** Tables of shape [position, head_dim], row-major. */
export interface RotaryTables {
  readonly cos: Float32Array;
  readonly sin: Float32Array;
}

/** Index of the angle that rotates component `i`: pairs are (2m, 2m+1) or (m, m + d/2). */
export function pairOf(i: number, dim: number, style: RopeStyle): number {
  return style === 'interleaved' ? Math.floor(i / 2) : i % (dim / 2);
}

/** How one layer rotates. */
export interface Rotary {
  readonly style: RopeStyle;
  /** Components of a head that are rotated; the others stay as they are. */
  readonly dim: number;
  readonly theta: number;
  readonly scaling: RopeScaling | null;
}

/** A factor on queries that grows with their position. */
export interface QueryScaling {
  readonly strength: number;
  /** Tokens per step. */
  readonly span: number;
}

export function queryScale({ strength, span }: QueryScaling, position: number): number {
  return 1 + strength * Math.log1p(Math.floor((position + 1) / span));
}

/** Angle per position of each component of a head, and the factor on its cos and sin: 0 and 1 where none is rotated. */
export function rotarySteps(headDim: number, { style, dim, theta, scaling }: Rotary, nPositions: number) {
  const { frequencies, amplitude } = rotaryFrequencies(dim, theta, scaling, nPositions);
  const components = Array.from({ length: headDim }, (_, i) => i);
  return {
    angles: components.map(i => (i < dim ? frequencies[pairOf(i, dim, style)]! : 0)),
    amplitudes: components.map(i => (i < dim ? amplitude : 1)),
  };
}

/**
 * cos and sin of t * theta^(-2m/d), scaled as `rotary` says, for positions 0 .. nPositions-1. Angles are rounded to
 * float32 before cos and sin, as in the authors' code; a float64 table differs by 1.6e-4 at position 2048 (mta-spec,
 * rotary positions).
 */
export function rotaryTables(nPositions: number, headDim: number, rotary: Rotary): RotaryTables {
  const { angles, amplitudes } = rotarySteps(headDim, rotary, nPositions);
  const cos = new Float32Array(nPositions * headDim);
  const sin = new Float32Array(nPositions * headDim);
  for (let t = 0; t < nPositions; t++) {
    for (let i = 0; i < headDim; i++) {
      const angle = Math.fround(t * angles[i]!);
      cos[t * headDim + i] = amplitudes[i]! * Math.cos(angle);
      sin[t * headDim + i] = amplitudes[i]! * Math.sin(angle);
    }
  }
  return { cos, sin };
}

/**
 * The matrix R with rotated(x) = x * cos + (x R) * sin; shape [head_dim, head_dim], entries 0, 1 and -1, so the product
 * is exact. Each pair (first, second) becomes (-second, first).
 * @param dim components that are rotated.
 */
export function rotationMatrix(headDim: number, style: RopeStyle, dim = headDim): Float32Array {
  const matrix = new Float32Array(headDim * headDim);
  for (let m = 0; m < dim / 2; m++) {
    const first = style === 'interleaved' ? 2 * m : m;
    const second = style === 'interleaved' ? 2 * m + 1 : m + dim / 2;
    matrix[second * headDim + first] = -1;
    matrix[first * headDim + second] = 1;
  }
  return matrix;
}
