import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SearchText } from '../../../../src/inference/experiments/searchText';

/** One token per two bytes. */
const tokenizer = {
  encode(text: string) {
    const size = Buffer.byteLength(text);
    const byteLengths = Uint32Array.from({ length: Math.ceil(size / 2) }, (_, i) => Math.min(2, size - 2 * i));
    return { ids: Int32Array.from(byteLengths, (_, i) => i), byteLengths };
  },
};

test('pieces in any order are one text, whose offsets and lines are the document’s', () => {
  const document = 'skipped\nab\ncdef\r\ngh\n';
  const text = new SearchText(tokenizer);
  text.add({ start: 16, firstLine: 2, text: document.slice(16) });
  text.add({ start: 8, firstLine: 1, text: document.slice(8, 16) });
  const { ids, offsets, lineOf, isBlank } = text.tokens();
  assert.equal(ids.length, text.nTokens);
  assert.deepEqual([offsets[0], offsets.at(-1)], [8, document.length]);
  assert.deepEqual([8, 10, 11, 16, 17, 19].map(lineOf), [1, 1, 2, 2, 3, 3]);
  assert.deepEqual([1, 2, 3, 4].map(isBlank), [false, false, false, true]);
});

test('a gap is an error', () => {
  const text = new SearchText(tokenizer);
  text.add({ start: 0, firstLine: 0, text: 'ab' });
  text.add({ start: 4, firstLine: 0, text: 'ab' });
  assert.throws(() => text.tokens(), /the text from 2 to 4 is missing/);
});
