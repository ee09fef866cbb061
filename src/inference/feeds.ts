/** Feeds that depend on the window's length only: rotary tables and the mask. */

import type { ModelConfig } from '../graph/modelConfig';
import { rotaryTables } from '../graph/rotary';
import type { Value } from './session';

/**
 * Which keys each query may look at: those not after it, in the same document.
 * @param docLengths lengths of packed documents; one document when absent.
 * @param slidingWindow keys a query looks back to, itself included.
 * @returns shape [query, key], 1 where allowed.
 */
export function allowedCells(
  nTokens: number,
  docLengths: readonly number[] = [nTokens],
  slidingWindow: number | null = null,
): Uint8Array {
  const allowed = new Uint8Array(nTokens * nTokens);
  let start = 0;
  for (const length of docLengths) {
    for (let query = start; query < start + length; query++) {
      const first = Math.max(start, query + 1 - (slidingWindow ?? nTokens));
      allowed.fill(1, query * nTokens + first, query * nTokens + query + 1);
    }
    start += length;
  }
  return allowed;
}

/**
 * Packed documents, cut: one batch entry each, padded at the end, where causality makes padding harmless. Without the
 * cut, a kernel at the first rows of a document sees the one before it (`allowedCells` with `docLengths`), as in the
 * authors' plain forward pass. Positions restart at 0, which rotary positions do not notice.
 * @param rows [token, dim], row-major.
 * @returns [document, longest length, dim].
 */
export function cutDocuments(
  rows: Float32Array,
  dim: number,
  docLengths: readonly number[],
): { readonly data: Float32Array; readonly dims: readonly [number, number, number] } {
  const longest = Math.max(...docLengths);
  const data = new Float32Array(docLengths.length * longest * dim);
  let start = 0;
  for (const [document, length] of docLengths.entries()) {
    data.set(rows.subarray(start * dim, (start + length) * dim), document * longest * dim);
    start += length;
  }
  return { data, dims: [docLengths.length, longest, dim] };
}

/** `rotary_cos`, `rotary_sin` and `allowed` for one window of text. @param slidingWindow of the layer. */
export function windowFeeds(
  config: ModelConfig,
  nTokens: number,
  docLengths?: readonly number[],
  slidingWindow: number | null = null,
): Record<'rotary_cos' | 'rotary_sin' | 'allowed', Value> {
  const { cos, sin } = rotaryTables(
    ...([nTokens, config.head_dim, config.rope_theta, config.rope_style, config.rope_scaling] as const),
  );
  const dims = [nTokens, config.head_dim];
  return {
    rotary_cos: { type: 'float32', data: cos, dims },
    rotary_sin: { type: 'float32', data: sin, dims },
    allowed: { type: 'bool', data: allowedCells(nTokens, docLengths, slidingWindow), dims: [1, 1, nTokens, nTokens] },
  };
}
