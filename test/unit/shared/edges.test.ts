/** The values right at a limit, and on either side of it. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { luminance } from '../../../src/shared/colorScale';
import { formatValue } from '../../../src/shared/labels';
import { isLinkable } from '../../../src/shared/link';
import { questionSuffix } from '../../../src/shared/panel/question';
import { Cancelled, Failure, fromFailureData, toFailureData } from '../../../src/shared/tools/failure';
import { decodeFloats, toFloat16Bits } from '../../../src/shared/tools/float16';

test('a link holds up to 200 edits, none of which has weights', () => {
  const edit = { part: null, layerIdx: 0, headIdx: null, weights: null };
  const of = (n: number, last: object = {}) => ({
    scope: 'model' as const,
    edits: Array.from({ length: n }, (_, i) => (i === n - 1 ? { ...edit, ...last } : edit)),
  });
  assert.deepEqual([isLinkable(of(0)), isLinkable(of(200)), isLinkable(of(201))], [true, true, false]);
  assert.equal(isLinkable(of(2, { weights: [1] })), false);
});

test('a question begins a line of its own, after a line end of any kind or in an empty text', () => {
  assert.deepEqual(
    ['', 'a', 'a\n', 'a\r', 'a\r\n', '\na'].map(text => questionSuffix(text, '?')),
    ['?', '\n?', '?', '?', '?', '\n?'],
  );
});

test('numbers for people: infinities with their sign, zero without', () => {
  const { NaN: none, POSITIVE_INFINITY: infinite } = Number;
  assert.deepEqual([infinite, -infinite, 0, -0, none, 1e-3, -0.5, 1000, 1e5].map(formatValue), [
    '+∞',
    '−∞',
    '0',
    '0',
    'not a number',
    '+0.001000',
    '−0.5000',
    '+1000.0',
    '+1.00e5',
  ]);
});

test('half precision: the largest number, what rounds above it, and bfloat16', () => {
  assert.deepEqual([65504, 65519, 65520, 65536, -65520].map(toFloat16Bits), [0x7bff, 0x7bff, 0x7c00, 0x7c00, 0xfc00]);
  assert.deepEqual([...decodeFloats('BF16', Uint8Array.of(0x80, 0x3f, 0x20, 0xc0))], [1, -2.5]);
  assert.throws(() => decodeFloats('F64', new Uint8Array(8)), /F64/);
});

test('luminance as WCAG defines it: linear for dark channels, a power for the others', () => {
  const close = (channel: number, expected: number) =>
    assert.ok(Math.abs(luminance([channel, channel, channel]) - expected) < 1e-6, `${channel}`);
  close(0, 0);
  close(10, 10 / 255 / 12.92);
  close(11, ((11 / 255 + 0.055) / 1.055) ** 2.4);
  close(128, 0.2158605);
  close(255, 1);
  assert.ok(Math.abs(luminance([0, 255, 0]) - 0.7152) < 1e-9);
});

test('a failure keeps its code, its actions and its kind on its way; a stack only where there is one', () => {
  const failure = fromFailureData(toFailureData(new Failure('x', 'it failed', ['retry'])));
  assert.deepEqual([failure.code, failure.message, failure.actions], ['x', 'it failed', ['retry']]);
  assert.ok(fromFailureData(toFailureData(new Cancelled())) instanceof Cancelled);
  const mistake = new TypeError('ours');
  assert.equal(fromFailureData(toFailureData(mistake)).stack, mistake.stack);
  assert.ok(failure.stack?.includes('edges.test'), 'its own, where none came with it');
});
