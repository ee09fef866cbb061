import assert from 'node:assert/strict';
import { test } from 'node:test';
import { blockSizeFor } from '../../../src/graph/reductions';
import { maxOverviewSize } from '../../../src/shared/attentionMap';

test('overviews never exceed their size and pool no more than needed', () => {
  for (const [nTokens, blockSize] of [
    [1, 1],
    [256, 1],
    [257, 2],
    [512, 2],
    [513, 4],
    [4096, 16],
  ] as const) {
    assert.equal(blockSizeFor(nTokens), blockSize);
    assert.ok(Math.ceil(nTokens / blockSize) <= maxOverviewSize);
  }
});
