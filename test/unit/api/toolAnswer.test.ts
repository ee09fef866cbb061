import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { checkQuestion, strongestCell, writeAnswer, writeExplanation, writeSplit } from '../../../src/api/toolAnswer';
import { root } from '../../fixtures/paths';

const model = { name: 'tiny', nLayers: 2, nHeads: 3, maxSeqlen: 8, vocabSize: 9, nParameters: 2_600_000 };
const lines = ['let a = 1;', '', '  use(a);'];
const tokens = [
  { id: 0, label: '<s>', start: 0, end: 0 },
  { id: 1, label: 'let a', start: 0, end: 5 },
  { id: 2, label: ' = 1;\n\n', start: 5, end: 12 },
  { id: 3, label: '  use(', start: 12, end: 18 },
  { id: 4, label: 'a', start: 18, end: 19 },
];
const answered = {
  analysis: {
    ...{ model, tokens, window: { start: 0, end: 19, documentLength: 21 } },
    surprisalBits: Float32Array.of(Number.NaN, 1, 2, 3, 1.5),
  },
  question: checkQuestion({ line: 3, word: 'a' }),
  ...{ label: 'use.ts', lines, range: { first: 4, end: 5 }, weights: Float32Array.of(0.9, -0.5, 0.25, 0, 0.1) },
  found: null,
  lineOf: (offset: number) => (offset < 11 ? 0 : offset < 12 ? 1 : 2),
};

test('the answer names model, window, lines and tokens, and never calls a weight a probability', () => {
  const answer = writeAnswer(answered);
  assert.match(answer, /Model: tiny, 3 million parameters, 2 layers of 3 heads\./);
  assert.match(answer, /use\.ts, lines 1 to 3, 5 tokens; the rest of the document was left out/);
  assert.match(answer, /Asked about: "a" in line 3, 1 token\.\nSurprisal: 1\.50 bits/);
  assert.match(answer, /- line 1, 0\.375: let a = 1;/);
  assert.match(answer, /- "let a" in line 1, −0\.5000/);
  assert.doesNotMatch(answer, /<s>|line 2,|%/, 'the begin token is no text');
  assert.match(answer, /are not probabilities/);
});

test('what a language model asks is checked, and said so that it can be corrected', () => {
  const usual = { heads: 'all', explain: false, lens: false, knockOut: false };
  assert.deepEqual(checkQuestion({}), { method: 'mean', maxLines: 8, ...usual });
  assert.deepEqual(checkQuestion({ head: '2.10', maxLines: 1000 }), {
    ...{ head: { layerIdx: 2, headIdx: 10 }, method: 'mean', maxLines: 50, ...usual },
  });
  const wrong: [unknown, RegExp][] = [
    [{ line: 0 }, /"line" must be a whole number from 1, and is 0/],
    [{ line: '3' }, /"line".*"3"/],
    [{ cell: 1.5 }, /"cell"/],
    [{ file: 7 }, /"file" must be text/],
    [{ word: '' }, /"word"/],
    [{ heads: 'best' }, /"heads" must be all or retrieval, and is "best"/],
    [{ heads: 'retrieval', head: '2.0' }, /name the heads twice/],
    [{ head: '2' }, /"head" must be LAYER\.HEAD/],
    [{ splitHead: '1.0' }, /"splitHead" needs "explain": true/],
    [{ explain: true, splitHead: 'x' }, /"splitHead" must be LAYER\.HEAD/],
    [{ lens: 1 }, /"lens" must be true or false, and is 1/],
    [{ replace: 'a' }, /"replace" and "by" need each other/],
    [{ replace: 'a', by: 'a' }, /must be different texts/],
    [{ continueTokens: 0 }, /"continueTokens" must be a whole number from 1/],
    [{ method: 'sum' }, /"method" must be mean, max or rollout, and is "sum"/],
  ];
  for (const [input, message] of wrong) assert.throws(() => checkQuestion(input), { name: 'TypeError', message });
});

test('the schema in package.json offers what the tool reads', () => {
  const { contributes } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const { properties } = contributes.languageModelTools[0].inputSchema;
  const example = {
    ...{ file: 'a.ts', cell: 1, line: 1, word: 'a', heads: 'all', head: '0.0', method: 'max', maxLines: 2 },
    ...{ explain: true, splitHead: '0.1' },
    ...{ lens: true, knockOut: true, replace: 'a', by: 'b', continueTokens: 3 },
  };
  assert.deepEqual(Object.keys(properties).sort(), Object.keys(example).sort());
  assert.match(example.head, new RegExp(properties.head.pattern));
  assert.deepEqual(Object.keys(checkQuestion(example)).sort(), Object.keys(example).sort());
});

test('what predicted a token: parts with their sum, tokens and heads that added most', () => {
  const found = {
    ...{ row: 3, target: { id: 4, text: 'a' }, minus: null, logit: 6, embedding: 1, other: 0.5, remainder: 0 },
    ...{ heads: Float64Array.of(0, -2, 0, 0, 5, 0), mlps: Float64Array.of(1, 0.5), cells: new Float32Array(0) },
    ...{ tokens: Float64Array.of(0.25, 3, -1, 0.75), frozen: [] },
  };
  const written = writeExplanation(found, tokens, 3, answered.lineOf, 2);
  assert.match(written, /^\n\nWhat predicted the token "a"/);
  assert.match(written, /is \+6\S* the sum of embedding \+1\S* heads \+3\S* MLPs \+1\.5\S* biases \+0\.5/);
  assert.match(written, /- "let a" in line 1, \+3\S*\n- " = 1;\\n\\n" in line 1, −1/);
  assert.match(written, /- layer 1, head 1: \+5\S*\n- layer 0, head 1: −2/);
  assert.throws(() => checkQuestion({ explain: 'yes' }), /"explain" must be true or false/);
});

test('the strongest cell of a head, split over what it is made of', () => {
  const cells = Float32Array.of(0, 1, 2, 0, 0, 0, 3, -9, 1, 4, 4, 4);
  const found = { cells, row: 2 };
  const sizes = { nLayers: 2, nHeads: 2 };
  assert.deepEqual(strongestCell(found, { layerIdx: 1, headIdx: 0 }, sizes), { layerIdx: 1, headIdx: 0, keyIdx: 1 });
  assert.throws(() => strongestCell(found, { layerIdx: 2, headIdx: 0 }, sizes), {
    name: 'TypeError',
    message: /"splitHead" is 2\.0, and the model has layers 0 to 1 of heads 0 to 1/,
  });
  const part = { headIdx: 1, queryIdx: 1, keyIdx: 0, weight: 0.5, pattern: 0.25, contribution: 1 };
  const parts = [part, { ...part, headIdx: 0, contribution: -10 }, { ...part, contribution: 0.5 }];
  const split = { layerIdx: 1, headIdx: 0, keyIdx: 1, contribution: -8.5, parts };
  const written = writeSplit(split, tokens, answered.lineOf, 2);
  assert.match(written, /^\n\nLayer 1, head 0 added most through its cell of .* in line \d: −8\.5\S* .* of 3 cells/);
  assert.match(written, /- head 0, from .*: weight \+?0\.5\S* times attention \+?0\.25\S*, −10\S*\n- head 1/);
});
