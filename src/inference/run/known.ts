/** Results of earlier runs of the same slot, from which a new run takes over what did not change. */

import type { BlockResult } from '../runtime/block';
import type { Prediction } from '../runtime/prediction';

interface KnownLayer {
  /** Tokens that it was computed for. */
  readonly ids: Int32Array;
  readonly result: BlockResult;
}

/** Layers and predictions of earlier runs; a layer goes once the new run has its own. */
export interface Known {
  readonly layers: Map<number, KnownLayer>;
  readonly prediction: { readonly ids: Int32Array; readonly prediction: Prediction } | undefined;
}
