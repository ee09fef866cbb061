import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HeadMeasures } from '../../../src/shared/headMeasures';
import type { KernelWeights } from '../../../src/shared/kernels';
import {
  changesOf,
  describeKernel,
  describeStep,
  entriesOf,
  kernelOrders,
  listFeatures,
  placeOf,
  sortEntries,
} from '../../../webview/kernelGallery';
import { Random } from '../../random';

/** Heads: identity, an edge, one key earlier, not a number. */
const conv: KernelWeights = {
  part: 'pre_softmax_conv',
  rows: 1,
  columns: 3,
  identityColumn: 1,
  values: Float32Array.of(0, 1, 0, -0.8, 0.8, 0, 1, 0.1, 0, Number.NaN, 1, 0),
};
const mix: KernelWeights = {
  part: 'post_softmax_head_mix',
  rows: 1,
  columns: 2,
  identityColumn: null,
  values: Float32Array.of(1, 0.9, 0.9, 1, 1, -0.5, -0.5, 1),
};
const entries = entriesOf(2, [conv, mix]);
const names = (order: (typeof kernelOrders)[number], changes?: ReadonlyMap<string, number>) =>
  sortEntries(entries, order, changes).map(({ key }) => key.replace('2/', '').replace('pre_softmax_conv/', 'head '));

test('every head’s kernel and every mixing matrix is an entry, named by what it does', () => {
  assert.deepEqual(
    entries.map(({ features, headIdx }) => [features.name, headIdx]),
    [
      ['near-identity', 0],
      ['edge', 1],
      ['shift', 2],
      ['not a number', 3],
      ['blend', null],
    ],
  );
  assert.equal(placeOf(entries[1]!), 'layer 2, head 1, before softmax');
  assert.equal(placeOf(entries[4]!), 'layer 2, 4 heads, after softmax');
  for (const entry of entries) {
    assert.match(describeKernel(entry), /^[A-Z].*\.$/);
    assert.ok(listFeatures(entry, undefined).every(([name, value]) => name && value));
  }
});

test('each order puts first what it asks for, and last what is not a number', () => {
  assert.deepEqual(names('place'), ['head 0', 'head 1', 'head 2', 'head 3', 'post_softmax_head_mix']);
  assert.deepEqual(names('edge').slice(0, 2), ['head 1', 'head 0']);
  assert.equal(names('change').at(-1), 'head 3');
  assert.equal(names('name').at(-1), 'head 3');
  const measures = [0.1, 0.5, 0.3, Number.NaN].map(change => ({ preConvChange: change, postConvChange: 0 }));
  const changes = new Map(changesOf(2, measures as unknown as HeadMeasures[]));
  assert.deepEqual(names('document', changes).slice(0, 3), ['head 1', 'head 2', 'head 0']);
});

test('200 heads of noise and numbers that are none are put in order, each once', () => {
  const random = new Random(8);
  const values = random.floats(200 * 66).map(value => (random.next() < 0.001 ? Number.NaN : value));
  const many = entriesOf(0, [{ part: 'post_softmax_conv', rows: 6, columns: 11, identityColumn: 5, values }]);
  for (const order of kernelOrders) assert.equal(new Set(sortEntries(many, order)).size, 200);
});

const steps: [number, number, string][] = [
  [0, -1, '1 key earlier, same query'],
  [2, 0, 'the same key, 2 queries back'],
  [1, 3, '3 keys later, 1 query back'],
];
for (const [queriesBack, keyShift, text] of steps) {
  test(`a step is described as "${text}"`, () =>
    assert.equal(describeStep({ queriesBack, keyShift, weight: 1 }), text));
}
