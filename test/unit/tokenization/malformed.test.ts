/** Tokenizer files of a few tokens: what is refused, and what is spelled. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Tokenizer } from '../../../src/tokenization/tokenizer';

const nothing = { normalizer: null, pre_tokenizer: null, post_processor: null, decoder: null, added_tokens: [] };
const bpe = { type: 'BPE', vocab: { a: 0, b: 1 }, merges: [] };
const file = (extra: object = {}, model: object = bpe) => ({ ...nothing, model, ...extra });
const added = (token: object) =>
  file({
    added_tokens: [{ special: true, single_word: false, lstrip: false, rstrip: false, normalized: false, ...token }],
  });
const scored = (...vocab: unknown[]) => file({}, { type: 'Unigram', unk_id: 0, vocab });

const bad: [what: string, json: unknown, message: RegExp][] = [
  ['a vocabulary that is text', file({}, { ...bpe, vocab: 'abc' }), /it has no vocabulary/],
  ['a vocabulary that is null', file({}, { ...bpe, vocab: null }), /it has no vocabulary/],
  ['an empty list', scored(), /it has no vocabulary/],
  ['a model that is null', { ...nothing, model: null }, /it has no vocabulary/],
  [
    'an id below 0',
    file({}, { ...bpe, vocab: { a: -1 } }),
    /the id of token "a" is -1, expected a whole number below 4194304/,
  ],
  ['an id too large', file({}, { ...bpe, vocab: { a: 4_194_304 } }), /the id of token "a" is 4194304/],
  ['a broken id', file({}, { ...bpe, vocab: { a: 0, b: 1.5 } }), /the id of token "b" is 1.5/],
  ['an id that is text', file({}, { ...bpe, vocab: { a: '0' } }), /the id of token "a" is "0"/],
  ['an added token without text', added({ id: 2 }), /an added token is missing/],
  ['an added token with a number for text', added({ id: 2, content: 5 }), /an added token is 5/],
  ['an added token that is null', file({ added_tokens: [null] }), /an added token is missing/],
  ['an added token without an id', added({ content: '<s>' }), /the id of token "<s>" is missing/],
  ['an added token with an id too large', added({ id: 1e9, content: '<s>' }), /the id of token "<s>" is 1000000000/],
  [
    'a score that is text',
    scored(['<unk>', 0], ['a', '1']),
    /token 1 of its vocabulary is .*expected a text and a score/,
  ],
  ['a token that is a number', scored([5, 0]), /token 0 of its vocabulary is/],
  ['an entry with three parts', scored(['<unk>', 0, 0]), /token 0 of its vocabulary is/],
  ['an entry with one part', scored(['<unk>']), /token 0 of its vocabulary is/],
  ['an entry that is text', scored('ab'), /token 0 of its vocabulary is "ab"/],
];
for (const [what, json, message] of bad) {
  test(`refuses ${what}`, () => {
    assert.throws(() => new Tokenizer(json, 'small'), {
      code: 'bad-tokenizer',
      message: new RegExp(`Cannot load model "small": .*${message.source}`),
      actions: ['selectModel', 'showLog'],
    });
  });
}

test('the largest id that is allowed', () => {
  assert.equal(new Tokenizer(file({}, { ...bpe, vocab: { a: 4_194_303 } }), 'm').maxId, 4_194_303);
});

test('added tokens count for the largest id, and follow the vocabulary whatever id the file gives, as in the library', () => {
  const tokenizer = new Tokenizer(added({ id: 9, content: '<▁>' }), 'm');
  assert.equal(tokenizer.maxId, 2);
  assert.equal(tokenizer.label(2), '<▁>');
  const { ids, byteLengths } = tokenizer.encode('a<▁>b');
  assert.deepEqual(
    [[...ids], [...byteLengths]],
    [
      [0, 2, 1],
      [1, 5, 1],
    ],
  );
});

test('an empty text has no tokens', () => {
  const { ids, byteLengths } = new Tokenizer(file(), 'm').encode('');
  assert.deepEqual([ids.length, byteLengths.length], [0, 0]);
});

test('byte tokens are bytes only where the model says so', () => {
  const vocab = { '<0x0A>': 0, '<0xe9>': 1, 'x<0x0A>': 2, '<0x0A>x': 3 };
  const labels = (byte_fallback: boolean) => {
    const tokenizer = new Tokenizer(file({}, { ...bpe, vocab, byte_fallback }), 'm');
    return [0, 1, 2, 3].map(id => tokenizer.label(id));
  };
  assert.deepEqual(labels(true), ['\n', '<0xe9>', 'x<0x0A>', '<0x0A>x']);
  assert.deepEqual(labels(false), Object.keys(vocab));
});

test('a mark is a blank only where the file says so', () => {
  const vocab = { '▁a▁b': 0 };
  const replace = { type: 'Replace', pattern: { String: ' ' }, content: '▁' };
  assert.equal(new Tokenizer(file({}, { ...bpe, vocab }), 'm').label(0), '▁a▁b');
  assert.equal(new Tokenizer(file({ normalizer: replace }, { ...bpe, vocab }), 'm').label(0), ' a b');
});

test('parts of characters are labeled by their bytes, a byte order mark by itself', () => {
  const byteLevel = { decoder: { type: 'ByteLevel' } };
  const tokenizer = new Tokenizer(file(byteLevel, { ...bpe, vocab: { é: 0, 'ï»¿': 1, Ċé: 2, Ãį: 3 } }), 'm');
  assert.deepEqual(
    [0, 1, 2, 3].map(id => tokenizer.label(id)),
    ['<0xE9>', '\ufeff', '<0x0A><0xE9>', 'Í'],
  );
});

test('work has half a second, and a millisecond more for each token or character', () => {
  const limits: [number, string][] = [];
  const tokenizer = new Tokenizer(file(), 'm', (maxMs, what, work) => {
    limits.push([maxMs, what]);
    return work();
  });
  tokenizer.encode('abab');
  assert.deepEqual(limits, [
    [502, 'Cannot use the tokenizer of model "m"'],
    [504, 'Cannot use the tokenizer of model "m"'],
  ]);
});

test('a file without a vocabulary is refused within half a second', () => {
  for (const json of [null, {}, { model: { vocab: 'abc' } }]) {
    const limits: number[] = [];
    const limit = <T>(maxMs: number, _what: string, work: () => T): T => {
      limits.push(maxMs);
      return work();
    };
    assert.throws(() => new Tokenizer(json, 'm', limit), { code: 'bad-tokenizer' });
    assert.deepEqual(limits, [500]);
  }
});

test('tokens of a text that normalization shortens cover the text as it was', () => {
  const tokenizer = new Tokenizer(file({ normalizer: { type: 'NFC' } }, { ...bpe, vocab: { a: 0, é: 1 } }), 'm');
  const { ids, byteLengths } = tokenizer.encode('ae\u0301a');
  assert.deepEqual(
    [[...ids], [...byteLengths]],
    [
      [0, 1, 0],
      [1, 3, 1],
    ],
  );
});

test('a long reason is cut', () => {
  const limit = (): never => {
    throw new Error('x'.repeat(300));
  };
  assert.throws(
    () => new Tokenizer(file(), 'm', limit),
    ({ message }: Error) => /\(x{200}\)/.test(message),
  );
});

test('a token that is not of bytes stands for itself in a byte-level vocabulary', () => {
  const json = file({ decoder: { type: 'ByteLevel' } }, { ...bpe, vocab: { '▁': 0, Ġ: 1 } });
  const tokenizer = new Tokenizer(json, 'm');
  assert.deepEqual([tokenizer.label(0), tokenizer.label(1)], ['▁', ' ']);
});

/** Which bytes of a text each token covers. */
const covers = (json: unknown, text: string) => Array.from(new Tokenizer(json, 'm').encode(text).byteLengths);
const letters = { type: 'BPE', vocab: { a: 0, b: 1, '▁': 2, é: 3, '\u0323': 4 }, merges: [] };

test('what no token stands for counts with the token before it, what was put in covers nothing', () => {
  const blanks = file({ pre_tokenizer: { type: 'WhitespaceSplit' } }, letters);
  assert.deepEqual(covers(blanks, ' a\n\nb '), [4, 2]);
  assert.deepEqual(covers(file({ normalizer: { type: 'Prepend', prepend: '▁' } }, letters), 'ab'), [0, 1, 1]);
  assert.deepEqual(covers(file({ normalizer: { type: 'NFC' } }, letters), 'ae\u0301b'), [1, 3, 1]);
  assert.deepEqual(covers(file({}, letters), 'axb'), [2, 1]);
});

const inPart = (json: object, path: string) => ({ json, path });
const unsupported: { json: object; path: string }[] = [
  inPart({ normalizer: { type: 'Spell' } }, 'normalizer "Spell" is not supported, only NFC'),
  inPart({ normalizer: { type: 'NFC', x: 1 } }, 'option "x" of normalizer is not supported'),
  inPart(
    { normalizer: { type: 'Strip', strip_left: true } },
    'normalizer.strip_right is missing, expected true or false',
  ),
  inPart({ normalizer: { type: 'Precompiled', precompiled_charsmap: 'AA==' } }, 'precompiled_charsmap has 1 bytes'),
  inPart({ pre_tokenizer: { type: 'UnicodeScripts' } }, 'pre_tokenizer "UnicodeScripts" is not supported'),
  inPart(
    {
      pre_tokenizer: { type: 'Sequence', pretokenizers: [{ type: 'Digits', individual_digits: true }, { type: 'X' }] },
    },
    'pre_tokenizer.pretokenizers[1] "X" is not supported',
  ),
  inPart(
    { pre_tokenizer: { type: 'Metaspace', replacement: '▁', add_prefix_space: false } },
    'pre_tokenizer.prepend_scheme is "always", expected "never", because add_prefix_space is false',
  ),
  inPart(
    { pre_tokenizer: { type: 'Metaspace', replacement: '▁▁' } },
    'pre_tokenizer.replacement is "▁▁", expected one character',
  ),
  inPart(
    { pre_tokenizer: { type: 'Punctuation', behavior: 'Kept' } },
    'pre_tokenizer.behavior is "Kept", expected "Removed"',
  ),
  inPart({ post_processor: { type: 'X' } }, 'post_processor "X" is not supported'),
  inPart({ model: { ...bpe, dropout: 0.1 } }, 'model.dropout is 0.1, expected 0 or null'),
  inPart({ model: { ...bpe, merges: ['a b c'] } }, 'model.merges[0] is ["a", "b", "c"], expected two tokens'),
  inPart({ model: { ...bpe, merges: ['a b'] } }, 'model.merges[0] needs the token "ab"'),
  inPart({ model: { ...bpe, byte_order: 1 } }, 'option "byte_order" of model is not supported'),
  inPart({ added_tokens: [{ id: 2, content: 'x' }] }, 'added_tokens[0].single_word is missing'),
];
for (const { json, path } of unsupported) {
  test(`refuses by name: ${path}`, () => {
    assert.throws(
      () => new Tokenizer({ ...file(), ...json }, 'm'),
      (error: Error & { code?: string }) => error.code === 'bad-tokenizer' && error.message.includes(path),
    );
  });
}
