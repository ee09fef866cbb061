/** Oniguruma's regular expressions in JavaScript: what they match (test/fixtures/tokenizers/pipelines has many), and what is refused. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Pattern } from '../../../src/tokenization/oniguruma';

const cases: [pattern: string, text: string, matches: string[]][] = [
  [String.raw`\d+|\s`, 'a1٣ ५\u00a0', ['1٣', ' ', '५', '\u00a0']],
  [String.raw`\w+`, 'né_1·ʕ', ['né_1', 'ʕ']],
  ["(?i:'s|k)", "'S'ſ\u212aK", ["'S", "'ſ", '\u212a', 'K']],
  ['a(?i)b|c', 'aBaC', ['aB', 'aC']],
  ['a++a', 'aaa', []],
  ['(?>a+)b', 'aab', ['aab']],
  [String.raw`\p{N}{1,3}+`, '1234567', ['1234567']],
  [String.raw`^\w|\w$`, 'ab\ncd', ['a', 'b', 'c', 'd']],
  ['a.c|(?m:a.c)d', 'a\ncd abc', ['a\ncd', 'abc']],
  ['[a-c&&[^b]]', 'abc', ['a', 'c']],
  [String.raw`[^\p{^L}1]`, 'a1é', ['a', 'é']],
  [String.raw`\p{Han}+|\P{L}`, '漢字a!', ['漢字', '!']],
  [String.raw`\h+\x41\x{1F600}\u00e9`, 'ffA😀é', ['ffA😀é']],
  ['x{,2}y', 'xxxy', ['xxy']],
  [String.raw`\R`, 'a\r\nb\u2028', ['\r\n', '\u2028']],
  [String.raw`\p{L}`, '\u{11db0}\u088f', []],
  [String.raw`\bé`, 'aé é', ['é']],
  // Outside of brackets the library's table of Latin-1 counts.
  [String.raw`\w+`, 'a½²b ³\u2074', ['a½²b', '³']],
  [String.raw`[\w]+`, 'a½b', ['a', 'b']],
  [String.raw`\W`, 'a½ \u2074', [' ', '\u2074']],
  [String.raw`a\b|a\B`, 'a² a\u2074', ['a', 'a']],
  [String.raw`a\b`, 'a²', []],
];
for (const [pattern, text, matches] of cases) {
  test(`matches of ${pattern}`, () => {
    assert.deepEqual(
      new Pattern(pattern, 'x').matches(text).map(([start, end]) => text.slice(start, end)),
      matches,
    );
  });
}

test('an empty match counts where the last match did not end', () => {
  assert.deepEqual(new Pattern('b*', 'x').matches('abc😀'), [
    [0, 0],
    [1, 2],
    [3, 3],
    [5, 5],
  ]);
});

const refused: [pattern: string, message: RegExp][] = [
  [String.raw`(a)\1`, /"\\\\1" in the regular expression of part is not supported/],
  ['(?i:ß)', /ignores case beyond ASCII/],
  ['(?i:stop)', /"st" in .* has other characters as its other case/],
  [String.raw`(?i:\p{Lu})`, /ignores case/],
  ['[[:alpha:]]', /"\[\[:" /],
  ['(?<name>a)', /is not supported/],
  ['(?x: a )', /is not supported/],
  [String.raw`\X`, /is not supported/],
  [String.raw`\p{Age=6.0}`, /is not supported/],
  [String.raw`\p{Nonsense}`, /is not supported/],
  ['(?:a*)*', /repeats what may be empty/],
  ['a{2}?', /is not supported/],
  ['a{1,2}*', /follows another quantifier/],
  ['a)', /is not supported/],
  ['(a', /is not closed/],
  ['[a', /is not closed/],
  ['[]', /is empty/],
  ['+a', /repeats nothing/],
  ['[b-a]', /is in the wrong order/],
  [String.raw`a\K`, /is not supported/],
];
for (const [pattern, message] of refused) {
  test(`refuses ${pattern}`, () => assert.throws(() => new Pattern(pattern, 'part'), { name: 'RangeError', message }));
}
