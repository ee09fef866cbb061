import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bestHeads, meanOfRows, retrievalScore } from '../../../src/attention/retrievalHeads';

const row = (...values: number[]) => Float32Array.from(values);

test('a score is what the query adds to the attention on the gold passage, and on nothing else', () => {
  const asked = row(0.9, 0.5, 0.25, 0.9);
  const unasked = row(0, 0.25, 0.125, 0);
  assert.equal(retrievalScore({ asked, unasked }, { first: 1, end: 3 }), 0.375);
  assert.equal(retrievalScore({ asked: unasked, unasked }, { first: 0, end: 4 }), 0);
});

test('a passage of one token counts', () => {
  assert.equal(retrievalScore({ asked: row(0, 0.5), unasked: row(0, 0.25) }, { first: 1, end: 2 }), 0.25);
});

test('a token far below the others of the passage does not count', () => {
  const asked = row(...Array.from({ length: 9 }, () => 0.125), 0);
  const unasked = row(...Array.from({ length: 9 }, () => 0), 4);
  assert.equal(retrievalScore({ asked, unasked }, { first: 0, end: 10 }), 9 * 0.125);
});

test('the best heads come first, equal ones in their order', () => {
  const heads = [1, 3, 2, 3].map((score, headIdx) => ({ layerIdx: 0, headIdx, score }));
  assert.deepEqual(
    bestHeads(heads, 3).map(({ headIdx }) => headIdx),
    [1, 3, 2],
  );
});

test('rows are averaged key by key', () => {
  assert.deepEqual(meanOfRows(row(1, 2, 3, 5), 2), row(2, 3.5));
});
