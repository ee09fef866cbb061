import assert from 'node:assert/strict';
import { test } from 'node:test';
import { previousStage } from '../../../src/shared/attentionMap';
import {
  formatBits,
  formatBitsPlainly,
  formatPlainBits,
  formatValue,
  stageLabel,
  visibleToken,
} from '../../../src/shared/labels';
import { stages } from '../../../src/shared/operators';
import { describeCellValue, formatDuration, shortValue, unitExponent } from '../../../webview/labels';
import { Random } from '../../random';

test('values: signed, about four digits, never mistaken for zero', () => {
  assert.deepEqual([0, 1, -0.25, 12.345, -678.9, 1e-5, -2.5e7, Number.NaN, Number.NEGATIVE_INFINITY].map(formatValue), [
    '0',
    '+1.000',
    '−0.2500',
    '+12.35',
    '−678.9',
    '+1.00e−5',
    '−2.50e7',
    'not a number',
    '−∞',
  ]);
});

test('a written value reads back as itself, to half a percent', () => {
  const random = new Random(14);
  for (let round = 0; round < 2000; round++) {
    const value = (random.next() - 0.5) * 10 ** (random.below(24) - 12);
    const text = formatValue(value);
    assert.match(text, value < 0 ? /^−/ : /^\+/);
    assert.ok(Math.abs(Number(text.replaceAll('−', '-')) / value - 1) < 0.0051, `${value} as ${text}`);
    assert.ok(text.length <= 9, text);
  }
});

test('tokens show what would be invisible or change the text around them', () => {
  assert.equal(visibleToken(' a\tb\r\n'), '␣a⇥b⏎');
  assert.equal(visibleToken('\u202e\u200b\0'), '\\u202e\\u200b\\u0000');
  assert.equal(visibleToken(''), '∅');
});

test('no character of a written token is blank or without a glyph of its own', () => {
  const random = new Random(15);
  const invisible = [
    ' ',
    '\t',
    '\r\n',
    '\u00a0',
    '\u00ad',
    '\u2003',
    '\u2028',
    '\u200d',
    '\u3000',
    '\ufeff',
    '\u202e',
    '\x7f',
  ];
  for (let round = 0; round < 500; round++) {
    const label = Array.from({ length: 1 + random.below(5) }, () => random.pick([...invisible, 'a', 'é', '😀'])).join(
      '',
    );
    const text = visibleToken(label);
    assert.doesNotMatch(text, /[\p{C}\p{Z}]/u, JSON.stringify(label));
    assert.equal(visibleToken(text), text);
  }
});

test('differences are taken between stages of one unit only, and to a stage that the layer has', () => {
  assert.deepEqual(
    stages.map(stage => previousStage(stages, stage)),
    [
      ...[null, 'scores', 'capped_scores', 'decayed_scores', 'convolved_scores'],
      ...[null, 'pattern', 'differential_pattern', 'convolved_pattern', 'mixed_pattern'],
    ],
  );
  assert.equal(previousStage(['scores', 'mixed_scores', 'pattern'], 'mixed_scores'), 'scores');
  assert.equal(previousStage(['scores', 'pattern'], 'pattern'), null);
});

test('every stage has a name, and no text calls a weight a probability', () => {
  const texts = [...stages.map(stage => stageLabel(stage)), describeCellValue({ kind: 'exact', value: 0.5 })];
  for (const text of texts) assert.doesNotMatch(text, /probab|%/i);
  assert.match(describeCellValue({ kind: 'pooled', value: 0.5, blockSize: 4 }), /strongest of 4×4/);
  assert.match(describeCellValue({ kind: 'masked' }), /masked/);
});

test('every kind of knowledge of a cell has its own words', () => {
  assert.equal(describeCellValue({ kind: 'exact', value: 0 }), '0');
  assert.equal(describeCellValue({ kind: 'absent' }), 'not loaded yet');
  assert.equal(describeCellValue({ kind: 'pooled', value: -2, blockSize: 1 }), 'about −2.000');
});

const bitsTexts: [number, string, string][] = [
  [-5.65e-5, 'under 0.0001', 'under 0.0001'],
  [1e-9, 'under 0.0001', 'under 0.0001'],
  [0, '0', '0'],
  [0.0001, '+0.0001', '0.0001'],
  [-0.00056, '−0.0006', '−0.0006'],
  [0.0999, '+0.0999', '0.0999'],
  [-0.5, '−0.5000', '−0.5000'],
  [12.345, '+12.35', '12.35'],
  [Number.NaN, 'not a number', 'not a number'],
];
test('bits are never written as a power of ten; the smallest are named as such', () => {
  for (const [value, signed, plain] of bitsTexts) {
    assert.deepEqual([formatBits(value), formatPlainBits(value)], [signed, plain]);
    assert.equal(formatBitsPlainly(value), signed);
  }
});

test('durations: milliseconds below a second, then tenths', () => {
  assert.deepEqual([0, 12.4, 999, 1000, 61250].map(formatDuration), ['0 ms', '12 ms', '999 ms', '1.0 s', '61.3 s']);
});

const short: [number, string][] = [
  [0, '0'],
  [-0.004, '0'],
  [0.123, '.12'],
  [-0.994, '−.99'],
  [0.999, '1.0'],
  [-1.26, '−1.3'],
  [12.4, '12'],
  [-345.6, '−346'],
  [12345, '1e4'],
  [Number.NaN, 'NaN'],
  [Number.POSITIVE_INFINITY, '∞'],
];
for (const [value, text] of short)
  test(`${value} in a small cell is ${text}`, () => assert.equal(shortValue(value), text));

test('small numbers are divided by a power of ten that leaves two digits to tell them apart', () => {
  for (const [max, exponent] of [
    [0, 0],
    [0.1, 0],
    [5, 0],
    [0.099, -3],
    [0.00012, -6],
    [2e-9, -9],
  ] as const) {
    assert.equal(unitExponent(max), exponent, String(max));
  }
});
