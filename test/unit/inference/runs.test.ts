import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newRun, type Run } from '../../../src/inference/run';
import { Runs } from '../../../src/inference/runs';

const nLayers = 2;
const stream: Run['hidden'][number] = { type: 'float32', data: new Float32Array(1), dims: [1, 1, 1] };

/** A run that has come to the input of some layers; one more than there are means that it is done. */
function run(analysisId: number, nInputs: number): Run {
  const started = newRun(analysisId, Int32Array.of(1, 2, 3));
  started.hidden.push(...Array.from({ length: nInputs }, () => stream));
  return started;
}

test('a layer can be looked at once the run has come to it', () => {
  const runs = new Runs(nLayers);
  const half = run(1, 1);
  runs.keep('main', half);
  assert.equal(runs.withLayer(1, 0), half);
  assert.throws(() => runs.withLayer(1, 1), { code: 'no-analysis', message: /older run/ });
  assert.throws(() => runs.withLayer(2, 0), { code: 'no-analysis' });
  half.hidden.push(stream);
  assert.equal(runs.withLayer(1, 1), half);
  assert.throws(() => runs.finished(1), { code: 'no-analysis', message: /not done yet/ });
  half.hidden.push(stream);
  assert.equal(runs.finished(1), half);
  assert.throws(() => runs.withLayer(1, nLayers), { code: 'no-analysis' });
});

test('each slot keeps its newest run, and an ablated one goes with the main run it departs from', () => {
  const runs = new Runs(nLayers);
  const kept = () => [1, 2, 3, 4, 5].filter(analysisId => runs.holds(analysisId));
  runs.keep('main', run(1, 3));
  runs.keep('compare', run(2, 3));
  runs.keepAblated(run(3, 3));
  assert.deepEqual(kept(), [1, 2, 3]);
  runs.keep('compare', run(4, 0));
  assert.deepEqual(kept(), [1, 3, 4]);
  runs.keep('main', run(5, 0));
  assert.deepEqual(kept(), [4, 5]);
  runs.forget('compare');
  assert.deepEqual(kept(), [5]);
});
