import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { SearchText } from '../../src/inference/experiments/searchText';
import { withinTime } from '../../src/inference/model/withinTime';
import { requestSchemas } from '../../src/inference/requestSchemas';
import { Failure } from '../../src/shared/tools/failure';
import { checked } from '../../src/shared/tools/schema';
import { Tokenizer } from '../../src/tokenization/tokenizer';
import { fuzz } from '../fuzz/fuzz';
import { targets } from '../fuzz/targets';

// Always the same inputs; `npm run fuzz` tries others, and many more.
for (const target of targets) {
  test(`fuzz: ${target.name}`, async () => {
    const { runs } = await fuzz(target, { runs: 150, seed: 42 });
    assert.equal(runs, 150);
  });
}

test('one wrong input among many is found, and made small', async () => {
  const target = (run: (n: number) => void) => ({ name: 'x', inputs: fc.nat(999), sizeOf: () => 1, run }) as never;
  const wrong = target(n => {
    if (n > 700) throw new TypeError('n is not a function');
    if (n % 2) throw new Failure('odd', 'n is odd');
  });
  const small = (why: RegExp) => (error: Error) => {
    assert.match(error.message, /Counterexample: \[701\]/);
    assert.match(String(error.cause), why);
    return true;
  };
  await assert.rejects(fuzz(wrong, { runs: 500, seed: 1 }), small(/it fails with TypeError/));
  const kept: unknown[] = [];
  const greedy = target(n => void (n > 700 && kept.push(Array.from({ length: 2 ** 21 }, (_, i) => i + 0.5))));
  await assert.rejects(fuzz(greedy, { runs: 500, seed: 1 }), small(/it takes \d+ bytes for 1,/));
});

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
  ['a list of ids, which took seconds', { ...whole, model: { type: 'WordPiece', vocab: ['a', 189_834_583] } }],
  ['a list of digits', { ...whole, model: { type: 'WordPiece', vocab: ['a', ['4000000']] } }],
  ['a huge added id', { model: bpe, added_tokens: [{ content: 'x', id: 1e9 }] }],
];
for (const [what, json] of found) {
  test(`a tokenizer.json that is ${what} is refused`, () => {
    assert.throws(() => new Tokenizer(json, 'm').encode('▁'), { code: 'bad-tokenizer' });
  });
}

const asked = {
  ...{
    analysisId: 1,
    text: 'x',
    textStart: 0,
    documentLength: 1,
    anchor: 0,
    maxTokens: 9,
    topK: 4,
  },
};
const fail = (why: string) => new Failure('bad-message', why);
test('a window without a size, which would never be full, is not asked for', () => {
  assert.deepEqual(checked(requestSchemas.analyze, asked, fail), asked);
  for (const maxTokens of [undefined, null, Number.NaN, 0, -1, 0.5, '9', 2 ** 53]) {
    assert.throws(() => checked(requestSchemas.analyze, { ...asked, maxTokens }, fail), { code: 'bad-message' });
  }
});

test('a piece of text that lies at no place of a document is not searched', () => {
  for (const [start, firstLine] of [
    [-1, 0],
    [2 ** 32, 0],
    [0.5, 0],
    [9, 0.5],
    [Number.NaN, 0],
  ] as const) {
    const map = new SearchText({ encode: () => ({ ids: new Int32Array(1), byteLengths: Uint32Array.of(2) }) as never });
    assert.throws(() => map.add({ start, firstLine, text: 'x\n' }), RangeError);
  }
});
