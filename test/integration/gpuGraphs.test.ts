/**
 * What runs on a GPU, on the CPU: its graphs and all that is made of them give what the others give. That the operators
 * are right on a GPU too is `webgpu.test.ts`.
 */

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { openModelFolder } from '../../src/inference/model/openModelFolder';
import { GpuRuntime } from '../../src/inference/runtime/gpuRuntime';
import { ModelRuntime } from '../../src/inference/runtime/modelRuntime';
import { compareRuntimes } from '../fixtures/compareRuntimes';
import { layerVariants } from '../fixtures/layerVariants';
import { writeRandomModel } from '../fixtures/randomModel';

const scratch = mkdtempSync(join(tmpdir(), 'mta-gpu-'));
after(() => rmSync(scratch, { recursive: true, force: true }));

const models = {
  'all parts': {},
  'a sliding window, grouped keys': { sliding_window: 50, n_kv_heads: 2 },
  'a vocabulary smaller than a block of largest values': { vocab_size: 301, weight_tying: false },
  ...layerVariants,
};

for (const [name, change] of Object.entries(models)) {
  test(`${name}: whole, in bands, with changed kernels, edited`, async () => {
    const directory = join(scratch, name);
    writeRandomModel(directory, { max_seqlen: 340, ...change });
    const folder = await openModelFolder(directory);
    const found = await compareRuntimes(new GpuRuntime(folder, 'cpu', 1), new ModelRuntime(folder, 'cpu', 1), 150);
    assert.equal(Object.keys(found).length, 4);
    for (const [way, { difference, of }] of Object.entries(found)) {
      // Norms on both sides let differences grow from layer to layer.
      const tolerance = name in layerVariants ? 5e-5 : 1e-5;
      assert.ok(difference < tolerance, `${way}: ${of} differs by ${difference}`);
    }
  });
}
