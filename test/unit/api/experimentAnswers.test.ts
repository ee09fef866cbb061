import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LensLayer } from '../../../api/mtaInspector';
import {
  tokensOfLines,
  writeContinuation,
  writeKnockOuts,
  writeLens,
  writePatch,
} from '../../../src/api/experimentAnswers';

const target = { id: 4, text: 'a' };

test('the lens lists layers with the probability of the target and the likeliest tokens', () => {
  const layer = (bits: number, rank: number): LensLayer => ({
    ...{ surprisalBits: Float32Array.of(bits), ranks: Int32Array.of(rank), topIds: Int32Array.of(4, 5) },
    ...{ entropyBits: Float32Array.of(1), divergenceBits: Float32Array.of(0), topProbabilities: Float32Array.of(1, 0) },
  });
  const rows = { first: 2, end: 3 };
  const labels = { 4: 'a', 5: '"' };
  const written = writeLens({ rows, targets: [target], k: 2, labels, layers: [layer(2, 7), layer(1, 1)] });
  assert.match(written, /the token "a", read from row 2, which predicts it. It only correlates/);
  assert.match(written, /- after layer 0: probability \+0\.25\S*, rank 7; likeliest "a", "\\""/);
  assert.match(written, /- after layer 1: probability \+0\.5\S*, rank 1/);
});

test('knock-outs list first the line that the prediction needs most', () => {
  const effects = [0.5, -3, -1].map(changeBits => ({ changeBits, divergenceBits: 0, likeliest: [] }));
  const lines = ['one', 'two', 'x'.repeat(200)].map((text, lineIdx) => ({ lineIdx, text }));
  const found = { rows: { first: 0, end: 1 }, targets: [target], surprisalBits: Float32Array.of(1), effects };
  const written = writeKnockOuts(found, lines, 2).split('\n');
  assert.match(written[2]!, /Tried were the 3 lines/);
  assert.match(written[3]!, /^- line 2, −3\S* bits: two$/);
  assert.match(written[4]!, /^- line 3, −1\S* bits: x{160}…$/);
  assert.equal(written.length, 5);
});

test('a patch gives heads by the share of the difference that each restores, without those that are the same', () => {
  const found = {
    ...{ target, minus: { id: 5, text: 'b' }, other: 3, original: 1, together: [3] },
    ...{ patched: [[2, 1, 1]], isChanged: [[true, true, false]] },
  };
  const change = { replace: 'x', by: 'y' };
  const written = writePatch(found, change, 8);
  assert.match(written, /With "y" in place of "x", the logit of "a" minus that of "b" is \+1\S*; as the text is, \+3/);
  assert.match(written, /- layer 0, head 0: \+0\.5\S*\n- layer 0, head 1: \S*0/);
  assert.doesNotMatch(written, /head 2/);
  assert.match(writePatch({ ...found, other: 1 }, change, 8), /makes no difference/);
});

test('a continuation is quoted, with the likeliest next tokens', () => {
  const top = [{ id: 4, text: 'a', probability: 0.75 }];
  const token = { id: 4, text: 'a', probability: 0.75, top };
  const written = writeContinuation({ text: 'a"', tokens: [token], prompt: null, nPromptTokens: 3, ended: 'length' });
  assert.match(written, /each time: "a\\""\./);
  assert.match(written, /probabilities: "a" \+0\.75/);
  assert.match(writeContinuation({ text: '', tokens: [], prompt: null, nPromptTokens: 3, ended: 'end-token' }), /: ""/);
});

test('the tokens of lines before a place', () => {
  const token = (start: number, end: number) => ({ id: 0, label: '', start, end });
  const tokens = [token(0, 0), token(0, 2), token(2, 3), token(3, 5), token(5, 6)];
  const lineOf = (offset: number) => (offset < 3 ? 0 : 1);
  assert.deepEqual(tokensOfLines(tokens, [1, 0, 7], 4, lineOf), [
    { lineIdx: 1, keys: { first: 3, end: 4 } },
    { lineIdx: 0, keys: { first: 1, end: 3 } },
  ]);
});
