/** A pattern that is an empty text cuts between all characters, as in `tokenizers`. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Tokenizer } from '../../../src/tokenization/tokenizer';

test('Split at an empty text', () => {
  const vocab = { a: 0, b: 1, ab: 2 };
  const pattern = { String: '' };
  const encode = (pre_tokenizer: object | null) => [
    ...new Tokenizer({ pre_tokenizer, model: { type: 'BPE', vocab, merges: ['a b'] } }, 'm').encode('ab').ids,
  ];
  assert.deepEqual(encode(null), [2]);
  assert.deepEqual(encode({ type: 'Split', pattern, behavior: 'Isolated', invert: false }), [0, 1]);
});
