import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type LayerWalk, walkLayers } from '../../../../src/inference/run/walkLayers';
import type { LayerOptions } from '../../../../src/inference/runtime/block';
import type { LayerRuntime } from '../../../../src/inference/runtime/layerRuntime';
import type { Value } from '../../../../src/inference/runtime/session';
import type { KernelWeights } from '../../../../src/shared/kernels';

const stream = (value: number): Value => ({ type: 'float32', data: Float32Array.of(value), dims: [1, 1, 1] });

/** A runtime of 4 layers, each of which adds 1, and what it was called with. */
function open() {
  const calls: (readonly [layerIdx: number, hidden: number, options: LayerOptions])[] = [];
  const runtime = {
    folder: { summary: { nLayers: 4 } },
    async bareBlock(layerIdx: number, hidden: Value, options: LayerOptions) {
      calls.push([layerIdx, Number(hidden.data[0]), options]);
      return stream(Number(hidden.data[0]) + 1);
    },
  } as unknown as LayerRuntime;
  const walk = async (more: Partial<LayerWalk> = {}) =>
    Number((await walkLayers(runtime, { hidden: stream(0), ...more })).data[0]);
  return { calls, walk };
}

test('every layer runs once, on the stream of the one before, with its kernels and the signal', async () => {
  const { calls, walk } = open();
  const { signal } = new AbortController();
  const kernels: readonly KernelWeights[] = [];
  assert.equal(await walk({ firstLayer: 1, kernels: new Map([[2, kernels]]), signal }), 3);
  assert.deepEqual(
    calls.map(([layerIdx, hidden]) => [layerIdx, hidden]),
    [
      [1, 0],
      [2, 1],
      [3, 2],
    ],
  );
  assert.deepEqual(
    calls.map(([, , options]) => options.kernels),
    [undefined, kernels, undefined],
  );
  assert.ok(calls.every(([, , options]) => options.signal === signal));
});

test('the caller’s own way to run a layer takes the place of the bare one', async () => {
  const { calls, walk } = open();
  assert.equal(
    await walk({ runLayer: async (layerIdx, hidden) => stream(Number(hidden.data[0]) + 10 * layerIdx) }),
    60,
  );
  assert.deepEqual(calls, []);
});

test('a cancel that arrives between layers ends the walk before the next one, also after the last', async () => {
  for (const nBefore of [0, 2, 4]) {
    const { calls, walk } = open();
    const controller = new AbortController();
    let nPauses = 0;
    const pause = async () => {
      if (nPauses++ === nBefore) controller.abort();
    };
    await assert.rejects(walk({ pause, signal: controller.signal }), { name: 'Cancelled' });
    assert.equal(calls.length, nBefore);
  }
});

test('other work gets its turn between layers', async () => {
  const { calls, walk } = open();
  const nDone: number[] = [];
  const done = walk();
  const look = () => {
    nDone.push(calls.length);
    if (calls.length < 4) setImmediate(look);
  };
  setImmediate(look);
  await done;
  assert.ok(new Set(nDone).size >= 4, nDone.join());
});
