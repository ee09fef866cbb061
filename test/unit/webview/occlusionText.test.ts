import assert from 'node:assert/strict';
import { test } from 'node:test';
import { occlusionAgreement } from '../../../src/attention/occlusionAgreement';
import type { OcclusionState } from '../../../src/shared/panel/context';
import { describeCheck, stepsOfCheck } from '../../../webview/occlusionText';

const effect = { surprisalBits: 0.5, divergenceBits: 1, topLabel: ' x', topProbability: 0.25 };
const state: OcclusionState = {
  ...{ status: 'running', mode: 'replace', target: { first: 9, end: 10 }, total: 2, failure: null, baseline: null },
  ...{ rows: [], agreement: occlusionAgreement([]), hiding: null, hidingNote: null },
};
const row = { lineIdx: 0, text: 'a', weight: 1, meanWeight: 1, predicting: null, lostBits: null, effect };

test('a check says how far it is, what it found, and how lines were occluded', () => {
  assert.deepEqual(describeCheck({ ...state, total: 0 }), [
    'The window has no line before the selection: there is nothing to occlude.',
  ]);
  assert.deepEqual(describeCheck(state), ['0 of 2 earlier lines occluded …']);
  assert.deepEqual(describeCheck(state, 61_000), ['0 of 2 earlier lines occluded, 61 s left …']);
  const baseline = { surprisalBits: Number.NaN, topLabel: ';\n', topProbability: 0.6182, neutralLabel: ' ' };
  const done = describeCheck({
    ...{ ...state, status: 'done', rows: [row, row], baseline },
    agreement: {
      ...state.agreement,
      divergence: { relevance: 0.25, relevanceMean: -0.5, nearness: 0.125 },
      surprisalSize: { relevance: 0.5, relevanceMean: 1, nearness: 0 },
    },
  }).join('\n');
  assert.match(done, /2 of 2 earlier lines occluded\./);
  assert.match(done, /predictions: −0\.50 for relevance per token, 0\.25 for its sum, 0\.13 for nearness of the line/);
  assert.match(
    done,
    /signed change of surprisal: none, none and none; with its absolute value: 1\.00, 0\.50 and 0\.00/,
  );
  assert.match(done, /no surprisal per selected token, predicted next ;⏎ \(61\.8 %\)/);
  assert.match(done, /becomes ␣\./);
  assert.match(describeCheck({ ...state, baseline: { ...baseline, neutralLabel: null } }).join(), /left out/);
  const failure = { code: 'x', message: 'The process ended.', actions: [] };
  assert.match(describeCheck({ ...state, status: 'failed', failure })[0]!, /Failed after 0 of 2 lines: The process/);
});

test('a check says that lines are hidden, what that agrees with, and why they cannot be', () => {
  const all = { ...state, rows: [row, row] };
  assert.equal(describeCheck(all)[0], '2 of 2 earlier lines occluded.');
  assert.match(describeCheck(all).join('\n'), /Now each line is hidden from the tokens that predict the selection …/);
  const hiding = { relevance: 0.5, relevanceMean: -0.25, nearness: 1 };
  assert.match(
    describeCheck({ ...all, status: 'done', hiding }).join('\n'),
    /Ranked by hiding .*bits lost: −0\.25 for the relevance of these tokens per token, 0\.50 for its sum, 1\.00 for nearness/,
  );
  const hidingNote = 'its layers run on a server';
  assert.match(describeCheck({ ...all, hidingNote }).join('\n'), /Lines cannot be hidden: its layers run on a server/);
});

test('a check takes two runs a line, or one where lines cannot be hidden', () => {
  assert.deepEqual(stepsOfCheck(state), { done: 0, total: 4 });
  const rows = [row, { ...row, lostBits: 0.5 }];
  assert.deepEqual(stepsOfCheck({ ...state, rows }), { done: 3, total: 4 });
  assert.deepEqual(stepsOfCheck({ ...state, rows: [row, row], hidingNote: 'on a server' }), { done: 2, total: 2 });
});
