/** Relevance of lines by every method, and how well its ranking agrees with what the lines do. Pure. */

import { maxOverHeads, meanOverHeads } from '../../src/attention/aggregate';
import { rankCorrelation } from '../../src/attention/rankCorrelation';
import type { Quantity } from '../../src/shared/relevance';
import { Random } from '../random';
import type { Line, Measured, RowKind, Rows } from './measure';

export interface Method {
  readonly name: string;
  /** One number for each of `lines`, larger for more relevant ones. */
  readonly scores: (measured: Measured, row: RowKind, lines: readonly Line[]) => number[];
}

/** A line by its tokens' magnitudes: their mean, as the product ranks, or their sum. */
export type LineBy = 'mean' | 'sum';

export function byTokens(
  name: string,
  by: LineBy,
  weightsOf: (rows: Rows, measured: Measured) => Float32Array,
): Method {
  return {
    name,
    scores: (measured, row, lines) => {
      const weights = weightsOf(measured.rows[row], measured);
      return lines.map(({ tokens: { first, end } }) => {
        const sum = weights.subarray(first, end).reduce((total, weight) => total + Math.abs(weight), 0);
        return by === 'sum' ? sum : sum / (end - first);
      });
    },
  };
}

/** @param heads indices in the order of layers. */
export const meanOf = (heads: readonly number[], quantity: Quantity) => (rows: Rows) =>
  meanOverHeads(heads.map(head => rows.heads[quantity][head]!));

export const strongestOf = (quantity: Quantity) => (rows: Rows) => maxOverHeads(rows.heads[quantity]);

/** What a method is compared with. */
export const causes = {
  knockOut: 'knock-out',
  occlusion: 'occlusion',
} as const;
export type Cause = keyof typeof causes;

/** Spearman's correlation of one question; NaN where there is nothing to rank. */
export function agreement({ scores }: Method, measured: Measured, row: RowKind, cause: Cause, effectRow = row): number {
  const lines = measured.lines.filter(({ effects }) => effects !== null);
  const effects = lines.map(line => {
    const { lostBits, divergenceBits } = line.effects![cause];
    return effectRow === 'predicting' ? lostBits : divergenceBits;
  });
  return rankCorrelation(scores(measured, row, lines), effects);
}

/** Whether the most relevant line is the stated one: 1 or 0. */
export function isStatedFirst({ scores }: Method, measured: Measured, row: RowKind): number {
  const { lines } = measured;
  const values = scores(measured, row, lines);
  const best = values.reduce((most, value, i) => (value > values[most]! ? i : most), 0);
  return lines[best]!.isStated ? 1 : 0;
}

export interface Estimate {
  readonly mean: number;
  /** The middle 95 % of the means of resampled questions. */
  readonly interval: readonly [number, number];
}

const nResamples = 1000;

/** Mean with its bootstrap interval (percentiles; questions are resampled). Values that are not numbers do not count. */
export function estimate(values: readonly number[], seed = 1): Estimate {
  const known = values.filter(value => !Number.isNaN(value));
  const random = new Random(seed);
  const meanOf = (list: readonly number[]) => list.reduce((sum, value) => sum + value, 0) / list.length;
  const means = Array.from({ length: nResamples }, () => meanOf(known.map(() => random.pick(known)))).sort(
    (a, b) => a - b,
  );
  return {
    mean: meanOf(known),
    interval: [means[Math.floor(0.025 * nResamples)]!, means[Math.ceil(0.975 * nResamples) - 1]!],
  };
}
