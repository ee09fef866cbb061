import assert from 'node:assert/strict';
import { test } from 'node:test';
import { finiteMean, rankEffects, singleAblations } from '../../../src/attention/ablationEffects';
import type { LayerSummary } from '../../../src/shared/analysis';

const conv = { rows: 2, columns: 3, identityColumn: 1 };
const mix = { rows: 1, columns: 200, identityColumn: null };
const layer = (layerIdx: number, kernels: LayerSummary['kernels']): LayerSummary => ({
  ...{ layerIdx, operators: [], stages: ['scores', 'pattern'] },
  ...{ preSoftmaxKernel: null, postSoftmaxKernel: null, kernels },
});

test('all single ablations: convolutions first, whole parts before their heads; nothing where there are no kernels', () => {
  const layers = [layer(0, {}), layer(1, { pre_softmax_conv: conv, post_softmax_head_mix: mix })];
  const later = [
    layer(0, { pre_softmax_head_mix: mix }),
    layer(1, { pre_softmax_conv: conv, post_softmax_conv: conv }),
  ];
  assert.deepEqual(
    singleAblations(later, 2, false).map(edit => `${edit.layerIdx} ${edit.part}`),
    ['1 pre_softmax_conv', '1 post_softmax_conv', '0 pre_softmax_head_mix'],
  );
  const names = singleAblations(layers, 200, true).map(edit => `${edit.layerIdx} ${edit.part} ${edit.headIdx}`);
  assert.equal(names.length, 2 + 2 * 200);
  assert.deepEqual(names.slice(0, 3), [
    '1 pre_softmax_conv null',
    '1 post_softmax_head_mix null',
    '1 pre_softmax_conv 0',
  ]);
  assert.equal(singleAblations(layers, 200, false).length, 2);
  assert.equal(singleAblations(layers, 1, true).length, 2);
  assert.deepEqual(singleAblations([layer(0, {})], 4, true), []);
});

test('ranked by divergence, what is not a number last', () => {
  const effect = (meanKlBits: number) => ({
    edit: { part: null, layerIdx: null, headIdx: null, weights: null },
    meanKlBits,
    meanSurprisalChangeBits: 0,
  });
  const ranked = rankEffects([effect(0.5), effect(Number.NaN), effect(2), effect(0)]);
  assert.deepEqual(
    ranked.map(({ meanKlBits }) => meanKlBits),
    [2, 0.5, 0, Number.NaN],
  );
});

test('means leave out what is not a number', () => {
  assert.equal(finiteMean([Number.NaN, 1, 3]), 2);
  assert.ok(Number.isNaN(finiteMean([])));
});
