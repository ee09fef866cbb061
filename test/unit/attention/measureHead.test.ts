import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type MeasuredHead, measures, rankHeads } from '../../../src/attention/headRanking';
import { HeadMeasurement, Repeats } from '../../../src/attention/measureHead';
import type { HeadMeasures } from '../../../src/shared/headMeasures';
import { bandsOf } from '../../bands';
import { Random } from '../../random';

const near = (got: number, want: number) => assert.ok(Math.abs(got - want) < 1e-6, `${got} instead of ${want}`);
const map = (...rows: number[][]) => Float32Array.from(rows.flat());
interface Maps {
  attention: Float32Array;
  preConv: { before: Float32Array; after: Float32Array } | null;
  postConv: { before: Float32Array; after: Float32Array } | null;
}

/** Two rows at a time. */
function measureHead({ attention, preConv, postConv }: Maps, ids: number[], reach?: number): HeadMeasures {
  const measurement = new HeadMeasurement(new Repeats(ids, reach));
  const change = (maps: Maps['preConv'], i: number) =>
    maps && { before: bandsOf(maps.before, 2)[i]!, after: bandsOf(maps.after, 2)[i]! };
  for (const [i, band] of bandsOf(attention, 2).entries()) {
    measurement.add({ attention: band, preConv: change(preConv, i), postConv: change(postConv, i) });
  }
  return measurement.measures;
}

const only = (attention: Float32Array, ids: number[]) => measureHead({ attention, preConv: null, postConv: null }, ids);

test('a head that looks at the token before', () => {
  const got = only(map([1, 0, 0], [1, 0, 0], [0, 1, 0]), [5, 6, 7]);
  near(got.previousToken, 1);
  near(got.entropyBits, 0);
  near(got.meanDistance, 1);
  near(got.sinkShare, 0.5); // query 1 looks at key 0, which is both
  assert.ok(Number.isNaN(got.induction), 'no token occurs twice');
  assert.ok(Number.isNaN(got.preConvChange) && Number.isNaN(got.postConvChange), 'no convolution');
});

test('signs and row sums do not matter, masked cells are not read', () => {
  const got = only(map([9, 9, 9], [-2, 2, 9], [-1, 2, 1]), [1, 2, 3]);
  near(got.entropyBits, (1 + 1.5) / 2);
  near(got.meanDistance, (0.5 + (0.25 * 2 + 0.5)) / 2);
  near(got.sinkShare, (0.5 + 0.25) / 2);
});

test('induction looks at what followed the same token, not at the query itself, and chance is subtracted', () => {
  const zeros = [0, 0, 0, 0];
  const got = only(map(zeros, [1, 0, 0, 0], [0.25, 0.5, 0.25, 0], [0, 1, 0, 0]), [1, 2, 1, 1]);
  // Query 2 (same as 0): key 1 has 0.5, and is the only key one back. Query 3 (same as 0 and 2): key 1 has 1, key 3 is the
  // query; two and three back there is no other key but key 0, which does not count.
  near(got.induction, 0);
  const apart = only(map([1, 0, 0, 0, 0], [1, 0, 0, 0, 0], [1, 0, 0, 0, 0], [1, 0, 0, 0, 0], [0, 1, 0, 0, 0]), [7, 1, 2, 3, 7]); // biome-ignore format: rows
  // Query 4 (same as 0): key 1, three back, has 1; spread over two and three back it would have half of it.
  near(apart.induction, 0.5);
  const adjacent = only(map([1, 0, 0], [0, 1, 0], [0, 0, 1]), [4, 5, 5]);
  assert.ok(
    Number.isNaN(adjacent.induction),
    'the only earlier place is the token before: it is followed by the query',
  );
});

/** Random tokens of a small vocabulary with repeated stretches, as in a document. */
function documentIds(nTokens: number): number[] {
  const random = new Random(5);
  const ids = [0];
  while (ids.length < nTokens) {
    const from = random.below(ids.length);
    if (random.next() < 0.1 && ids.length > 40) ids.push(...ids.slice(from, from + 12));
    else ids.push(1 + Math.floor(120 * random.next() ** 2));
  }
  return ids.slice(0, nTokens);
}

const nTokens = 400;
const ids = documentIds(nTokens);
type Row = (query: number) => readonly (readonly [key: number, weight: number])[];
const even = (first: number, last: number) =>
  Array.from({ length: last - first + 1 }, (_, i) => [first + i, 1 / (last - first + 1)] as const);
const latest = (query: number, isMatch: (key: number) => boolean) => {
  for (let key = query - 8; key > 0; key--) if (isMatch(key)) return [[key, 1]] as const;
  return [[0, 1]] as const;
};
/** Heads whose behavior is known: rows by query. */
const planted: Readonly<Record<string, Row>> = {
  even: query => even(0, query),
  'the last 32 evenly': query => even(Math.max(0, query - 31), query),
  'the last 45 evenly': query => even(Math.max(0, query - 44), query),
  sink: () => [[0, 1]],
  'half the queries on the first token, half evenly far back': query =>
    query % 2 === 0 || query < 9 ? [[0, 1]] : even(1, query - 8),
  'half of each row on the first token, half even': query => [
    [0, 0.5],
    ...even(0, query).map(([k, w]) => [k, w / 2] as const),
  ],
  'previous token': query => [[Math.max(0, query - 1), 1]],
  itself: query => [[query, 1]],
  '20 tokens back': query => [[Math.max(0, query - 20), 1]],
  'a random place': query => [[Math.floor(new Random(query).next() * (query + 1)), 1]],
  induction: query => latest(query, key => ids[key - 1] === ids[query]),
  duplicate: query => latest(query, key => ids[key] === ids[query]),
  'copy of the next': query => latest(query, key => ids[key] === ids[query + 1]),
  'half induction': query => [
    [0, 0.5],
    ...latest(query, key => ids[key - 1] === ids[query]).map(([k, w]) => [k, w / 2] as const),
  ],
};
const scores = Object.fromEntries(
  Object.entries(planted).map(([name, row]) => {
    const attention = new Float32Array(nTokens * nTokens);
    for (let query = 0; query < nTokens; query++) {
      for (const [key, weight] of row(query)) attention[query * nTokens + key]! += weight;
    }
    return [name, only(attention, ids)];
  }),
);

for (const name of ['even', 'the last 32 evenly', 'sink', 'previous token', 'itself'] as const) {
  test(`planted head "${name}" finds no context, exactly`, () => {
    assert.ok(Math.abs(scores[name]!.contextScore) < 1e-5, `${scores[name]!.contextScore}`);
  });
}
for (const name of Object.keys(planted).slice(0, 10)) {
  test(`planted head "${name}" scores as chance does`, () => {
    const { contextScore, induction } = scores[name]!;
    assert.ok(Math.abs(contextScore) < 0.05, `finds context ${contextScore}`);
    assert.ok(Math.abs(induction) < 0.05, `induction ${induction}`);
  });
}
test('heads that look at what repeats or continues the text rank first, the pure ones above the mixed one', () => {
  const order = Object.keys(planted).sort((a, b) => scores[b]!.contextScore - scores[a]!.contextScore);
  assert.deepEqual(order.slice(0, 3).sort(), ['copy of the next', 'duplicate', 'induction']);
  assert.equal(order[3], 'half induction');
  for (const name of order.slice(0, 3))
    assert.ok(scores[name]!.contextScore > 0.3, `${name}: ${scores[name]!.contextScore}`);
  const byInduction = Object.keys(planted).sort((a, b) => scores[b]!.induction - scores[a]!.induction);
  assert.equal(byInduction[0], 'induction');
  assert.ok(scores['induction']!.induction > 0.5);
});

test('the score of repeated random tokens, the field’s own case: near 1 for an induction head, near 0 for an even one', () => {
  const [length, begin] = [100, 0];
  const random = new Random(2);
  const drawn = Array.from({ length }, () => 1 + random.below(5000));
  const repeated = [begin, ...drawn, ...drawn];
  const n = repeated.length;
  const attention = new Float32Array(n * n);
  for (let query = 0; query < n; query++) attention[query * n + Math.max(0, query - length + 1)] = 1;
  const got = only(attention, repeated);
  assert.ok(got.induction > 0.95 && got.contextScore > 0.9, `${got.induction}, ${got.contextScore}`);
});

test('a sliding window ends what a query can find, and where its chance is spread', () => {
  const [n, reach] = [200, 24];
  const windowed = new Float32Array(n * n);
  for (let query = 0; query < n; query++) {
    for (const [key, weight] of even(Math.max(0, query - reach + 1), query)) windowed[query * n + key] = weight;
  }
  const got = measureHead({ attention: windowed, preConv: null, postConv: null }, ids.slice(0, n), reach);
  near(got.contextScore, 0);
  near(got.induction, 0);
  const far = Array.from({ length: n }, (_, i) => (i % 40 === 5 ? 1 : 10 + i));
  const unseen = measureHead({ attention: windowed, preConv: null, postConv: null }, far, reach);
  assert.ok(Number.isNaN(unseen.contextScore), 'the same token is always 40 back');
});

test('change by convolution: total variation of softmaxes before, half the L1 distance after', () => {
  const scores = { before: map([0, 0], [0, 0]), after: map([0, 0], [0, Math.log(3)]) };
  const pattern = { before: map([1, 0], [0.5, 0.5]), after: map([1, 0], [-0.5, 2]) };
  const got = measureHead({ attention: pattern.after, preConv: scores, postConv: pattern }, [1, 2]);
  near(got.preConvChange, 0.25);
  near(got.postConvChange, 1.25);
});

test('one token, or rows of zeros, have no measures', () => {
  for (const got of [only(map([1]), [7]), only(map([1, 0], [0, 0]), [7, 8])]) {
    for (const { name } of measures) assert.ok(Number.isNaN(got[name]), name);
  }
});

test('ranking: by the measure’s direction, heads without it last, equal ones in order', () => {
  const head = (headIdx: number, change: Partial<HeadMeasures>): MeasuredHead => ({
    layerIdx: 0,
    headIdx,
    values: { contextScore: 0, entropyBits: 0, preConvChange: Number.NaN, ...change } as HeadMeasures,
  });
  const heads = [
    head(0, { entropyBits: 2 }),
    head(1, { contextScore: 1, entropyBits: 3 }),
    head(2, { preConvChange: 0 }),
  ];
  const order = (by: keyof HeadMeasures) => rankHeads(heads, by).map(({ headIdx }) => headIdx);
  assert.deepEqual(order('contextScore'), [1, 0, 2]);
  assert.deepEqual(order('entropyBits'), [2, 0, 1]);
  assert.deepEqual(order('preConvChange'), [2, 0, 1]);
});

test('copying is the attention to earlier tokens, each by how far the head raises the token there', () => {
  const attention = map([1, 0, 0, 0], [0.5, 0.5, 0, 0], [0.25, 0.5, 0.25, 0], [-0.25, 0.25, -0.5, 1]);
  const copying = (copies: number[] | null) => {
    const measurement = new HeadMeasurement(new Repeats([1, 2, 3, 4]), copies);
    for (const band of bandsOf(attention, 2)) measurement.add({ attention: band, preConv: null, postConv: null });
    return measurement.measures.copying;
  };
  // Query 1 sees no key that counts; query 2 has 0.5 of 1 at key 1; query 3 has 0.25 and -0.5 of 2 at keys 1 and 2.
  near(copying([9, 1, 1, 9]), (0 + 0.5 - 0.125) / 3);
  near(copying([9, 1, -1, 9]), (0 + 0.5 + 0.375) / 3);
  near(copying([9, Number.NaN, 1, 9]), (0 + 0 - 0.25) / 3);
  near(copying([0, 0, 0, 0]), 0);
  assert.ok(Number.isNaN(copying(null)), 'without the weights it is not known');
});
