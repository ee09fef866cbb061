/** Tokenizers of GGUF files: ids equal those of the `tokenizers` library for the tokenizer.json they were made from. */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import type { Metadata, MetadataValue } from '../../../../../src/inference/model/gguf/header';
import { readTokenizer } from '../../../../../src/inference/model/gguf/tokenizer';
import { beginTokenOf } from '../../../../../src/tokenization/beginToken';
import { Tokenizer } from '../../../../../src/tokenization/tokenizer';
import { root } from '../../../../fixtures/paths';

interface Stored {
  readonly tokenizer: {
    readonly model: {
      readonly vocab: Readonly<Record<string, number>>;
      readonly merges: readonly (string | string[])[];
    };
    readonly added_tokens: readonly { readonly id: number; readonly content: string; readonly special: boolean }[];
  };
  readonly ids: readonly (readonly number[])[];
}

const read = (name: string) =>
  JSON.parse(gunzipSync(readFileSync(join(root, 'test', 'fixtures', 'tokenizers', `${name}.json.gz`))).toString());
const texts: readonly string[] = read('texts');

/** As llama.cpp's converter writes them. */
function metadataOf({ tokenizer }: Stored, kind: 'gpt2' | 'llama', more: Readonly<Record<string, MetadataValue>>) {
  const { vocab, merges } = tokenizer.model;
  const tokens: string[] = [];
  for (const [token, id] of Object.entries(vocab)) tokens[id] = token;
  for (const { id, content } of tokenizer.added_tokens) tokens[id] = content;
  for (let id = 0; id < tokens.length; id++) tokens[id] ??= `[PAD${id}]`;
  const types = tokens.map((token, id) => {
    const added = tokenizer.added_tokens.find(token => token.id === id);
    if (added) return added.content === '<unk>' ? 2 : added.special ? 3 : 4;
    return /^<0x..>$/.test(token) ? 6 : 1;
  });
  const pairs = merges.map(merge => (typeof merge === 'string' ? merge.split(' ') : merge) as [string, string]);
  const metadata = new Map<string, MetadataValue>(Object.entries({ 'tokenizer.ggml.model': kind, ...more }));
  metadata.set('tokenizer.ggml.tokens', tokens);
  metadata.set('tokenizer.ggml.token_type', Int32Array.from(types));
  if (kind === 'gpt2') {
    metadata.set(
      'tokenizer.ggml.merges',
      pairs.map(pair => pair.join(' ')),
    );
    return metadata;
  }
  const scores = new Map<string, number>();
  for (const [rank, pair] of pairs.entries()) {
    if (!scores.has(pair.join(''))) scores.set(pair.join(''), -rank);
  }
  metadata.set(
    'tokenizer.ggml.scores',
    Float32Array.from(tokens, token => scores.get(token) ?? 0),
  );
  return metadata;
}

const cases: readonly (readonly [string, 'gpt2' | 'llama', Readonly<Record<string, MetadataValue>>])[] = [
  ['gpt2', 'gpt2', { 'tokenizer.ggml.pre': 'gpt-2' }],
  ['smollm', 'gpt2', { 'tokenizer.ggml.pre': 'smollm' }],
  ['llama3', 'gpt2', { 'tokenizer.ggml.pre': 'llama-bpe' }],
  ['qwen2', 'gpt2', { 'tokenizer.ggml.pre': 'qwen2' }],
  ['llama2', 'llama', {}],
  ['metaspace_never', 'llama', { 'tokenizer.ggml.add_space_prefix': false }],
];
for (const [name, kind, more] of cases) {
  test(`${name}: the ids of 1,000 texts`, () => {
    const stored: Stored = read(name);
    const tokenizer = new Tokenizer(readTokenizer(metadataOf(stored, kind, more), 'f'), name);
    for (const [i, text] of texts.entries()) {
      assert.deepEqual([...tokenizer.encode(text).ids], stored.ids[i], JSON.stringify(text));
    }
  });
}

const small: Metadata = new Map<string, MetadataValue>([
  ['tokenizer.ggml.model', 'gpt2'],
  ['tokenizer.ggml.pre', 'llama-bpe'],
  ['tokenizer.ggml.tokens', ['a', 'b', 'ab', '<s>']],
  ['tokenizer.ggml.merges', ['a b']],
  ['tokenizer.ggml.bos_token_id', 3],
]);
const changed = (changes: Readonly<Record<string, MetadataValue>>) => new Map([...small, ...Object.entries(changes)]);

test('a begin token, where the file or the kind of tokenizer says so', () => {
  const begin = (changes: Readonly<Record<string, MetadataValue>>) =>
    beginTokenOf(readTokenizer(changed(changes), 'f'));
  assert.equal(begin({}), 3);
  assert.equal(begin({ 'tokenizer.ggml.add_bos_token': false }), null);
  assert.equal(begin({ 'tokenizer.ggml.pre': 'qwen2' }), null);
  assert.equal(begin({ 'tokenizer.ggml.pre': 'qwen2', 'tokenizer.ggml.add_bos_token': true }), 3);
});

test('words of other cases are cut where the models’ own tokenizers cut them', () => {
  const cut = (pre: string) => {
    const json = readTokenizer(changed({ 'tokenizer.ggml.pre': pre }), 'f') as {
      pre_tokenizer: { pretokenizers: { pattern: { Regex: string } }[] };
    };
    const pattern = json.pre_tokenizer.pretokenizers[0]!.pattern.Regex.replaceAll(
      /\(\?i:([^)]*)\)/g,
      (_, inner: string) => `(?:${inner}|${inner.toUpperCase()})`,
    );
    return "don't camelCase HTTPServer 12345".match(new RegExp(pattern, 'gu'));
  };
  assert.deepEqual(cut('llama-bpe'), ['don', "'t", ' camelCase', ' HTTPServer', ' ', '123', '45']);
  assert.deepEqual(cut('gpt-4o'), ["don't", ' camel', 'Case', ' HTTPServer', ' ', '123', '45']);
  assert.deepEqual(cut('tekken'), ['don', "'t", ' camel', 'Case', ' HTTPServer', ' ', '1', '2', '3', '4', '5']);
});

const refused: readonly (readonly [string, Readonly<Record<string, MetadataValue>>, RegExp])[] = [
  [
    'an unknown way to cut',
    { 'tokenizer.ggml.pre': 'viking' },
    /tokenizer\.ggml\.pre is "viking", expected one of gpt-2,/,
  ],
  ['another kind', { 'tokenizer.ggml.model': 'bert' }, /tokenizer\.ggml\.model is "bert", expected "gpt2" or "llama"/],
  ['no tokens', { 'tokenizer.ggml.tokens': [] }, /tokenizer\.ggml\.tokens is \[\], expected a list of tokens/],
  [
    'no scores',
    { 'tokenizer.ggml.model': 'llama' },
    /tokenizer\.ggml\.scores is missing, expected a score for each of the 4/,
  ],
  [
    'a begin token that is none',
    { 'tokenizer.ggml.bos_token_id': 9 },
    /bos_token_id is 9, expected one of the 4 tokens/,
  ],
];
for (const [what, changes, message] of refused) {
  test(`refused: ${what}`, () => {
    assert.throws(() => readTokenizer(changed(changes), 'f'), { code: 'bad-tokenizer', message });
  });
}
