import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toLowerCase } from '../../../src/tokenization/letterCase';

test('capitals of Unicode 17 have lower case on every Node, and no other character changes', () => {
  assert.equal(toLowerCase('Straße ΣΑΣ İ \ua7ce\ua7d2\ua7d4'), `${'Straße ΣΑΣ İ '.toLowerCase()}\ua7cf\ua7d3\ua7d5`);
  assert.equal(toLowerCase('\u{16ea0}\u{16eb8}\u{16ebb}'), '\u{16ebb}\u{16ed3}\u{16ebb}');
  // Where the Node knows Unicode 17, it says the same.
  if (process.versions['unicode'] !== '17.0') return;
  for (let code = 0; code < 0x110000; code++) {
    const character = String.fromCodePoint(code);
    if (toLowerCase(character) !== character.toLowerCase()) assert.fail(code.toString(16));
  }
});
