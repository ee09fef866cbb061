/**
 * Activation patching and ablation: parts of a text's run are replaced by those of another text's run, by zeros or by their
 * mean over the text, and what that does to a prediction is measured. Variants of a layer run at once, from the layer and the
 * row that they change on; of the last layer the predicting row only.
 */

import { logSoftmaxRows } from '../../attention/distributions';
import type { HeadBaseline } from '../../shared/headAblation';
import type { PatchKind } from '../../shared/interventions';
import { Cancelled } from '../../shared/tools/failure';
import type { LayerRows } from '../runtime/bands';
import type { ModelRuntime } from '../runtime/modelRuntime';
import type { Value } from '../runtime/session';
import { atItsMean, emptyValue, rowsOf, sizesAt, writeRows } from '../runtime/values';
import { type Streams, streamBefore, streamsOf } from './streams';

/** What is put in: another run's values at the tokens that correspond, zeros, or each part's mean over the text. */
export type PatchSource = CleanText | HeadBaseline;

export interface CleanText {
  readonly ids: Int32Array;
  /** For each token of the patched text the corresponding one of this, -1 for none. */
  readonly counterparts: Int32Array;
  /** The row that corresponds to the task's. */
  readonly row: number;
}

export interface PatchTask {
  readonly ids: Int32Array;
  readonly source: PatchSource;
  readonly kind: PatchKind;
  /** Whose prediction is measured. */
  readonly row: number;
  readonly target: number;
  /** The measure is logit(target) - logit(minus); without it, log2 of the target's probability. */
  readonly minus: number | null;
}

/** Measures of predictions, see `PatchTask`. */
export interface PatchResult {
  /** Of the clean text; null without one. */
  readonly clean: number | null;
  /** Of the patched text as it is. */
  readonly original: number;
  /** [layer][position, head, or 0 for the feed-forward part], and whether what was put in differs from what was there. */
  readonly patched: readonly (readonly number[])[];
  readonly isChanged: readonly (readonly boolean[])[];
  /** All positions or heads of a layer at once, [layer]. */
  readonly together: readonly number[];
}

/** Tokens of all variants that run at once. */
const maxTokensAtOnce = 2048;
/** Cells of the maps of all variants that run at once. */
const maxCells = 2 ** 24;

/** Where the tokens are: of a pattern the queries. */
const tokenAxes = { residual: 1, pattern: 2, value: 2, head: 1, mlp: 1 } as const satisfies Record<PatchKind, number>;
/** Where the places are; a feed-forward part is one place. */
const placeAxes = { residual: 1, pattern: 1, value: 1, head: 2, mlp: 0 } as const satisfies Record<PatchKind, number>;

/** @throws Cancelled between layers once `signal` fires. */
export async function patchRuns(runtime: ModelRuntime, task: PatchTask, signal?: AbortSignal): Promise<PatchResult> {
  const { source, kind } = task;
  const own = await streamsOf(runtime, task.ids, signal);
  const other = typeof source === 'string' ? null : await streamsOf(runtime, source.ids, signal);
  const runner = new PatchRunner(runtime, task, own, signal);
  const original = await runner.measureOf(own.output, task.row);
  const clean = other && (await runner.measureOf(other.output, (source as CleanText).row));
  const patched: number[][] = [];
  const isChanged: boolean[][] = [];
  const together: number[] = [];
  for (let layerIdx = 0; layerIdx < own.layers.length; layerIdx++) {
    const there = await runner.partOf(own, layerIdx);
    const values = otherValues(kind, there, source, other && (await runner.partOf(other, layerIdx)));
    const changed = Array.from({ length: there.dims[placeAxes[kind]]! }, (_, place) =>
      differsAt(values, there, placeAxes[kind], place),
    );
    const places = changed.flatMap((isOther, place) => (isOther ? [place] : []));
    const measures = new Array<number>(changed.length).fill(original);
    // All places come first, beside the first one: a group is computed from its first change on. One place is all places.
    const variants = [...(places.length > 1 ? [places] : []), ...places.map(place => [place])];
    const found: number[] = [];
    for (const group of runner.groups(variants)) found.push(...(await runner.patch(layerIdx, there, values, group)));
    for (const [i, place] of places.entries()) measures[place] = found[found.length - places.length + i]!;
    patched.push(measures);
    isChanged.push(changed);
    together.push(found[0] ?? original);
  }
  return { clean, original, patched, isChanged, together };
}

class PatchRunner {
  constructor(
    private readonly runtime: ModelRuntime,
    private readonly task: PatchTask,
    private readonly own: Streams,
    private readonly signal: AbortSignal | undefined,
  ) {}

  /** What a layer of a run has where the task patches. */
  async partOf(streams: Streams, layerIdx: number): Promise<Value> {
    const { kind } = this.task;
    this.check();
    const hidden = streamBefore(streams, layerIdx);
    return kind === 'residual' ? hidden : this.runtime.blockPart(layerIdx, hidden, kind);
  }

  /** Variants in groups of as many as run at once. */
  groups<T>(variants: readonly T[]): T[][] {
    const { length } = this.task.ids;
    const { n_heads: nHeads } = this.runtime.folder.config;
    const size = Math.max(1, Math.floor(Math.min(maxTokensAtOnce / length, maxCells / nHeads / length ** 2)));
    return Array.from({ length: Math.ceil(variants.length / size) }, (_, i) =>
      variants.slice(i * size, (i + 1) * size),
    );
  }

  /** @param variants places that take `values` in place of what is `there`, for each variant. @returns the measure of each. */
  async patch(
    layerIdx: number,
    there: Value,
    values: Value,
    variants: readonly (readonly number[])[],
  ): Promise<number[]> {
    const { kind } = this.task;
    const hidden = streamBefore(this.own, layerIdx);
    if (kind === 'residual') {
      const first = Math.min(...variants.flat());
      const stream = repeated(hidden, variants.length);
      for (const [i, places] of variants.entries()) {
        for (const place of places) writeRow(stream, i, place, rowsOf(values, place, place + 1));
      }
      return this.measure(await this.finish(layerIdx, stream, first));
    }
    const first = firstDifference(values, there, tokenAxes[kind]);
    const stream = await this.runtime.patchedBlock(layerIdx, hidden, { part: kind, places: variants, values });
    return this.measure(await this.finish(layerIdx + 1, stream, first));
  }

  /** A prediction's measure. @param stream after the last layer, [1, T, D]. */
  async measureOf(stream: Value, row: number): Promise<number> {
    return (await this.measure(rowsOf(stream, row, row + 1)))[0]!;
  }

  /**
   * Runs the layers from one on, on several streams. @param first rows before it are as they are in the text's own run.
   * @returns the streams after the last layer at the row, [variants, 1, D].
   */
  private async finish(layerIdx: number, streams: Value, first: number): Promise<Value> {
    const { runtime, own, signal } = this;
    const { row, ids } = this.task;
    const lastLayer = own.layers.length - 1;
    const [nVariants = 1] = streams.dims;
    let hidden = streams;
    for (let next = layerIdx; next <= lastLayer; next++) {
      this.check();
      const { keys, values } = own.layers[next]!;
      const layer: LayerRows = { hidden, keys: repeated(keys, nVariants), values: repeated(values, nVariants) };
      if (next < lastLayer) {
        const changed = await runtime.layerRows(next, layer, { first, end: ids.length }, { signal });
        hidden = repeated(streamBefore(own, next + 1), nVariants);
        writeRows(hidden, first, changed);
      } else {
        const end = row + 1;
        const start = Math.max(first, row);
        if (first < start) await runtime.keepRows(next, layer, { first, end: start }, signal);
        if (start < end) return runtime.layerRows(next, layer, { first: start, end }, { signal });
        hidden = repeated(own.output, nVariants);
      }
    }
    return rowsOf(hidden, row, row + 1);
  }

  /** @param rows [variants, 1, D] after the last layer. */
  private async measure(rows: Value): Promise<number[]> {
    const { target, minus } = this.task;
    const [nVariants = 1] = rows.dims;
    const logits = (await this.runtime.logits(rows)).data as Float32Array;
    const size = logits.length / nVariants;
    return Array.from({ length: nVariants }, (_, i) => {
      const ofVariant = logits.subarray(i * size, (i + 1) * size);
      if (minus !== null) return ofVariant[target]! - ofVariant[minus]!;
      return logSoftmaxRows(ofVariant, size)[target]! / Math.LN2;
    });
  }

  private check(): void {
    if (this.signal?.aborted) throw new Cancelled();
  }
}

/** What is put in the place of `there`, of the same shape. @param clean the part of the clean run. */
function otherValues(kind: PatchKind, there: Value, source: PatchSource, clean: Value | null): Value {
  if (clean) return alignedValues(kind, there, clean, (source as CleanText).counterparts);
  return source === 'zero' ? emptyValue(there.dims) : atItsMean(there, tokenAxes[kind]);
}

/**
 * What is there, with the clean run's values at the tokens that have a counterpart. A row of a pattern takes the weights of
 * the clean row: at a key without counterpart that is 0.
 */
export function alignedValues(kind: PatchKind, there: Value, clean: Value, counterparts: Int32Array): Value {
  const values = { ...there, data: there.data.slice() as Value['data'] };
  const to = sizesAt(there, tokenAxes[kind]);
  const from = sizesAt(clean, tokenAxes[kind]);
  for (let o = 0; o < to.outer; o++) {
    for (let t = 0; t < to.n; t++) {
      const other = counterparts[t]!;
      if (other < 0) continue;
      const [at, start] = [(o * to.n + t) * to.inner, (o * from.n + other) * from.inner];
      for (let i = 0; i < to.inner; i++) {
        const place = kind === 'pattern' ? counterparts[i]! : i;
        values.data[at + i] = place < 0 ? 0 : clean.data[start + place]!;
      }
    }
  }
  return values;
}

/** Whether two tensors of the same shape differ anywhere at one index of an axis. */
function differsAt(a: Value, b: Value, axis: number, index: number): boolean {
  const { outer, n, inner } = sizesAt(a, axis);
  for (let o = 0; o < outer; o++) {
    const start = (o * n + index) * inner;
    for (let i = start; i < start + inner; i++) if (a.data[i] !== b.data[i]) return true;
  }
  return false;
}

/** The first index of an axis at which two tensors of the same shape differ; the axis' length where they do not. */
function firstDifference(a: Value, b: Value, axis: number): number {
  const n = a.dims[axis]!;
  for (let index = 0; index < n; index++) if (differsAt(a, b, axis, index)) return index;
  return n;
}

/** One text's tensor [1, ...] as that of several. */
function repeated(value: Value, n: number): Value {
  const copies = emptyValue([n, ...value.dims.slice(1)]);
  for (let i = 0; i < n; i++) (copies.data as Float32Array).set(value.data as Float32Array, i * value.data.length);
  return copies;
}

/** Writes one row [1, 1, ...] of one entry of a batch. */
function writeRow(to: Value, entry: number, row: number, value: Value): void {
  (to.data as Float32Array).set(value.data as Float32Array, (entry * to.dims[1]! + row) * value.data.length);
}
