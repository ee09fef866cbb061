/** Tries mutated inputs on a target and keeps the figures. */

import fc from 'fast-check';
import { type Measured, withinLimits } from './limits';
import type { Target } from './target';

export interface Figures {
  readonly runs: number;
  readonly refused: number;
  readonly slowestMs: number;
  readonly mostBytes: number;
}

/** Inputs that share a clock against hangs. */
const batchSize = 100;

/** @throws Error with the smallest failing input found, and the seed and path that bring it back. */
export async function fuzz(
  target: Target,
  options: { readonly runs: number; readonly seed: number },
): Promise<Figures> {
  const figures = { runs: 0, refused: 0, slowestMs: 0, mostBytes: 0 };
  const note = ({ ms, bytes, isRefused }: Measured) => {
    figures.runs++;
    figures.refused += Number(isRefused);
    figures.slowestMs = Math.max(figures.slowestMs, ms);
    figures.mostBytes = Math.max(figures.mostBytes, bytes);
  };
  for (let done = 0; done < options.runs; done += batchSize) {
    const same = { numRuns: Math.min(batchSize, options.runs - done), seed: (options.seed + done) | 0 };
    try {
      await withinLimits(target, fc.sample(target.inputs, same), note);
    } catch (error) {
      await fc.assert(
        fc.asyncProperty(target.inputs, input => withinLimits(target, [input], () => {})),
        same,
      );
      throw error; // which needed the inputs before it
    }
  }
  return figures;
}
