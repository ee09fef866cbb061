import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type MeasuredHead, measures, rankHeads } from '../../../src/attention/headRanking';
import { earlierPlaces, HeadMeasurement } from '../../../src/attention/measureHead';
import type { HeadMeasures } from '../../../src/shared/headMeasures';
import { bandsOf } from '../../bands';

const near = (got: number, want: number) => assert.ok(Math.abs(got - want) < 1e-6, `${got} instead of ${want}`);
const map = (...rows: number[][]) => Float32Array.from(rows.flat());
interface Maps {
  attention: Float32Array;
  preConv: { before: Float32Array; after: Float32Array } | null;
  postConv: { before: Float32Array; after: Float32Array } | null;
}

/** Two rows at a time. */
function measureHead({ attention, preConv, postConv }: Maps, ids: number[]): HeadMeasures {
  const measurement = new HeadMeasurement(earlierPlaces(ids));
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

test('induction looks at what followed the same token, not at the query itself', () => {
  const zeros = [0, 0, 0, 0];
  const got = only(map(zeros, [1, 0, 0, 0], [0.25, 0.5, 0.25, 0], [0, 1, 0, 0]), [1, 2, 1, 1]);
  // Query 2 (same as 0): key 1 has 0.5. Query 3 (same as 0 and 2): key 1 has 1, key 3 is the query.
  near(got.induction, 0.75);
});

test('finds context: far back, few places, not the first token', () => {
  const nTokens = 12;
  const looksAt = (key: number) => {
    const attention = new Float32Array(nTokens * nTokens);
    for (let i = 0; i < nTokens; i++) attention[i * nTokens + Math.min(i, key)] = 1;
    return only(
      attention,
      Array.from({ length: nTokens }, (_, i) => i),
    ).contextScore;
  };
  near(looksAt(1), 3 / 11); // queries 9, 10 and 11 are far enough from key 1
  near(looksAt(0), 0);
  near(looksAt(11), 0);
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
