import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keptStart, shiftedBy } from '../../../src/analysis/windowStart';
import { Random } from '../../random';

test('only a window that leaves something out, or is pinned, stays where it is', () => {
  assert.equal(keptStart({ start: 0, end: 10, documentLength: 10 }, false), undefined);
  assert.equal(keptStart({ start: 0, end: 10, documentLength: 10 }, true), 0);
  assert.equal(keptStart({ start: 0, end: 9, documentLength: 10 }, false), 0);
  assert.equal(keptStart({ start: 4, end: 10, documentLength: 10 }, false), 4);
});

test('a place keeps the text behind it through any edits that leave it alone', () => {
  const random = new Random(5);
  const mark = '#';
  for (let i = 0; i < 500; i++) {
    const before = 'a'.repeat(random.below(30));
    const text = `${before}${mark}${'b'.repeat(random.below(30))}`;
    const changes = [];
    let edited = text;
    // From the end to the start, and none touches the mark.
    for (const [low, high] of [
      [before.length + 1, text.length],
      [0, before.length],
    ] as const) {
      const from = low + random.below(high - low + 1);
      const rangeLength = random.below(high - from + 1);
      const change = { rangeOffset: from, rangeLength, text: 'x'.repeat(random.below(9)) };
      edited = edited.slice(0, from) + change.text + edited.slice(from + rangeLength);
      changes.push(change);
    }
    const place = shiftedBy(before.length, random.below(2) === 0 ? changes : changes.toReversed());
    // What is written right before the mark may count as the window's.
    assert.ok(place <= edited.indexOf(mark) && /^x*#/.test(edited.slice(place)), `${place} in ${edited}`);
  }
});

test('a place inside what was replaced moves behind it', () => {
  assert.equal(shiftedBy(10, [{ rangeOffset: 8, rangeLength: 5, text: 'abc' }]), 11);
  assert.equal(shiftedBy(10, [{ rangeOffset: 10, rangeLength: 0, text: 'abc' }]), 10);
});
