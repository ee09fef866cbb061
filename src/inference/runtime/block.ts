/** How one layer is run, and its result. */

import type { LayerOverview, TopKeys } from '../../shared/analysis';
import type { KernelWeights } from '../../shared/kernels';
import type { Stage } from '../../shared/operators';
import type { LayerRows } from './bands';
import type { PooledMap } from './overviews';
import type { Value } from './session';

export interface LayerOptions {
  /** Weights of all parts of the layer; the trained ones when absent. */
  readonly kernels?: readonly KernelWeights[] | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface BlockOptions extends LayerOptions {
  /** Strongest keys per query to report. */
  readonly topK: number;
  /** Cells pooled along each axis for the overviews. */
  readonly blockSize: number;
  /** The same layer of a run that agrees with this one in its first rows, which are then not computed again. */
  readonly known?: KnownRows | undefined;
  /** Rows to compute at a time, in this and later calls, until another number is given. */
  readonly bandRows?: number | undefined;
}

/** The first rows of a layer, computed by an earlier run. */
export interface KnownRows {
  readonly layer: BlockResult;
  readonly nRows: number;
}

export interface BlockResult {
  /** The residual stream after the block, [1, T, D]. */
  readonly hidden: Value;
  readonly rows: LayerRows;
  readonly topKeys: TopKeys;
  readonly overviews: readonly LayerOverview[];
  /** Cells pooled along each axis of the overviews. */
  readonly blockSize: number;
  /** The maps that the overviews were quantized from. */
  readonly pooled: () => Promise<ReadonlyMap<Stage, PooledMap>>;
}
