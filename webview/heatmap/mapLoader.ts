/** Fetches what the shown map needs: its overview at once, exact tiles and rows as they come into view. */

import type { HeadOverview, Stage, Tile } from '../../src/shared/attentionMap';
import { Cancelled, Failure, type FailureData, toFailureData } from '../../src/shared/failure';
import type { PanelHost } from '../host';
import { type CellRange, isMasked } from './hitTest';
import { isSameMap, MapData, type MapRef } from './mapData';
import { coverWithTiles, LruCache, type TileRect } from './tiles';

/** Exact values of one query's row, or what the overview knows of it. */
export interface MapRow {
  readonly queryIdx: number;
  /** One value per key up to the query; later keys are masked. */
  readonly values: Float32Array;
  readonly isExact: boolean;
}

/** 128 tiles of 256 KiB: both stages of a difference over 2048 tokens, below the diagonal. */
const cachedTiles = 128;
/** Beyond this many tiles the overview has to do until the reader zooms in; a difference has no overview. */
const maxTiles = { plain: 16, difference: 40 };
const debounceMs = 60;

export class MapLoader {
  map: MapData | null = null;
  failure: FailureData | null = null;
  /** Set when the part on screen is too large for exact values. */
  isTooLarge = false;
  wanted: readonly TileRect[] = [];
  private readonly tiles = new LruCache<string, Float32Array>(cachedTiles);
  private readonly overviews = new LruCache<string, HeadOverview>(64);
  private mapRequests = new AbortController();
  private tileRequests = new AbortController();
  private timer: ReturnType<typeof setTimeout> | undefined;

  /** @param onChange called after every arrival; `isRedraw` is false when only the tile `rect` changed. */
  constructor(
    private readonly host: Pick<PanelHost, 'request' | 'hasTiles'>,
    private readonly onChange: (rect?: TileRect) => void,
  ) {}

  /** Shows another map, or none. Requests for the one before are aborted. */
  show(ref: MapRef | null, leavesOutFirst: boolean): void {
    if (isSameMap(ref, this.map?.ref ?? null)) {
      this.map?.leaveOutFirst(leavesOutFirst);
      return;
    }
    this.mapRequests.abort();
    this.tileRequests.abort();
    clearTimeout(this.timer);
    if (ref?.analysisId !== this.map?.ref.analysisId) {
      this.tiles.clear();
      this.overviews.clear();
    }
    this.map = ref && new MapData(ref, leavesOutFirst);
    this.failure = null;
    this.isTooLarge = false;
    this.wanted = [];
    this.mapRequests = new AbortController();
    if (this.map) void this.fetchOverview(this.map, this.mapRequests.signal);
  }

  /** Says which cells are on screen; their tiles are fetched once this has been quiet for a moment. */
  view(range: CellRange): void {
    const { map } = this;
    if (!map || !this.host.hasTiles || !map.holdsExactValues) return;
    const cover = coverWithTiles(range, map.ref.nTokens);
    this.isTooLarge = cover.length > (map.ref.minus ? maxTiles.difference : maxTiles.plain);
    const wanted = this.isTooLarge ? [] : cover;
    if (JSON.stringify(wanted) === JSON.stringify(this.wanted)) return;
    this.wanted = wanted;
    this.tileRequests.abort();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.tileRequests = new AbortController();
      void this.fetchTiles(map, wanted, this.tileRequests.signal);
    }, debounceMs);
  }

  /** One query's row of any stage of the shown head. Falls back to the overview where there are no exact values. */
  async row(ref: MapRef, queryIdx: number, signal: AbortSignal): Promise<MapRow> {
    const rect = { queryStart: queryIdx, keyStart: 0, nQueries: 1, nKeys: ref.nTokens };
    if (this.host.hasTiles) {
      const values = await this.difference(ref, rect, signal);
      return { queryIdx, values: values.slice(0, queryIdx + 1), isExact: true };
    }
    const data = new MapData(ref, false);
    data.setOverview(await this.overview(ref, signal));
    const values = Float32Array.from({ length: queryIdx + 1 }, (_, keyIdx) => {
      const cell = data.valueAt({ queryIdx, keyIdx });
      return cell.kind === 'pooled' && !isMasked({ queryIdx, keyIdx }) ? cell.value : Number.NaN;
    });
    return { queryIdx, values, isExact: false };
  }

  private async fetchOverview(map: MapData, signal: AbortSignal): Promise<void> {
    try {
      map.setOverview(await this.overview(map.ref, signal));
    } catch (error) {
      this.fail(error, signal);
    }
    if (!signal.aborted) this.onChange();
  }

  private async fetchTiles(map: MapData, rects: readonly TileRect[], signal: AbortSignal): Promise<void> {
    // One after the other: the engine computes one layer at a time, and the nearest tile should not wait for the rest.
    for (const rect of rects) {
      if (map.hasTile(rect)) continue;
      try {
        const values = await this.difference(map.ref, rect, signal);
        if (signal.aborted) return;
        const isRescaled = map.addTile(rect, values);
        this.onChange(isRescaled ? undefined : rect);
      } catch (error) {
        this.fail(error, signal);
        if (!signal.aborted) this.onChange();
        return;
      }
    }
  }

  private async overview(ref: MapRef, signal: AbortSignal): Promise<HeadOverview> {
    const { analysisId, layerIdx, headIdx, stage } = ref;
    const key = `${layerIdx}/${headIdx}/${stage}`;
    const cached = this.overviews.get(key);
    if (cached) return cached;
    const overview = await this.host.request('overview', { analysisId, layerIdx, headIdx, stage }, signal);
    this.overviews.set(key, overview);
    return overview;
  }

  private async difference(ref: MapRef, rect: TileRect, signal: AbortSignal): Promise<Float32Array> {
    const values = await this.tile(ref, ref.stage, rect, signal);
    return ref.minus ? subtract(values, await this.tile(ref, ref.minus, rect, signal)) : values;
  }

  private async tile(ref: MapRef, stage: Stage, rect: TileRect, signal: AbortSignal): Promise<Float32Array> {
    const { analysisId, layerIdx, headIdx } = ref;
    const key = [layerIdx, headIdx, stage, rect.queryStart, rect.keyStart, rect.nQueries].join('/');
    const cached = this.tiles.get(key);
    if (cached) return cached;
    const tile: Tile = await this.host.request('tile', { analysisId, layerIdx, headIdx, stage, ...rect }, signal);
    this.tiles.set(key, tile.values);
    return tile.values;
  }

  private fail(error: unknown, signal: AbortSignal): void {
    // `no-analysis` means that a newer run has begun; its state is on the way.
    if (signal.aborted || error instanceof Cancelled) return;
    if (error instanceof Failure && error.code === 'no-analysis') return;
    this.failure = toFailureData(error);
  }
}

/** Element-wise a - b. */
export function subtract(a: Float32Array, b: Float32Array): Float32Array {
  return a.map((value, i) => value - b[i]!);
}
