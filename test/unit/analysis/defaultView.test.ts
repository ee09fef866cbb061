import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultLayer } from '../../../src/analysis/defaultView';
import type { LayerSummary } from '../../../src/shared/analysis';

const layer = (layerIdx: number, hasKernel: boolean): LayerSummary => ({
  layerIdx,
  operators: ['score', 'softmax'],
  stages: ['scores', 'pattern'],
  preSoftmaxKernel: hasKernel ? [6, 11] : null,
  postSoftmaxKernel: null,
  kernels: {},
});

test('the newest layer until the first convolution is ready, which then stays', () => {
  const layers = [false, false, true, false].map((hasKernel, i) => layer(i, hasKernel));
  assert.deepEqual(
    [0, 1, 2, 3, 4].map(done => defaultLayer(layers, done)),
    [0, 0, 1, 2, 2],
  );
  assert.equal(defaultLayer(layers.slice(0, 2), 2), 1);
  assert.equal(defaultLayer([], 0), 0);
});
