/** No memory, and a GPU that is lost in mid-run: what was asked for is done or the reason is said, and the next run works. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GraphBuilder } from '../../src/graph/graphBuilder';
import { type MapRequest, mapText, tokeniseProbe } from '../../src/inference/documentMap';
import { LastingRuntime } from '../../src/inference/lastingRuntime';
import type { LayerRuntime } from '../../src/inference/layerRuntime';
import { MapText } from '../../src/inference/mapText';
import { openModelFolder } from '../../src/inference/modelFolder';
import { ModelRuntime } from '../../src/inference/modelRuntime';
import type { InferenceEvents } from '../../src/inference/protocol';
import { Session } from '../../src/inference/session';
import type { MappedWindow } from '../../src/shared/documentMap';
import { Failure } from '../../src/shared/failure';
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
    assert.match(error.message, /choose a shorter window \(mtaInspector\.maxTokens\)/);
    return true;
  });
  assert.deepEqual((await run(3n))['y']!.data, Float32Array.of(2, 2, 2));
  await session.release();
});

test('a GPU lost in the middle of a map: the CPU goes on, no window is lost, and it is said', async () => {
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
  const text = new MapText(tokenizer);
  text.add({ start: 0, firstLine: 0, text: 'one two three\n'.repeat(30) });
  const request: MapRequest = {
    method: 'mean',
    heads: [
      { layerIdx: 0, headIdx: 0 },
      { layerIdx: 2, headIdx: 1 },
    ],
    stage: 'mixed_pattern',
    probe: { text: 'two', start: 0, selectionStart: 0 },
    maxTokens: 64,
  };
  const told: InferenceEvents['provider'][] = [];
  const run = async (runtime: LayerRuntime) => {
    const windows: MappedWindow[] = [];
    const lasting = new LastingRuntime(runtime, 1, (name, payload) => {
      if (name === 'provider') told.push(payload as InferenceEvents['provider']);
    });
    const probe = tokeniseProbe(request.probe, tokenizer, request.maxTokens);
    await mapText(
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
  assert.match(told[0]!.note, /"webgpu" failed .*device lost.*the CPU goes on/);
  assert.equal(told.length, 1);
  assert.deepEqual(lost, await run(cpu));
  await cpu.release();
});
