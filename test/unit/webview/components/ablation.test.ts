import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Ablation } from '../../../../src/shared/ablation';
import { asTrained, type Ranking } from '../../../../src/shared/panel/panelAblation';
import { bannerLines, sayRanking } from '../../../../webview/ablationText';
import { parseWeight, stepCell } from '../../../../webview/components/kernelEditor';
import { formatMeasure } from '../../../../webview/labels';

const off: Ablation = { scope: 'model', edits: [{ part: null, layerIdx: 2, headIdx: null, weights: null }] };

test('the banner is silent for the model as trained, else it says what is shown and what is to come', () => {
  assert.deepEqual(bannerLines(asTrained), []);
  const effect = {
    klBits: new Float32Array(1),
    meanKlBits: 0.5,
    trainedSurprisalBits: new Float32Array(1),
    meanSurprisalChangeBits: -0.25,
    durationMs: 900,
  };
  assert.deepEqual(bannerLines({ ...asTrained, shown: off, requested: off, trainedId: 1, effect }), [
    'Ablated: layer 2 all parts off. Mean KL divergence 0.5000 bits, surprisal −0.2500 bits per token (900 ms).',
  ]);
  const [wait] = bannerLines({ ...asTrained, requested: off });
  assert.match(wait!, /of the model as trained; layer 2 all parts off will follow once the analysis is done/);
  assert.match(bannerLines({ ...asTrained, requested: off, isRunning: true })[0]!, /^Computing: layer 2/);
  const failure = { code: 'bad-kernel', message: 'Cannot ablate.', actions: [] };
  assert.deepEqual(bannerLines({ ...asTrained, requested: off, failure }), ['Cannot ablate.']);
});

const numbers: [string, number | null][] = [
  ['1.5', 1.5],
  [' −2 ', -2],
  ['0,25', 0.25],
  ['1e-3', Math.fround(1e-3)],
  ['', null],
  ['much', null],
  ['NaN', null],
  ['Infinity', null],
  ['1e999', null],
];
for (const [text, value] of numbers) {
  test(`a weight typed as "${text}"`, () => assert.equal(parseWeight(text), value));
}

test('arrow keys move within the kernel and stop at its edges', () => {
  const shape = { rows: 2, columns: 3, identityColumn: 1 };
  const at = (key: string, index: number) => stepCell(key, index, shape);
  assert.deepEqual([at('ArrowRight', 0), at('ArrowRight', 2), at('ArrowLeft', 3)], [1, 2, 3]);
  assert.deepEqual([at('ArrowDown', 1), at('ArrowDown', 4), at('ArrowUp', 1)], [4, 4, 1]);
  assert.deepEqual([at('Home', 5), at('End', 3), at('a', 0)], [3, 5, undefined]);
});

test('how far a ranking is', () => {
  const ranking: Ranking = {
    ...{ trainedId: 1, status: 'running', withHeads: true, done: 3, total: 20, effects: [], failure: null },
  };
  assert.equal(sayRanking(ranking), '3 of 20 tried');
  assert.equal(sayRanking(ranking, 34_000), '3 of 20 tried, 34 s left');
  assert.match(sayRanking({ ...ranking, status: 'cancelled' }), /Cancelled: 3 of 20/);
  assert.match(sayRanking({ ...ranking, status: 'done', done: 0, total: 0 }), /nothing to rank/);
});

test('measures in a few digits', () => {
  assert.deepEqual([0.31234, 12.345, 345.6, 0, Number.NaN].map(formatMeasure), ['0.312', '12.3', '346', '0.000', '–']);
});
