import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type Spelling,
  spellingOf,
  type TokenizerJson,
  withWrittenPattern,
} from '../../../src/tokenization/tokenizerJson';

const none: Spelling = { isByteLevel: false, hasByteTokens: false, marksBlanks: false, inserts: 'never', form: null };
const metaspace = { type: 'Metaspace', replacement: '▁' };
const inMarks = { marksBlanks: true } as const;

const cases: [what: string, json: object, spelling: Partial<Spelling>][] = [
  ['an empty file', {}, {}],
  ['parts that are null', { model: null, normalizer: null, pre_tokenizer: null, decoder: null }, {}],
  ['byte tokens', { model: { byte_fallback: true } }, { hasByteTokens: true }],
  ['byte tokens as text', { model: { byte_fallback: 'true' } }, {}],
  ['byte level in the pre-tokenizer', { pre_tokenizer: { type: 'ByteLevel' } }, { isByteLevel: true }],
  ['byte level in the decoder', { decoder: { type: 'ByteLevel' } }, { isByteLevel: true }],
  ['byte level in neither', { normalizer: { type: 'ByteLevel' }, decoder: { type: 'Fuse' } }, {}],
  [
    'a blank of the byte level',
    { pre_tokenizer: { type: 'ByteLevel', add_prefix_space: true } },
    { isByteLevel: true, inserts: 'unlessBlank' },
  ],
  ['none of the byte level', { pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false } }, { isByteLevel: true }],
  ['another part with a blank', { pre_tokenizer: { type: 'Whitespace', add_prefix_space: true } }, {}],
  ['metaspace', { pre_tokenizer: metaspace }, { ...inMarks, inserts: 'unlessBlank' }],
  [
    'metaspace, old switch on',
    { pre_tokenizer: { ...metaspace, add_prefix_space: true } },
    { ...inMarks, inserts: 'unlessBlank' },
  ],
  ['metaspace, old switch off', { pre_tokenizer: { ...metaspace, add_prefix_space: false } }, inMarks],
  [
    'metaspace, scheme never',
    { pre_tokenizer: { ...metaspace, prepend_scheme: 'never', add_prefix_space: true } },
    inMarks,
  ],
  [
    'metaspace, scheme before the old switch',
    { pre_tokenizer: { ...metaspace, prepend_scheme: 'first', add_prefix_space: false } },
    { ...inMarks, inserts: 'unlessBlank' },
  ],
  [
    'metaspace before byte level',
    {
      pre_tokenizer: {
        type: 'Sequence',
        pretokenizers: [
          { type: 'ByteLevel', add_prefix_space: true },
          { ...metaspace, prepend_scheme: 'never' },
        ],
      },
    },
    { ...inMarks, isByteLevel: true },
  ],
  ['a mark put before', { normalizer: { type: 'Prepend', prepend: '▁' } }, { inserts: 'always' }],
  ['something else put before', { normalizer: { type: 'Prepend', prepend: '_' } }, {}],
  ['a mark in another part', { normalizer: { type: 'Lowercase', prepend: '▁' } }, {}],
  ['blanks replaced by marks', { normalizer: { type: 'Replace', pattern: { String: ' ' }, content: '▁' } }, inMarks],
  ['blanks replaced by something else', { normalizer: { type: 'Replace', content: '-' } }, {}],
  ['marks of another part', { normalizer: { type: 'Strip', content: '▁' } }, {}],
  ...['NFC', 'NFD', 'NFKC', 'NFKD'].map((type): [string, object, Partial<Spelling>] => [
    type,
    { normalizer: { type } },
    { form: type as Spelling['form'] },
  ]),
  ['a form that is not one', { normalizer: { type: 'NFE' } }, {}],
  [
    'parts of sequences in sequences',
    {
      normalizer: {
        type: 'Sequence',
        normalizers: [
          { type: 'Sequence', normalizers: [{ type: 'NFD' }] },
          { type: 'Prepend', prepend: '▁' },
        ],
      },
    },
    { form: 'NFD', inserts: 'always' },
  ],
  [
    'decoders in a sequence',
    { decoder: { type: 'Sequence', decoders: [{ type: 'Fuse' }, { type: 'ByteLevel' }] } },
    { isByteLevel: true },
  ],
  [
    'a sequence without a list',
    { normalizer: { type: 'Sequence', normalizers: 3 }, pre_tokenizer: { type: 'Sequence' } },
    {},
  ],
  ['a list of a part that is not a sequence', { normalizer: { type: 'Other', normalizers: [{ type: 'NFC' }] } }, {}],
];
for (const [what, json, spelling] of cases) {
  test(`spelling: ${what}`, () => assert.deepEqual(spellingOf(json as TokenizerJson), { ...none, ...spelling }));
}

const byteLevel = { type: 'ByteLevel', add_prefix_space: false };
/** Types of the parts, and of the split its place. */
const written = (part: object | null) =>
  JSON.stringify(withWrittenPattern({ pre_tokenizer: part } as TokenizerJson).pre_tokenizer, (key, value) =>
    key === 'Regex' ? 'pattern' : value,
  );

test('the pattern of the byte level is written out, once', () => {
  const split = { type: 'Split', pattern: { Regex: 'pattern' }, behavior: 'Isolated', invert: false };
  const expected = { type: 'Sequence', pretokenizers: [split, { ...byteLevel, use_regex: false }] };
  assert.equal(written(byteLevel), JSON.stringify(expected));
  const digits = { type: 'Digits' };
  assert.equal(
    written({ type: 'Sequence', pretokenizers: [digits, byteLevel] }),
    JSON.stringify({ type: 'Sequence', pretokenizers: [digits, expected] }),
  );
});

test('what has no pattern, or puts a blank before the text first, stays as it is', () => {
  for (const part of [
    { ...byteLevel, use_regex: false },
    { ...byteLevel, add_prefix_space: true },
    { type: 'Whitespace' },
    { type: 'Sequence', pretokenizers: [{ type: 'Digits' }] },
    null,
  ]) {
    assert.equal(written(part), JSON.stringify(part));
  }
  assert.equal(written({ type: 'Sequence' }), JSON.stringify({ type: 'Sequence', pretokenizers: [] }));
});
