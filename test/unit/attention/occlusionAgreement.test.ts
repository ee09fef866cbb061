import assert from 'node:assert/strict';
import { test } from 'node:test';
import { occlusionAgreement } from '../../../src/attention/occlusionAgreement';
import { predictingRows } from '../../../src/shared/relevance';

const line = (lineIdx: number, weight: number, predicting: number | null, divergenceBits: number, bits: number) => ({
  ...{ lineIdx, weight, meanWeight: -weight },
  predicting: predicting === null ? null : { weight: predicting, meanWeight: -predicting },
  effect: { surprisalBits: bits, divergenceBits, topLabel: '', topProbability: 0 },
});

test('divergence goes with the reading rows, the signed and the absolute change of surprisal with the predicting rows', () => {
  const lines = [line(0, 1, 3, 0.1, -9), line(1, 2, 2, 0.2, 1), line(2, 3, 1, 0.3, 2), line(3, 4, 0, 0.25, 3)];
  const { divergence, surprisal, surprisalSize } = occlusionAgreement(lines);
  const close = (got: number, expected: number) => assert.ok(Math.abs(got - expected) < 1e-12, `${got}`);
  close(divergence.relevance, 0.8);
  close(divergence.relevanceMean, -0.8);
  close(divergence.nearness, 0.8);
  close(surprisal.relevance, -1);
  close(surprisal.nearness, 1);
  // Sizes 9, 1, 2, 3 against 3, 2, 1, 0.
  close(surprisalSize.relevance, 0.2);
  close(surprisalSize.nearness, -0.2);
});

test('without predicting rows there is no rank correlation with surprisal but that of nearness', () => {
  const lines = [line(0, 1, null, 0.1, 1), line(1, 2, null, 0.2, 2), line(2, 3, null, 0.3, 3)];
  const { surprisal } = occlusionAgreement(lines);
  assert.ok(Number.isNaN(surprisal.relevance) && Number.isNaN(surprisal.relevanceMean));
  assert.equal(surprisal.nearness, 1);
  assert.ok(Number.isNaN(occlusionAgreement([]).divergence.relevance));
});

test('row t - 1 predicts token t; nothing predicts token 0', () => {
  assert.deepEqual(predictingRows({ first: 4, end: 7 }), { first: 3, end: 6 });
  assert.deepEqual(predictingRows({ first: 0, end: 3 }), { first: 0, end: 2 });
  assert.equal(predictingRows({ first: 0, end: 1 }), null);
});
