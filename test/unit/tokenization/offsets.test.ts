import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chooseWindow, tokenAt, tokenOffsets } from '../../../src/tokenization/offsets';
import { Random } from '../../random';

const texts = [
  '',
  'a',
  'plain text',
  'é',
  '日本語',
  '😀',
  'a😀b\r\n\tc',
  '\uFEFFbom',
  '\u200bzero\u200d',
  '\ud800lone',
  'x\udc00',
];

test('random cuts of the bytes cover the text: ascending, from 0 to its length, never inside a pair', () => {
  const random = new Random(11);
  for (let round = 0; round < 500; round++) {
    const text = Array.from({ length: 1 + random.below(4) }, () => random.pick(texts)).join('');
    const wellFormed = text.replace(
      /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g,
      '\ufffd',
    );
    const nBytes = Buffer.byteLength(wellFormed);
    const lengths: number[] = [];
    for (let left = nBytes; left > 0; ) {
      const length = 1 + random.below(Math.min(left, 5));
      lengths.push(length);
      left -= length;
    }
    const offsets = tokenOffsets(wellFormed, Uint32Array.from(lengths));
    assert.equal(offsets[0], 0);
    assert.equal(offsets.at(-1), text.length);
    let bytes = 0;
    for (let token = 0; token < lengths.length; token++) {
      assert.ok(offsets[token]! <= offsets[token + 1]!);
      bytes += lengths[token]!;
      const prefix = wellFormed.slice(0, offsets[token + 1]);
      assert.ok(Buffer.byteLength(prefix) >= bytes && Buffer.byteLength(prefix) - bytes < 4);
    }
  }
});

const windows: [string, number, number, number, [number, number]][] = [
  ['all fits', 10, 3, 10, [0, 10]],
  ['near the start', 100, 2, 20, [0, 20]],
  ['in the middle, the anchor at three quarters', 100, 50, 20, [35, 55]],
  ['near the end', 100, 99, 20, [80, 100]],
  ['one token', 5, 4, 1, [4, 5]],
];
for (const [what, nTokens, anchor, maxTokens, [first, end]] of windows) {
  test(`window: ${what}`, () => assert.deepEqual(chooseWindow(nTokens, anchor, maxTokens), { first, end }));
}

test('every window holds its anchor and has the full length', () => {
  const random = new Random(5);
  for (let i = 0; i < 300; i++) {
    const nTokens = 1 + random.below(2000);
    const maxTokens = 1 + random.below(600);
    const anchor = random.below(nTokens);
    const { first, end } = chooseWindow(nTokens, anchor, maxTokens);
    assert.ok(first >= 0 && end <= nTokens && first <= anchor && anchor < end);
    assert.equal(end - first, Math.min(nTokens, maxTokens));
  }
});

test('tokenAt finds the token that covers an offset, also where tokens are empty', () => {
  const offsets = Uint32Array.from([10, 10, 13, 15, 15, 18]); // token 0 and 3 are empty
  const expected = [
    [9, -1],
    [10, 1],
    [12, 1],
    [13, 2],
    [14, 2],
    [15, 4],
    [17, 4],
    [18, 4],
    [19, -1],
  ] as const;
  for (const [offset, token] of expected) assert.equal(tokenAt(offsets, offset), token, `offset ${offset}`);
  assert.equal(tokenAt(Uint32Array.of(0), 0), -1);
});
