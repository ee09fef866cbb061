/**
 * What one cell of a stage is made of: weight times value for every tap of the key-query convolutions, and a subtotal
 * per source head where heads are mixed. The terms sum to the stage's value exactly (but for rounding).
 *
 *   conv[h, i, j]  = sum over taps (a, b) of K[h, a, b] * S[h, i - (c_q - 1) + a, j - own + b]
 *   mixed[h, i, j] = sum over heads s of W[h, s] * conv[s, i, j]
 *
 * S is what the convolution reads: scores before the softmax, the pattern after it, masked cells 0. `own` is the
 * kernel's column of the current key. Source: arXiv 2504.00927, as the authors' code computes it.
 */

import type { Rect } from '../shared/address';
import type { Patch } from '../shared/attentionMap';
import { headMatrix, type KernelPart, type KernelWeights, sourceHead } from '../shared/kernels';
import { isPreSoftmax, type Stage, stages } from '../shared/operators';

/** The learned parts that lead to the cell; null where the layer lacks one. */
export interface LensParts {
  /** The stage that the parts read. */
  readonly source: Stage;
  readonly conv: KernelWeights | null;
  readonly mix: KernelWeights | null;
}

/**
 * What led to a stage, from the last one that is not a sum of taps.
 * @param kernels parts of the layer.
 * @returns null for stages which no convolution or mixing made.
 */
export function lensPartsOf(stage: Stage, kernels: readonly KernelWeights[]): LensParts | null {
  if (!madeOfTaps.has(stage)) return null;
  const find = (part: KernelPart) => kernels.find(candidate => candidate.part === part) ?? null;
  const side = isPreSoftmax(stage) ? 'pre_softmax' : 'post_softmax';
  const isMixed = stage === 'mixed_scores' || stage === 'mixed_pattern';
  return {
    source: isPreSoftmax(stage) ? convolutionInput : patternInput,
    conv: find(`${side}_conv`),
    mix: isMixed ? find(`${side}_head_mix`) : null,
  };
}

const madeOfTaps: ReadonlySet<Stage> = new Set([
  'convolved_scores',
  'mixed_scores',
  'convolved_pattern',
  'mixed_pattern',
] as const);

/** What the convolution of scores reads; a layer that lacks the stage has the same values in the one before. */
const convolutionInput = stages[stages.indexOf('convolved_scores') - 1]!;
const patternInput = stages[stages.indexOf('convolved_pattern') - 1]!;

/** Where a tap looks: at a value, after its query (where the convolution reads 0), or past the map's edge (also 0). */
type TapPlace = 'value' | 'future' | 'outside';

export interface Tap {
  readonly queryIdx: number;
  readonly keyIdx: number;
  readonly place: TapPlace;
  readonly weight: number;
  /** 0 where there is no value. */
  readonly value: number;
  /** weight * value, and with head mixing the whole's share of it: times the source head's mixing weight. */
  readonly term: number;
  /** The tap on the cell itself. */
  readonly isOwn: boolean;
}

/** One head that the cell is mixed of; without mixing there is one, the head itself. */
export interface LensSource {
  readonly headIdx: number;
  /** Its mixing weight; 1 without mixing. */
  readonly mixWeight: number;
  /** The convolution's value at the cell in this head, before mixing. */
  readonly convolved: number;
  /** mixWeight * convolved: what the head adds to the cell. */
  readonly subtotal: number;
  /** The part of `subtotal` that comes from the cell's own query and key. */
  readonly own: number;
}

export interface Lens {
  readonly sources: readonly LensSource[];
  readonly total: number;
  /** From the cell's own query and key, over all heads; the neighbours give the rest. */
  readonly own: number;
}

/** The part of the map that the taps of one cell touch. */
export function tapRect(conv: KernelWeights | null, queryIdx: number, keyIdx: number, nTokens: number): Rect {
  const { rows, columns, own } = sizeOf(conv);
  const queryStart = Math.max(0, queryIdx - rows + 1);
  const keyStart = Math.max(0, keyIdx - own);
  const keyEnd = Math.min(nTokens, keyIdx - own + columns);
  return { queryStart, keyStart, nQueries: queryIdx - queryStart + 1, nKeys: keyEnd - keyStart };
}

/** @param patch covers at least `tapRect` of the cell. */
export function lensOf(parts: LensParts, patch: Patch, headIdx: number, queryIdx: number, keyIdx: number): Lens {
  const weights = parts.mix && headMatrix(parts.mix, headIdx);
  const sources = Array.from({ length: parts.mix?.columns ?? 1 }, (_, column): LensSource => {
    const source = parts.mix ? sourceHead(parts.mix, headIdx, column) : headIdx;
    const mixWeight = weights ? weights[column]! : 1;
    let convolved = 0;
    let own = 0;
    for (const tap of tapsOf(parts.conv, patch, source, queryIdx, keyIdx)) {
      convolved += tap.term;
      if (tap.isOwn) own = tap.term;
    }
    return { headIdx: source, mixWeight, convolved, subtotal: mixWeight * convolved, own: mixWeight * own };
  });
  return {
    sources,
    total: sources.reduce((sum, { subtotal }) => sum + subtotal, 0),
    own: sources.reduce((sum, { own }) => sum + own, 0),
  };
}

/**
 * The taps of one source head, shape [kernel row, kernel column], row-major; a single one without convolution.
 * @param mixWeight factor on every term.
 */
export function tapsOf(
  conv: KernelWeights | null,
  patch: Patch,
  sourceIdx: number,
  queryIdx: number,
  keyIdx: number,
  mixWeight = 1,
): Tap[] {
  const { rows, columns, own } = sizeOf(conv);
  const kernel = conv ? headMatrix(conv, sourceIdx) : [1];
  const taps: Tap[] = [];
  for (let a = 0; a < rows; a++) {
    for (let b = 0; b < columns; b++) {
      const [query, key] = [queryIdx - (rows - 1) + a, keyIdx - own + b];
      const place = placeOf(patch, query, key);
      const weight = kernel[a * columns + b]!;
      const value = place === 'value' ? patchValue(patch, sourceIdx, query, key) : 0;
      // A weight that is not a number spoils the engine's sum even where it meets a zero; so it does here.
      const term = mixWeight * weight * value;
      taps.push({
        queryIdx: query,
        keyIdx: key,
        place,
        weight,
        value,
        term,
        isOwn: query === queryIdx && key === keyIdx,
      });
    }
  }
  return taps;
}

/** Taps of one cell minus those of another in the same row, tap by tap: why this key rather than that one. */
export function tapDifferences(taps: readonly Tap[], reference: readonly Tap[]): Tap[] {
  return taps.map((tap, i) => {
    const other = reference[i]!;
    return { ...tap, value: tap.value - other.value, term: tap.term - other.term };
  });
}

/** The same of whole lenses. */
export function lensDifference(lens: Lens, reference: Lens): Lens {
  const sources = lens.sources.map((source, i) => {
    const other = reference.sources[i]!;
    return {
      ...source,
      convolved: source.convolved - other.convolved,
      subtotal: source.subtotal - other.subtotal,
      own: source.own - other.own,
    };
  });
  return { sources, total: lens.total - reference.total, own: lens.own - reference.own };
}

/** The mean of lenses of several keys, term by term. */
export function meanLens(lenses: readonly Lens[]): Lens {
  const n = lenses.length;
  const mean = (read: (lens: Lens) => number) => lenses.reduce((sum, lens) => sum + read(lens) / n, 0);
  return {
    sources: lenses[0]!.sources.map((source, i) => ({
      ...source,
      convolved: mean(lens => lens.sources[i]!.convolved),
      subtotal: mean(lens => lens.sources[i]!.subtotal),
      own: mean(lens => lens.sources[i]!.own),
    })),
    total: mean(lens => lens.total),
    own: mean(lens => lens.own),
  };
}

/** The mean of the taps of several keys, tap by tap. */
export function meanTaps(lists: readonly (readonly Tap[])[]): Tap[] {
  const n = lists.length;
  return lists[0]!.map((tap, i) => ({
    ...tap,
    value: lists.reduce((sum, taps) => sum + taps[i]!.value / n, 0),
    term: lists.reduce((sum, taps) => sum + taps[i]!.term / n, 0),
  }));
}

/**
 * The row's largest other key: the runner-up of a cell that is the largest, the winner for any other cell.
 * @returns null where every other key is NaN or there is none.
 */
export function largestOther(row: Float32Array, keyIdx: number): number | null {
  let best: number | null = null;
  for (let key = 0; key < row.length; key++) {
    if (key === keyIdx || Number.isNaN(row[key]!)) continue;
    if (best === null || row[key]! > row[best]!) best = key;
  }
  return best;
}

function sizeOf(conv: KernelWeights | null): { rows: number; columns: number; own: number } {
  return conv ? { rows: conv.rows, columns: conv.columns, own: conv.identityColumn! } : { rows: 1, columns: 1, own: 0 };
}

function placeOf(patch: Patch, queryIdx: number, keyIdx: number): TapPlace {
  // The patch reaches to the edges of the map wherever a tap does, so what is beside it is beside the map.
  const isInside =
    queryIdx >= patch.queryStart &&
    queryIdx < patch.queryStart + patch.nQueries &&
    keyIdx >= patch.keyStart &&
    keyIdx < patch.keyStart + patch.nKeys;
  if (!isInside) return 'outside';
  return keyIdx > queryIdx ? 'future' : 'value';
}

function patchValue(patch: Patch, headIdx: number, queryIdx: number, keyIdx: number): number {
  const row = headIdx * patch.nQueries + queryIdx - patch.queryStart;
  return patch.values[row * patch.nKeys + keyIdx - patch.keyStart]!;
}
