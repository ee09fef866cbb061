/** Computes the measures of shared/headMeasures.ts, where their formulas are, from the rows of one head's exact maps. Pure. */

import { type HeadMeasures, neighbourhood } from '../shared/headMeasures';
import { softmax } from './distributions';
import { type MapBand, queryEnd, rowOf } from './mapBand';

/** The same rows of one head's maps. */
export interface HeadBands {
  /** The last stage: what multiplies the values. */
  readonly attention: MapBand;
  /** Scores before and after the convolution before the softmax; null where the layer has none. */
  readonly preConv: Change | null;
  /** Pattern before and after the convolution after the softmax; null where the layer has none. */
  readonly postConv: Change | null;
}

interface Change {
  readonly before: MapBand;
  readonly after: MapBand;
}

/** Measures one head, band after band. */
export class HeadMeasurement {
  private readonly means = {
    ...{ entropy: mean(), distance: mean(), previous: mean(), induction: mean(), sink: mean(), far: mean() },
    ...{ focus: mean(), preConv: mean(), postConv: mean() },
  };

  /** @param earlier of the window's tokens. */
  constructor(private readonly earlier: EarlierPlaces) {}

  add({ attention, preConv, postConv }: HeadBands): void {
    for (let query = Math.max(1, attention.queryStart); query < queryEnd(attention); query++) {
      this.addAttention(rowOf(attention, query), query);
      if (preConv) this.means.preConv.add(rowChange(preConv, query, softmax));
      if (postConv) this.means.postConv.add(rowChange(postConv, query, row => row));
    }
  }

  /** Of the rows so far; NaN where there is nothing to measure. */
  get measures(): HeadMeasures {
    const { entropy, distance, previous, induction, sink, far, focus, preConv, postConv } = this.means;
    return {
      entropyBits: entropy.value(),
      meanDistance: distance.value(),
      previousToken: previous.value(),
      induction: induction.value(),
      sinkShare: sink.value(),
      preConvChange: preConv.value(),
      postConvChange: postConv.value(),
      contextScore: far.value() * focus.value(),
    };
  }

  private addAttention(row: Float32Array, query: number): void {
    const { entropy, distance, previous, induction, sink, far, focus } = this.means;
    const total = row.reduce((sum, weight) => sum + Math.abs(weight), 0);
    if (!(total > 0)) return;
    let [bits, tokens, beyond] = [0, 0, 0];
    for (let key = 0; key <= query; key++) {
      const share = Math.abs(row[key]!) / total;
      if (share > 0) bits -= share * Math.log2(share);
      tokens += share * (query - key);
      if (key > 0 && key <= query - neighbourhood) beyond += share;
    }
    entropy.add(bits);
    distance.add(tokens);
    far.add(beyond);
    focus.add(1 - bits / Math.log2(query + 1));
    previous.add(Math.abs(row[query - 1]!) / total);
    sink.add(Math.abs(row[0]!) / total);
    const { places, count } = this.earlier[query]!;
    let [sum, n] = [0, 0];
    for (let i = 0; i < count && places[i]! + 1 < query; i++) {
      sum += Math.abs(row[places[i]! + 1]!);
      n++;
    }
    if (n > 0) induction.add(sum / total);
  }
}

/** Per token of a window, where the same token was before: the first `count` of `places`, which equal tokens share. */
export type EarlierPlaces = readonly { readonly places: readonly number[]; readonly count: number }[];

/** @param ids the window's tokens, shape [nTokens]. */
export function earlierPlaces(ids: ArrayLike<number>): EarlierPlaces {
  const all = new Map<number, number[]>();
  return Array.from(ids, (id, i) => {
    const places = all.get(id) ?? [];
    all.set(id, places);
    return { places, count: places.push(i) - 1 };
  });
}

/** Half the L1 distance between the two maps' rows of a query. */
function rowChange({ before, after }: Change, query: number, prepare: (row: Float32Array) => Float32Array): number {
  const [a, b] = [prepare(rowOf(before, query)), prepare(rowOf(after, query))];
  let distance = 0;
  for (let key = 0; key <= query; key++) distance += Math.abs(a[key]! - b[key]!);
  return distance / 2;
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
