import assert from 'node:assert/strict';
import { test } from 'node:test';
import { graphemes } from '../../../src/tokenization/graphemes';
import { Random } from '../../random';

const segmentsOf = (text: string) => Array.from(new Intl.Segmenter().segment(text), ({ segment }) => segment);

test('a text in stretches has the graphemes of the whole', () => {
  const random = new Random(5);
  const parts = [
    'a',
    ' ',
    '\r\n',
    'é',
    'e\u0301',
    '👩‍👩‍👧',
    '🇩🇪',
    '🇫',
    'क्षि',
    '한',
    '\u0600',
    '\u200d',
    '😀',
    '中',
    '\ud800',
  ];
  for (let round = 0; round < 40; round++) {
    let text = '';
    while (text.length < 2000) text += random.pick(parts).repeat(1 + random.below(3));
    assert.deepEqual([...graphemes(text)], segmentsOf(text));
  }
});

test('one that is longer than a stretch, flags in a row, and texts of one kind', () => {
  for (const text of [`a${'\u0301'.repeat(3000)}b`, '🇩🇪'.repeat(900), 'x'.repeat(2000), '', '中'.repeat(1500), 'é']) {
    assert.deepEqual([...graphemes(text)], segmentsOf(text));
  }
});
