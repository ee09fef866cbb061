import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stages } from '../../../src/shared/attentionMap';
import { describeCellValue, formatValue, previousStage, stageLabels, visibleToken } from '../../../webview/labels';

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

test('tokens show what would be invisible or change the text around them', () => {
  assert.equal(visibleToken(' a\tb\r\n'), '␣a⇥b⏎');
  assert.equal(visibleToken('\u202e\u200b\0'), '\\u202e\\u200b\\u0000');
  assert.equal(visibleToken(''), '∅');
});

test('differences are taken inside a linear step only, and to a stage that the layer has', () => {
  assert.deepEqual(
    stages.map(stage => previousStage(stages, stage)),
    [null, 'scores', 'convolved_scores', null, 'pattern', 'convolved_pattern'],
  );
  assert.equal(previousStage(['scores', 'mixed_scores', 'pattern'], 'mixed_scores'), 'scores');
  assert.equal(previousStage(['scores', 'pattern'], 'pattern'), null);
});

test('every stage has a name, and no text calls a weight a probability', () => {
  const texts = [...stages.map(stage => stageLabels[stage]), describeCellValue({ kind: 'exact', value: 0.5 })];
  for (const text of texts) assert.doesNotMatch(text, /probab|%/i);
  assert.match(describeCellValue({ kind: 'pooled', value: 0.5, blockSize: 4 }), /strongest of 4×4/);
  assert.match(describeCellValue({ kind: 'masked' }), /masked/);
});
