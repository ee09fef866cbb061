/**
 * The stages of one attention head and the two shapes in which their values travel: pooled overviews and exact tiles.
 *
 * A stage is a matrix [query, key]. Cells with key > query are masked: they hold 0 and mean "not applicable", not zero.
 */

import type { Cell, HeadRef, LayerAddress, Rect } from './address';
import { isPreSoftmax, type Stage, stages } from './operators';

/** One stage of all heads of a layer. */
export interface StageAddress extends LayerAddress {
  readonly stage: Stage;
}

/** One stage of one head. */
export interface MapAddress extends StageAddress, HeadRef {}

/** At most tileSize of the map's edge each, or one full row (nQueries 1). */
export interface TileAddress extends MapAddress, Rect {}

/** A rectangle in all heads of a layer: over all of them at most maxPatchCells. */
export interface PatchAddress extends StageAddress, Rect {}

/** Longest edge of an overview, in cells. */
export const maxOverviewSize = 256;

/** Edge of a tile, in cells: 256 x 256 floats are 256 KiB, well under the 1 MiB limit of a message. */
export const tileSize = 256;

/**
 * One head's stage, pooled: cell (I, J) holds the value of largest magnitude, with its sign, of the
 * `blockSize` x `blockSize` block of cells at (I * blockSize, J * blockSize).
 */
export interface HeadOverview extends HeadRef {
  readonly stage: Stage;
  /** Tokens in the window: the matrix is nTokens x nTokens. */
  readonly nTokens: number;
  /** Cells pooled along each axis; 1 means nothing was pooled. */
  readonly blockSize: number;
  /** Edge of `cells`: ceil(nTokens / blockSize). */
  readonly size: number;
  /** Value of a cell = cell / 127 * scale. */
  readonly scale: number;
  /** Shape [size, size], row-major, -127..127. */
  readonly cells: Int8Array;
}

/** Exact values of a rectangle of one head's stage. */
export interface Tile extends HeadRef, Rect {
  readonly stage: Stage;
  /** Shape [nQueries, nKeys], row-major, fp32. */
  readonly values: Float32Array;
}

/** Cells of a patch, over all heads: with what goes with them they stay within 1 MiB, the limit of a message. */
export const maxPatchCells = (1 << 18) - 1024;

/** Exact values of a rectangle of one stage in all heads of a layer. */
export interface Patch extends Rect {
  readonly nHeads: number;
  /** Shape [head, query, key], row-major, fp32. */
  readonly values: Float32Array;
}

/** Value of an overview cell, undoing the quantisation. */
export function overviewValue(overview: HeadOverview, queryBlock: number, keyBlock: number): number {
  return ((overview.cells[queryBlock * overview.size + keyBlock] ?? 0) / 127) * overview.scale;
}

/**
 * The stage whose values a layer shows under the name `stage`: itself, or the last one before it that the layer has; else its
 * first (view-only models have no scores).
 * @param available stages of the layer, in the order of `stages`; at least one.
 */
export function effectiveStage(available: readonly Stage[], stage: Stage): Stage {
  const requested = stages.indexOf(stage);
  return available.findLast(candidate => stages.indexOf(candidate) <= requested) ?? available[0]!;
}

/** The stages that a model has, in any of its layers. */
export function offeredStages(layers: readonly { readonly stages: readonly Stage[] }[]): Stage[] {
  return stages.filter(stage => layers.some(layer => layer.stages.includes(stage)));
}

/**
 * The stage that `stage` was made of, where both are of one unit, so that their difference means something: the one before
 * it among those the layer has. Null for the first, and for `pattern`: the softmax is between it and the scores.
 */
export function previousStage(available: readonly Stage[], stage: Stage): Stage | null {
  const before = available.findLast(candidate => stages.indexOf(candidate) < stages.indexOf(stage)) ?? null;
  return before && isPreSoftmax(before) === isPreSoftmax(stage) ? before : null;
}

/** A cell that one learned part changed. */
export interface CellChange extends Cell {
  /** The stage's value before and after the part. */
  readonly before: number;
  readonly after: number;
  /** Of the weight; attention/largestChanges.ts says how. */
  readonly change: number;
}
