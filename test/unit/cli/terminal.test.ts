/** What reaches a terminal is text and nothing else. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { jsonText, oneLine, printable } from '../../../src/cli/terminal';

const rows: [what: string, text: string, shown: string][] = [
  ['a title', '\u001b]0;title\u0007', '\\u001b]0;title\\u0007'],
  ['a color in one byte', '\u009b31m', '\\u009b31m'],
  ['a carriage return', 'a\rb', 'a\\u000db'],
  ['a direction', 'a\u202eb\u2066', 'a\\u202eb\\u2066'],
  ['an unpaired surrogate', 'a\ud800b', 'a\\ud800b'],
  ['separators of lines', 'a\u2028b\u0085', 'a\\u2028b\\u0085'],
  ['letters of any script and emoji', 'žluťoučký 価格 👩‍👩‍👧 שלום', 'žluťoučký 価格 👩‍👩‍👧 שלום'],
];
for (const [what, text, shown] of rows) {
  test(`${what} is written out`, () => {
    assert.equal(printable(text), shown);
    assert.equal(oneLine(`${text}\n\t`), `${shown}\\n\\t`);
    assert.equal(printable('a\n\tb'), 'a\n\tb');
    const json = jsonText({ [text]: text }, 1);
    assert.deepEqual(JSON.parse(json), { [text]: text });
    assert.equal(printable(json), json);
  });
}
