/** Tries mutated inputs on a target and keeps the figures. */

import fc from 'fast-check';
import { withinLimits } from './limits';
import type { Target } from './target';

export interface Figures {
  readonly runs: number;
  readonly refused: number;
  readonly slowestMs: number;
  readonly mostBytes: number;
}

/** @throws Error with the smallest failing input found, and the seed and path that bring it back. */
export async function fuzz(
  target: Target,
  options: { readonly runs: number; readonly seed: number },
): Promise<Figures> {
  const figures = { runs: 0, refused: 0, slowestMs: 0, mostBytes: 0 };
  await fc.assert(
    fc.asyncProperty(target.inputs, async input => {
      const { ms, bytes, isRefused } = await withinLimits(
        () => target.run(input),
        target.sizeOf(input),
        target.refusesByRange,
      );
      figures.runs++;
      figures.refused += Number(isRefused);
      figures.slowestMs = Math.max(figures.slowestMs, ms);
      figures.mostBytes = Math.max(figures.mostBytes, bytes);
    }),
    { numRuns: options.runs, seed: options.seed },
  );
  return figures;
}
