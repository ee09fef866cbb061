/** What experiments depart from: the residual stream of a text before every layer, with the keys and values of each. */

import { inputOf, type Run } from '../run/run';
import { walkLayers } from '../run/walkLayers';
import type { LayerRows } from '../runtime/bands';
import type { ModelRuntime } from '../runtime/modelRuntime';
import type { Value } from '../runtime/session';

export interface Streams {
  readonly ids: Int32Array;
  readonly layers: readonly LayerRows[];
  /** The stream after the last layer, [1, T, D]. */
  readonly output: Value;
  /** What it predicts, as log-probabilities [1, T, V], where the run kept them. */
  readonly known?: Value | undefined;
}

/** Runs all layers on a text. @throws Cancelled between layers once `signal` fires. */
export async function streamsOf(runtime: ModelRuntime, ids: Int32Array, signal?: AbortSignal): Promise<Streams> {
  const layers: LayerRows[] = [];
  const output = await walkLayers(runtime, {
    ...{ hidden: await runtime.embed(ids), signal },
    runLayer: async (layerIdx, input, options) => {
      const { hidden, rows } = await runtime.plainBlock(layerIdx, input, options);
      layers.push(rows);
      return hidden;
    },
  });
  return { ids, layers, output };
}

/** The same of a finished run on the CPU. */
export function streamsOfRun(run: Run): Streams {
  return {
    ids: run.ids,
    layers: run.layers.map(({ rows }) => rows),
    output: inputOf(run, run.layers.length),
    known: run.logProbabilities,
  };
}

/** The stream before a layer; after the last one for the number of layers. [1, T, D] */
export function streamBefore({ layers, output }: Streams, layerIdx: number): Value {
  return layers[layerIdx]?.hidden ?? output;
}
