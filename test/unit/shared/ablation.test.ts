import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type Ablation,
  ablatedLayers,
  ablatedWeights,
  checkAblation,
  describeAblation,
  editOf,
  type KernelEdit,
  noAblation,
  presets,
  withEdit,
} from '../../../src/shared/ablation';
import type { LayerSummary } from '../../../src/shared/analysis';
import { identityIndex, identityMatrix, type KernelWeights, sourceHead } from '../../../src/shared/kernels';

const conv = { rows: 2, columns: 3, identityColumn: 1 };
const mix = { rows: 1, columns: 2, identityColumn: null };
const layers: LayerSummary[] = [
  {
    ...{ layerIdx: 0, operators: [], stages: ['scores', 'pattern'] },
    ...{ preSoftmaxKernel: null, postSoftmaxKernel: null, kernels: {} },
  },
  {
    layerIdx: 1,
    operators: [],
    stages: ['scores', 'convolved_scores', 'pattern', 'mixed_pattern'],
    preSoftmaxKernel: [2, 3],
    postSoftmaxKernel: null,
    kernels: { pre_softmax_conv: conv, post_softmax_head_mix: mix },
  },
];
const edit = (change: Partial<KernelEdit>): KernelEdit => ({
  ...{ part: 'pre_softmax_conv', layerIdx: 1, headIdx: null, weights: null },
  ...change,
});
const weights = (values: number[]): KernelWeights => ({
  part: 'pre_softmax_conv',
  ...conv,
  values: Float32Array.from(values),
});

test('identities: the current cell of a convolution, the own column in a mixing group', () => {
  assert.deepEqual([...identityMatrix(conv, 5)], [0, 0, 0, 0, 1, 0]);
  assert.deepEqual([...identityMatrix(mix, 5)], [0, 1]);
  assert.equal(identityIndex({ rows: 2, columns: 3, identityColumn: 2 }, 0), 5);
  assert.equal(sourceHead(mix, 5, 0), 4);
});

test('edits apply to their heads only; trained weights are returned as they are where nothing touches them', () => {
  const trained = weights([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
  assert.equal(ablatedWeights(trained, 1, noAblation), trained);
  assert.equal(ablatedWeights(trained, 0, { scope: 'model', edits: [edit({})] }), trained);
  const second = ablatedWeights(trained, 1, { scope: 'model', edits: [edit({ headIdx: 1 })] });
  assert.deepEqual([...second.values], [1, 2, 3, 4, 5, 6, 0, 0, 0, 0, 1, 0]);
  assert.deepEqual([...trained.values.slice(6)], [7, 8, 9, 10, 11, 12]);
  const edited = edit({ headIdx: 0, weights: [9, 9, 9, 9, 9, 9] });
  const both = ablatedWeights(trained, 1, { scope: 'model', edits: [edit({ part: null, layerIdx: null }), edited] });
  assert.deepEqual([...both.values], [9, 9, 9, 9, 9, 9, 0, 0, 0, 0, 1, 0]);
});

test('a new edit drops what it covers and the last one wins', () => {
  let ablation: Ablation = withEdit(noAblation, edit({ headIdx: 1, weights: [1, 2, 3, 4, 5, 6] }));
  ablation = withEdit(ablation, edit({ headIdx: 0 }));
  assert.equal(ablation.edits.length, 2);
  assert.equal(editOf(ablation, 'pre_softmax_conv', 1, 1)?.weights?.length, 6);
  ablation = withEdit(ablation, edit({}));
  assert.deepEqual(ablation.edits, [edit({})]);
  assert.equal(editOf(ablation, 'post_softmax_conv', 1, 1), null);
});

test('layers that change are those that have the part', () => {
  const of = (...edits: KernelEdit[]) => ablatedLayers({ scope: 'model', edits }, layers);
  assert.deepEqual(of(edit({ part: null, layerIdx: null })), [1]);
  assert.deepEqual(of(edit({ part: 'post_softmax_conv' })), []);
  assert.deepEqual(of(), []);
});

test('presets are what the model has', () => {
  const labels = (of: LayerSummary[], layerIdx: number) => presets(of, layerIdx).map(({ label }) => label);
  assert.deepEqual(labels(layers, 1), [
    'All of MTA off',
    'Convolution before softmax off',
    'Head mixing off',
    'Layer 1 off',
  ]);
  assert.deepEqual(labels(layers.slice(0, 1), 0), []);
  for (const { edits } of presets(layers, 1)) checkAblation({ scope: 'model', edits }, layers, 2);
});

const said: [string, Ablation, string][] = [
  ['nothing', noAblation, ''],
  ['everything', { scope: 'model', edits: [edit({ part: null, layerIdx: null })] }, 'all of MTA off'],
  [
    'a head, one layer only',
    { scope: 'layer', edits: [edit({ headIdx: 0 })] },
    'layer 1 head 0 convolution before softmax off (this layer only)',
  ],
  [
    'many',
    { scope: 'model', edits: [0, 1, 2, 3, 4].map(headIdx => edit({ headIdx, weights: [1] })) },
    'layer 1 head 0 convolution before softmax edited, layer 1 head 1 convolution before softmax edited, ' +
      'layer 1 head 2 convolution before softmax edited, 2 more',
  ],
];
for (const [what, ablation, text] of said) {
  test(`described: ${what}`, () => assert.equal(describeAblation(ablation), text));
}

const wrong: [string, unknown, RegExp][] = [
  ['no object', 3, /its scope is missing/],
  ['an unknown scope', { scope: 'head', edits: [] }, /scope is "head", expected "model" or "layer"/],
  ['no list', { scope: 'model', edits: {} }, /edits are not a list/],
  [
    'an unknown part',
    { scope: 'model', edits: [edit({ part: 'gate' as never })] },
    /part "gate", expected pre_softmax/,
  ],
  [
    'a layer that is not there',
    { scope: 'model', edits: [edit({ layerIdx: 2 })] },
    /layer 2, the model has layers 0 to 1/,
  ],
  ['a head that is not there', { scope: 'model', edits: [edit({ headIdx: 2 })] }, /head 2, the model has heads 0 to 1/],
  ['a layer without the part', { scope: 'model', edits: [edit({ layerIdx: 0 })] }, /layer 0 has no convolution before/],
  ['weights for all heads', { scope: 'model', edits: [edit({ weights: [1] })] }, /need a part, a layer and a head/],
  ['too few weights', { scope: 'model', edits: [edit({ headIdx: 0, weights: [1] })] }, /are not 2×3 numbers/],
  [
    'NaN',
    { scope: 'model', edits: [edit({ headIdx: 0, weights: [0, 0, Number.NaN, 0, 0, 0] })] },
    /its weight 2 is NaN, expected a finite number/,
  ],
];
for (const [what, value, message] of wrong) {
  test(`refused: ${what}`, () =>
    assert.throws(() => checkAblation(value, layers, 2), { code: 'bad-ablation', message }));
}
