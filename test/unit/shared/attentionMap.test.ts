import assert from 'node:assert/strict';
import { test } from 'node:test';
import { effectiveStage, offeredStages, overviewValue } from '../../../src/shared/attentionMap';
import { type Stage, stages } from '../../../src/shared/operators';

test('a stage the layer lacks shows the last one before it', () => {
  const plain: Stage[] = ['scores', 'pattern'];
  const shown = stages.map(stage => effectiveStage(plain, stage));
  assert.deepEqual(shown, [...Array(5).fill('scores'), ...Array(5).fill('pattern')]);
  for (const stage of stages) assert.equal(effectiveStage(stages, stage), stage);
});

test('a model offers the stages that any of its layers has, in their order', () => {
  const layers = [
    { stages: ['scores', 'pattern', 'mixed_pattern'] },
    { stages: ['scores', 'capped_scores', 'pattern'] },
  ];
  const offered = offeredStages(layers as { stages: Stage[] }[]);
  assert.deepEqual(offered, ['scores', 'capped_scores', 'pattern', 'mixed_pattern']);
});

test('quantised cells become values again', () => {
  const overview = { layerIdx: 0, headIdx: 0, stage: 'scores', nTokens: 2, blockSize: 1, size: 2, scale: 5 } as const;
  const cells = Int8Array.of(127, 0, -127, 64);
  assert.equal(overviewValue({ ...overview, cells }, 0, 0), 5);
  assert.equal(overviewValue({ ...overview, cells }, 1, 0), -5);
  assert.ok(Math.abs(overviewValue({ ...overview, cells }, 1, 1) - 2.52) < 0.01);
});
