/** Runs a model's layers one after another, lets other work in between, and stops once it is cancelled. */

import { setImmediate as nextTurn } from 'node:timers/promises';
import type { KernelWeights } from '../../shared/kernels';
import { Cancelled } from '../../shared/tools/failure';
import type { LayerOptions } from '../runtime/block';
import type { LayerRuntime } from '../runtime/layerRuntime';
import type { Value } from '../runtime/session';

export interface LayerWalk {
  /** The residual stream before the first layer of the walk, [1, T, D]. */
  readonly hidden: Value;
  /** Where the walk starts; layer 0 by default. */
  readonly firstLayer?: number;
  /** Of layers that run with other weights than the trained ones. */
  readonly kernels?: ReadonlyMap<number, readonly KernelWeights[]>;
  readonly signal?: AbortSignal | undefined;
  /** Awaited before every layer and after the last; by default a turn of the event loop, which lets cancels and requests in. */
  readonly pause?: () => Promise<unknown>;
  /** Runs a layer, without its maps by default. @returns the stream after it. */
  readonly runLayer?: (layerIdx: number, hidden: Value, options: LayerOptions) => Promise<Value>;
}

/** @returns the residual stream after the last layer. @throws Cancelled between layers once `signal` fires. */
export async function walkLayers(runtime: LayerRuntime, walk: LayerWalk): Promise<Value> {
  const { firstLayer = 0, kernels, signal, pause = nextTurn } = walk;
  const runLayer = walk.runLayer ?? ((...args) => runtime.bareBlock(...args));
  const { nLayers } = runtime.folder.summary;
  let { hidden } = walk;
  for (let layerIdx = firstLayer; layerIdx < nLayers; layerIdx++) {
    await pause();
    if (signal?.aborted) throw new Cancelled();
    hidden = await runLayer(layerIdx, hidden, { kernels: kernels?.get(layerIdx), signal });
  }
  await pause();
  if (signal?.aborted) throw new Cancelled();
  return hidden;
}
