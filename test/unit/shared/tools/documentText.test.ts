import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sliceAround } from '../../../../src/shared/tools/documentText';
import { Random } from '../../../random';

test('slices hold their anchor, stay short, and are parts of the text', () => {
  const random = new Random(21);
  const text = Array.from({ length: 3000 }, () => (random.below(30) === 0 ? '\n' : 'x')).join('');
  for (let i = 0; i < 300; i++) {
    const anchor = random.below(text.length + 1);
    const maxLength = 50 + random.below(4000);
    const slice = sliceAround(text, anchor, maxLength);
    assert.ok(slice.text.length <= maxLength);
    assert.equal(text.slice(slice.start, slice.start + slice.text.length), slice.text);
    assert.ok(slice.start <= anchor && anchor <= slice.start + slice.text.length);
    if (text.length <= maxLength) assert.equal(slice.text, text);
  }
});

test('a slice starts at a line where one starts near', () => {
  const text = `${'a'.repeat(100)}\n${'b'.repeat(100)}`;
  assert.equal(sliceAround(text, 180, 110).start, 101);
  const oneLine = 'y'.repeat(500);
  assert.equal(sliceAround(oneLine, 400, 100).text.length, 100);
});
