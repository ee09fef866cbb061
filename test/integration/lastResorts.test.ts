/** No memory, and a GPU that is lost in mid-run: what was asked for is done or the reason is said, and the next run works. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GraphBuilder } from '../../src/graph/graphBuilder';
import { type SearchRequest, searchRanges, tokenizeProbe } from '../../src/inference/experiments/searchRanges';
import { SearchText } from '../../src/inference/experiments/searchText';
import { openModelFolder } from '../../src/inference/model/openModelFolder';
import type { Emit, InferenceEvents } from '../../src/inference/protocol';
import { inputOf, newRun } from '../../src/inference/run/run';
import { Runs } from '../../src/inference/run/runs';
import { LastingRuntime } from '../../src/inference/runtime/lastingRuntime';
import type { LayerRuntime } from '../../src/inference/runtime/layerRuntime';
import { ModelRuntime } from '../../src/inference/runtime/modelRuntime';
import { hasUsedUpMemory, Resident, Session, type Value } from '../../src/inference/runtime/session';
import type { SearchedRange } from '../../src/shared/documentSearch';
import { Failure } from '../../src/shared/tools/failure';
import { Tokenizer } from '../../src/tokenization/tokenizer';
import { tinyModelDirectory } from '../fixtures/paths';

test('more memory than there is: said as such, with what to do, and the runtime goes on', async () => {
  const g = new GraphBuilder('expand');
  const size = g.input('size', 'int64', [1]);
  g.output('y', g.op('Expand', [g.input('x', 'float32', [1]), size]), 'float32', ['N']);
  const session = await Session.create(g.build(), { provider: 'cpu', nThreads: 1 });
  const run = (count: bigint) =>
    session.run({
      x: { type: 'float32', data: Float32Array.of(2), dims: [1] },
      size: { type: 'int64', data: BigInt64Array.of(count), dims: [1] },
    });
  await assert.rejects(run(1n << 44n), (error: Failure) => {
    assert.equal(error.code, 'memory', error.message);
    assert.ok(hasUsedUpMemory(error), 'the process asks to be replaced');
    assert.match(error.message, /choose a shorter window \(mtaInspector\.range\.maxTokens\)/);
    return true;
  });
  assert.deepEqual((await run(3n))['y']!.data, Float32Array.of(2, 2, 2));
  await session.release();
});

test('a GPU lost with what lay in its memory: the CPU computes what is kept of runs again', async () => {
  const folder = await openModelFolder(tinyModelDirectory);
  const cpu = new ModelRuntime(folder, 'cpu', 1);
  const runs = new Runs();
  const run = newRun(
    1,
    Int32Array.from({ length: 40 }, (_, i) => (i * 7) % folder.config.vocab_size),
  );
  run.embedded = await cpu.embed(run.ids);
  for (const layerIdx of [0, 1]) {
    const options = { topK: 4, blockSize: run.blockSize };
    run.layers.push(await cpu.block(layerIdx, inputOf(run, layerIdx), options));
  }
  runs.keep('main', run);
  const rowsOf = (runtime: LayerRuntime) =>
    runtime.stageRows(1, run.layers[1]!.rows, {
      stages: ['scores', 'mixed_pattern'],
      heads: [0, 2],
      queries: [10, 30],
    });
  const next = async (runtime: LayerRuntime) => (await runtime.bareBlock(2, inputOf(run, 2))).data;
  const expected = [await rowsOf(cpu), await next(cpu)];

  const lost = ({ dims }: Value): Value => new Resident('float32', dims, {} as never);
  run.embedded = lost(run.embedded);
  for (const [layerIdx, layer] of run.layers.entries()) {
    const { hidden, keys, values } = layer.rows;
    const rows = { hidden: lost(hidden), keys: lost(keys), values: lost(values) };
    run.layers[layerIdx] = { ...layer, hidden: lost(layer.hidden), rows };
  }
  const gpu = {
    ...{ folder, provider: 'webgpu', release: async () => {} },
    stageRows: async () => {
      throw new Failure('runtime', 'ONNX Runtime could not run a layer: device lost');
    },
  } as unknown as LayerRuntime;
  const events: string[] = [];
  const emit: Emit = (name, payload) => void events.push(`${name}: ${JSON.stringify(payload)}`);
  const lasting = new LastingRuntime(gpu, 1, emit, runtime => runs.restore(runtime));
  const both = await Promise.all([lasting.use(rowsOf), lasting.use(rowsOf)]);
  assertClose([both[0], await lasting.use(next)], expected);
  assert.deepEqual(both[1], both[0]);
  assert.equal(events.length, 1, events.join('\n'));
  await Promise.all([cpu.release(), lasting.release()]);
});

test('a GPU lost in the middle of a document search: the CPU goes on, no window is lost, and it is said', async () => {
  const folder = await openModelFolder(tinyModelDirectory);
  const cpu = new ModelRuntime(folder, 'cpu', 1);
  let nBlocks = 0;
  const gpu = new Proxy(cpu, {
    get(target, name) {
      if (name === 'provider') return 'webgpu';
      if (name === 'release') return async () => {};
      const value = Reflect.get(target, name);
      if (name !== 'blockRows') return typeof value === 'function' ? value.bind(target) : value;
      return (...args: Parameters<ModelRuntime['blockRows']>) => {
        if (++nBlocks > 5) throw new Failure('runtime', 'ONNX Runtime could not run a layer: device lost');
        return target.blockRows(...args);
      };
    },
  }) as LayerRuntime;
  const tokenizer = new Tokenizer(folder.tokenizerJson, 'tiny');
  const text = new SearchText(tokenizer);
  text.add({ start: 0, firstLine: 0, text: 'one two three\n'.repeat(30) });
  const request: SearchRequest = {
    method: 'mean',
    heads: [
      { layerIdx: 0, headIdx: 0 },
      { layerIdx: 2, headIdx: 1 },
    ],
    stage: 'mixed_pattern',
    probe: { text: 'two', start: 0, selectionStart: 0 },
    maxTokens: 64,
  };
  const events: InferenceEvents['provider'][] = [];
  const run = async (runtime: LayerRuntime) => {
    const windows: SearchedRange[] = [];
    const emit: Emit = (name, payload) => {
      if (name === 'provider') events.push(payload as InferenceEvents['provider']);
    };
    const lasting = new LastingRuntime(runtime, 1, emit, async () => {});
    const probe = tokenizeProbe(request.probe, tokenizer, request.maxTokens);
    await searchRanges(
      lasting.use,
      text.tokens(),
      request,
      probe,
      window => windows.push(window),
      async () => {},
    );
    assert.equal(lasting.current.provider, 'cpu');
    return windows.map(({ rows, gainBits }) => ({ rows, gainBits }));
  };
  const lost = await run(gpu);
  assert.match(events[0]!.note, /"webgpu" failed .*device lost.*the CPU goes on/);
  assert.equal(events.length, 1);
  assertClose(lost, await run(cpu));
  await cpu.release();
});

/** The same but for sums in another order: the form of a convolution is chosen by measurement. */
function assertClose(got: unknown, expected: unknown): void {
  if (typeof got === 'number' && typeof expected === 'number') {
    assert.ok(Object.is(got, expected) || Math.abs(got - expected) <= 1e-4, `${got} instead of ${expected}`);
  } else if (typeof got === 'object' && got !== null) {
    const [a, b] = [Object.entries(got), Object.entries(expected as object)];
    assert.deepEqual(
      a.map(([key]) => key),
      b.map(([key]) => key),
    );
    for (const [i, [, value]] of a.entries()) assertClose(value, b[i]![1]);
  } else {
    assert.equal(got, expected);
  }
}
