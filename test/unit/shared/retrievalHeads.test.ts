import assert from 'node:assert/strict';
import { test } from 'node:test';
import { repeatedWords } from '../../../src/shared/retrievalHeads';

const parts = (text: string) =>
  repeatedWords(text).map(({ query, gold }) => [text.slice(query.start, query.end), text.slice(gold.start, gold.end)]);

test('a word that comes again on a later line is an example: its first line, and its rest the second time', () => {
  assert.deepEqual(parts('const total = 0;\nx\nreturn total;\n'), [['tal', 'const total = 0;']]);
});

test('the first two occurrences count, in the order of the second', () => {
  const text = 'alpha\nbravo\nbravo alpha\nalpha\n';
  assert.deepEqual(parts(text), [
    ['avo', 'bravo'],
    ['pha', 'alpha'],
  ]);
});

test('words of four letters, words on the same line and words that never come again are none', () => {
  for (const text of ['', 'four\nfour\n', 'total total\n', 'alpha\nbravo\n', 'total'])
    assert.deepEqual(parts(text), [], text);
});

test('letters of every script make words', () => {
  assert.deepEqual(parts('größe\n\ngröße'), [['öße', 'größe']]);
});

test('long texts give 24 examples from all of it', () => {
  const words = Array.from({ length: 100 }, (_, i) => `word_${i}`);
  const text = `${words.join('\n')}\n${words.join('\n')}\n`;
  const found = repeatedWords(text);
  assert.equal(found.length, 24);
  assert.ok(text.slice(found[0]!.query.start - 2).startsWith('word_0\n'));
  assert.ok(found.at(-1)!.query.start > text.length * 0.95);
});
