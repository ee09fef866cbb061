/** A real GGUF file: token ids, logits and attention maps equal those of `transformers` with the same file. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openModelFolder } from '../../src/inference/model/openModelFolder';
import { ModelRuntime } from '../../src/inference/runtime/modelRuntime';
import { rowsOf } from '../../src/inference/runtime/values';
import { decodeFloats } from '../../src/shared/tools/float16';
import { Tokenizer } from '../../src/tokenization/tokenizer';
import { fetchGguf, ggufCase } from '../fixtures/ggufFile';

const fetched = fetchGguf();
const tolerance = 1e-3;
/** Cells are stored as fp16. */
const roundingOfCells = 2 ** -12;

const floats = (base64: string, dtype = 'F32') => decodeFloats(dtype, new Uint8Array(Buffer.from(base64, 'base64')));

/** Remembers the largest difference; a NaN sticks. */
class Worst {
  value = 0;

  add(got: number, expected: number): void {
    const difference = Math.abs(got - expected);
    if (!(difference <= this.value)) this.value = difference;
  }
}

test('SmolLM2-135M-Instruct.Q4_1.gguf is read as transformers reads it', {
  skip: 'why' in fetched && fetched.why,
}, async t => {
  if ('why' in fetched) return;
  const expected = ggufCase();
  const folder = await openModelFolder(fetched.path);
  const { config, summary } = folder;
  assert.equal(summary.weightType, 'Q4_1');
  const tokenizer = new Tokenizer(folder.tokenizerJson, summary.name);
  const nTokens = expected.ids.length;
  const ids = Int32Array.from(expected.ids);
  assert.equal(nTokens, 1000);
  assert.deepEqual([...tokenizer.encode(expected.text).ids.subarray(0, nTokens)], expected.ids);

  const runtime = new ModelRuntime(folder, 'cpu', 2);
  const [cells, means, logits, sums] = [new Worst(), new Worst(), new Worst(), new Worst()];
  try {
    const heads = Array.from({ length: config.n_heads }, (_, headIdx) => headIdx);
    let hidden = await runtime.embed(ids);
    for (let layerIdx = 0; layerIdx < config.n_layers; layerIdx++) {
      const layer = await runtime.block(layerIdx, hidden, { topK: 1, blockSize: 1 });
      const options = { stages: ['pattern' as const], heads, queries: [0, nTokens] as const };
      const [map] = await runtime.stageRows(layerIdx, layer.rows, options);
      const row = (head: number, query: number) =>
        map!.subarray((head * nTokens + query) * nTokens).subarray(0, query + 1);
      for (const [i, query] of expected.map_rows.entries()) {
        const stored = floats(expected.cells[layerIdx * expected.map_rows.length + i]!, 'F16');
        const nKeys = Math.ceil((query + 1) / expected.map_step);
        for (const head of heads) {
          for (let key = 0; key < nKeys; key++) {
            cells.add(row(head, query)[key * expected.map_step]!, stored[head * nKeys + key]!);
          }
        }
      }
      const storedMeans = floats(expected.means[layerIdx]!);
      const nMeans = Math.ceil(nTokens / expected.mean_step);
      for (const head of heads) {
        for (let i = 0; i < nMeans; i++) {
          const mean = row(head, i * expected.mean_step).reduce((sum, weight, key) => sum + weight * key, 0) / nTokens;
          means.add(mean, storedMeans[head * nMeans + i]!);
        }
      }
      hidden = layer.hidden;
    }
    const [stored, storedSums] = [floats(expected.logits), floats(expected.log_sums)];
    const nColumns = stored.length / expected.logit_rows.length;
    for (let first = 0; first < nTokens; first += 100) {
      const all = (await runtime.logits(rowsOf(hidden, first, first + 100))).data as Float32Array;
      for (let i = 0; i < 100; i++) {
        const values = all.subarray(i * config.vocab_size, (i + 1) * config.vocab_size);
        const largest = values.reduce((a, b) => Math.max(a, b));
        sums.add(
          largest + Math.log(values.reduce((sum, value) => sum + Math.exp(value - largest), 0)),
          storedSums[first + i]!,
        );
        const rowIdx = expected.logit_rows.indexOf(first + i);
        if (rowIdx < 0) continue;
        for (let column = 0; column < nColumns; column++) {
          logits.add(values[column * expected.logit_step]!, stored[rowIdx * nColumns + column]!);
        }
      }
    }
  } finally {
    await runtime.release();
  }
  const worst = `cells ${cells.value}, mean keys ${means.value}, logits ${logits.value}, log sums ${sums.value}`;
  t.diagnostic(`largest differences: ${worst}`);
  assert.ok(cells.value <= tolerance + roundingOfCells, worst);
  for (const { value } of [means, logits, sums]) assert.ok(value <= tolerance, worst);
});
