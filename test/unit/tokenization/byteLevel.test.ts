import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytesOfByteLevelToken } from '../../../src/tokenization/byteLevel';

test('the alphabet of GPT-2 at the ends of its printable ranges', () => {
  const expected: [character: string, byte: number][] = [
    // Printable: themselves.
    ...(['!', 'A', '~'].map(c => [c, c.charCodeAt(0)]) as [string, number][]),
    ...([0xa1, 0xac, 0xae, 0xff].map(byte => [String.fromCharCode(byte), byte]) as [string, number][]),
    // The others, counted from U+0100: 0x00-0x20 are 33, 0x7f-0xa0 are 34, 0xad is the 68th.
    ['Ā', 0x00],
    ['Ċ', 0x0a],
    ['Ġ', 0x20],
    ['ġ', 0x7f],
    ['ł', 0xa0],
    ['Ń', 0xad],
  ];
  for (const [character, byte] of expected) assert.deepEqual([...bytesOfByteLevelToken(character)], [byte], character);
  assert.deepEqual([...bytesOfByteLevelToken('Ġhi')], [0x20, 0x68, 0x69]);
  assert.deepEqual([...bytesOfByteLevelToken('')], []);
});

test('every byte has one character', () => {
  const characters = Array.from({ length: 0x144 }, (_, code) => String.fromCharCode(code));
  const bytes = characters.flatMap(character => {
    try {
      return [...bytesOfByteLevelToken(character)];
    } catch {
      return [];
    }
  });
  assert.deepEqual(
    bytes.sort((a, b) => a - b),
    Array.from({ length: 256 }, (_, byte) => byte),
  );
});

test('refuses characters outside the alphabet', () => {
  for (const character of [' ', '\n', '\x7f', '\xa0', '\xad', 'ń', '日']) {
    assert.throws(() => bytesOfByteLevelToken(character), RangeError);
  }
});
