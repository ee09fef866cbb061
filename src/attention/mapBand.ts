/** Some rows of one head's map: what long maps are worked on with, a part at a time. Pure. */

export interface MapBand {
  /** The first row's query. */
  readonly queryStart: number;
  /** Columns: the keys before this one. Later keys are masked for every row. */
  readonly nKeys: number;
  /** Shape [query, key], row-major. */
  readonly values: Float32Array;
}

/** The query after the band's last one. */
export function queryEnd({ queryStart, nKeys, values }: MapBand): number {
  return queryStart + values.length / nKeys;
}

/** A query's row up to its own key; later keys are masked. */
export function rowOf({ queryStart, nKeys, values }: MapBand, query: number): Float32Array {
  const start = (query - queryStart) * nKeys;
  return values.subarray(start, start + query + 1);
}
