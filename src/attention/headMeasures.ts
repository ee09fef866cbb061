/**
 * Numbers that tell what kind of head a head is, from one head's exact maps. Pure.
 *
 * Most measures look at how a query spreads its attention: p[i, j] = |w[i, j]| / sum over j of |w[i, j]|, the share of
 * the row's magnitude. For a pattern that is the weight itself; a mixed pattern has signs and other row sums, and the
 * share is what they leave comparable. Queries whose row holds only zeros are left out. Query 0, which can only look
 * at itself, is left out everywhere.
 */

/** Keys nearer than this count as the query's neighbourhood in `contextScore`. */
export const neighbourhood = 8;

/** Each is a mean over queries; NaN where no query has it (one token; no token occurs twice; no convolution). */
export interface HeadMeasures {
  /** H[i] = -sum p log2 p, in bits: 0 looks at one key, log2(i + 1) at all alike. */
  readonly entropyBits: number;
  /** sum p[i, j] (i - j), in tokens. */
  readonly meanDistance: number;
  /** p[i, i - 1]. Source: "previous token head", Elhage et al., A Mathematical Framework for Transformer Circuits. */
  readonly previousToken: number;
  /**
   * Over queries whose token occurred before: sum of p[i, j + 1] over earlier places j of the same token, j + 1 < i.
   * Source: Olsson et al., In-context Learning and Induction Heads, arXiv 2209.11895 (prefix matching).
   */
  readonly induction: number;
  /** p[i, 0]. Source: Xiao et al., attention sinks, arXiv 2309.17453. */
  readonly sinkShare: number;
  /** Half the L1 distance of softmax(scores) and softmax(scores after the convolution), 0 to 1: total variation. */
  readonly preConvChange: number;
  /** Half the L1 distance of pattern and pattern after the convolution; above 1 where the kernel amplifies. */
  readonly postConvChange: number;
  /**
   * far x focus: `far` is the mean of sum p[i, j] over 0 < j <= i - neighbourhood, `focus` the mean of
   * 1 - H[i] / log2(i + 1). High for heads that look far back at few places, not at the first token: these find
   * context. Our own definition.
   */
  readonly contextScore: number;
}

export type MeasureName = keyof HeadMeasures;

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
