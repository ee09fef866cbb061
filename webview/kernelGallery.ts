/** The kernels of a model as entries of a gallery: what each does, in words, and in which order they stand. Pure. */

import { type KernelFeatures, kernelFeatures, type MixFeatures, mixFeatures } from '../src/attention/kernelShape';
import type { HeadMeasures } from '../src/shared/headMeasures';
import { headMatrix, isConv, type KernelPart, type KernelWeights, kernelParts } from '../src/shared/kernels';
import { formatValue, withLocalMark } from '../src/shared/labels';
import { t } from '../src/shared/tools/l10n';

/** One head's convolution kernel, or a layer's whole head-mixing matrix. */
export interface GalleryEntry {
  readonly key: string;
  readonly layerIdx: number;
  /** Null for a mixing matrix, which has a row per head. */
  readonly headIdx: number | null;
  readonly part: KernelPart;
  readonly rows: number;
  readonly columns: number;
  /** Shape [rows, columns], row-major. */
  readonly values: Float32Array;
  /** Column of the own pair in the last row; null in mixing matrices. */
  readonly identityColumn: number | null;
  readonly features: KernelFeatures | MixFeatures;
  /** Does nothing at 0; see kernelShape.ts. Per head in mixing matrices, so that both kinds compare. */
  readonly identityDistance: number;
}

export const partTitles: Readonly<Record<KernelPart, string>> = {
  pre_softmax_conv: t('Convolution before softmax'),
  pre_softmax_head_mix: t('Head mixing before softmax'),
  post_softmax_conv: t('Convolution after softmax'),
  post_softmax_head_mix: t('Head mixing after softmax'),
};

export const kernelOrders = ['place', 'document', 'change', 'name', 'edge', 'diagonal', 'priming'] as const;
export type KernelOrder = (typeof kernelOrders)[number];

export const orderTitles: Readonly<Record<KernelOrder, string>> = {
  place: t('Layer and head'),
  document: t('Changed most in this document'),
  change: t('Furthest from doing nothing'),
  name: t('What they do'),
  edge: t('Edge'),
  diagonal: t('Diagonal'),
  priming: t('Priming'),
};

/** All kernels of a layer. */
export function entriesOf(layerIdx: number, kernels: readonly KernelWeights[]): GalleryEntry[] {
  return kernels.flatMap(kernel =>
    isConv(kernel.part) ? convEntries(layerIdx, kernel) : [mixEntry(layerIdx, kernel)],
  );
}

/** @param headIdx ignored for a mixing matrix, which is of a whole layer. */
export function kernelKey(layerIdx: number, part: KernelPart, headIdx: number | null): string {
  return isConv(part) ? `${layerIdx}/${part}/${headIdx}` : `${layerIdx}/${part}`;
}

function convEntries(layerIdx: number, kernel: KernelWeights): GalleryEntry[] {
  const { part, rows, columns, identityColumn } = kernel;
  const nHeads = kernel.values.length / (rows * columns);
  return Array.from({ length: nHeads }, (_, headIdx) => {
    const values = headMatrix(kernel, headIdx);
    const features = kernelFeatures(values, kernel);
    const key = kernelKey(layerIdx, part, headIdx);
    const { identityDistance } = features;
    return { key, layerIdx, headIdx, part, rows, columns, values, identityColumn, features, identityDistance };
  });
}

function mixEntry(layerIdx: number, { part, columns, values }: KernelWeights): GalleryEntry {
  const rows = values.length / columns;
  const features = mixFeatures(
    values,
    Array.from({ length: rows }, (_, headIdx) => headIdx % columns),
  );
  const identityDistance = features.identityDistance / Math.sqrt(rows);
  const key = kernelKey(layerIdx, part, null);
  return {
    key,
    layerIdx,
    headIdx: null,
    part,
    rows,
    columns,
    values,
    identityColumn: null,
    features,
    identityDistance,
  };
}

/** How much each kernel changed attention in this document, by the entry's key; see HeadMeasures. */
export type DocumentChanges = ReadonlyMap<string, number>;

/** The changes of a layer's convolutions. @param measures per head. */
export function changesOf(layerIdx: number, measures: readonly HeadMeasures[]): [key: string, change: number][] {
  return measures.flatMap(({ preConvChange, postConvChange }, headIdx): [string, number][] => [
    [`${layerIdx}/pre_softmax_conv/${headIdx}`, preConvChange],
    [`${layerIdx}/post_softmax_conv/${headIdx}`, postConvChange],
  ]);
}

/** Entries in the chosen order; what is not a number, or has not been measured, comes last. */
export function sortEntries(
  entries: readonly GalleryEntry[],
  order: KernelOrder,
  changes: DocumentChanges = new Map(),
): GalleryEntry[] {
  const byPlace = (a: GalleryEntry, b: GalleryEntry) =>
    a.layerIdx - b.layerIdx ||
    kernelParts.indexOf(a.part) - kernelParts.indexOf(b.part) ||
    (a.headIdx ?? 0) - (b.headIdx ?? 0);
  const measure = (entry: GalleryEntry): number => {
    const value = order === 'document' ? (changes.get(entry.key) ?? Number.NaN) : measureOf(entry, order);
    return Number.isNaN(value) ? Number.NEGATIVE_INFINITY : value;
  };
  const places = (entry: GalleryEntry) => shapes.indexOf(entry.features.name);
  return entries.toSorted((a, b) => {
    if (order === 'place') return byPlace(a, b);
    const difference = order === 'name' ? places(a) - places(b) : measure(b) - measure(a);
    return difference || byPlace(a, b); // NaN as well
  });
}

function measureOf({ features, identityDistance }: GalleryEntry, order: KernelOrder): number {
  if (order === 'change') return identityDistance;
  if (!('edge' in features)) return Number.NaN;
  return order === 'edge' ? features.edge : order === 'diagonal' ? features.diagonalShare : features.primingShare;
}

/** What each shape is called; the most telling first. */
export const shapeNames: Readonly<Record<GalleryEntry['features']['name'], string>> = {
  diagonal: t('diagonal'),
  priming: t('priming'),
  edge: t('edge'),
  shift: t('shift'),
  spread: t('spread'),
  mixed: t('mixed'),
  contrast: t('contrast'),
  blend: t('blend'),
  'near-identity': t('near-identity'),
  zero: t('zero'),
  'not a number': t('not a number'),
};
const shapes = Object.keys(shapeNames);

/** Where it is, for a card. */
export function placeOf({ layerIdx, headIdx, part, rows }: GalleryEntry): string {
  const where =
    headIdx === null ? t('layer {0}, {1} heads', layerIdx, rows) : t('layer {0}, head {1}', layerIdx, headIdx);
  return part.startsWith('pre') ? t('{0}, before softmax', where) : t('{0}, after softmax', where);
}

/** What it does, in a sentence. */
export function describeKernel({ features, part }: GalleryEntry): string {
  switch (features.name) {
    case 'near-identity':
      return isConv(part)
        ? t('Hands the value’s own on, times {0}, and adds little.', formatValue(features.own))
        : t('Hands the head’s own on, times {0}, and adds little.', formatValue(features.own));
    case 'diagonal':
      return t(
        'Adds up pairs one step back in queries and in keys at once: a run of queries that meets a run of keys.',
      );
    case 'priming':
      return t('Adds what earlier queries gave to the same key: keys that were looked at stay in view.');
    case 'edge':
      return t('Sets neighbouring keys against each other: one raises the value, the next lowers it.');
    case 'shift':
      return t('Mostly reads another pair: {0}.', describeStep((features as KernelFeatures).strongest));
    case 'spread':
      return t('Averages over the neighbourhood.');
    case 'mixed':
      return t('No single shape stands out.');
    case 'blend':
      return t('Adds other heads to each head.');
    case 'contrast':
      return t('Subtracts other heads from each head.');
    case 'zero':
      return t('All weights are zero: nothing passes.');
    case 'not a number':
      return t('It has weights that are not finite numbers: everything computed from them is invalid.');
  }
}

/** "1 key earlier, 2 queries back" */
export function describeStep({ queriesBack, keyShift }: KernelFeatures['strongest']): string {
  const [n, back] = [Math.abs(keyShift), queriesBack];
  const earlier = n === 1 ? t('1 key earlier') : t('{0} keys earlier', n);
  const later = n === 1 ? t('1 key later') : t('{0} keys later', n);
  const key = keyShift === 0 ? t('the same key') : keyShift < 0 ? earlier : later;
  if (back === 0) return t('{0}, same query', key);
  return back === 1 ? t('{0}, 1 query back', key) : t('{0}, {1} queries back', key, back);
}

/** The numbers that the name rests on. */
export function listFeatures(
  { features, part, identityDistance }: GalleryEntry,
  change: number | undefined,
): [name: string, value: string][] {
  const share = (x: number) => (Number.isNaN(x) ? t('not a number') : withLocalMark(x.toFixed(2)).replace('-', '−'));
  const common: [string, string][] = [
    [isConv(part) ? t('Weight of the own pair') : t('Mean weight of the own head'), formatValue(features.own)],
    [t('Its share of the energy'), share(features.ownShare)],
    [isConv(part) ? t('Distance from identity') : t('Distance from identity, per head'), share(identityDistance)],
  ];
  if (!('edge' in features))
    return [...common, [t('Negative share of the other heads'), share(features.negativeShare)]];
  return [
    ...common,
    [t('Edge'), share(features.edge)],
    [t('Diagonal share of the rest'), share(features.diagonalShare)],
    [t('Priming share of the rest'), share(features.primingShare)],
    ...(change === undefined ? [] : [[t('Change of attention in this document'), share(change)] as [string, string]]),
    [t('Strongest neighbour'), `${formatValue(features.strongest.weight)}, ${describeStep(features.strongest)}`],
  ];
}

/** Headings of the table of a part's largest changes. The change is of the weight; before and after are what the part works on. */
export function changeColumns(part: KernelPart): readonly string[] {
  const values = part.startsWith('pre')
    ? [t('Score before'), t('Score after')]
    : [t('Weight before'), t('Weight after')];
  return [t('Query → key'), t('Change of weight'), ...values];
}
