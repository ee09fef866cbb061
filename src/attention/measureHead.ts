/** Computes the measures of shared/headMeasures.ts, which has the formulas, from the rows of one head's exact maps. Pure. */

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
    ...{ entropy: mean(), distance: mean(), previous: mean(), induction: mean(), sink: mean(), context: mean() },
    ...{ preConv: mean(), postConv: mean() },
    ...{ duplicate: mean(), own: mean(), near: mean(), evenness: mean(), copying: mean() },
  };

  /** @param copies r[j] of `copying` for each key of the head, NaN where it is not known; null without it. */
  constructor(
    private readonly repeats: Repeats,
    private readonly copies: ArrayLike<number> | null = null,
  ) {}

  add({ attention, preConv, postConv }: HeadBands): void {
    for (let query = Math.max(1, attention.queryStart); query < queryEnd(attention); query++) {
      this.addAttention(rowOf(attention, query), query);
      if (preConv) this.means.preConv.add(rowChange(preConv, query, softmax));
      if (postConv) this.means.postConv.add(rowChange(postConv, query, row => row));
    }
  }

  /** Of the rows so far; NaN where there is nothing to measure. */
  get measures(): HeadMeasures {
    const { entropy, distance, previous, induction, sink, context, preConv, postConv } = this.means;
    const { duplicate, own, near, evenness, copying } = this.means;
    return {
      entropyBits: entropy.value(),
      meanDistance: distance.value(),
      previousToken: previous.value(),
      induction: induction.value(),
      sinkShare: sink.value(),
      preConvChange: preConv.value(),
      postConvChange: postConv.value(),
      contextScore: context.value(),
      duplicateToken: duplicate.value(),
      ownToken: own.value(),
      nearShare: near.value(),
      evenness: evenness.value(),
      copying: copying.value(),
    };
  }

  private addAttention(row: Float32Array, query: number): void {
    const { entropy, distance, previous, induction, sink, context, duplicate, own, near, evenness } = this.means;
    const total = row.reduce((sum, weight) => sum + Math.abs(weight), 0);
    if (!(total > 0)) return;
    const octaves = new Float64Array(32);
    let [bits, tokens, nearby] = [0, 0, 0];
    for (let key = 0; key <= query; key++) {
      const share = Math.abs(row[key]!) / total;
      if (share > 0) bits -= share * Math.log2(share);
      tokens += share * (query - key);
      if (key > 0) octaves[octaveOf(query - key)]! += share;
      if (key > 0 && query - key < neighbourhood) nearby += share;
    }
    entropy.add(bits);
    evenness.add(bits / Math.log2(query + 1));
    own.add(Math.abs(row[query]!) / total);
    near.add(nearby);
    distance.add(tokens);
    previous.add(Math.abs(row[query - 1]!) / total);
    sink.add(Math.abs(row[0]!) / total);
    const { repeats, copies } = this;
    if (copies) {
      let sum = 0;
      for (let key = 1; key < query; key++) {
        const copied = copies[key]!;
        if (!Number.isNaN(copied)) sum += row[key]! * copied;
      }
      this.means.copying.add(sum / total);
    }
    const measure = (visitKeys: (visit: (key: number) => void) => void, into: ReturnType<typeof mean>) => {
      let [excess, count] = [0, 0];
      visitKeys(key => {
        const octave = octaveOf(query - key);
        excess += Math.abs(row[key]!) / total - octaves[octave]! / repeats.keysInOctave(query, octave);
        count++;
      });
      if (count > 0) into.add(excess);
    };
    measure(visit => repeats.visitSuccessors(query, visit), induction);
    measure(visit => repeats.visitContext(query, visit), context);
    measure(visit => repeats.visitDuplicates(query, visit), duplicate);
  }
}

/** Distances 1, 2 to 3, 4 to 7, 8 to 15 … are one octave each; the query itself is octave 0, distance 1 octave 1. */
function octaveOf(distance: number): number {
  return 32 - Math.clz32(distance);
}

/** Where the tokens of a window occur again: what heads could find. */
export class Repeats {
  private readonly places = new Map<number, number[]>();

  /**
   * @param ids the window's tokens, shape [nTokens].
   * @param reach how many keys a query sees, itself included; all up to itself without a sliding window.
   * @param chunk tokens of a chunk, whose keys alone its queries see.
   */
  constructor(
    private readonly ids: ArrayLike<number>,
    private readonly reach = Number.POSITIVE_INFINITY,
    private readonly chunk = Number.POSITIVE_INFINITY,
  ) {
    for (let i = 0; i < ids.length; i++) {
      const places = this.places.get(ids[i]!);
      if (places) places.push(i);
      else this.places.set(ids[i]!, [i]);
    }
  }

  /** Keys within reach that followed the query's token earlier. */
  visitSuccessors(query: number, visit: (key: number) => void): void {
    this.visitPlaces(this.ids[query]!, this.firstKey(query) - 1, query - 2, place => visit(place + 1));
  }

  /** Earlier places of the query's token within reach. */
  visitDuplicates(query: number, visit: (key: number) => void): void {
    this.visitPlaces(this.ids[query]!, this.firstKey(query), query - 1, visit);
  }

  /** The keys C[i] of `contextScore`, each once. */
  visitContext(query: number, visit: (key: number) => void): void {
    const { ids } = this;
    const [first, last] = [this.firstKey(query), query - neighbourhood];
    const id = ids[query]!;
    this.visitPlaces(id, first, last, visit);
    this.visitPlaces(id, first - 1, last - 1, place => {
      if (ids[place + 1] !== id) visit(place + 1);
    });
    if (query + 1 === ids.length || ids[query + 1] === id) return;
    this.visitPlaces(ids[query + 1]!, first, last, place => {
      if (ids[place - 1] !== id) visit(place);
    });
  }

  /** Keys of an octave that a query sees, without key 0. */
  keysInOctave(query: number, octave: number): number {
    const nearest = octave === 0 ? 0 : 2 ** (octave - 1);
    return Math.min(2 ** octave - 1, query - this.firstKey(query)) - nearest + 1;
  }

  /** The furthest key that a query sees, but not key 0. */
  private firstKey(query: number): number {
    const chunkStart = Number.isFinite(this.chunk) ? query - (query % this.chunk) : 0;
    return Math.max(1, chunkStart, query - this.reach + 1);
  }

  /** Places of a token from `first` to `last`, both included, the last one first. */
  private visitPlaces(id: number, first: number, last: number, visit: (place: number) => void): void {
    const places = this.places.get(id) ?? [];
    let [low, high] = [0, places.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (places[middle]! <= last) low = middle + 1;
      else high = middle;
    }
    for (let i = low - 1; i >= 0 && places[i]! >= first; i--) visit(places[i]!);
  }
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
