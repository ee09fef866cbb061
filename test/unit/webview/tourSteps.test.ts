import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PanelState } from '../../../src/shared/panel/panelMessages';
import { sampleNote, tourSteps } from '../../../webview/tourSteps';

const labels = ['', 'was', ' Margaret', ' E', 'llery'];
const panel = {
  tokens: { labels, offsets: Uint32Array.of(0, 0, 3, 12, 14, 19), surprisalBits: null },
  selectedToken: 4,
  selectionAnchor: 3,
  suggestion: null,
  model: { layers: [{ stages: ['scores', 'pattern', 'gated_pattern'] }] },
  view: { layerIdx: 0, headIdx: 0, stage: 'scores', difference: false },
} as unknown as PanelState;

test('the tour names the word and the head, and goes from the first screen to the experiment', () => {
  const steps = tourSteps(panel, 'L6H6');
  assert.deepEqual(
    steps.map(({ tab }) => tab),
    ['why', 'why', 'heads', 'stages', 'experiment'],
  );
  assert.match(steps[0]!.text, /up to “Ellery”/);
  assert.match(steps[2]!.text, /L6H6 added most/);
  assert.equal(steps[2]!.stage, 'pattern', 'what multiplies the values');
  assert.doesNotMatch(tourSteps(panel, '')[2]!.text, /added most/);
});

test('the toy task is explained, other documents are not', () => {
  assert.match(sampleNote('letters.blocks'), /Behind each # stand two letters/);
  assert.deepEqual([sampleNote('lighthouse.md'), sampleNote(null)], ['', '']);
});
