import assert from 'node:assert/strict';
import { test } from 'node:test';
import { alignOffsets, alignTexts, inverted, isIdentity, nearestCounterpart } from '../../../src/attention/alignTokens';
import { Random } from '../../random';

const rows: [string, string, string, number[]][] = [
  ['the same', 'a b c', 'a b c', [0, 1, 2]],
  ['an insertion', 'a b c', 'a x b c', [0, 2, 3]],
  ['a deletion', 'a b c', 'a c', [0, -1, 1]],
  ['a replacement', 'a b c', 'a x c', [0, -1, 2]],
  ['two edits around something kept', 'a b k c d', 'a x k y d', [0, -1, 2, -1, 4]],
  ['nothing in common', 'a b', 'x y z', [-1, -1]],
  ['an empty one', 'a b', '', [-1, -1]],
];
for (const [what, a, b, expected] of rows) {
  test(`texts: ${what}`, () => {
    const words = (text: string) => text.split(' ').filter(Boolean);
    assert.deepEqual([...alignTexts(words(a), words(b))], expected);
  });
}

test('random edits: counterparts are equal tokens in order, and unedited ends stay aligned', () => {
  const random = new Random(7);
  for (let round = 0; round < 50; round++) {
    const a = Array.from({ length: random.below(40) }, () => random.pick(['p', 'q', 'r']));
    const b = a.flatMap(token => (random.next() < 0.2 ? [] : random.next() < 0.2 ? ['x', token] : [token]));
    const alignment = alignTexts(a, b);
    let last = -1;
    for (const [i, j] of alignment.entries()) {
      if (j < 0) continue;
      assert.equal(a[i], b[j]);
      assert.ok(j > last);
      last = j;
    }
    assert.equal(alignment.filter(j => j >= 0).length, b.filter(token => token !== 'x').length);
  }
});

test('another tokenizer: the token in which one begins; begin tokens belong together', () => {
  // "<begin>", "foo", "bar" against "<begin>", "fo", "ob", "ar"
  assert.deepEqual([...alignOffsets([0, 0, 3, 6], [0, 0, 2, 4, 6])], [0, 1, 2]);
  assert.deepEqual([...alignOffsets([0, 0, 2, 4, 6], [0, 0, 3, 6])], [0, 1, 1, 2]);
  // Only the first has a begin token: it begins where the first token does.
  assert.deepEqual([...alignOffsets([0, 0, 3], [0, 3])], [0, 0]);
  // The second window ends earlier, or begins later.
  assert.deepEqual([...alignOffsets([0, 2, 4, 6], [0, 4])], [0, 0, -1]);
  assert.deepEqual([...alignOffsets([0, 2, 4], [2, 4])], [-1, 0]);
});

test('the way back, and the nearest counterpart', () => {
  assert.deepEqual([...inverted(Int32Array.of(0, 2, 2, -1), 4)], [0, -1, 1, -1]);
  assert.equal(nearestCounterpart(Int32Array.of(4, -1, -1), 2), 4);
  assert.equal(nearestCounterpart(Int32Array.of(-1), 0), 0);
  assert.ok(isIdentity(['a'], ['a']) && !isIdentity(['a'], ['b']) && !isIdentity(['a'], ['a', 'b']));
});
