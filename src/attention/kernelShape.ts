/**
 * What a learned kernel does, told from its numbers by simple measures.
 *
 * Positions as in the key-query convolution: the last row is the current query, earlier rows are queries further back;
 * `own` is the column of the current key. Energy is the sum of squared weights; a share is a part of it.
 *
 *   near-identity  at least 90 % of the energy on the own pair, positively: hands the value on, perhaps scaled
 *   edge           neighbouring keys have opposite signs: -2 sum K[a,b] K[a,b+1] / sum K^2 is at least 0.4 (0 for
 *                  unrelated neighbours, 1 for a pair -1, 1), on few taps (participation of at most 8)
 *   diagonal       one step back in queries goes with one step back in keys: at least half of the energy off the own
 *                  pair lies on one such line, on more than one tap (participation of at least 1.5)
 *   priming        at least half of it lies on the current key in earlier queries
 *   shift          one tap other than the own pair holds at least half of all energy
 *   spread         the rest has one sign (|sum| / sum of magnitudes of at least 0.8) and at least 6 taps take part
 *   mixed          none of these stands out
 *
 * Participation of taps with energies e is (sum e)^2 / sum e^2: their number if all are alike, 1 if one has all.
 * The first that holds gives the name. The first four kinds are those that the authors describe (arXiv 2504.00927, §5).
 */

import type { KernelShape } from '../shared/kernels';

export type KernelName =
  | 'near-identity'
  | 'edge'
  | 'diagonal'
  | 'priming'
  | 'shift'
  | 'spread'
  | 'mixed'
  | 'zero'
  | 'not a number';

export interface KernelFeatures {
  readonly name: KernelName;
  /** Weight of the own pair. */
  readonly own: number;
  /** Euclidean distance from the identity kernel. */
  readonly identityDistance: number;
  readonly ownShare: number;
  readonly edge: number;
  /** Shares of the energy off the own pair. */
  readonly diagonalShare: number;
  readonly primingShare: number;
  /** The strongest tap other than the own pair: queries back, and keys after the current one (negative: before). */
  readonly strongest: { readonly queriesBack: number; readonly keyShift: number; readonly weight: number };
}

/** @param kernel shape [rows, columns], row-major, of a convolution. */
export function kernelFeatures(kernel: Float32Array, shape: KernelShape): KernelFeatures {
  const { rows, columns } = shape;
  const own = shape.identityColumn ?? 0;
  const at = (row: number, column: number) =>
    column < 0 || column >= columns || row < 0 ? 0 : kernel[row * columns + column]!;
  const ownWeight = at(rows - 1, own);
  let energy = 0;
  let neighbours = 0;
  let priming = 0;
  let sum = 0;
  let magnitude = 0;
  let fourth = 0;
  let strongest = { queriesBack: 0, keyShift: 0, weight: 0 };
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const weight = at(row, column);
      energy += weight ** 2;
      neighbours += weight * at(row, column + 1);
      if (row === rows - 1 && column === own) continue;
      sum += weight;
      magnitude += Math.abs(weight);
      fourth += weight ** 4;
      if (column === own) priming += weight ** 2;
      if (Math.abs(weight) > Math.abs(strongest.weight)) {
        strongest = { queriesBack: rows - 1 - row, keyShift: column - own, weight };
      }
    }
  }
  const rest = energy - ownWeight ** 2;
  const share = (part: number, whole: number) => (whole <= 1e-12 ? 0 : part / whole);
  const diagonal = bestDiagonal(at, rows, columns, own);
  const features = {
    own: ownWeight,
    identityDistance: Math.sqrt(rest + (ownWeight - 1) ** 2),
    ownShare: share(ownWeight ** 2, energy),
    edge: share(0 - 2 * neighbours, energy),
    diagonalShare: share(diagonal.energy, rest),
    primingShare: share(priming, rest),
    strongest,
  };
  const nTaps = share(rest ** 2, fourth);
  const nAllTaps = share(energy ** 2, fourth + ownWeight ** 4);
  const isOneSided = share(Math.abs(sum), magnitude) >= 0.8;
  return { name: nameOf(), ...features };

  function nameOf(): KernelName {
    if (Number.isNaN(energy)) return 'not a number';
    if (energy === 0) return 'zero';
    if (features.ownShare >= 0.9 && ownWeight > 0) return 'near-identity';
    if (features.edge >= 0.4 && nAllTaps <= 8) return 'edge';
    if (features.diagonalShare >= 0.5 && diagonal.nTaps >= 1.5) return 'diagonal';
    if (features.primingShare >= 0.5) return 'priming';
    if (share(strongest.weight ** 2, energy) >= 0.5) return 'shift';
    if (isOneSided && nTaps >= 6) return 'spread';
    return 'mixed';
  }
}

/** Of the lines "one query back, one key back" that pass within one key of the own pair, the one with most energy. */
function bestDiagonal(at: (row: number, column: number) => number, rows: number, columns: number, own: number) {
  let best = { energy: 0, nTaps: 0 };
  for (let offset = -1; offset <= 1; offset++) {
    let energy = 0;
    let squares = 0;
    for (let back = 0; back < rows && own + offset - back >= -columns; back++) {
      if (back === 0 && offset === 0) continue;
      const tap = at(rows - 1 - back, own + offset - back) ** 2;
      energy += tap;
      squares += tap ** 2;
    }
    if (energy > best.energy) best = { energy, nTaps: energy ** 2 / squares };
  }
  return best;
}

export type MixName = 'near-identity' | 'blend' | 'contrast' | 'zero' | 'not a number';

export interface MixFeatures {
  /** `blend`: other heads are added; `contrast`: the head itself, or at least half of the others' energy, is subtracted. */
  readonly name: MixName;
  readonly own: number;
  readonly identityDistance: number;
  readonly ownShare: number;
  readonly negativeShare: number;
}

/**
 * One row of a head-mixing matrix, or all of them together.
 * @param weights shape [row, source].
 * @param ownColumns the head's own column, per row.
 */
export function mixFeatures(weights: Float32Array, ownColumns: readonly number[]): MixFeatures {
  const columns = weights.length / ownColumns.length;
  let own = 0;
  let energy = 0;
  let ownEnergy = 0;
  let negative = 0;
  let distance = 0;
  weights.forEach((weight, i) => {
    const isOwn = i % columns === ownColumns[Math.floor(i / columns)];
    energy += weight ** 2;
    distance += (weight - (isOwn ? 1 : 0)) ** 2;
    if (isOwn) own += weight / ownColumns.length;
    if (isOwn) ownEnergy += weight ** 2;
    else if (weight < 0) negative += weight ** 2;
  });
  const rest = energy - ownEnergy;
  const ownShare = energy > 0 ? ownEnergy / energy : 0;
  const negativeShare = rest > 1e-12 ? negative / rest : 0;
  const kind = negativeShare >= 0.5 || own < 0 ? 'contrast' : 'blend';
  const name = Number.isNaN(energy)
    ? 'not a number'
    : energy === 0
      ? 'zero'
      : ownShare >= 0.9 && own > 0
        ? 'near-identity'
        : kind;
  return { name, own, identityDistance: Math.sqrt(distance), ownShare, negativeShare };
}
