/** Heads switched off in the real engine: against edges knocked out, against kernels that do nothing, and in plain families. */

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { ablateHeads, predictTrained } from '../../src/inference/experiments/headAblation';
import { streamsOf } from '../../src/inference/experiments/streams';
import { openModelFolder } from '../../src/inference/model/openModelFolder';
import { targetsOf, toBits } from '../../src/inference/run/predictions';
import { ModelRuntime } from '../../src/inference/runtime/modelRuntime';
import { huggingFaceCases, writeHuggingFaceModel } from '../fixtures/huggingFace';
import { tinyModelDirectory } from '../fixtures/paths';

const scratch = mkdtempSync(join(tmpdir(), 'mta-heads-off-'));
after(() => rmSync(scratch, { recursive: true, force: true }));

async function withModel(directory: string, work: (opened: Awaited<ReturnType<typeof open>>) => Promise<void>) {
  const opened = await open(directory);
  try {
    await work(opened);
  } finally {
    await opened.runtime.release();
  }
}

async function open(directory: string) {
  const runtime = new ModelRuntime(await openModelFolder(directory), 'cpu', 1);
  const ids = Int32Array.from({ length: 24 }, (_, i) => (i * 7 + 3) % 60);
  const streams = await streamsOf(runtime, ids);
  const trained = await predictTrained(runtime, streams);
  const { n_layers: nLayers, n_heads: nHeads } = runtime.folder.config;
  return { runtime, ids, streams, trained, nLayers, nHeads };
}

const plain = huggingFaceCases().find(({ name }) => name === 'llama-grouped-bias')!;
writeHuggingFaceModel(join(scratch, 'llama'), plain);

test('a plain model: heads at zero are a model whose output matrix has zeros in their columns', async () => {
  const off = [
    { layerIdx: 0, headIdx: 1 },
    { layerIdx: 1, headIdx: 0 },
  ];
  const weights = new Map(plain.weights);
  const nHeads = Number(plain.config['num_attention_heads']);
  for (const { layerIdx, headIdx } of off) {
    const key = `model.layers.${layerIdx}.self_attn.o_proj.weight`;
    const { shape, values } = weights.get(key)!;
    const [columns, size] = [shape[1]!, shape[1]! / nHeads];
    const isOfHead = (i: number) => Math.floor((i % columns) / size) === headIdx;
    weights.set(key, { shape, values: Float32Array.from(values, (value, i) => (isOfHead(i) ? 0 : value)) });
  }
  writeHuggingFaceModel(join(scratch, 'without'), { ...plain, weights });
  const other = await open(join(scratch, 'without'));
  await other.runtime.release();
  await withModel(join(scratch, 'llama'), async ({ runtime, ids, streams, trained }) => {
    const got = await ablateHeads(runtime, streams, trained, off, 'zero');
    for (let token = 1; token < ids.length; token++) {
      const nats = (of: typeof trained) => of.own.logProbabilities[token - 1]!;
      const want = toBits(nats(trained) - nats(other.trained));
      assert.ok(Math.abs(got.changeBits[token]! - want) < 1e-4, `${token}: ${got.changeBits[token]}, expected ${want}`);
    }
    assert.ok(got.meanKlBits > 0);
    assert.ok(Number.isNaN(got.changeBits[0]));
  });
});

for (const directory of [tinyModelDirectory, join(scratch, 'llama')]) {
  test(`${directory.split('/').at(-1)}: heads at zero are the model with their columns of the output matrix at zero`, async () => {
    await withModel(directory, async ({ runtime, ids, streams, trained }) => {
      const off = [
        { layerIdx: 0, headIdx: 1 },
        { layerIdx: 1, headIdx: 0 },
      ];
      const got = await ablateHeads(runtime, streams, trained, off, 'zero');
      // By hand: the patched block of each layer in turn, on the stream that the one before left.
      let hidden = await runtime.embed(ids);
      for (let layerIdx = 0; layerIdx < runtime.folder.config.n_layers; layerIdx++) {
        const places = [off.filter(head => head.layerIdx === layerIdx).map(({ headIdx }) => headIdx)];
        hidden = await runtime.patchedBlock(layerIdx, hidden, { part: 'head', places, values: null });
      }
      const { logProbabilities } = await runtime.predict(hidden, targetsOf(ids), 1);
      for (let token = 1; token < ids.length; token++) {
        const want = toBits(trained.own.logProbabilities[token - 1]! - logProbabilities[token - 1]!);
        assert.ok(
          Math.abs(got.changeBits[token]! - want) < 1e-4,
          `${token}: ${got.changeBits[token]}, expected ${want}`,
        );
      }
      assert.ok(got.meanKlBits > 0);
    });
  });
}

test('a mean leaves what a head says everywhere: with one token it changes nothing', async () => {
  const runtime = new ModelRuntime(await openModelFolder(tinyModelDirectory), 'cpu', 1);
  try {
    const streams = await streamsOf(runtime, Int32Array.of(5));
    const trained = await predictTrained(runtime, streams);
    const heads = [{ layerIdx: 0, headIdx: 0 }];
    const mean = await ablateHeads(runtime, streams, trained, heads, 'mean');
    assert.ok(mean.meanKlBits < 1e-6, String(mean.meanKlBits));
    const zero = await ablateHeads(runtime, streams, trained, heads, 'zero');
    assert.ok(zero.meanKlBits > 1e-6, String(zero.meanKlBits));
  } finally {
    await runtime.release();
  }
});

test('heads that are not there, or none, are refused by name; a cancelled trial ends', async () => {
  await withModel(tinyModelDirectory, async ({ runtime, streams, trained }) => {
    const run = (heads: { layerIdx: number; headIdx: number }[], signal?: AbortSignal) =>
      ablateHeads(runtime, streams, trained, heads, 'mean', signal);
    await assert.rejects(run([]), { code: 'bad-ablation' });
    await assert.rejects(run([{ layerIdx: 99, headIdx: 0 }]), /Layer 99, head 0 is not in the model/);
    await assert.rejects(run([{ layerIdx: 0, headIdx: 0 }], AbortSignal.abort()), { name: 'Cancelled' });
  });
});
