/** A kernel of the gallery as it was in training: its snapshots, and what each is. Pure. */

import { isConv, type KernelHistory } from '../src/shared/kernels';
import { formatValue } from '../src/shared/labels';
import { t } from '../src/shared/tools/l10n';
import { entriesOf, type GalleryEntry, shapeNames } from './kernelGallery';
import { formatPlain } from './labels';

export interface Snapshot {
  /** Training step; null for the kernel that the model has, where the history does not end with it. */
  readonly step: number | null;
  readonly entry: GalleryEntry;
}

/** Fp16 weights of a model differ from a history in fp32 by half of this at most. */
const rounding = 2 ** -10;

/** The snapshots of an entry, ending with the entry itself; none where the history lacks it. */
export function snapshotsOf(entry: GalleryEntry, { steps, snapshots }: KernelHistory): Snapshot[] {
  const found = snapshots.flatMap((kernels, i): Snapshot[] => {
    const then = entriesOf(entry.layerIdx, kernels).find(({ key }) => key === entry.key);
    return then?.values.length === entry.values.length ? [{ step: steps[i]!, entry: then }] : [];
  });
  const last = found.at(-1);
  if (!last) return [];
  const isEnd = last.entry.values.every((value, i) => {
    return Math.abs(value - entry.values[i]!) <= rounding * Math.max(1, Math.abs(value));
  });
  return isEnd ? [...found.slice(0, -1), { step: last.step, entry }] : [...found, { step: null, entry }];
}

/** Weight of the own pair, and the root of the energy of all other weights. @param headIdx of a mixing matrix. */
export function ownAndRest({ part, rows, columns, values, features }: GalleryEntry, headIdx: number) {
  const isKernel = isConv(part);
  const row = isKernel ? values : values.subarray(headIdx * columns, (headIdx + 1) * columns);
  const own = isKernel ? features.own : row[headIdx % (columns || rows)]!;
  const energy = row.reduce((sum, weight) => sum + weight * weight, 0);
  return { own, rest: Math.sqrt(Math.max(0, energy - own * own)) };
}

/** "Step 297 of 4,380: near-identity, own tap 1.02, rest 0.05". */
export function describeSnapshot(snapshots: readonly Snapshot[], position: number, headIdx: number): string {
  const { step, entry } = snapshots[position]!;
  const lastStep = snapshots.findLast(each => each.step !== null)!.step!;
  const when = step === null ? t('As the model has it') : t('Step {0} of {1}', step, lastStep);
  const { own, rest } = ownAndRest(entry, headIdx);
  const words = [when, shapeNames[entry.features.name], formatValue(own), formatPlain(rest)];
  return isConv(entry.part)
    ? t('{0}: {1}, own tap {2}, rest {3}', ...words)
    : t('{0}: {1}, own weight {2}, rest {3}', ...words);
}
