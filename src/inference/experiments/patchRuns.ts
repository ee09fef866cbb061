/**
 * Activation patching: parts of the run of a clean text are put into the run of a corrupted one, and what that does to the
 * difference of two logits is measured. Variants of a layer run at once, and only from the layer that they are patched in.
 */

import type { PatchedPart } from '../../graph/attentionGraph';
import { planLayer } from '../../graph/layerPlan';
import { Cancelled } from '../../shared/tools/failure';
import { emptyRows } from '../runtime/bands';
import type { BlockParts, ModelRuntime } from '../runtime/modelRuntime';
import type { Value } from '../runtime/session';
import { emptyValue, rowsOf, writeRows } from '../runtime/values';

/** What is patched: the residual stream before a layer at a position, or a part of a head at all positions. */
export type PatchKind = 'residual' | PatchedPart;

export interface PatchTask {
  /** Of the same length. */
  readonly clean: Int32Array;
  readonly corrupted: Int32Array;
  /** Whose logits are compared. */
  readonly row: number;
  readonly target: number;
  readonly minus: number;
  readonly kind: PatchKind;
}

/** Differences of logits, target minus `minus`. */
export interface PatchResult {
  readonly clean: number;
  readonly corrupted: number;
  /** [layer][position or head], and whether the patch changed anything that was put in. */
  readonly patched: readonly (readonly number[])[];
  readonly isChanged: readonly (readonly boolean[])[];
  /** All positions or heads of a layer at once, [layer]. */
  readonly together: readonly number[];
}

/** Tokens of all variants that run at once. */
const maxTokensAtOnce = 2048;
/** Cells of the maps of all variants that run at once. */
const maxCells = 2 ** 24;

/** @throws Cancelled between layers once `signal` fires. */
export async function patchRuns(runtime: ModelRuntime, task: PatchTask, signal?: AbortSignal): Promise<PatchResult> {
  const runner = new PatchRunner(runtime, task, signal);
  const clean = await runner.run(task.clean);
  const corrupted = await runner.run(task.corrupted);
  const patched: number[][] = [];
  const isChanged: boolean[][] = [];
  const together: number[] = [];
  for (let layerIdx = 0; layerIdx < clean.parts.length; layerIdx++) {
    const [from, to] = [partOf(clean, layerIdx, task.kind), partOf(corrupted, layerIdx, task.kind)];
    const nPlaces = task.kind === 'residual' ? task.clean.length : runtime.folder.config.n_heads;
    const axis = task.kind === 'head' ? 2 : 1;
    const changed = Array.from({ length: nPlaces }, (_, place) => differsAt(from, to, axis, place));
    const places = changed.flatMap((isOther, place) => (isOther ? [place] : []));
    const differences = new Array<number>(nPlaces).fill(corrupted.difference);
    for (const group of runner.groups(places)) {
      const found = await runner.patch(
        layerIdx,
        corrupted.streams[layerIdx]!,
        from,
        group.map(place => [place]),
      );
      for (const [i, place] of group.entries()) differences[place] = found[i]!;
    }
    const [all] = places.length > 0 ? await runner.patch(layerIdx, corrupted.streams[layerIdx]!, from, [places]) : [];
    patched.push(differences);
    isChanged.push(changed);
    together.push(all ?? corrupted.difference);
  }
  return { clean: clean.difference, corrupted: corrupted.difference, patched, isChanged, together };
}

interface WholeRun {
  /** Before each layer. */
  readonly streams: readonly Value[];
  readonly parts: readonly BlockParts[];
  readonly difference: number;
}

class PatchRunner {
  constructor(
    private readonly runtime: ModelRuntime,
    private readonly task: PatchTask,
    private readonly signal: AbortSignal | undefined,
  ) {}

  async run(ids: Int32Array): Promise<WholeRun> {
    const streams: Value[] = [];
    const parts: BlockParts[] = [];
    let hidden = await this.runtime.embed(ids);
    for (let layerIdx = 0; layerIdx < this.runtime.folder.config.n_layers; layerIdx++) {
      this.check();
      streams.push(hidden);
      const layer = await this.runtime.patchedBlock(layerIdx, hidden);
      parts.push(layer.parts);
      ({ hidden } = layer);
    }
    const [difference] = await this.differences(hidden);
    return { streams, parts, difference: difference! };
  }

  /** Places in groups of as many as run at once. */
  groups(places: readonly number[]): number[][] {
    const { length } = this.task.clean;
    const { n_heads: nHeads } = this.runtime.folder.config;
    const size = Math.max(1, Math.floor(Math.min(maxTokensAtOnce / length, maxCells / nHeads / length ** 2)));
    return Array.from({ length: Math.ceil(places.length / size) }, (_, i) => places.slice(i * size, (i + 1) * size));
  }

  /** @param variants places that take the clean run's values, for each variant. @returns the difference of each. */
  async patch(
    layerIdx: number,
    hidden: Value,
    clean: Value,
    variants: readonly (readonly number[])[],
  ): Promise<number[]> {
    const { kind } = this.task;
    let stream: Value;
    let next = layerIdx;
    if (kind === 'residual') {
      stream = emptyValue([variants.length, ...hidden.dims.slice(1)]);
      for (const [i, places] of variants.entries()) {
        const variant = { ...hidden, data: hidden.data.slice() as Value['data'] };
        for (const place of places) writeRows(variant, place, rowsOf(clean, place, place + 1));
        (stream.data as Float32Array).set(variant.data as Float32Array, i * hidden.data.length);
      }
    } else {
      stream = (await this.runtime.patchedBlock(layerIdx, hidden, { part: kind, heads: variants, other: clean }))
        .hidden;
      next++;
    }
    const { config } = this.runtime.folder;
    for (; next < config.n_layers; next++) {
      this.check();
      const rows = emptyRows(planLayer(config, next), stream);
      stream = await this.runtime.layerRows(next, rows, { first: 0, end: stream.dims[1]! });
    }
    return this.differences(stream);
  }

  /** Of every variant, at the row. */
  private async differences(stream: Value): Promise<number[]> {
    const { row, target, minus } = this.task;
    const [nVariants = 1] = stream.dims;
    const logits = (await this.runtime.logits(rowsOf(stream, row, row + 1))).data as Float32Array;
    const size = logits.length / nVariants;
    return Array.from({ length: nVariants }, (_, i) => logits[i * size + target]! - logits[i * size + minus]!);
  }

  private check(): void {
    if (this.signal?.aborted) throw new Cancelled();
  }
}

function partOf({ streams, parts }: WholeRun, layerIdx: number, kind: PatchKind): Value {
  return kind === 'residual' ? streams[layerIdx]! : parts[layerIdx]![kind];
}

/** Whether two tensors of the same shape differ anywhere at one index of an axis. */
function differsAt(a: Value, b: Value, axis: number, index: number): boolean {
  const inner = a.dims.slice(axis + 1).reduce((product, n) => product * n, 1);
  const step = inner * a.dims[axis]!;
  for (let start = index * inner; start < a.data.length; start += step) {
    for (let i = start; i < start + inner; i++) if (a.data[i] !== b.data[i]) return true;
  }
  return false;
}
