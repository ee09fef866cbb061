/** Every form of the key-query convolution computes the same, and so does a model that uses the one chosen. */

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { type ConvolutionForm, convolutionGraph, cpuConvolutions, fedConvolution } from '../../src/graph/convolution';
import { planLayer } from '../../src/graph/layerPlan';
import { blockGraph, noTaps } from '../../src/graph/modelGraphs';
import { openModelFolder } from '../../src/inference/model/openModelFolder';
import { bandAt, emptyRows } from '../../src/inference/runtime/bands';
import { chooseConvolution } from '../../src/inference/runtime/chooseConvolution';
import { bandFeeds, rotaryRows } from '../../src/inference/runtime/feeds';
import { kernelFeeds, readKernels } from '../../src/inference/runtime/kernelFeeds';
import { Session, type Value } from '../../src/inference/runtime/session';
import { writeRandomModel } from '../fixtures/randomModel';
import { Random } from '../random';

const folder = mkdtempSync(join(tmpdir(), 'mta-convolution-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const random = new Random(7);
const floats = (dims: readonly number[]): Value => ({
  type: 'float32',
  data: random.floats(
    dims.reduce((product, n) => product * n, 1),
    1,
  ),
  dims,
});

function assertClose(got: Value, expected: Value, what: string): void {
  assert.deepEqual(got.dims, expected.dims, what);
  const a = got.data as Float32Array;
  const b = expected.data as Float32Array;
  const worst = a.reduce((largest, x, i) => Math.max(largest, Math.abs(x - b[i]!)), 0);
  assert.ok(worst < 2e-5, `${what}: differs by ${worst}`);
}

test('all forms convolve alike, whatever the number of heads and the padding of keys', async () => {
  const size = { query: 3, key: 5 };
  for (const nHeads of [1, 7, 8, 9, 17]) {
    for (const padKey of ['both', 'left', 'right'] as const) {
      const map = floats([1, nHeads, 12, 20]);
      const kernel = floats([nHeads, 1, size.query, size.key]);
      const convolve = async (form: ConvolutionForm) => {
        const graph = convolutionGraph({ nHeads, padKey }, size, kernel.data as Float32Array, form);
        const session = await Session.create(graph, { provider: 'cpu', nThreads: 1 });
        try {
          return (await session.run({ map, kernel }))['convolved']!;
        } finally {
          await session.release();
        }
      };
      const expected = await convolve(fedConvolution);
      for (const form of cpuConvolutions) {
        assertClose(await convolve(form), expected, `${nHeads} heads, ${padKey}, filled to ${form.headMultiple}`);
      }
    }
  }
});

test('a block with its kernels in the graph equals the one they are fed to', async () => {
  const directory = join(folder, 'model');
  writeRandomModel(directory, {});
  const model = await openModelFolder(directory);
  const layerIdx = [0, 1, 2].find(layer => planLayer(model.config, layer).preSoftmaxKernel !== null)!;
  const plan = planLayer(model.config, layerIdx);
  const hidden = floats([1, 24, model.config.dim]);
  const feeds = {
    ...bandFeeds(plan, emptyRows(plan, hidden), bandAt(plan, 0, 24), rotaryRows(plan, 24)),
    ...kernelFeeds(plan, await readKernels(model, layerIdx)),
  };
  const run = async (form: ConvolutionForm) => {
    const graph = blockGraph(model.config, layerIdx, model.weights, noTaps, form);
    const session = await Session.create(graph, { provider: 'cpu', weightFolder: directory, nThreads: 1 });
    try {
      return (await session.run(feeds))['hidden_out']!;
    } finally {
      await session.release();
    }
  };
  const expected = await run(fedConvolution);
  for (const form of cpuConvolutions) assertClose(await run(form), expected, `filled to ${form.headMultiple}`);
});

test('a form is chosen only for layers that convolve', async () => {
  const plain = { ...planLayer((await openModelFolder(join(folder, 'model'))).config, 0) };
  const without = { ...plain, preSoftmaxKernel: null, postSoftmaxKernel: null };
  assert.equal(await chooseConvolution(without, 1), fedConvolution);
  const chosen = await chooseConvolution({ ...plain, preSoftmaxKernel: { query: 6, key: 11 } }, 1);
  assert.ok([fedConvolution, ...cpuConvolutions].includes(chosen));
});
