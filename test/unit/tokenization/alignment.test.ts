/** Bytes that tokens cover, with expected lengths counted by hand. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { alignTokens, type BlankRules } from '../../../src/tokenization/alignment';

const encode = (text: string) => new TextEncoder().encode(text);
const plain: BlankRules = { inserts: 'never', marksBlanks: false };

interface Case {
  readonly what: string;
  readonly text: string;
  readonly pieces: readonly string[];
  readonly added?: readonly number[];
  readonly rules?: Partial<BlankRules>;
  /** Null: the tokens do not spell the text. */
  readonly lengths: readonly number[] | null;
  readonly nSpelled?: number;
}

const cases: Case[] = [
  { what: 'no text and no tokens', text: '', pieces: [], lengths: [] },
  { what: 'letters of one to four bytes', text: 'aé日😀', pieces: ['a', 'é', '日', '😀'], lengths: [1, 2, 3, 4] },
  { what: 'another letter', text: 'abc', pieces: ['a', 'x'], lengths: null, nSpelled: 1 },
  { what: 'text left over', text: 'abc', pieces: ['a', 'b'], lengths: null, nSpelled: 2 },
  { what: 'tokens beyond the text', text: 'ab', pieces: ['ab', 'c'], lengths: null, nSpelled: 2 },
  { what: 'a token that spells nothing', text: 'ab', pieces: ['a', '', 'b'], lengths: [1, 0, 1] },
  // Blanks that the tokenizer puts in.
  { what: 'a blank before the text', text: 'ab', pieces: [' a', 'b'], rules: { inserts: 'always' }, lengths: [1, 1] },
  { what: 'a blank of its own', text: 'ab', pieces: [' ', 'ab'], rules: { inserts: 'always' }, lengths: [0, 2] },
  { what: 'a second blank', text: ' ab', pieces: [' ', ' ab'], rules: { inserts: 'always' }, lengths: [0, 3] },
  {
    ...{ what: 'only the first blank of a token is put in', text: 'ab', pieces: ['  ab'] },
    ...{ rules: { inserts: 'always' }, lengths: null, nSpelled: 0 },
  },
  {
    what: 'no blank where the text has one',
    text: ' ab',
    pieces: [' a', 'b'],
    rules: { inserts: 'unlessBlank' },
    lengths: [2, 1],
  },
  {
    what: 'one where it has none',
    text: 'ab',
    pieces: [' a', 'b'],
    rules: { inserts: 'unlessBlank' },
    lengths: [1, 1],
  },
  { what: 'none where blanks are never put in', text: 'ab', pieces: [' a', 'b'], lengths: null, nSpelled: 0 },
  {
    ...{ what: 'none before later tokens', text: 'ab', pieces: ['a', ' b'] },
    ...{ rules: { inserts: 'always' }, lengths: null, nSpelled: 1 },
  },
  {
    ...{ what: 'one after an added token', text: '<s>a', pieces: ['<s>', ' a'], added: [0] },
    ...{ rules: { inserts: 'always' }, lengths: [3, 1] },
  },
  {
    ...{ what: 'none in an added token', text: 'a', pieces: [' a'], added: [0] },
    ...{ rules: { inserts: 'always' }, lengths: null, nSpelled: 0 },
  },
  // "▁" for a blank.
  { what: 'a mark that is in the text', text: '▁a', pieces: [' a'], rules: { marksBlanks: true }, lengths: [4] },
  { what: 'a mark within a token', text: 'b▁a', pieces: ['b a'], rules: { marksBlanks: true }, lengths: [5] },
  { what: 'a mark where blanks are not marked', text: '▁a', pieces: [' a'], lengths: null, nSpelled: 0 },
  {
    what: 'a character that begins like the mark',
    text: '▂a',
    pieces: [' a'],
    rules: { marksBlanks: true },
    lengths: null,
    nSpelled: 0,
  },
  {
    ...{ what: 'a mark counts as a blank that is there', text: '▁a', pieces: [' a'] },
    ...{ rules: { marksBlanks: true, inserts: 'unlessBlank' }, lengths: [4] },
  },
  // Added tokens may take blanks beside them.
  { what: 'blanks before an added token', text: 'a \t<s>', pieces: ['a', '<s>'], added: [1], lengths: [1, 5] },
  { what: 'blanks after an added token', text: '<s>\r\n b', pieces: ['<s>', 'b'], added: [0], lengths: [3, 4] },
  { what: 'a line break of every kind', text: '<s>\v\fb', pieces: ['<s>', 'b'], added: [0], lengths: [3, 3] },
  { what: 'letters are not passed over', text: '<s>ab', pieces: ['<s>', 'b'], added: [0], lengths: null, nSpelled: 3 },
  {
    what: 'control characters are not blanks',
    text: '<s>\bb',
    pieces: ['<s>', 'b'],
    added: [0],
    lengths: null,
    nSpelled: 3,
  },
  {
    what: 'nor is the one behind the line breaks',
    text: '<s>\x0eb',
    pieces: ['<s>', 'b'],
    added: [0],
    lengths: null,
    nSpelled: 3,
  },
  { what: 'blanks between other tokens', text: 'a b', pieces: ['a', 'b'], lengths: null, nSpelled: 1 },
  { what: 'blanks before the first token', text: ' b', pieces: ['b'], lengths: null, nSpelled: 0 },
  { what: 'an added token at the start', text: ' <s>', pieces: ['<s>'], added: [0], lengths: [4] },
  { what: 'blanks without an end', text: '<s>   ', pieces: ['<s>', 'b'], added: [0], lengths: null, nSpelled: 3 },
];
for (const { what, text, pieces, added = [], rules, lengths, nSpelled } of cases) {
  test(what, () => {
    const result = alignTokens(encode(text), pieces.map(encode), token => added.includes(token), {
      ...plain,
      ...rules,
    });
    assert.deepEqual(result.byteLengths && [...result.byteLengths], lengths);
    assert.equal(result.nSpelled, nSpelled ?? encode(text).length);
  });
}
