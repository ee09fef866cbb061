/** A run's caches of exact bands and overviews: the least recently used go first once they take too much memory. */

import { LRUCache } from 'lru-cache';
import type { MapBand } from '../../attention/mapBand';
import type { LayerOverview } from '../../shared/analysis';

/** Memory for the bands kept for tiles, and for the bands in progress; one whole map at T = 4096 fills it. */
export const maxMapBytes = 64 * 1024 * 1024;
/** The same for overviews of all heads; at most 64 KiB a head. */
const maxOverviewBytes = 16 * 1024 * 1024;

/** An empty cache of a run's bands; one that is larger than all of it is kept alone. */
export function emptyMaps(): LRUCache<string, MapBand> {
  const sizeCalculation = ({ values }: MapBand) => sizeWithin(values, maxMapBytes);
  return new LRUCache({ maxSize: maxMapBytes, sizeCalculation });
}

/** As `emptyMaps`, of overviews. */
export function emptyOverviews(): LRUCache<string, LayerOverview> {
  const sizeCalculation = ({ cells }: LayerOverview) => sizeWithin(cells, maxOverviewBytes);
  return new LRUCache({ maxSize: maxOverviewBytes, sizeCalculation });
}

const sizeWithin = ({ byteLength }: ArrayBufferView, maxBytes: number) => Math.max(1, Math.min(byteLength, maxBytes));
