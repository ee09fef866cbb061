import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newRun, type Run } from '../../../../src/inference/run/run';
import { Runs } from '../../../../src/inference/run/runs';

const stream: NonNullable<Run['output']> = { type: 'float32', data: new Float32Array(1), dims: [1, 1, 1] };
const layer: Run['layers'][number] = {
  hidden: stream,
  rows: { hidden: stream, keys: stream, values: stream },
  topKeys: { k: 0, indices: new Int32Array(0), weights: new Float32Array(0) },
  overviews: [],
  blockSize: 1,
  pooled: async () => new Map(),
};

/** A run that has some layers done, or all of it. */
function run(analysisId: number, nLayers: number, isDone = false): Run {
  const started = newRun(analysisId, Int32Array.of(1, 2, 3));
  started.layers.push(...Array.from({ length: nLayers }, () => layer));
  if (isDone) started.output = stream;
  return started;
}

test('a layer can be looked at once it is done', () => {
  const runs = new Runs();
  const half = run(1, 1);
  runs.keep('main', half);
  assert.equal(runs.withLayer(1, 0), half);
  assert.throws(() => runs.withLayer(1, 1), { code: 'no-analysis', message: /older run/ });
  assert.throws(() => runs.withLayer(2, 0), { code: 'no-analysis' });
  half.layers.push(layer);
  assert.equal(runs.withLayer(1, 1), half);
  assert.throws(() => runs.finished(1), { code: 'no-analysis', message: /not done yet/ });
  assert.throws(() => runs.finished(2), { code: 'no-analysis', message: /older run/ });
  half.output = stream;
  assert.equal(runs.finished(1), half);
  assert.throws(() => runs.withLayer(1, 2), { code: 'no-analysis' });
});

test('each slot keeps its newest run, and an ablated one goes with the main run it departs from', () => {
  const runs = new Runs();
  const kept = () => [1, 2, 3, 4, 5].filter(analysisId => runs.holds(analysisId));
  runs.keep('main', run(1, 2, true));
  runs.keep('compare', run(2, 2, true));
  runs.keepAblated(run(3, 2, true));
  assert.deepEqual(kept(), [1, 2, 3]);
  runs.keep('compare', run(4, 0));
  assert.deepEqual(kept(), [1, 3, 4]);
  runs.keep('main', run(5, 0));
  assert.deepEqual(kept(), [4, 5]);
  runs.forget('compare');
  assert.deepEqual(kept(), [5]);
});
