/**
 * What a learned kernel does, by simple measures of its numbers. The names and their rules are in `kernelRules`.
 *
 * Positions as in the key-query convolution: the last row is the current query, earlier rows are queries further back;
 * `own` is the column of the current key. Energy is the sum of squared weights; a share is a part of it. The rest is
 * everything but the own pair.
 */

import type { KernelShape } from '../shared/kernels';

export type KernelName =
  | 'not a number'
  | 'zero'
  | 'near-identity'
  | 'edge'
  | 'diagonal'
  | 'priming'
  | 'shift'
  | 'spread'
  | 'mixed';

/** The numbers that a name depends on. */
interface KernelNumbers {
  readonly own: number;
  readonly energy: number;
  readonly ownShare: number;
  /** -2 sum K[a, b] K[a, b + 1] / sum K^2: 0 for unrelated neighboring keys, 1 for a pair -1, 1. */
  readonly edge: number;
  /** (sum e)^2 / sum e^2 over taps of energy e: their number if all are alike, 1 if one has all. */
  readonly nTaps: number;
  readonly nTapsOfRest: number;
  readonly diagonalShare: number;
  readonly nTapsOfDiagonal: number;
  readonly primingShare: number;
  /** Share of the strongest tap of the rest in all energy. */
  readonly strongestShare: number;
  /** |sum| / sum of magnitudes, of the rest. */
  readonly oneSign: number;
}

export interface KernelRule {
  readonly name: KernelName;
  /** As the user guide's table has it; a test compares the two. */
  readonly rule: string;
  readonly holds: (numbers: KernelNumbers) => boolean;
}

/** The first rule that holds gives the name. Four of the kinds are those that the authors describe (arXiv 2504.00927, §5). */
export const kernelRules: readonly KernelRule[] = [
  { name: 'not a number', rule: 'a weight is not a number', holds: ({ energy }) => Number.isNaN(energy) },
  { name: 'zero', rule: 'all weights are 0', holds: ({ energy }) => energy === 0 },
  {
    name: 'near-identity',
    rule: '≥ 90 % of the energy on the own pair, which is positive',
    holds: ({ own, ownShare }) => ownShare >= 0.9 && own > 0,
  },
  {
    name: 'edge',
    rule: '−2 Σ K[a,b] K[a,b+1] / Σ K² ≥ 0.4 and n(all) ≤ 8: neighboring keys have opposite signs',
    holds: ({ edge, nTaps }) => edge >= 0.4 && nTaps <= 8,
  },
  {
    name: 'diagonal',
    rule: '≥ half of the rest’s energy on one line "one query back, one key back" that passes at most one key from the own pair, and n(line) ≥ 1.5: a sequence of queries matches a sequence of keys',
    holds: ({ diagonalShare, nTapsOfDiagonal }) => diagonalShare >= 0.5 && nTapsOfDiagonal >= 1.5,
  },
  {
    name: 'priming',
    rule: '≥ half of the rest’s energy on the current key in earlier queries',
    holds: ({ primingShare }) => primingShare >= 0.5,
  },
  {
    name: 'shift',
    rule: 'one tap of the rest holds ≥ half of all energy',
    holds: ({ strongestShare }) => strongestShare >= 0.5,
  },
  {
    name: 'spread',
    rule: 'the rest has mostly one sign, \\|Σ K\\| / Σ \\|K\\| ≥ 0.8, and n(rest) ≥ 6',
    holds: ({ oneSign, nTapsOfRest }) => oneSign >= 0.8 && nTapsOfRest >= 6,
  },
  { name: 'mixed', rule: 'none of these', holds: () => true },
];

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
  const numbers = {
    ...features,
    energy,
    nTaps: share(energy ** 2, fourth + ownWeight ** 4),
    nTapsOfRest: share(rest ** 2, fourth),
    nTapsOfDiagonal: diagonal.nTaps,
    strongestShare: share(strongest.weight ** 2, energy),
    oneSign: share(Math.abs(sum), magnitude),
  };
  return { name: kernelRules.find(({ holds }) => holds(numbers))!.name, ...features };
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

interface MixNumbers {
  readonly energy: number;
  /** Mean weight of the head itself. */
  readonly own: number;
  readonly ownShare: number;
  /** Share of negative weights in the energy of the other heads. */
  readonly negativeShare: number;
}

/** Of mixing matrices; the first rule that holds gives the name. The first three are those of kernels. */
export const mixRules: readonly {
  readonly name: MixName;
  readonly rule: string;
  readonly holds: (numbers: MixNumbers) => boolean;
}[] = [
  { name: 'not a number', rule: 'a weight is not a number', holds: ({ energy }) => Number.isNaN(energy) },
  { name: 'zero', rule: 'all weights are 0', holds: ({ energy }) => energy === 0 },
  {
    name: 'near-identity',
    rule: '≥ 90 % of the energy on the own pair, which is positive',
    holds: ({ own, ownShare }) => ownShare >= 0.9 && own > 0,
  },
  {
    name: 'contrast',
    rule: 'of a mixing matrix: ≥ half of the other heads’ energy is subtracted, or the head itself is',
    holds: ({ own, negativeShare }) => negativeShare >= 0.5 || own < 0,
  },
  { name: 'blend', rule: 'of a mixing matrix: none of these; other heads are added', holds: () => true },
];

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
  const { name } = mixRules.find(({ holds }) => holds({ energy, own, ownShare, negativeShare }))!;
  return { name, own, identityDistance: Math.sqrt(distance), ownShare, negativeShare };
}
