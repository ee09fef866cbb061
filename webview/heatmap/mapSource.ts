/** Overviews, exact tiles and rows of any map, requested from the host once and kept while they are used. */

import { LRUCache } from 'lru-cache';
import type { HeadRef, Rect } from '../../src/shared/address';
import type { HeadOverview, Tile } from '../../src/shared/attentionMap';
import type { Stage } from '../../src/shared/operators';
import type { PanelHost } from '../host';
import { isMasked } from './hitTest';
import { MapData, type MapRef, type Subtracted } from './mapData';
import { coverWithTiles } from './tiles';

/** Exact values of one query's row, or what the overview knows of it. */
export interface MapRow {
  readonly queryIdx: number;
  /** One value per key up to the query; later keys are masked. */
  readonly values: Float32Array;
  readonly isExact: boolean;
}

/** 128 tiles of 256 KiB: both stages of a difference over 2048 tokens, below the diagonal. */
const cachedTiles = 128;
const cachedOverviews = 64;

export class MapSource {
  private readonly tiles = new LRUCache<string, Float32Array>({ max: cachedTiles });
  private readonly overviews = new LRUCache<string, HeadOverview>({ max: cachedOverviews });

  constructor(private readonly host: Pick<PanelHost, 'request' | 'holdsExact'>) {}

  /** Exact values of a map can be requested. */
  holdsExact(ref: HeadRef): boolean {
    return this.host.holdsExact(ref);
  }

  /** @throws Failure; Cancelled once `signal` fires. So do the others. */
  async overview(ref: MapRef, signal: AbortSignal): Promise<HeadOverview> {
    const { analysisId, layerIdx, headIdx, stage } = ref;
    const key = [analysisId, layerIdx, headIdx, stage].join('/');
    const cached = this.overviews.get(key);
    if (cached) return cached;
    const overview = await this.host.request('overview', { analysisId, layerIdx, headIdx, stage }, signal);
    this.overviews.set(key, overview);
    return overview;
  }

  /** Values [query, key] of a rectangle of the map, a difference already taken. */
  async values(ref: MapRef, rect: Rect, signal: AbortSignal): Promise<Float32Array> {
    const values = await this.tile(ref, ref.stage, rect, signal);
    if (!ref.minus) return values;
    const { minusOf } = ref;
    if (minusOf?.across) return subtract(values, await this.counterparts(ref, minusOf, rect, signal));
    return subtract(values, await this.tile({ ...ref, ...minusOf }, ref.minus, rect, signal));
  }

  /** One query's row. Falls back to the overview where there are no exact values. */
  async row(ref: MapRef, queryIdx: number, signal: AbortSignal): Promise<MapRow> {
    const rect = { queryStart: queryIdx, keyStart: 0, nQueries: 1, nKeys: ref.nTokens };
    if (this.holdsExact(ref)) {
      const values = await this.values(ref, rect, signal);
      return { queryIdx, values: values.slice(0, queryIdx + 1), isExact: true };
    }
    const data = new MapData(ref, 'linear');
    data.setOverview(await this.overview(ref, signal));
    const values = Float32Array.from({ length: queryIdx + 1 }, (_, keyIdx) => {
      const cell = data.valueAt({ queryIdx, keyIdx });
      return cell.kind === 'pooled' && !isMasked({ queryIdx, keyIdx }) ? cell.value : Number.NaN;
    });
    return { queryIdx, values, isExact: false };
  }

  /** The cells of another run that correspond to those of a rectangle; NaN where there is none. */
  private async counterparts(ref: MapRef, minusOf: Subtracted, rect: Rect, signal: AbortSignal): Promise<Float32Array> {
    const { queryStart, keyStart, nQueries, nKeys } = rect;
    const across = minusOf.across!;
    const nTokens = minusOf.nTokens!;
    const values = new Float32Array(nQueries * nKeys).fill(Number.NaN);
    const queries = across.subarray(queryStart, queryStart + nQueries);
    const keys = across.subarray(keyStart, keyStart + nKeys);
    const [rows, columns] = [spanOf(queries), spanOf(keys)];
    if (!rows || !columns) return values;
    const range = { queryStart: rows[0], queryEnd: rows[1], keyStart: columns[0], keyEnd: columns[1] };
    for (const tile of coverWithTiles(range, nTokens)) {
      const of = await this.tile({ ...ref, ...minusOf }, ref.minus!, tile, signal);
      for (const [row, query] of queries.entries()) {
        if (query < tile.queryStart || query >= tile.queryStart + tile.nQueries) continue;
        for (const [column, key] of keys.entries()) {
          if (key < tile.keyStart || key >= tile.keyStart + tile.nKeys) continue;
          values[row * nKeys + column] = of[(query - tile.queryStart) * tile.nKeys + key - tile.keyStart]!;
        }
      }
    }
    return values;
  }

  private async tile(ref: MapRef, stage: Stage, rect: Rect, signal: AbortSignal): Promise<Float32Array> {
    const { analysisId, layerIdx, headIdx } = ref;
    const { queryStart, keyStart, nQueries, nKeys } = rect;
    const key = [analysisId, layerIdx, headIdx, stage, queryStart, keyStart, nQueries, nKeys].join('/');
    const cached = this.tiles.get(key);
    if (cached) return cached;
    const tile: Tile = await this.host.request('tile', { analysisId, layerIdx, headIdx, stage, ...rect }, signal);
    this.tiles.set(key, tile.values);
    return tile.values;
  }
}

/** The tokens from the first to the last that is there; null for none. */
function spanOf(tokens: Int32Array): readonly [first: number, end: number] | null {
  const there = tokens.filter(token => token >= 0);
  return there.length === 0 ? null : [Math.min(...there), Math.max(...there) + 1];
}

/** Element-wise a - b. */
function subtract(a: Float32Array, b: Float32Array): Float32Array {
  return a.map((value, i) => value - b[i]!);
}
