/** Fetches what the convolution lens shows of one cell: kernels, the cells that its taps touch, and the row it is in. */

import {
  type Lens,
  type LensParts,
  largestOther,
  lensDifference,
  lensOf,
  lensPartsOf,
  meanLens,
  meanTaps,
  type Tap,
  tapDifferences,
  tapRect,
  tapsOf,
} from '../src/attention/lens';
import type { Cell } from '../src/shared/address';
import { maxPatchCells, type Patch } from '../src/shared/attentionMap';
import { t } from '../src/shared/tools/l10n';
import type { MapRef } from './heatmap/mapData';
import type { MapSource } from './heatmap/mapSource';
import type { PanelHost } from './host';
import type { KernelSource } from './kernelSource';
import type { Reference } from './state';

export interface LensContent {
  readonly ref: MapRef;
  readonly cell: Cell;
  readonly parts: LensParts;
  /** The cell's, or its difference to the reference. */
  readonly lens: Lens;
  /** The stage's value at the cell as the engine gives it, and its difference to the reference. */
  readonly value: number;
  readonly difference: number | null;
  /** The key that the cell is compared with; null for the row's mean or none. */
  readonly referenceKey: number | null;
  /** Why there is no reference though one was requested. */
  readonly note: string;
  /** Taps of one source head. */
  taps(sourceIdx: number): readonly Tap[];
}

export interface LensHosts {
  readonly host: Pick<PanelHost, 'request'>;
  readonly maps: MapSource;
  readonly kernels: KernelSource;
}

/**
 * @param ref of a stage, not a difference.
 * @returns null where no convolution or mixing made the stage.
 * @throws Failure; Cancelled once `signal` fires.
 */
export async function loadLens(
  { host, maps, kernels }: LensHosts,
  ref: MapRef,
  cell: Cell,
  reference: Reference,
  signal: AbortSignal,
): Promise<LensContent | null> {
  const { analysisId, layerIdx, headIdx, stage, nTokens } = ref;
  const { queryIdx, keyIdx } = cell;
  const parts = lensPartsOf(stage, await kernels.layer(analysisId, layerIdx));
  if (!parts) return null;
  const patchAround = (rect: ReturnType<typeof tapRect>) =>
    host.request('patch', { analysisId, layerIdx, stage: parts.source, ...rect }, signal);
  const patch = await patchAround(tapRect(parts.conv, queryIdx, keyIdx, nTokens));
  const { values: row } = await maps.row(ref, queryIdx, signal);
  const own = lensOf(parts, patch, headIdx, queryIdx, keyIdx);
  const content = { ref, cell, parts, value: row[keyIdx]!, difference: null, referenceKey: null, note: '' };
  const tapsAt = (from: Patch, key: number, source: number) =>
    tapsOf(parts.conv, from, source, queryIdx, key, own.sources.find(({ headIdx: idx }) => idx === source)?.mixWeight);
  const alone = (note = ''): LensContent => ({
    ...content,
    note,
    lens: own,
    taps: source => tapsAt(patch, keyIdx, source),
  });

  if (reference === 'none') return alone();
  if (reference === 'largestOther') {
    const other = largestOther(row, keyIdx);
    if (other === null) return alone(t('This row has no other key to compare with.'));
    const otherPatch = await patchAround(tapRect(parts.conv, queryIdx, other, nTokens));
    return {
      ...content,
      referenceKey: other,
      difference: row[keyIdx]! - row[other]!,
      lens: lensDifference(own, lensOf(parts, otherPatch, headIdx, queryIdx, other)),
      taps: source => tapDifferences(tapsAt(patch, keyIdx, source), tapsAt(otherPatch, other, source)),
    };
  }
  const { queryStart, nQueries } = patch;
  const nKeys = Math.min(nTokens, queryIdx + 1 + (parts.conv?.columns ?? 1));
  if (patch.nHeads * nQueries * nKeys > maxPatchCells) {
    return alone(
      t('The row’s mean over all heads is too much to fetch here. Compare with the row’s largest other key.'),
    );
  }
  const rows = await patchAround({ queryStart, keyStart: 0, nQueries, nKeys });
  const keys = Array.from({ length: queryIdx + 1 }, (_, key) => key);
  return {
    ...content,
    difference: row[keyIdx]! - row.reduce((sum, value) => sum + value, 0) / row.length,
    lens: lensDifference(own, meanLens(keys.map(key => lensOf(parts, rows, headIdx, queryIdx, key)))),
    taps: source => tapDifferences(tapsAt(patch, keyIdx, source), meanTaps(keys.map(key => tapsAt(rows, key, source)))),
  };
}
