/** ONNX files that expose their attention: looked at with real ONNX Runtime, and refused with reasons. */

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, truncateSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import { Engine } from '../../src/inference/engine';
import { openModelFolder } from '../../src/inference/model/openModelFolder';
import type { LayerEvent, OccludedEvent, TokensEvent } from '../../src/inference/protocol';
import { Failure } from '../../src/shared/tools/failure';
import { runCommand } from '../fixtures/commandLine';
import { type DecoderOptions, decode, decoder, writeDecoder } from '../fixtures/onnxDecoder';
import { tinyModelDirectory } from '../fixtures/paths';
import { Random } from '../random';

const scratch = mkdtempSync(join(tmpdir(), 'mta-onnx-'));
after(() => rmSync(scratch, { recursive: true, force: true }));

const text = 'const answer = question + 1;\n';
let count = 0;
const write = (options?: DecoderOptions, name?: string) => writeDecoder(join(scratch, `m${count++}`), name, options);

/** Loads and analyses; what the engine said goes into `events`. */
async function look(modelDirectory: string, limits: { maxTokens?: number; memoryBudgetMb?: number } = {}) {
  const events: { name: string; payload: unknown }[] = [];
  const engine = await Engine.load({ modelDirectory, provider: 'auto', nThreads: 1 }, (name, payload) =>
    events.push({ name, payload }),
  );
  try {
    const where = { text, textStart: 0, documentLength: text.length, anchor: 0 };
    const answer = await engine.analyze({ analysisId: 1, ...where, maxTokens: 48, topK: 4, ...limits });
    const { tokens } = events.find(event => event.name === 'tokens')!.payload as TokensEvent;
    const layers = events.filter(event => event.name === 'layer').map(event => (event.payload as LayerEvent).layer);
    return { engine, events, tokens, layers, ...answer };
  } catch (error) {
    await engine.release();
    throw error;
  }
}

function assertClose(got: ArrayLike<number>, expected: ArrayLike<number>, what: string): void {
  assert.equal(got.length, expected.length, what);
  const worst = Array.from(got, (value, i) => Math.abs(value - expected[i]!)).reduce((a, b) => Math.max(a, b), 0);
  assert.ok(worst <= 1e-4, `${what} differs by ${worst}`);
}

test('maps, strongest keys and predictions are those of the graph', async () => {
  const { engine, tokens, layers, predictions } = await look(write());
  const { attentions, logits } = decode(tokens.ids);
  const n = tokens.ids.length;
  assert.equal(layers.length, decoder.nLayers);
  for (const [layerIdx, expected] of attentions.entries()) {
    const { overviews, topKeys } = layers[layerIdx]!;
    assert.deepEqual(
      overviews.map(({ stage, size }) => [stage, size]),
      [['pattern', n]],
    );
    for (let headIdx = 0; headIdx < decoder.nHeads; headIdx++) {
      const whole = { queryStart: 0, keyStart: 0, nQueries: n, nKeys: n };
      // A stage that the model lacks shows the one it has.
      for (const stage of ['scores', 'pattern', 'mixed_pattern'] as const) {
        const { values } = await engine.details.tile({ analysisId: 1, layerIdx, headIdx, stage, ...whole });
        assertClose(values, expected.subarray(headIdx * n * n, (headIdx + 1) * n * n), `layer ${layerIdx}, ${stage}`);
      }
      for (let query = 0; query < n; query++) {
        const row = [...expected.subarray((headIdx * n + query) * n, (headIdx * n + query) * n + query + 1)];
        const best = row.indexOf(Math.max(...row));
        const at = (headIdx * n + query) * topKeys.k;
        assert.equal(topKeys.indices[at], best);
        assert.equal(topKeys.indices[at + 3], query < 3 ? -1 : topKeys.indices[at + 3]);
      }
    }
  }
  const last = [...logits.subarray((n - 1) * decoder.vocabSize)];
  assert.equal(predictions.topIds[(n - 1) * predictions.k], last.indexOf(Math.max(...last)));
  const row = [...logits.subarray(0, decoder.vocabSize)];
  const bits = (Math.log(row.reduce((sum, x) => sum + Math.exp(x), 0)) - row[tokens.ids[1]!]!) / Math.LN2;
  assertClose([predictions.surprisalBits[1]!], [bits], 'surprisal');
  const relevance = await engine.details.relevance({
    ...{ analysisId: 1, range: { first: n - 1, end: n }, direction: 'attends', method: 'head', stage: 'pattern' },
    heads: [{ layerIdx: 1, headIdx: 1 }],
  });
  assertClose(relevance, attentions[1]!.subarray((2 * n - 1) * n, 2 * n * n), 'relevance');
  await engine.release();
});

test('a text that is occluded is predicted anew', async () => {
  const { engine, events, tokens } = await look(write());
  const target = { first: tokens.ids.length - 2, end: tokens.ids.length };
  const spans = [{ first: 1, end: 3 }];
  await engine.occlude({ analysisId: 1, occlusionId: 1, target, spans, mode: 'replace' });
  const { effect } = events.find(({ name }) => name === 'occluded')!.payload as OccludedEvent;
  assert.ok(effect.divergenceBits > 0);
  await engine.release();
});

test('only what is there is described: patterns, no kernels, no predictions without logits', async () => {
  const { engine, predictions } = await look(write({ hasLogits: false }));
  const { viewer, layers, name } = engine.model;
  assert.deepEqual(viewer, { hasPredictions: false });
  assert.equal(name, 'decoder');
  assert.deepEqual(layers[0], {
    ...{ layerIdx: 0, operators: [], stages: ['pattern'] },
    ...{ preSoftmaxKernel: null, postSoftmaxKernel: null, kernels: {} },
  });
  assert.equal(predictions.k, 0);
  assert.ok(predictions.surprisalBits.every(Number.isNaN));
  const target = { first: 4, end: 5 };
  await assert.rejects(
    engine.occlude({ analysisId: 1, occlusionId: 1, target, spans: [{ first: 0, end: 1 }], mode: 'remove' }),
    /has no output logits/,
  );
  const edits = [{ part: null, layerIdx: null, headIdx: null, weights: null }];
  await assert.rejects(
    engine.ablate({ analysisId: 2, baseId: 1, ablation: { scope: 'model', edits }, topK: 4 }),
    /Cannot ablate "decoder": .*view-only/,
  );
  const nothing = () => assert.fail('it ranks what cannot be changed');
  await assert.rejects(engine.rankAblations({ analysisId: 1, withHeads: true }).then(nothing), { code: 'viewer' });
  await assert.rejects(engine.explain({ analysisId: 1, row: 0, target: 'predicted' }), {
    code: 'cannot-explain',
    message: /Cannot split a logit of .*: ONNX files are view-only\. Pick a model with safetensors weights\./,
  });
  await assert.rejects(engine.score(Int32Array.of(1, 2, 3)), { code: 'no-logits' });
  await engine.release();
});

test('names are matched, or given by a file beside the model', async () => {
  const matched = [
    'attn_0',
    'decoder_attentions.0',
    '/model/layers.0/self_attn/Softmax_output_0',
    'layer 1 attn_weights',
  ];
  for (const name of matched) {
    const shift = name.includes('1') ? 1 : 0;
    const nameOf = (layerIdx: number) => name.replace(/\d/, String(layerIdx + shift));
    const folder = await openModelFolder(write({ nameOf }));
    assert.deepEqual(folder.view!.attentions, [0, 1, 2].map(nameOf));
  }
  const path = write({ nameOf: layerIdx => 'abc'[layerIdx]! });
  await assert.rejects(
    openModelFolder(path),
    /Cannot look at decoder\.onnx of "m\d+": none of its outputs is named like attention\. Its outputs are a \(batch×2×tokens×keys\), b .*, logits \(batch×tokens×320\)\. Export it with output_attentions, or name the outputs in decoder\.onnx\.json/,
  );
  writeFileSync(`${path}.json`, JSON.stringify({ attentions: ['c', 'a'], logits: 'logits', max_seqlen: 32 }));
  const { view, summary } = await openModelFolder(path);
  assert.deepEqual([view!.attentions, view!.logits, summary.nLayers, summary.maxSeqlen], [['c', 'a'], 'logits', 2, 32]);
  writeFileSync(`${path}.json`, JSON.stringify({ attentions: ['d'] }));
  await assert.rejects(openModelFolder(path), /decoder\.onnx\.json names "d" under attentions, which is not an output/);
});

test('a folder with one ONNX file alone is opened by itself; of several one has to be picked', async () => {
  const path = write({}, 'model.onnx');
  const { summary } = await openModelFolder(dirname(path));
  assert.deepEqual([summary.directory, summary.name], [path, dirname(path).split(/[\\/]/).at(-1)]);
  writeDecoder(dirname(path), 'other.onnx');
  await assert.rejects(openModelFolder(dirname(path)), /several ONNX files\. Pick one of model\.onnx, other\.onnx/);
});

test('weights may lie in a file beside the model, in its folder', async () => {
  const path = write({ externalFile: 'decoder.onnx_data' });
  const { engine, tokens, predictions } = await look(path);
  const last = [...decode(tokens.ids).logits.subarray(-decoder.vocabSize)];
  assert.equal(predictions.topIds[(tokens.ids.length - 1) * predictions.k], last.indexOf(Math.max(...last)));
  await engine.release();
  const data = join(dirname(path), 'decoder.onnx_data');
  unlinkSync(data);
  await assert.rejects(openModelFolder(path), /its weights are in decoder\.onnx_data, which is missing/);
  symlinkSync(join(tinyModelDirectory, 'model.safetensors'), data);
  await assert.rejects(openModelFolder(path), /decoder\.onnx_data cannot be read, it leads out of the model folder/);
  await assert.rejects(
    openModelFolder(write({ externalFile: '../up.bin' })),
    /\.\.\/up\.bin cannot be read, it leads out of the model folder/,
  );
});

const refused: readonly [what: string, options: DecoderOptions, message: RegExp][] = [
  ['a fixed length', { length: 16 }, /its input input_ids has the fixed length 16\. Export it with dynamic axes/],
  [
    'a cache',
    { extraInput: 'past_key_values.0.key' },
    /asks for the input past_key_values\.0\.key, and only input_ids/,
  ],
  ['maps of three dimensions', { outputShape: ['batch', 2, 'tokens'] }, /outputs are attentions\.0 \(batch×2×tokens\)/],
  ['flat maps', { maps: 'flat' }, /output attentions\.0 is 1×2×(\d+)×1, expected 1×2×\1×\1/],
  [
    'other heads than it says',
    { outputShape: ['b', 4, 't', 't'] },
    /output attentions\.0 is 1×2×\d+×\d+, expected 1×4/,
  ],
  ['an encoder', { isCausal: false }, /attends from token \d+ to token \d+ after it/],
  [
    'scores',
    { isBeforeSoftmax: true },
    /output attentions\.0 holds -?[\d.e+]+, so it is not attention after the softmax/,
  ],
  [
    'heads that nothing tells',
    { outputShape: ['b', 'h', 't', 't'] },
    /has n_heads\. Write \{"n_heads": …\} into decoder/,
  ],
  ['layers with gaps', { nameOf: i => `attentions.${i * 2}` }, /of the layers 0, 2, 4, so some are missing/],
];
for (const [what, options, message] of refused) {
  test(`refuses ${what}`, async () => {
    await assert.rejects(look(write(options)), (error: Error & { code?: string }) => {
      assert.match(error.message, message);
      assert.equal(error.code, 'bad-onnx');
      return true;
    });
  });
}

test('a window that the graph cannot take is refused in our words, whether a file gives its context or not', async () => {
  const path = write();
  const long = join(scratch, 'long.txt');
  writeFileSync(long, text.repeat(20));
  const requests = [['search', '--at', '200'], ['context', '--at', '200'], ['analyze'], ['heads'], ['eval']];
  for (const [name, ...args] of requests) {
    const run = runCommand(name!, long, ...args, '--model', path);
    assert.equal(run.status, 1);
    assert.match(
      run.stderr,
      /^mta-inspect: Cannot look at \d+ tokens with "decoder": its graph stopped\. No file says how many tokens it takes, so 1024 are assumed: write \{"max_seqlen": N\} into decoder\.onnx\.json beside it, or inspect fewer tokens\. ONNX Runtime says: .*out of data bounds.*\.\n$/,
      name,
    );
  }
  writeFileSync(`${path}.json`, JSON.stringify({ max_seqlen: 300 }));
  const known = runCommand('heads', long, '--model', path);
  assert.match(known.stderr, /^mta-inspect: .*its graph stopped\. Inspect fewer tokens, or pick another model\. ONNX/);
});

test('refuses a missing tokenizer, damaged files and windows that do not fit', async () => {
  const path = write();
  await assert.rejects(look(path, { memoryBudgetMb: 0.01 }), /maps take about \d+ MB at once, and the memory budget/);
  truncateSync(path, 3000);
  await assert.rejects(openModelFolder(path), /it is not an ONNX file, or it is damaged/);
  writeFileSync(path, 'x'.repeat(100));
  await assert.rejects(openModelFolder(path), /it is not an ONNX file/);
  const without = write();
  unlinkSync(join(dirname(without), 'tokenizer.json'));
  await assert.rejects(openModelFolder(without), /there is no tokenizer\.json beside it\. Copy/);
  await assert.rejects(openModelFolder(join(scratch, 'nothing.onnx')), { code: 'no-model' });
});

test('damage never crashes the reader, and is always reported', async () => {
  const random = new Random(3);
  const path = write({ externalFile: 'data' });
  const bytes = readFileSync(path);
  for (let round = 0; round < 200; round++) {
    const damaged = Uint8Array.from(bytes);
    for (let flip = 0; flip < 4; flip++) damaged[random.below(bytes.length)]! ^= 1 << random.below(8);
    writeFileSync(path, damaged.subarray(0, random.pick([bytes.length, random.below(bytes.length)])));
    await openModelFolder(path).catch(error => assert.ok(error instanceof Failure, String(error.stack)));
  }
});

test('a view, with logits or without: each experiment says why it cannot run, and what to do', async () => {
  for (const hasLogits of [true, false]) {
    const { engine } = await look(write({ hasLogits }));
    try {
      const rows = { first: 2, end: 3 };
      const asked = { analysisId: 1, row: 2, target: 'predicted' } as const;
      const chosen = { nTokens: 1, temperature: 0, topP: 1, seed: 0, topK: 1, continuationId: 1 };
      const messages = [{ role: 'user', content: text }] as const;
      const requests: (() => Promise<unknown>)[] = [
        () => engine.explain(asked),
        () => engine.explain({ ...asked, cells: [{ layerIdx: 0, headIdx: 0, keyIdx: 0 }] }),
        () => engine.lens({ analysisId: 1, rows, target: 'predicted', k: 1 }),
        () => engine.knockOuts({ analysisId: 1, rows, target: 'predicted', cuts: [{ keys: { first: 0, end: 1 } }] }),
        () => engine.patchParts({ ...asked, what: 'head', from: 'zero' }),
        () => engine.ablateHeads({ analysisId: 1, heads: [{ layerIdx: 0, headIdx: 0 }], baseline: 'zero' }),
        () => engine.continueText({ ...chosen, text }),
        () => engine.continueText({ ...chosen, text: '', messages }),
      ];
      for (const request of requests) {
        await assert.rejects(request, /^Failure: Cannot .* ONNX files are view-only.* Pick a model with safetensors/);
      }
    } finally {
      await engine.release();
    }
  }
});
