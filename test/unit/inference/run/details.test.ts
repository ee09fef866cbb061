import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseModelConfig } from '../../../../src/graph/modelConfig';
import { summarize } from '../../../../src/inference/model/folder';
import { Details } from '../../../../src/inference/run/details';
import { newRun } from '../../../../src/inference/run/run';
import { Runs } from '../../../../src/inference/run/runs';
import type { Attribution } from '../../../../src/inference/runtime/attribution';
import type { LastingRuntime } from '../../../../src/inference/runtime/lastingRuntime';
import type { LayerRuntime } from '../../../../src/inference/runtime/layerRuntime';

const nTokens = 600;
const nHeads = 2;
const config = parseModelConfig(
  {
    ...{ n_layers: 1, n_heads: nHeads, dim: 8, hidden_dim: 8, vocab_size: 10, max_seqlen: nTokens },
    mta: { use_mta: true, query_kernel_size: 2, key_kernel_size: 3 },
  },
  'config.json',
);
const stream = { type: 'float32', data: new Float32Array(nTokens), dims: [1, nTokens, 1] } as const;

/** Details of a run on a runtime that counts its calls and aborts the caller's signal during the first. */
function open({ abortsAtFirst = true } = {}) {
  const controller = new AbortController();
  const calls: (AbortSignal | undefined)[] = [];
  const called = (signal: AbortSignal | undefined) => {
    calls.push(signal);
    if (abortsAtFirst) controller.abort();
  };
  const runtime: Partial<LayerRuntime> = {
    folder: { config, summary: summarize(config, '', 'm') } as LayerRuntime['folder'],
    async stageRows(_layerIdx, _rows, { stages, heads, queries: [start, end], signal }) {
      called(signal);
      return stages.map(() => new Float32Array(heads.length * (end - start) * end));
    },
    async overview(_layerIdx, _rows, { stage, blockSize, signal }) {
      called(signal);
      return { stage, blockSize, size: 1, scales: new Float32Array(nHeads), cells: new Int8Array(nHeads) };
    },
    async trainedKernels() {
      called(undefined);
      return [];
    },
  };
  const lasting = {
    folder: runtime.folder,
    current: runtime,
    use: (work: (runtime: LayerRuntime) => Promise<unknown>) => work(runtime as LayerRuntime),
  } as unknown as LastingRuntime;
  const runs = new Runs();
  const run = newRun(1, new Int32Array(nTokens));
  run.layers.push({ hidden: stream, rows: { hidden: stream, keys: stream, values: stream } } as never);
  runs.keep('main', run);
  return { details: new Details(lasting, runs, {} as Attribution), controller, calls };
}

const layer = { analysisId: 1, layerIdx: 0 };
const everything = { queryStart: 0, keyStart: 0, nQueries: nTokens, nKeys: nTokens };
const looks = {
  tile: (details: Details, signal: AbortSignal) =>
    details.tile({ ...layer, headIdx: 0, stage: 'pattern', ...everything }, signal),
  patch: (details: Details, signal: AbortSignal) =>
    details.patch({ ...layer, stage: 'pattern', ...everything, nKeys: 4 }, signal),
  largestChanges: (details: Details, signal: AbortSignal) =>
    details.largestChanges({ ...layer, headIdx: 0, part: 'pre_softmax_conv', k: 4 }, signal),
  headMeasures: (details: Details, signal: AbortSignal) => details.headMeasures(layer, signal),
  overview: (details: Details, signal: AbortSignal) => details.overview({ ...layer, stage: 'pattern' }, signal),
  kernels: (details: Details, signal: AbortSignal) => details.kernels(layer, signal),
};

for (const [name, look] of Object.entries(looks)) {
  test(`${name}: a cancel ends it with the band under way`, async () => {
    const { details, controller, calls } = open();
    await assert.rejects(look(details, controller.signal), { name: 'Cancelled' });
    await new Promise(wake => setTimeout(wake));
    assert.equal(calls.length, 1, 'no band is computed after the cancel');
    if (name !== 'kernels') assert.equal(calls[0], controller.signal, 'the runtime can stop within the band');
  });

  test(`${name}: a cancel before its turn computes nothing, and those that wait behind it go on`, async () => {
    const { details, controller, calls } = open({ abortsAtFirst: false });
    const ahead = details.overview({ ...layer, stage: 'scores' });
    const cancelled = look(details, controller.signal);
    const behind = details.overview({ ...layer, stage: 'pattern' });
    controller.abort();
    await assert.rejects(cancelled, { name: 'Cancelled' });
    await Promise.all([ahead, behind]);
    assert.equal(calls.length, 2);
  });
}

test('without a cancel every band is computed', async () => {
  const { details, controller, calls } = open({ abortsAtFirst: false });
  const { values } = await looks.tile(details, controller.signal);
  assert.equal(values.length, nTokens ** 2);
  assert.equal(calls.length, 3);
});
