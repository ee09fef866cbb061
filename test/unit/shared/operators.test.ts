import assert from 'node:assert/strict';
import { test } from 'node:test';
import { localRowSumNote, rowSumNote } from '../../../src/shared/labels';
import {
  isPreSoftmax,
  isSigned,
  type Operator,
  operators,
  rowSumReason,
  stages,
  stagesBy,
  weightsStage,
} from '../../../src/shared/operators';

test('stages come in the order of computation, each once', () => {
  assert.equal(new Set(stages).size, stages.length);
  assert.deepEqual(stagesBy(Object.keys(operators) as Operator[]), stages);
  assert.deepEqual(stagesBy(['sink_softmax', 'cap', 'score', 'gate_channels']), ['scores', 'capped_scores', 'pattern']);
  const firstWeights = stages.findIndex(stage => !isPreSoftmax(stage));
  assert.ok(stages.every((stage, i) => isPreSoftmax(stage) === i < firstWeights));
});

test('only the pattern cannot be below 0', () => {
  assert.deepEqual(
    stages.filter(stage => !isSigned(stage)),
    ['pattern'],
  );
});

test('the weights that multiply the values come before the gate', () => {
  assert.equal(weightsStage(['scores', 'pattern', 'gated_pattern']), 'pattern');
  assert.equal(weightsStage(['scores', 'pattern', 'mixed_pattern']), 'mixed_pattern');
});

test('why rows do not sum to 1: the last step up to the stage that moved their sum', () => {
  const all: Operator[] = ['score', 'cap', 'sink_softmax', 'convolve_pattern', 'mix_pattern', 'sum_values', 'gate'];
  assert.equal(rowSumReason(all, 'capped_scores'), null);
  assert.equal(rowSumReason(all, 'pattern'), 'sink_softmax');
  assert.equal(rowSumReason(all, 'convolved_pattern'), 'convolve_pattern');
  assert.equal(rowSumReason(all, 'mixed_pattern'), 'mix_pattern');
  assert.equal(rowSumReason(all, 'gated_pattern'), 'gate');
  assert.equal(rowSumReason(['score', 'softmax', 'sum_values'], 'pattern'), null);
  assert.equal(rowSumReason(['score', 'sink_softmax', 'gate_channels'], 'pattern'), 'sink_softmax');
  assert.equal(rowSumReason(['score', 'softmax', 'subtract'], 'differential_pattern'), 'subtract');
  assert.match(rowSumNote(['score', 'softmax', 'subtract'], 'differential_pattern'), /1 − λ/);
  assert.match(rowSumNote(all, 'pattern'), /sink/);
  assert.equal(rowSumNote(['score', 'softmax'], 'pattern'), '');
  for (const stage of ['pattern', 'convolved_pattern', 'mixed_pattern', 'gated_pattern'] as const) {
    assert.notEqual(localRowSumNote(all, stage), '', stage);
  }
});
