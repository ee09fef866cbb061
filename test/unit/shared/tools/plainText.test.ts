import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  labelText,
  logText,
  messageText,
  plainLine,
  plainLines,
  shorten,
} from '../../../../src/shared/tools/plainText';

const command = '[Show](command:workbench.action.quit)';
const rows: [what: string, safe: (text: string) => string, text: string, expected: string][] = [
  ['plain text stays', plainLine, 'src/a (copy) [1].ts', 'src/a (copy) [1].ts'],
  ['a line stays one line', plainLine, 'a\r\nb\nc\td', 'a⏎b⏎c⇥d'],
  ['terminal codes', plainLine, '\u001b[31m\u009b0m\u0007', '�[31m�0m�'],
  ['direction and zero width', plainLine, '\u202etxt\u2066\u200b\u2028', '�txt���'],
  ['a lone surrogate', plainLine, 'a\ud800', 'a�'],
  ['an emoji stays', plainLine, '😀', '😀'],
  ['lines stay lines', plainLines, 'a\r\n\tb\rc\u001b', 'a\n\tb�c�'],
  ['a command link in a message', messageText, command, '[Show] (command:workbench.action.quit)'],
  [
    'a link around a link',
    messageText,
    `[${command}](https://example.com)`,
    '[[Show] (command:workbench.action.quit)] (https://example.com)',
  ],
  ['a link with an invisible character in it', messageText, '[a]\u200b(command:b)', '[a]�(command:b)'],
  ['an icon in a label', labelText, '$(trash) all', '$ (trash) all'],
  ['an entry that forges another', logText, 'x\n2026-01-01 [error] y', 'x\n    2026-01-01 [error] y'],
];
for (const [what, safe, text, expected] of rows)
  test(`${safe.name}: ${what}`, () => assert.equal(safe(text), expected));

test('no message is longer than a message can be, and no pair is cut apart', () => {
  assert.ok(messageText('['.repeat(1e6)).length <= 4000);
  assert.equal(shorten('a😀b', 3), 'a…');
});
