import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withinTime } from '../../src/inference/withinTime';
import { Tokenizer } from '../../src/tokenization/tokenizer';
import { fuzz } from '../fuzz/fuzz';
import { targets } from '../fuzz/targets';

// Always the same inputs; `npm run fuzz` tries others, and many more.
for (const target of targets) {
  test(`fuzz: ${target.name}`, () => {
    const { runs } = fuzz(target, { runs: 150, seed: 42 });
    assert.equal(runs, 150);
  });
}

const vocabulary = { a: 0, '!': 1 };
const bpe = { type: 'BPE', vocab: vocabulary, merges: [] };
const whole = {
  model: bpe,
  added_tokens: [],
  normalizer: null,
  pre_tokenizer: null,
  post_processor: null,
  decoder: null,
};
const slow = { type: 'Split', pattern: { Regex: '(a+)+$' }, behavior: 'Isolated', invert: false };

test('a tokenizer whose regular expression takes for ever is stopped', () => {
  const tokenizer = new Tokenizer({ ...whole, pre_tokenizer: slow }, 'm', withinTime);
  assert.deepEqual([...tokenizer.encode('aa!').ids], [0, 0, 1]);
  assert.throws(() => tokenizer.encode(`${'a'.repeat(60)}!`), { code: 'too-slow', message: /tokenizer of model "m"/ });
});

const found: [string, unknown][] = [
  ['null', null],
  ['no model', {}],
  ['an added token that is no text', { model: bpe, added_tokens: [{ content: { length: 1e9 }, id: 1 }] }],
  ['a huge id', { model: { ...bpe, vocab: { a: 2 ** 40 } }, added_tokens: [] }],
  ['a huge added id', { model: bpe, added_tokens: [{ content: 'x', id: 1e9 }] }],
  [
    'letters that are no bytes',
    { model: { ...bpe, vocab: { '▁': 0 } }, added_tokens: [], decoder: { type: 'ByteLevel' } },
  ],
];
for (const [what, json] of found) {
  test(`a tokenizer.json that is ${what} is refused`, () => {
    assert.throws(() => new Tokenizer(json, 'm').encode('▁'), { code: 'bad-tokenizer' });
  });
}
