/**
 * What a prediction is when edges are knocked out. Layers before the first cut one and rows above the first cut row are as
 * they were, and rows after the predicting ones do not matter: none of them is run again.
 */

import type { TokenRange } from '../../shared/address';
import { Cancelled } from '../../shared/tools/failure';
import type { LayerRows } from '../runtime/bands';
import type { Cut } from '../runtime/knockOut';
import type { ModelRuntime } from '../runtime/modelRuntime';
import type { Prediction } from '../runtime/prediction';
import type { Value } from '../runtime/session';
import { rowsOf, writeRows } from '../runtime/values';
import { type Streams, streamBefore } from './streams';

/** Cuts of each layer that has some. */
export type Cuts = ReadonlyMap<number, readonly Cut[]>;

/** Rows whose predictions are looked at, with what each should predict. */
export interface PredictedRows extends TokenRange {
  /** [end - first] */
  readonly targets: readonly number[];
}

export class KnockOutRunner {
  private constructor(
    private readonly runtime: ModelRuntime,
    private readonly streams: Streams,
    private readonly rows: PredictedRows,
    private readonly logProbabilities: Value,
    /** As the model is. */
    readonly before: Prediction,
  ) {}

  static async open(runtime: ModelRuntime, streams: Streams, rows: PredictedRows): Promise<KnockOutRunner> {
    const stream = rowsOf(streams.output, rows.first, rows.end);
    const logProbabilities = await runtime.logProbabilities(stream);
    const before = await runtime.predict(stream, rows.targets, 1);
    return new KnockOutRunner(runtime, streams, rows, logProbabilities, before);
  }

  /** With some edges cut, and the divergence from the model as it is. @throws Cancelled between layers. */
  async without(cuts: Cuts, signal?: AbortSignal): Promise<Prediction> {
    const { runtime, rows, logProbabilities } = this;
    const output = await this.outputWithout(cuts, signal);
    return runtime.predict(rowsOf(output, rows.first, rows.end), rows.targets, 1, logProbabilities);
  }

  private async outputWithout(cuts: Cuts, signal?: AbortSignal): Promise<Value> {
    const { streams, runtime } = this;
    const { end } = this.rows;
    const edges = [...cuts.values()].flat();
    const first = Math.min(...edges.map(({ queries }) => queries.first), end);
    const firstLayer = Math.min(...[...cuts].filter(([, list]) => list.length > 0).map(([layerIdx]) => layerIdx));
    if (first === end) return streams.output;
    // All rows, for rotations that depend on the length of the text; those behind `end` are as they were, and unused.
    let hidden = streamBefore(streams, firstLayer);
    for (let layerIdx = firstLayer; layerIdx < streams.layers.length; layerIdx++) {
      if (signal?.aborted) throw new Cancelled();
      const { keys, values } = streams.layers[layerIdx]!;
      const layer: LayerRows = { hidden, keys: copyOf(keys), values: copyOf(values) };
      const changed = await runtime.layerRows(layerIdx, layer, { first, end }, { cuts: cuts.get(layerIdx), signal });
      hidden = copyOf(streamBefore(streams, layerIdx + 1));
      writeRows(hidden, first, changed);
    }
    return hidden;
  }
}

/** The same in memory of its own. */
function copyOf(value: Value): Value {
  return { ...value, data: value.data.slice() as Value['data'] };
}
