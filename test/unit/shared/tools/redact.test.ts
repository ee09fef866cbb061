import assert from 'node:assert/strict';
import { test } from 'node:test';
import { quoted } from '../../../../src/inference/runtime/remote/failures';
import { holdsToken, redact, withoutToken } from '../../../../src/shared/tools/redact';

const token = 'sk-Zq81mVw6-Yt0pLr4x';
const rows: [what: string, text: string, expected: string][] = [
  ['nothing', 'an error without it', 'an error without it'],
  ['the whole token', `bad ${token}!`, 'bad …!'],
  ['twice', `${token}${token} ${token}`, '… …'],
  ['its beginning, where a text was cut', `bad ${token.slice(0, 12)}`, 'bad …'],
  ['its end', `${token.slice(-9)} is bad`, '… is bad'],
  ['zero-width characters in it', [...token].join('\u200b'), '…'],
  ['blanks, line breaks and colors in it', `${token.slice(0, 5)} \n${token.slice(5, 9)}\t${token.slice(9)}`, '…'],
  ['two halves apart', `${token.slice(0, 10)} and ${token.slice(10)}`, '… and …'],
  ['emoji around it', `😀${token}😀`, '😀…😀'],
];
for (const [what, text, expected] of rows) test(`redact: ${what}`, () => assert.equal(redact(text, token), expected));

test('redact: a short token is taken out whole, and no token changes nothing', () => {
  assert.equal(redact('a hush b', 'hush'), 'a … b');
  assert.equal(redact('a hus b', 'hush'), 'a hus b');
  assert.equal(redact('text', null), 'text');
  assert.equal(redact('text', ''), 'text');
});

test('redact comes before a text is made short', () => {
  assert.ok(!quoted(`${'x'.repeat(190)}${token}`, token).includes(token.slice(0, 8)));
});

test('a token in data is found in values, keys and numbers, however deep', () => {
  assert.ok(holdsToken({ a: [{ b: `x${token}y` }] }, token));
  assert.ok(holdsToken({ [token]: 1 }, token));
  assert.ok(holdsToken([1234567890123], '1234567890123'));
  assert.ok(!holdsToken({ vocab: { secret: 1 } }, 'secret'), 'a word is no secret');
  assert.ok(!holdsToken({ a: 1 }, token));
  let deep: unknown = token;
  for (let i = 0; i < 100_000; i++) deep = [deep];
  assert.ok(holdsToken(deep, token));
});

test('an error loses the token in message, stack and cause', () => {
  const error = new Error(`no ${token}`, { cause: new Error(token) });
  withoutToken(error, token);
  assert.ok(!`${error.message}${error.stack}`.includes(token));
  assert.equal(error.cause, undefined);
});
