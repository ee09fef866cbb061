/** Which two stages of a head the page of stages subtracts. Pure. */

import { isPreSoftmax, type Stage } from '../src/shared/operators';

export interface StagePair {
  readonly stage: Stage;
  readonly minus: Stage;
}

/**
 * The pair that the reader chose, as far as the layer has it, else the layer's first step whose two stages are of one unit.
 * @param available the layer's stages in their order.
 * @returns null where no step is: a difference across the softmax, of weights and scores, says nothing.
 */
export function stagePairOf(available: readonly Stage[], chosen: StagePair | null): StagePair | null {
  const at = available.findIndex((stage, i) => i > 0 && isPreSoftmax(stage) === isPreSoftmax(available[i - 1]!));
  if (at < 0) return null;
  if (chosen && available.includes(chosen.stage) && available.includes(chosen.minus)) return chosen;
  return { stage: available[at]!, minus: available[at - 1]! };
}
