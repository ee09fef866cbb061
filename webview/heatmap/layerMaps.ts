/**
 * The same part of the maps of several heads of one layer, as far as it has arrived: an overview of each and, where few
 * enough cells are on screen, their exact values in one patch.
 */

import type { Cell, Rect } from '../../src/shared/address';
import { maxPatchCells, type Patch } from '../../src/shared/attentionMap';
import { levelOf, type ScaleKind } from '../../src/shared/colorScale';
import { Cancelled, Failure, type FailureData, toFailureData } from '../../src/shared/tools/failure';
import { isSame } from '../../src/shared/tools/isSame';
import type { PanelHost } from '../host';
import { type CellRange, isMasked } from './hitTest';
import { type CellValue, MapData, type MapRef } from './mapData';
import type { MapSource } from './mapSource';

const debounceMs = 60;

/** The levels of a patch, shape [head, query, key], heads in the order of the maps. */
export interface PatchLevels extends Pick<Patch, 'queryStart' | 'keyStart' | 'nQueries' | 'nKeys'> {
  readonly levels: Int16Array;
}

export class LayerMaps {
  maps: readonly MapData[] = [];
  failure: FailureData | null = null;
  /** Maps whose levels changed since they were last taken. */
  readonly changed = new Set<number>();
  isPatchChanged = false;
  private nHeads = 0;
  private patch: Patch | null = null;
  private needed: Rect | null = null;
  private sharesScale = false;
  private mapRequests = new AbortController();
  private patchRequests = new AbortController();
  private timer: ReturnType<typeof setTimeout> | undefined;

  /** @param onChange more has arrived. */
  constructor(
    private readonly source: MapSource,
    private readonly host: Pick<PanelHost, 'request'>,
    private readonly onChange: () => void,
  ) {}

  /** @param refs heads of one layer at one stage; none to let go of all. @param nHeads how many the layer has. */
  show(refs: readonly MapRef[], nHeads: number, scale: ScaleKind, sharesScale: boolean): void {
    const shown = this.maps.map(({ ref }) => ref);
    const isUnchanged = isSame(refs, shown) && sharesScale === this.sharesScale;
    if (isUnchanged) {
      const isRescaled = this.maps.map(map => map.setScale(scale)).some(Boolean);
      if (isRescaled) this.rescale();
      return;
    }
    this.stop();
    this.nHeads = nHeads;
    this.sharesScale = sharesScale;
    this.maps = refs.map(ref => new MapData(ref, scale));
    this.patch = null;
    this.failure = null;
    this.markAll();
    void this.fetchOverviews(this.maps, this.mapRequests.signal);
  }

  /** Says which cells are on screen; their exact values are fetched once this has been quiet for a moment. */
  view({ queryStart, queryEnd, keyStart, keyEnd }: CellRange): void {
    const [nQueries, nKeys] = [queryEnd - queryStart, Math.min(keyEnd, queryEnd) - keyStart];
    const isFew = nQueries > 0 && nKeys > 0 && nQueries * nKeys * this.nHeads <= maxPatchCells;
    const rect = { queryStart, keyStart, nQueries, nKeys };
    const needed = isFew && this.maps.length > 0 ? rect : null;
    if (isSame(needed, this.needed)) return;
    this.needed = needed;
    clearTimeout(this.timer);
    this.patchRequests.abort();
    if (!needed) return;
    this.timer = setTimeout(() => {
      this.patchRequests = new AbortController();
      void this.fetchPatch(rect, this.patchRequests.signal);
    }, debounceMs);
  }

  /** Exact values are there for the whole last request. */
  get isExact(): boolean {
    return this.needed !== null && this.patch !== null && this.arrived === this.needed;
  }

  valueAt(slot: number, cell: Cell): CellValue {
    const map = this.maps[slot];
    if (!map) return { kind: 'absent' };
    if (this.patch && !isMasked(cell)) {
      const { queryStart, keyStart, nQueries, nKeys, values } = this.patch;
      const [row, column] = [cell.queryIdx - queryStart, cell.keyIdx - keyStart];
      if (row >= 0 && column >= 0 && row < nQueries && column < nKeys) {
        const at = (map.ref.headIdx * nQueries + row) * nKeys + column;
        return { kind: 'exact', value: values[at]! };
      }
    }
    return map.valueAt(cell);
  }

  /** The patch on the scales of the maps; null where there is none. */
  patchLevels(): PatchLevels | null {
    if (!this.patch) return null;
    const { queryStart, keyStart, nQueries, nKeys, values } = this.patch;
    const nCells = nQueries * nKeys;
    const levels = new Int16Array(this.maps.length * nCells);
    this.maps.forEach(({ ref, max, scaleKind }, slot) => {
      for (let i = 0; i < nCells; i++) {
        levels[slot * nCells + i] = levelOf(values[ref.headIdx * nCells + i]!, max, scaleKind);
      }
    });
    return { queryStart, keyStart, nQueries, nKeys, levels };
  }

  /** Nobody waits for answers now. What has arrived stays. */
  stop(): void {
    clearTimeout(this.timer);
    this.mapRequests.abort();
    this.patchRequests.abort();
    this.mapRequests = new AbortController();
    this.needed = null;
  }

  private arrived: Rect | null = null;

  private async fetchOverviews(maps: readonly MapData[], signal: AbortSignal): Promise<void> {
    for (const [slot, map] of maps.entries()) {
      try {
        const overview = await this.source.overview(map.ref, signal);
        if (signal.aborted) return;
        map.setOverview(overview);
        this.changed.add(slot);
        this.rescale();
      } catch (error) {
        this.fail(error, signal);
        return;
      }
    }
  }

  private async fetchPatch(rect: Omit<Patch, 'values' | 'nHeads'>, signal: AbortSignal): Promise<void> {
    const { analysisId, layerIdx, stage } = this.maps[0]!.ref;
    const { needed } = this;
    try {
      const patch = await this.host.request('patch', { analysisId, layerIdx, stage, ...rect }, signal);
      if (signal.aborted) return;
      this.patch = patch;
      this.arrived = needed;
      this.isPatchChanged = true;
      this.onChange();
    } catch (error) {
      this.fail(error, signal);
    }
  }

  /** Ends the scales together, where they are shared, and has drawn anew what that changes. */
  private rescale(): void {
    const max = this.sharesScale ? Math.max(...this.maps.map(({ ownMax }) => ownMax)) : 0;
    for (const [slot, map] of this.maps.entries()) if (map.shareScale(max)) this.changed.add(slot);
    this.isPatchChanged = true;
    this.onChange();
  }

  private markAll(): void {
    for (const slot of this.maps.keys()) this.changed.add(slot);
    this.isPatchChanged = true;
  }

  private fail(error: unknown, signal: AbortSignal): void {
    // `no-analysis` means that a newer run has begun; its state is on the way.
    if (signal.aborted || error instanceof Cancelled) return;
    if (error instanceof Failure && error.code === 'no-analysis') return;
    this.failure = toFailureData(error);
    this.onChange();
  }
}
