import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Spelling, spellingOf, type TokenizerJson } from '../../../src/tokenization/tokenizerJson';

const none: Spelling = { isByteLevel: false, hasByteTokens: false, mark: null, form: null };
const metaspace = { type: 'Metaspace', replacement: '▁' };
const byteLevel = { isByteLevel: true } as const;

const cases: [what: string, json: object, spelling: Partial<Spelling>][] = [
  ['an empty file', {}, {}],
  ['parts that are null', { model: null, normalizer: null, pre_tokenizer: null, decoder: null }, {}],
  ['byte tokens', { model: { byte_fallback: true } }, { hasByteTokens: true }],
  ['byte tokens as text', { model: { byte_fallback: 'true' } }, {}],
  ['byte level in the pre-tokenizer', { pre_tokenizer: { type: 'ByteLevel' } }, byteLevel],
  ['byte level in the decoder', { decoder: { type: 'ByteLevel' } }, byteLevel],
  ['byte level in the normalizer', { normalizer: { type: 'ByteLevel' }, decoder: { type: 'Fuse' } }, byteLevel],
  ['byte level in none', { normalizer: { type: 'Strip' }, decoder: { type: 'Fuse' } }, {}],
  ['metaspace', { pre_tokenizer: metaspace }, { mark: '▁' }],
  ['metaspace with another mark', { pre_tokenizer: { ...metaspace, replacement: '_' } }, { mark: '_' }],
  [
    'blanks replaced by marks',
    { normalizer: { type: 'Replace', pattern: { String: ' ' }, content: '▁' } },
    { mark: '▁' },
  ],
  ['blanks replaced by something else', { normalizer: { type: 'Replace', content: '-' } }, {}],
  ['marks of another part', { normalizer: { type: 'Strip', content: '▁' } }, {}],
  [
    'parts of sequences in sequences',
    { decoder: { type: 'Sequence', decoders: [{ type: 'Sequence', decoders: [{ type: 'ByteLevel' }] }] } },
    byteLevel,
  ],
  ...['NFC', 'NFD', 'NFKC', 'NFKD'].map((type): [string, object, Partial<Spelling>] => [
    type,
    { normalizer: { type: 'Sequence', normalizers: [{ type: 'Lowercase' }, { type }] } },
    { form: type as Spelling['form'] },
  ]),
  ['a form that is not one', { normalizer: { type: 'NFE' } }, {}],
  [
    'a sequence without a list',
    { normalizer: { type: 'Sequence', normalizers: 3 }, pre_tokenizer: { type: 'Sequence' } },
    {},
  ],
  ['a list of a part that is not a sequence', { decoder: { type: 'Other', decoders: [{ type: 'ByteLevel' }] } }, {}],
];
for (const [what, json, spelling] of cases) {
  test(`spelling: ${what}`, () => assert.deepEqual(spellingOf(json as TokenizerJson), { ...none, ...spelling }));
}
