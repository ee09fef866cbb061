/** Computes the measures of shared/headMeasures.ts, where their formulas are, from one head's exact maps. Pure. */

import { type HeadMeasures, neighbourhood } from '../shared/headMeasures';

/** One head's maps, each [nTokens, nTokens] row-major; only cells with key <= query are read. */
export interface HeadMaps {
  /** The last stage: what multiplies the values. */
  readonly attention: Float32Array;
  /** Scores before and after the convolution before the softmax; null where the layer has none. */
  readonly preConv: { readonly before: Float32Array; readonly after: Float32Array } | null;
  /** Pattern before and after the convolution after the softmax; null where the layer has none. */
  readonly postConv: { readonly before: Float32Array; readonly after: Float32Array } | null;
}

/** @param ids the window's tokens, shape [nTokens]. */
export function measureHead(maps: HeadMaps, ids: ArrayLike<number>): HeadMeasures {
  const nTokens = ids.length;
  const [entropy, distance, previous, induction, sink, far, focus] = [
    mean(),
    mean(),
    mean(),
    mean(),
    mean(),
    mean(),
    mean(),
  ];
  const earlier = earlierPlaces(ids);
  for (let i = 1; i < nTokens; i++) {
    const row = maps.attention.subarray(i * nTokens, i * nTokens + i + 1);
    const total = row.reduce((sum, weight) => sum + Math.abs(weight), 0);
    if (!(total > 0)) continue;
    let [bits, tokens, beyond] = [0, 0, 0];
    for (let j = 0; j <= i; j++) {
      const share = Math.abs(row[j]!) / total;
      if (share > 0) bits -= share * Math.log2(share);
      tokens += share * (i - j);
      if (j > 0 && j <= i - neighbourhood) beyond += share;
    }
    entropy.add(bits);
    distance.add(tokens);
    far.add(beyond);
    focus.add(1 - bits / Math.log2(i + 1));
    previous.add(Math.abs(row[i - 1]!) / total);
    sink.add(Math.abs(row[0]!) / total);
    const places = earlier[i]!.filter(j => j + 1 < i);
    if (places.length) induction.add(places.reduce((sum, j) => sum + Math.abs(row[j + 1]!), 0) / total);
  }
  return {
    entropyBits: entropy.value(),
    meanDistance: distance.value(),
    previousToken: previous.value(),
    induction: induction.value(),
    sinkShare: sink.value(),
    preConvChange: maps.preConv ? rowChange(maps.preConv, nTokens, softmax) : Number.NaN,
    postConvChange: maps.postConv ? rowChange(maps.postConv, nTokens, row => row) : Number.NaN,
    contextScore: far.value() * focus.value(),
  };
}

/** Mean over queries from 1 on of half the L1 distance between the two maps' rows. */
function rowChange(
  { before, after }: { readonly before: Float32Array; readonly after: Float32Array },
  nTokens: number,
  prepare: (row: Float32Array) => Float32Array,
): number {
  const change = mean();
  for (let i = 1; i < nTokens; i++) {
    const row = (map: Float32Array) => prepare(map.subarray(i * nTokens, i * nTokens + i + 1));
    const [a, b] = [row(before), row(after)];
    let distance = 0;
    for (let j = 0; j <= i; j++) distance += Math.abs(a[j]! - b[j]!);
    change.add(distance / 2);
  }
  return change.value();
}

function softmax(row: Float32Array): Float32Array {
  const largest = row.reduce((most, x) => Math.max(most, x), Number.NEGATIVE_INFINITY);
  const powers = row.map(x => Math.exp(x - largest));
  const total = powers.reduce((sum, x) => sum + x, 0);
  return powers.map(x => x / total);
}

/** Per token, the places before it that hold the same token. */
function earlierPlaces(ids: ArrayLike<number>): number[][] {
  const places = new Map<number, number[]>();
  return Array.from(ids, (id, i) => {
    const before = places.get(id) ?? [];
    places.set(id, [...before, i]);
    return before;
  });
}

function mean() {
  let [sum, count] = [0, 0];
  return {
    add(x: number) {
      sum += x;
      count++;
    },
    value: () => (count ? sum / count : Number.NaN),
  };
}
