/** Heads made to do one thing each are named for it; what they do for content comes before where they rest. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { headKindOf, headKinds } from '../../../src/attention/headKinds';
import { HeadMeasurement, Repeats } from '../../../src/attention/measureHead';
import type { HeadMeasures } from '../../../src/shared/headMeasures';
import { bandsOf } from '../../bands';
import { Random } from '../../random';

const nTokens = 200;
const random = new Random(3);
/** The begin token, and a vocabulary small enough that tokens repeat. */
const ids = [0, ...Array.from({ length: nTokens - 1 }, () => 1 + random.below(30))];

type Weigh = (query: number, key: number) => number;
function measure(weigh: Weigh, tokens: readonly number[] = ids): HeadMeasures {
  const map = Float32Array.from({ length: nTokens * nTokens }, (_, at) => {
    const [query, key] = [Math.floor(at / nTokens), at % nTokens];
    return key > query ? 0 : weigh(query, key);
  });
  const measurement = new HeadMeasurement(new Repeats([...tokens]));
  for (const attention of bandsOf(map, nTokens)) measurement.add({ attention, preConv: null, postConv: null });
  return measurement.measures;
}

const follows: Weigh = (query, key) => Number(key > 1 && key < query && ids[key - 1] === ids[query]);
const repeats: Weigh = (query, key) => Number(key > 0 && key < query && ids[key] === ids[query]);
const heads: [string, Weigh][] = [
  ['induction', follows],
  ['induction', (query, key) => follows(query, key) + 3 * Number(key === 0)],
  ['duplicate_token', repeats],
  ['duplicate_token', (query, key) => -repeats(query, key) - Number(key === query)],
  ['previous_token', (query, key) => Number(key === query - 1)],
  ['own_token', (query, key) => Number(key === query)],
  ['first_token', (_, key) => Number(key === 0)],
  ['local', (query, key) => Number(query - key < 6)],
  ['diffuse', () => 1],
  ['mixed', (query, key) => Number(query - key > 9 && query - key < 14)],
];
for (const [kind, weigh] of heads) {
  test(`a head that does ${weigh} is of the kind ${kind}`, () => {
    const measures = measure(weigh);
    assert.equal(headKindOf(measures).name, kind, JSON.stringify(measures));
  });
}

test('the new measures by hand', () => {
  const measures = measure((query, key) => (key === query ? 0.5 : key === 0 ? 0.25 : key === query - 7 ? 0.25 : 0));
  const own = (query: number) => (query === 7 ? 0.5 / 0.75 : query < 7 ? 0.5 / 0.75 : 0.5);
  const mean = Array.from({ length: nTokens - 1 }, (_, i) => own(i + 1)).reduce((a, b) => a + b) / (nTokens - 1);
  assert.ok(Math.abs(measures.ownToken - mean) < 1e-6);
  assert.ok(measures.nearShare > 0.7 && measures.nearShare < 0.76);
  assert.ok(Math.abs(measure(() => 1).evenness - 1) < 1e-6);
  const distinct = measure(
    repeats,
    Array.from({ length: nTokens }, (_, i) => i),
  );
  assert.ok(Number.isNaN(distinct.duplicateToken), 'no token occurs twice');
});

test('a head that copies is named for it, unless it looks for something or rests on the first token', () => {
  const name = (weigh: Weigh, copying: number) => headKindOf({ ...measure(weigh), copying }).name;
  assert.equal(
    name(() => 1, 0.31),
    'copying',
  );
  assert.equal(
    name(() => 1, 0.29),
    'diffuse',
  );
  assert.equal(
    name((query, key) => Number(query - key < 6), 0.5),
    'copying',
  );
  assert.equal(name(follows, 0.5), 'induction');
  assert.equal(
    name((_, key) => Number(key === 0), 0.5),
    'first_token',
  );
});

test('a head of which nothing is known is mixed; names and rules are distinct', () => {
  const nothing = new Proxy({}, { get: () => Number.NaN }) as HeadMeasures;
  assert.equal(headKindOf(nothing).name, 'mixed');
  for (const key of ['name', 'label', 'rule'] as const) {
    assert.equal(new Set(headKinds.map(kind => kind[key])).size, headKinds.length);
  }
});
