import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DocumentSearchState } from '../../../src/shared/documentSearch';
import { searchNotes, searchProgress } from '../../../webview/documentSearchText';

const state: DocumentSearchState = {
  ...{ status: 'running', isStale: false, documentLabel: 'a.log', modelName: 'tiny', selection: 'error', nTokens: 900 },
  ...{ measure: { method: 'mean', heads: [{ layerIdx: 0, headIdx: 1 }] }, done: 3, total: 8, lines: [], profile: null },
  ...{ lineRange: { first: 0, end: 50, of: 50 }, baselineBits: 9.5, failure: null },
};
const cut = { first: 9, end: 50, of: 70 };

const rows: [string, DocumentSearchState | null, RegExp][] = [
  ['none', null, /^Asks the selection of the whole document/],
  ['reading', { ...state, status: 'reading' }, /“error” in a\.log: reading, 900 tokens so far/],
  ['running', state, /3 of 8 windows of 900 tokens, all 50 lines/],
  ['cut', { ...state, lineRange: cut }, /lines 10–50 of 70; the rest was left out/],
  ['one line', { ...state, lineRange: { first: 0, end: 1, of: 1 } }, /, its only line …$/],
  ['cut to a line', { ...state, lineRange: { first: 9, end: 10, of: 70 } }, /line 10 of 70; the rest was left out/],
  ['done', { ...state, status: 'done' }, /: 8 windows of 900 tokens, all 50 lines\.$/],
  ['cancelled', { ...state, status: 'cancelled', isStale: true }, /cancelled after 3 of 8 windows\. The text changed/],
  ['failed', { ...state, status: 'failed' }, /failed after 3 of 8/],
];
for (const [name, shown, expected] of rows) {
  test(`progress of a search: ${name}`, () => assert.match(searchProgress(shown), expected));
}

test('a search that is running says how long the rest takes', () => {
  assert.match(searchProgress(state, 125_000), /, all 50 lines, 2 min left …$/);
  assert.doesNotMatch(searchProgress({ ...state, status: 'cancelled' }, 125_000), /left/);
});

test('the notes say what was asked, and that it is no record of what the model did', () => {
  const notes = searchNotes(state).join(' ');
  assert.match(notes, /Mean of 1 heads of tiny\..*not what it did look at.*9\.50 bits per token/);
  assert.match(searchNotes({ ...state, measure: { ...state.measure, method: 'head' } })[0]!, /^Head 0\.1 of tiny/);
});
