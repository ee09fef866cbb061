import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type NormalForm, normalizeText } from '../../../src/tokenization/normalization';

/** Bytes of the original for each byte of the normalized text, worked out by hand. */
const cases: [what: string, form: NormalForm | null, original: string, normalized: string, bytes: number[]][] = [
  ['no form', null, 'e\u0301', 'e\u0301', [0, 1, 2, 3]],
  ['nothing to change', 'NFC', 'ab', 'ab', [0, 1, 2]],
  // Two characters of 1 + 2 bytes become one of 2.
  ['composed', 'NFC', 'e\u0301', 'é', [0, 3, 3]],
  ['composed amid others', 'NFC', 'ae\u0301b', 'aéb', [0, 1, 4, 4, 5]],
  ['composed twice', 'NFC', 'e\u0301xe\u0301', 'éxé', [0, 3, 3, 4, 7, 7]],
  ['two in a row', 'NFC', 'e\u0301e\u0301', 'éé', [0, 3, 3, 6, 6]],
  // One character of 2 bytes becomes two of 1 + 2.
  ['decomposed', 'NFD', 'aéb', 'ae\u0301b', [0, 1, 3, 3, 3, 4]],
  // A ligature of 3 bytes becomes two letters.
  ['compatible', 'NFKC', 'xﬁy', 'xfiy', [0, 1, 4, 4, 5]],
  ['compatible and decomposed', 'NFKD', 'ﬁ', 'fi', [0, 3, 3]],
];
for (const [what, form, original, normalized, bytes] of cases) {
  test(`${form ?? 'null'}: ${what}`, () => {
    const result = normalizeText(original, form)!;
    assert.equal(result.text, normalized);
    assert.deepEqual(
      bytes.map((_, byte) => result.originalByte(byte)),
      bytes,
    );
    // And backwards: a text may be encoded again from an earlier place.
    assert.deepEqual(
      bytes.map((_, i) => result.originalByte(bytes.length - 1 - i)),
      bytes.toReversed(),
    );
  });
}
