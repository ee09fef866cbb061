/**
 * Where one learned part changed a head's attention most in a document. Pure.
 *
 * Before the softmax a change counts by what the softmax would make of it: scores may move by any amount without moving
 * attention, since a constant added to a row does nothing and what is far below the row's maximum stays at zero. So the
 * rows before and after the part both go through a softmax, and the difference of the weights counts. After the softmax
 * it is the difference of the weights themselves.
 */

import { type CellChange, effectiveStage } from '../shared/attentionMap';
import type { KernelPart } from '../shared/kernels';
import { isPreSoftmax, type Stage, stages } from '../shared/operators';
import { softmax } from './distributions';
import { type MapBand, queryEnd, rowOf } from './mapBand';

const stageOfPart: Readonly<Record<KernelPart, Stage>> = {
  pre_softmax_conv: 'convolved_scores',
  pre_softmax_head_mix: 'mixed_scores',
  post_softmax_conv: 'convolved_pattern',
  post_softmax_head_mix: 'mixed_pattern',
};

/** What a part reads and what it makes, among the stages of a layer that has the part. */
export function stagesOfPart(part: KernelPart, available: readonly Stage[]): { before: Stage; after: Stage } {
  const after = stageOfPart[part];
  const before = stages[stages.indexOf(after) - 1]!;
  return { before: effectiveStage(available, before), after };
}

/** Cells closer than this along both axes to a stronger one are passed over: one kernel's reach. */
export interface Reach {
  readonly queries: number;
  readonly keys: number;
}

/** Finds the cells with the largest change by magnitude, band after band; no two of them within one kernel's reach. */
export class LargestChanges {
  private cells: CellChange[] = [];
  private leastChange = 1e-6;
  /** Cells passed over for each one found are at most those around it, so more candidates are never needed. */
  private readonly maxCandidates: number;

  constructor(
    private readonly stage: Stage,
    private readonly k: number,
    private readonly reach: Reach,
  ) {
    this.maxCandidates = k * (2 * reach.queries - 1) * (2 * reach.keys - 1);
  }

  /** @param before and `after`: the same rows of the stages around the part. */
  add(before: MapBand, after: MapBand): void {
    const prepare = isPreSoftmax(this.stage) ? softmax : (row: Float32Array) => row;
    for (let queryIdx = before.queryStart; queryIdx < queryEnd(before); queryIdx++) {
      const rows = [rowOf(before, queryIdx), rowOf(after, queryIdx)] as const;
      const [from, to] = [prepare(rows[0]), prepare(rows[1])];
      for (let keyIdx = 0; keyIdx <= queryIdx; keyIdx++) {
        const change = to[keyIdx]! - from[keyIdx]!;
        // Those that are not numbers are left out, and those that did not change at all.
        if (!(Math.abs(change) > this.leastChange)) continue;
        this.cells.push({ queryIdx, keyIdx, before: rows[0][keyIdx]!, after: rows[1][keyIdx]!, change });
      }
      if (this.cells.length > 4 * this.maxCandidates + 65_536) this.prune();
    }
  }

  /** The largest first, at most k. */
  found(): CellChange[] {
    this.prune();
    const found: CellChange[] = [];
    for (const candidate of this.cells) {
      if (found.length === this.k) break;
      const isNear = found.some(
        cell =>
          Math.abs(cell.queryIdx - candidate.queryIdx) < this.reach.queries &&
          Math.abs(cell.keyIdx - candidate.keyIdx) < this.reach.keys,
      );
      if (!isNear) found.push(candidate);
    }
    return found;
  }

  private prune(): void {
    this.cells.sort((a, b) => Math.abs(b.change) - Math.abs(a.change));
    this.cells = this.cells.slice(0, this.maxCandidates);
    if (this.cells.length === this.maxCandidates) this.leastChange = Math.abs(this.cells.at(-1)!.change);
  }
}
