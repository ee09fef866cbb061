import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PanelState } from '../../../src/shared/panel/panelMessages';
import { bestConvolution, leastExpected, unaskedTrials } from '../../../webview/fileFindingsText';
import { Places } from '../../../webview/places';
import { hiddenTokens, questionOf } from '../../../webview/whyQuestion';
import { model } from '../../fixtures/fakeClient';

const labels = ['<begin>', 'const', ' byte', 'Width', ' = ', '1', ';\n', 'Width'];
const tokens = {
  ...{ labels, offsets: Uint32Array.of(0, 0, 5, 10, 15, 18, 19, 21, 26) },
  surprisalBits: Float32Array.of(Number.NaN, 9, 3, 2, 1, 1, 1, 4),
};
const panel = {
  ...{ status: 'done', analysisId: 7, tokens, selectedToken: null, selectionAnchor: null },
  suggestion: { first: 2, end: 4 },
} as unknown as PanelState;

test('predicting: the row before the first token; reading: the row of the last, which has seen the word', () => {
  assert.deepEqual(questionOf(panel, 'predicting', null), {
    ...{ analysisId: 7, row: 1, target: 'actual', tokenIdx: 2, range: { first: 2, end: 4 }, isSuggested: true },
  });
  assert.deepEqual(questionOf(panel, 'reading', null), {
    ...{ analysisId: 7, row: 3, target: 'predicted', tokenIdx: 3, range: { first: 2, end: 4 }, isSuggested: true },
  });
});

test('a selection comes before the suggestion, and a picked token of it counts', () => {
  const selected = { ...panel, selectedToken: 3, selectionAnchor: 2 };
  const question = questionOf(selected, 'predicting', 3);
  assert.deepEqual([question?.row, question?.tokenIdx, question?.isSuggested], [2, 3, false]);
  assert.equal(questionOf(selected, 'predicting', 5)?.tokenIdx, 2, 'a token of another word does not');
});

test('there is no question before the run is done, without a word, or for tokens that are gone', () => {
  assert.equal(questionOf({ ...panel, status: 'running' }, 'predicting', null), null);
  assert.equal(questionOf({ ...panel, suggestion: null }, 'predicting', null), null);
  assert.equal(questionOf({ ...panel, suggestion: { first: 7, end: 9 } }, 'predicting', null), null);
  assert.equal(questionOf({ ...panel, selectedToken: 0 }, 'predicting', null)?.row, -1, 'nothing predicts token 0');
});

test('of a line that the row is in, the tokens before the row are hidden', () => {
  const line = { lineIdx: 0, text: '', value: 1, strongestIdx: 0, tokens: { first: 1, end: 7 } };
  assert.deepEqual(hiddenTokens(line, 6), { first: 1, end: 6 });
  assert.equal(hiddenTokens({ ...line, tokens: { first: 6, end: 7 } }, 6), null);
});

test('the least expected identifier is a whole word', () => {
  const found = leastExpected(tokens, new Places(tokens, 1));
  assert.deepEqual(found, { tokenIdx: 1, text: 'const', line: 1, bits: 9 });
});

test('the convolution that matters most is of a whole layer', () => {
  const effect = (part: string, layerIdx: number, headIdx: number | null, meanKlBits: number) =>
    ({ edit: { part, layerIdx, headIdx, weights: null }, meanKlBits, meanSurprisalChangeBits: 0 }) as never;
  const effects = [
    effect('pre_softmax_head_mix', 0, null, 9),
    effect('pre_softmax_conv', 1, 0, 8),
    effect('pre_softmax_conv', 1, null, 0.5),
    effect('post_softmax_conv', 6, null, 0.87),
  ];
  const shape = { rows: 2, columns: 3, identityColumn: 1 };
  const layers = [{ pre_softmax_head_mix: shape }, { pre_softmax_conv: shape }, { post_softmax_conv: shape }];
  const bestOf = (tried: readonly never[], status: 'running' | 'done') =>
    bestConvolution(
      { effects: tried, status },
      layers.map(kernels => ({ kernels })),
    );
  assert.deepEqual(bestOf(effects, 'done'), { layerIdx: 6, bits: 0.87 });
  assert.deepEqual(bestOf(effects.slice(1), 'running'), { layerIdx: 6, bits: 0.87 }, 'other parts are still tried');
  assert.equal(bestOf(effects.slice(0, 3), 'running'), null, 'the other convolution may matter more');
  assert.equal(bestOf([], 'done'), null);
});

test('parts are tried unasked where that takes at most half a minute, each a third of a run; else the convolutions', () => {
  const shape = { rows: 2, columns: 3, identityColumn: 1 };
  const kernels = [{ pre_softmax_head_mix: shape, post_softmax_head_mix: shape }, { pre_softmax_conv: shape }];
  const layers = kernels.map(kernels => ({ ...model.layers[0]!, kernels }));
  const trials = (durationMs: number) => unaskedTrials({ ...panel, model: { ...model, layers }, durationMs });
  assert.equal(trials(89_999 / 3), 'all');
  assert.equal(trials(90_003 / 3), 'convolutions');
  assert.equal(trials(89_999), 'convolutions');
  assert.equal(trials(90_003), 'none');
  assert.equal(unaskedTrials({ ...panel, model: { ...model, layers: [] }, durationMs: 1 }), 'none');
});
