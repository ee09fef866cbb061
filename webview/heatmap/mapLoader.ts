/** Fetches what one shown map needs: its overview at once, exact tiles as they come into view. */

import type { Rect } from '../../src/shared/address';
import { tileSize } from '../../src/shared/attentionMap';
import type { ScaleKind } from '../../src/shared/colorScale';
import { Cancelled, Failure, type FailureData, toFailureData } from '../../src/shared/tools/failure';
import { isSame } from '../../src/shared/tools/isSame';
import type { CellRange } from './hitTest';
import { MapData, type MapRef } from './mapData';
import type { MapSource } from './mapSource';
import { coverWithTiles } from './tiles';

/** Beyond this many tiles the overview has to do until the reader zooms in; a difference has no overview. */
const maxTiles = { plain: 16, difference: 40 };
const debounceMs = 60;
/** Tiles around those on screen, fetched once nothing else is needed, so that scrolling finds them ready. */
const maxPrefetched = 8;

export class MapLoader {
  map: MapData | null = null;
  failure: FailureData | null = null;
  /** Set when the part on screen is too large for exact values. */
  isTooLarge = false;
  /** The tiles on screen. */
  needed: readonly Rect[] = [];
  /** The cells that were on screen last; null before there were any of this map or one as large. */
  visible: CellRange | null = null;
  private mapRequests = new AbortController();
  private tileRequests = new AbortController();
  private timer: ReturnType<typeof setTimeout> | undefined;

  /** @param onChange called after every arrival, with the tile where it is all that changed. */
  constructor(
    private readonly source: MapSource,
    private readonly onChange: (rect?: Rect) => void,
  ) {}

  /** Exact values are there for all of the part on screen. */
  get isExact(): boolean {
    return this.map?.covers(this.needed) ?? false;
  }

  /**
   * Shows another map, or none. Requests for the one before are aborted.
   * @returns whether the map on screen stayed the same one and its scale changed.
   */
  show(ref: MapRef | null, scale: ScaleKind): boolean {
    if (isSame(ref, this.map?.ref ?? null)) return this.map?.setScale(scale) ?? false;
    this.mapRequests.abort();
    this.tileRequests.abort();
    clearTimeout(this.timer);
    if (ref?.nTokens !== this.map?.ref.nTokens) this.visible = null;
    this.map = ref && new MapData(ref, scale);
    this.failure = null;
    this.isTooLarge = false;
    this.needed = [];
    this.mapRequests = new AbortController();
    if (this.map) void this.fetchOverview(this.map, this.mapRequests.signal);
    return false;
  }

  /** Says which cells are on screen; their tiles are fetched once this has been quiet for a moment. */
  view(range: CellRange): void {
    const { map } = this;
    this.visible = range;
    if (!map || !this.source.holdsExact(map.ref) || !map.holdsExactValues) return;
    const cover = coverWithTiles(range, map.ref.nTokens);
    this.isTooLarge = cover.length > (map.ref.minus ? maxTiles.difference : maxTiles.plain);
    const needed = this.isTooLarge ? [] : cover;
    if (isSame(needed, this.needed)) return;
    this.needed = needed;
    this.tileRequests.abort();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.tileRequests = new AbortController();
      void this.fetchTiles(map, needed, this.tileRequests.signal).then(isComplete =>
        isComplete && !map.ref.minus ? this.prefetch(map, range, this.tileRequests.signal) : undefined,
      );
    }, debounceMs);
  }

  /** Puts neighbouring tiles into the source's store; what fails here fails again, with a message, when it is needed. */
  private async prefetch(map: MapData, range: CellRange, signal: AbortSignal): Promise<void> {
    const { nTokens } = map.ref;
    const around = {
      queryStart: Math.max(0, range.queryStart - tileSize),
      queryEnd: Math.min(nTokens, range.queryEnd + tileSize),
      keyStart: Math.max(0, range.keyStart - tileSize),
      keyEnd: Math.min(nTokens, range.keyEnd + tileSize),
    };
    const next = coverWithTiles(around, nTokens).filter(rect => !map.hasTile(rect));
    for (const rect of next.slice(0, maxPrefetched)) {
      if (signal.aborted) return;
      await this.source.values(map.ref, rect, signal).catch(() => {});
    }
  }

  private async fetchOverview(map: MapData, signal: AbortSignal): Promise<void> {
    try {
      map.setOverview(await this.source.overview(map.ref, signal));
    } catch (error) {
      this.fail(error, signal);
    }
    if (!signal.aborted) this.onChange();
  }

  /** @returns whether all of them are there. */
  private async fetchTiles(map: MapData, rects: readonly Rect[], signal: AbortSignal): Promise<boolean> {
    // One after the other: the engine computes one layer at a time, and the nearest tile should not wait for the rest.
    for (const rect of rects) {
      if (map.hasTile(rect)) continue;
      try {
        const values = await this.source.values(map.ref, rect, signal);
        if (signal.aborted) return false;
        const isRescaled = map.addTile(rect, values);
        this.onChange(isRescaled ? undefined : rect);
      } catch (error) {
        this.fail(error, signal);
        if (!signal.aborted) this.onChange();
        return false;
      }
    }
    return rects.length > 0;
  }

  private fail(error: unknown, signal: AbortSignal): void {
    // `no-analysis` means that a newer run has begun; its state is on the way.
    if (signal.aborted || error instanceof Cancelled) return;
    if (error instanceof Failure && error.code === 'no-analysis') return;
    this.failure = toFailureData(error);
  }
}
