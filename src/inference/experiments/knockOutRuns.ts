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

/** Does one knock-out at a time: they share memory. */
export class KnockOutRunner {
  /** Keys and values of the layers as the last knock-out left them; rows before `changedFrom` are as the model has them. */
  private readonly kept: readonly Pick<LayerRows, 'keys' | 'values'>[];
  private changedFrom = Number.POSITIVE_INFINITY;

  private constructor(
    private readonly runtime: ModelRuntime,
    private readonly streams: Streams,
    private readonly rows: PredictedRows,
    private readonly logProbabilities: Value,
    /** As the model is. */
    readonly before: Prediction,
  ) {
    this.kept = streams.layers.map(({ keys, values }) => ({ keys: copyOf(keys), values: copyOf(values) }));
  }

  static async open(runtime: ModelRuntime, streams: Streams, rows: PredictedRows): Promise<KnockOutRunner> {
    const stream = rowsOf(streams.output, rows.first, rows.end);
    const logProbabilities = await runtime.logProbabilities(stream);
    const before = await runtime.predict(stream, rows.targets, 1);
    return new KnockOutRunner(runtime, streams, rows, logProbabilities, before);
  }

  /** With some edges cut, and the divergence from the model as it is. @throws Cancelled between layers. */
  async without(cuts: Cuts, signal?: AbortSignal): Promise<Prediction> {
    const { runtime, rows, logProbabilities } = this;
    return runtime.predict(await this.outputWithout(cuts, signal), rows.targets, 1, logProbabilities);
  }

  /** The stream after the last layer at the predicting rows. */
  private async outputWithout(cuts: Cuts, signal?: AbortSignal): Promise<Value> {
    const { streams, runtime, rows } = this;
    const { end } = rows;
    const used = [...cuts].filter(([, list]) => list.length > 0);
    const first = Math.min(...used.flatMap(([, list]) => list.map(({ queries }) => queries.first)), end);
    const output = copyOf(rowsOf(streams.output, rows.first, end));
    if (first === end) return output;
    this.restore(first);
    const firstLayer = Math.min(...used.map(([layerIdx]) => layerIdx));
    const lastLayer = streams.layers.length - 1;
    // All rows, for rotations that depend on the length of the text; those behind `end` are as they were, and unused.
    let hidden = streamBefore(streams, firstLayer);
    for (let layerIdx = firstLayer; layerIdx <= lastLayer; layerIdx++) {
      if (signal?.aborted) throw new Cancelled();
      const layer: LayerRows = { hidden, ...this.kept[layerIdx]! };
      const options = { cuts: cuts.get(layerIdx), signal };
      if (layerIdx < lastLayer) {
        const changed = await runtime.layerRows(layerIdx, layer, { first, end }, options);
        hidden = copyOf(streamBefore(streams, layerIdx + 1));
        writeRows(hidden, first, changed);
      } else {
        // Of the last layer only the predicting rows matter; rows above them give it keys and values.
        const start = Math.max(first, rows.first);
        if (first < start) await runtime.keepRows(layerIdx, layer, { first, end: start }, signal);
        writeRows(output, start - rows.first, await runtime.layerRows(layerIdx, layer, { first: start, end }, options));
      }
    }
    return output;
  }

  /** Makes rows before `first` of the keys and values what they are in the model, and lets those from it on be changed. */
  private restore(first: number): void {
    const { changedFrom: from, kept, streams } = this;
    for (let layerIdx = 0; from < first && layerIdx < kept.length; layerIdx++) {
      for (const part of ['keys', 'values'] as const) {
        writeRows(kept[layerIdx]![part], from, rowsOf(streams.layers[layerIdx]![part], from, first));
      }
    }
    this.changedFrom = first;
  }
}

/** The same in memory of its own. */
function copyOf(value: Value): Value {
  return { ...value, data: value.data.slice() as Value['data'] };
}
