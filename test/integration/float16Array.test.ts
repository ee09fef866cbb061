/** Weights of 16 bits on a Node that has Float16Array, as that of new editors. In a process of its own: it is looked for once. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openModelFolder } from '../../src/inference/model/openModelFolder';
import { ModelRuntime } from '../../src/inference/runtime/modelRuntime';
import { int8ModelDirectory } from '../fixtures/paths';

test('ONNX Runtime is given the bits, not a Float16Array, which its native part reads as empty', async () => {
  const isThere = 'Float16Array' in globalThis;
  if (!isThere) {
    class Float16Array {
      static from() {}
      constructor() {
        throw new TypeError('the native part cannot read this');
      }
    }
    Object.assign(globalThis, { Float16Array });
  }
  const runtime = new ModelRuntime(await openModelFolder(int8ModelDirectory), 'cpu', 1);
  try {
    const hidden = await runtime.bareBlock(0, await runtime.embed(Int32Array.of(300, 5, 4)));
    assert.ok((hidden.data as Float32Array).every(Number.isFinite));
  } finally {
    await runtime.release();
    if (!isThere) Reflect.deleteProperty(globalThis, 'Float16Array');
  }
});
