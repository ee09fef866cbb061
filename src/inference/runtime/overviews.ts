/** Pooled maps put together from bands, and quantised to 8 bits as they travel. Pure. */

import type { MapBand } from '../../attention/mapBand';
import type { LayerOverview } from '../../shared/analysis';
import type { Stage } from '../../shared/operators';
import type { Band } from './bands';
import type { Value } from './session';

/** A stage of all heads, pooled: shape [head, size, size], row-major, with size = ceil(T / blockSize). */
export interface PooledMap {
  readonly blockSize: number;
  readonly size: number;
  readonly cells: Float32Array;
}

export function emptyPooledMap(nHeads: number, nTokens: number, blockSize: number): PooledMap {
  const size = Math.ceil(nTokens / blockSize);
  return { blockSize, size, cells: new Float32Array(nHeads * size * size) };
}

/** Writes a band's pooled rows, [1, head, I, J], without those above it. */
export function writePooled({ blockSize, size, cells }: PooledMap, { first, start }: Band, pooled: Value): void {
  const [, nHeads, nRows, nColumns] = pooled.dims as [number, number, number, number];
  const data = pooled.data as Float32Array;
  const nAbove = (start - first) / blockSize;
  for (let head = 0; head < nHeads; head++) {
    for (let row = nAbove; row < nRows; row++) {
      const from = (head * nRows + row) * nColumns;
      cells.set(data.subarray(from, from + nColumns), (head * size + first / blockSize + row) * size);
    }
  }
}

/** Pools rows of one head: of each block the strongest value, with its sign. */
export function poolRows({ blockSize, size, cells }: PooledMap, head: number, band: MapBand): void {
  const { queryStart, nKeys, values } = band;
  for (let at = 0; at < values.length; at++) {
    const [row, key] = [queryStart + Math.floor(at / nKeys), at % nKeys];
    if (key > row) continue;
    const cell = (head * size + Math.floor(row / blockSize)) * size + Math.floor(key / blockSize);
    if (Math.abs(values[at]!) > Math.abs(cells[cell]!)) cells[cell] = values[at]!;
  }
}

/** Takes over the first rows, a multiple of the block size, of another run's. */
export function copyPooled(from: PooledMap, to: PooledMap, nRows: number): void {
  const nHeads = to.cells.length / to.size ** 2;
  const n = nRows / to.blockSize;
  for (let head = 0; head < nHeads; head++) {
    for (let row = 0; row < n; row++) {
      const at = (head * from.size + row) * from.size;
      to.cells.set(from.cells.subarray(at, at + n), (head * to.size + row) * to.size);
    }
  }
}

/** Steps of 1/127 of each head's largest magnitude. A head with a NaN has no scale. */
export function quantize(stage: Stage, { blockSize, size, cells }: PooledMap): LayerOverview {
  const nHeads = cells.length / (size * size);
  const scales = new Float32Array(nHeads);
  const steps = new Int8Array(cells.length);
  for (let head = 0; head < nHeads; head++) {
    const start = head * size * size;
    let scale = 0;
    let hasNaN = false;
    for (let row = 0; row < size; row++) {
      const rowStart = start + row * size;
      for (let i = rowStart; i <= rowStart + row; i++) {
        const magnitude = Math.abs(cells[i]!);
        if (magnitude > scale) scale = magnitude;
        else if (Number.isNaN(magnitude)) hasNaN = true;
      }
    }
    scales[head] = hasNaN ? Number.NaN : scale;
    if (hasNaN || scale === Number.POSITIVE_INFINITY) continue;
    const factor = 127 / Math.max(scale, 1e-30);
    for (let row = 0; row < size; row++) {
      const rowStart = start + row * size;
      // Math.round, in a third of the time: every step is at least -127.
      for (let i = rowStart; i <= rowStart + row; i++) steps[i] = ((cells[i]! * factor + 128.5) | 0) - 128;
    }
  }
  return { stage, blockSize, size, scales, cells: steps };
}
