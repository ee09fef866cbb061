/** Windows of a text, with a tokenizer that makes one token of every word with the blanks before it. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AnalyzeArgs } from '../../../../src/inference/protocol';
import { openWindow } from '../../../../src/inference/run/textWindow';
import { chooseWindow, tokenAt } from '../../../../src/tokenization/offsets';
import { Random } from '../../../random';

const encoded: number[] = [];
const words = (text: string) => text.match(/\n|[^\S\n]*[^\s]+|[^\S\n]+/g) ?? [];
const tokenizer = {
  encode(text: string) {
    encoded.push(text.length);
    const lengths = words(text).map(word => Buffer.byteLength(word));
    return { ids: Int32Array.from(lengths, (_, i) => i), byteLengths: Uint32Array.from(lengths) };
  },
  label: (id: number) => String(id),
};
const folder = { config: { bos_token_id: 0 }, summary: { maxSeqlen: 64 } };

const random = new Random(3);
const line = () => `${Array.from({ length: 1 + random.below(9) }, () => 'w'.repeat(1 + random.below(30))).join(' ')}\n`;
const long = Array.from({ length: 900 }, line).join('');

function open(text: string, args: Partial<AnalyzeArgs>) {
  const base = { analysisId: 1, textStart: 0, documentLength: text.length, anchor: 0 };
  return openWindow({ ...base, text, maxTokens: 33, topK: 1, ...args }, tokenizer, folder);
}

test('a window around an anchor is the one that all of the text gives, from a small part of it', () => {
  const borders = [0];
  for (const word of words(long)) borders.push(borders.at(-1)! + word.length);
  for (let i = 0; i < 200; i++) {
    const anchor = random.below(long.length + 1);
    encoded.length = 0;
    const { window, tokens } = open(long, { anchor });
    const { first, end } = chooseWindow(borders.length - 1, tokenAt(Uint32Array.from(borders), anchor), 32);
    assert.deepEqual([window.start, window.end], [borders[first], borders[end]], `anchor ${anchor}`);
    assert.equal(tokens.ids.length, 33);
    assert.ok(encoded.every(length => length < long.length / 4));
  }
});

test('a window stays where it began while the anchor has half a window before it', () => {
  const { window, tokens } = open(long, { anchor: 9000 });
  const windowStart = window.start;
  for (let token = 1; token < 33; token++) {
    const anchor = tokens.offsets[token]!;
    const next = open(long, { anchor, windowStart }).window;
    assert.equal(next.start === windowStart, token - 1 >= 16 || next.start === 0, `token ${token}`);
    assert.ok(next.start <= anchor && anchor < next.end);
  }
  const outside = open(long, { anchor: window.end + 100, windowStart }).window;
  assert.ok(outside.start <= window.end + 100 && window.end + 100 < outside.end);
});

test('a pinned window stays wherever the anchor is, and ends with the text', () => {
  const { window } = open(long, { anchor: 9000 });
  for (const anchor of [0, 9000, long.length]) {
    assert.deepEqual(open(long, { anchor, windowStart: window.start, isPinned: true }).window, window);
  }
  const near = long.lastIndexOf('\n', long.length - 2) + 1;
  const short = open(long, { anchor: 0, windowStart: near, isPinned: true });
  assert.deepEqual([short.window.start, short.window.end], [near, long.length]);
  // Nothing is left behind the pin: another window is better than none.
  assert.ok(open(long, { anchor: 0, windowStart: long.length, isPinned: true }).tokens.ids.length > 1);
});

test('long words, one long line, and an empty text', () => {
  const words100 = Array.from({ length: 500 }, () => 'x'.repeat(100)).join(' ');
  assert.equal(open(words100, { anchor: 25_000 }).tokens.ids.length, 33);
  const one = 'y'.repeat(50_000);
  assert.equal(open(one, { anchor: 25_000 }).tokens.ids.length, 2);
  assert.equal(open('', {}).tokens.ids.length, 1);
});
