import assert from 'node:assert/strict';
import { test } from 'node:test';
import { legendNotes } from '../../../webview/legendNotes';
import type { State } from '../../../webview/state';

const state = (slidingWindow: number | undefined, nTokens: number) => {
  const ref = { analysisId: 1, layerIdx: 0, headIdx: 0, stage: 'pattern', minus: null, nTokens };
  const panel = { model: { layers: [{ slidingWindow }] } };
  return { panel, map: { ref, blockSize: 1, keysLeftOut: 0 }, isExact: true, selection: null } as unknown as State;
};

test('a sliding window shorter than the text is told', () => {
  const told = (slidingWindow: number | undefined, nTokens: number) =>
    legendNotes(state(slidingWindow, nTokens)).some(note => note.includes('looks back 8 tokens'));
  assert.ok(told(8, 9));
  assert.ok(!told(8, 8));
  assert.ok(!told(undefined, 100));
});
