import assert from 'node:assert/strict';
import { test } from 'node:test';
import { codeSpan } from '../../../../src/shared/tools/markdown';

const rows: [string, string, string][] = [
  ['plain', 'word', '` word `'],
  ['blanks are shown', ' a\r\n\tb\n', '` ␣a⏎⇥b⏎ `'],
  ['backticks get a longer fence', 'a``b`', '``` a``b` ```'],
  ['a bar and what stands before it stay', 'a|b\\|![x](https://y)', '` a|b\\|![x](https://y) `'],
  ['bidi, zero-width and control characters are replaced', '\u202eabc\u200b\u001b[31m\ufeff', '` �abc��[31m� `'],
  ['markup stays text', '<img src=x>[a](command:b)', '` <img␣src=x>[a](command:b) `'],
];
for (const [what, text, expected] of rows) test(`code span: ${what}`, () => assert.equal(codeSpan(text), expected));
