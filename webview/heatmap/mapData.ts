/** One map (a stage of one head, or its difference to the stage before it) as far as it has arrived. No requests. */

import type { Alignment } from '../../src/attention/alignTokens';
import type { Cell, Rect } from '../../src/shared/address';
import { type HeadOverview, overviewValue } from '../../src/shared/attentionMap';
import type { ScaleKind } from '../../src/shared/colorScale';
import type { Stage } from '../../src/shared/operators';
import { isMasked } from './hitTest';
import {
  emptyExactGrid,
  type LevelGrid,
  overviewEnd,
  overviewGrid,
  type TileMagnitudes,
  tileMagnitudes,
  tilesEnd,
  writeTile,
} from './levels';

/** Which map. */
export interface MapRef {
  readonly analysisId: number;
  readonly layerIdx: number;
  readonly headIdx: number;
  /** A stage that the layer has. */
  readonly stage: Stage;
  /** The stage that is subtracted, where the difference is shown. */
  readonly minus: Stage | null;
  /** The head that `minus` is of, where it is another one or of another run. */
  readonly minusOf?: Subtracted;
  readonly nTokens: number;
}

/** Another map, or the same place of another run. */
export interface Subtracted {
  readonly analysisId: number;
  readonly layerIdx: number;
  readonly headIdx: number;
  /** Of a run with other tokens: how many, and the counterpart of each token of the map, -1 for none. */
  readonly nTokens?: number;
  readonly across?: Alignment;
}

interface LoadedTile {
  readonly rect: Rect;
  readonly values: Float32Array;
  readonly magnitudes: TileMagnitudes | null;
}

/** What is known of a cell. */
export type CellValue =
  | { readonly kind: 'masked' }
  /** A difference where one of the tokens has no counterpart. */
  | { readonly kind: 'unmatched' }
  | { readonly kind: 'exact'; readonly value: number }
  /** The strongest value among blockSize x blockSize cells, in steps of 1/127 of the head's scale. */
  | { readonly kind: 'pooled'; readonly value: number; readonly blockSize: number }
  | { readonly kind: 'absent' };

/** Larger maps keep to their overview: single cells would need more graphics memory than a side panel should take. */
const maxExactSize = 4096;

export class MapData {
  overviewGrid: LevelGrid | null = null;
  exactGrid: LevelGrid | null = null;
  /** Magnitude at the ends of the color scale. The first token does not count: it has a strip of its own. */
  max = 0;
  /** The same of the map by itself; the scale may be set to more, so that several maps compare. */
  ownMax = 0;
  private sharedMax = 0;
  private overview: HeadOverview | null = null;
  private readonly tiles = new Map<string, LoadedTile>();

  constructor(
    readonly ref: MapRef,
    private kind: ScaleKind,
  ) {}

  /** Cells per side of what an overview cell pools; 1 when nothing is pooled or nothing has arrived. */
  get blockSize(): number {
    return this.overview?.blockSize ?? 1;
  }

  get hasValues(): boolean {
    return this.overviewGrid !== null || this.tiles.size > 0;
  }

  get holdsExactValues(): boolean {
    return this.ref.nTokens <= maxExactSize;
  }

  get scaleKind(): ScaleKind {
    return this.kind;
  }

  /** Whether values may be negative: softmax makes none of those. */
  get isSigned(): boolean {
    return this.ref.minus !== null || this.ref.stage !== 'pattern';
  }

  hasTile(rect: Rect): boolean {
    return this.tiles.has(tileKey(rect));
  }

  /** A difference shows exact values only: the difference of two pooled maps is not the pooled difference. Its overview
   * still gives the number of cells of a block. */
  setOverview(overview: HeadOverview): void {
    this.overview = overview;
    this.rescale();
  }

  /** @returns true when the scale changed, so that the whole map has to be drawn anew. */
  addTile(rect: Rect, values: Float32Array): boolean {
    // The scale of a plain map is that of its overview.
    const magnitudes = this.ref.minus ? tileMagnitudes(rect, values) : null;
    this.tiles.set(tileKey(rect), { rect, values, magnitudes });
    this.exactGrid ??= emptyExactGrid(this.ref.nTokens);
    if (this.currentMax() !== this.ownMax) {
      this.rescale();
      return true;
    }
    this.write(rect, values);
    return false;
  }

  /** @returns whether the scale was computed anew. */
  setScale(kind: ScaleKind): boolean {
    if (kind === this.kind) return false;
    this.kind = kind;
    this.rescale();
    return true;
  }

  /** Ends the scale at `max`, or at the map's own maximum if that is more; 0: its own. @returns whether it changed. */
  shareScale(max: number): boolean {
    if (max === this.sharedMax) return false;
    const before = this.max;
    this.sharedMax = max;
    if (Math.max(this.ownMax, max) !== before) this.rescale();
    return this.max !== before;
  }

  valueAt(cell: Cell): CellValue {
    if (isMasked(cell)) return { kind: 'masked' };
    for (const { rect, values } of this.tiles.values()) {
      const row = cell.queryIdx - rect.queryStart;
      const column = cell.keyIdx - rect.keyStart;
      if (row >= 0 && row < rect.nQueries && column >= 0 && column < rect.nKeys) {
        const value = values[row * rect.nKeys + column]!;
        return Number.isNaN(value) && this.ref.minusOf?.across ? { kind: 'unmatched' } : { kind: 'exact', value };
      }
    }
    if (!this.overview || this.ref.minus) return { kind: 'absent' };
    const { blockSize } = this.overview;
    const block = (idx: number) => Math.floor(idx / blockSize);
    const value = overviewValue(this.overview, block(cell.queryIdx), block(cell.keyIdx));
    return { kind: 'pooled', value, blockSize };
  }

  /** Whether every one of these tiles is there. */
  covers(rects: readonly Rect[]): boolean {
    return rects.length > 0 && rects.every(rect => this.hasTile(rect));
  }

  private currentMax(): number {
    if (!this.ref.minus) return this.overview ? overviewEnd(this.overview, this.kind) : 0;
    return tilesEnd(
      [...this.tiles.values()].flatMap(({ magnitudes }) => magnitudes ?? []),
      this.kind,
    );
  }

  private rescale(): void {
    this.ownMax = this.currentMax();
    this.max = Math.max(this.ownMax, this.sharedMax);
    if (this.overview && !this.ref.minus) this.overviewGrid = overviewGrid(this.overview, this.max, this.kind);
    for (const { rect, values } of this.tiles.values()) this.write(rect, values);
  }

  /** What has no counterpart is left blank. */
  private write(rect: Rect, values: Float32Array): void {
    const drawn = this.ref.minusOf?.across ? values.map(value => (Number.isNaN(value) ? 0 : value)) : values;
    writeTile(this.exactGrid!, rect, drawn, this.max, this.kind);
  }
}

function tileKey(rect: Rect): string {
  return `${rect.queryStart},${rect.keyStart}`;
}
