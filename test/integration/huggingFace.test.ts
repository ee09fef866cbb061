/** Llama-class model folders: attention and logits equal those of Hugging Face's own library. */

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { evaluateText } from '../../src/cli/evaluate';
import { huggingFaceFamilies } from '../../src/graph/huggingFaceConfig';
import { logitsGraph } from '../../src/graph/modelGraphs';
import { openModelFolder } from '../../src/inference/model/openModelFolder';
import { scoreTokens } from '../../src/inference/run/predictions';
import { ModelRuntime } from '../../src/inference/runtime/modelRuntime';
import { Session } from '../../src/inference/runtime/session';
import { compareWithLibrary, worstDifference } from '../fixtures/compareWithLibrary';
import { guideText } from '../fixtures/guide';
import { type HuggingFaceCase, huggingFaceCases, writeHuggingFaceModel } from '../fixtures/huggingFace';
import { type WrittenTensor, writeSafetensors } from '../fixtures/safetensors';

type Tensors = [string, WrittenTensor][];

const scratch = mkdtempSync(join(tmpdir(), 'mta-hugging-face-'));
after(() => rmSync(scratch, { recursive: true, force: true }));

const cases = huggingFaceCases();

test('every family has its cases', () => {
  assert.deepEqual(
    [...new Set(cases.map(({ config }) => config['model_type']))]
      .filter(type => type !== 'gemma3' && type !== 'llama4')
      .sort(),
    [...huggingFaceFamilies].sort(),
  );
});

/** Of each family, the largest difference that its cases have shown. */
const worst = new Map<string, { cases: number; difference: number }>();

for (const example of cases) {
  test(`${example.name}, ${example.dtype}`, async t => {
    const directory = join(scratch, example.name);
    writeHuggingFaceModel(directory, example);
    const difference = await compareWithLibrary(directory, example);
    t.diagnostic(`${example.name} ${difference}`);
    const type = familyOf(example);
    const { cases, difference: before } = worst.get(type) ?? { cases: 0, difference: 0 };
    worst.set(type, { cases: cases + 1, difference: Math.max(before, difference) });
  });
}

test('the guide’s table is what the cases show', t => {
  const rows = [...guideText.matchAll(/^\| [^|]+ \| `(\w+)` \| [^|]+ \| (\d+) \| (\S+) \| \S+ \|$/gm)];
  const stated = new Map(rows.map(([, type, n, difference]) => [type!, [Number(n), Number(difference)] as const]));
  assert.deepEqual([...stated.keys()].sort(), [...huggingFaceFamilies].sort());
  for (const [type, { cases: n, difference }] of worst) {
    t.diagnostic(`${type}: ${n} cases, worst difference ${difference.toExponential(0)}`);
    const [nStated, worstStated] = stated.get(type)!;
    assert.equal(n, nStated, `cases of ${type}`);
    // The last bits depend on the processor.
    assert.ok(difference <= 4 * worstStated, `${type} differs by ${difference}, the guide says ${worstStated}`);
  }
});

function familyOf({ config }: HuggingFaceCase): string {
  const type = config['model_type'] as string;
  const texts: Readonly<Record<string, string>> = { gemma3: 'gemma3_text', llama4: 'llama4_text' };
  // As the library has it: Mistral with types of layers is Ministral.
  return type === 'mistral' && 'layer_types' in config ? 'ministral' : (texts[type] ?? type);
}

test('shards with an index', async () => {
  const example = cases.find(({ name }) => name === 'llama-3')!;
  const directory = join(scratch, 'sharded');
  writeHuggingFaceModel(directory, example, 3);
  await compareWithLibrary(directory, example);
});

test('of a tensor in several shards that of the last file counts, as in the library', async () => {
  const example = cases.find(({ name }) => name === 'llama')!;
  const directory = join(scratch, 'twice');
  writeHuggingFaceModel(directory, example, 2);
  const [first, stale] = [0, 1].map(part => [...example.weights].filter((_, i) => i % 2 === part)) as [
    Tensors,
    Tensors,
  ];
  const [key, { shape, values }] = stale[0]!;
  const both = new Map([...first, [key, { shape, values: values.map(() => 0) }] as const]);
  writeSafetensors(join(directory, 'model-00001-of-00002.safetensors'), both, example.dtype);
  await compareWithLibrary(directory, example);
});

test('another rotation is noticed', async () => {
  const example = cases.find(({ name }) => name === 'llama')!;
  const directory = join(scratch, 'wrong');
  writeHuggingFaceModel(directory, {
    ...example,
    config: { ...example.config, rope_parameters: { rope_theta: 9000 } },
  });
  await assert.rejects(compareWithLibrary(directory, example), /differs by/);
});

test('weights used from the mapped file and prepared in memory give the same', async () => {
  const example = cases.find(({ name }) => name === 'llama-3')!;
  const directory = join(scratch, 'mapped');
  writeHuggingFaceModel(directory, example);
  const { config, weights } = await openModelFolder(directory);
  const data = new Float32Array(5 * config.dim).map((_, i) => Math.sin(i));
  const outputs: Float32Array[] = [];
  for (const mapsWeights of [false, true]) {
    const graph = logitsGraph(config, weights);
    const session = await Session.create(graph, { provider: 'cpu', weightFolder: directory, nThreads: 1, mapsWeights });
    const { logits } = await session.run({ hidden: { type: 'float32', data, dims: [1, 5, config.dim] } });
    outputs.push(logits!.data as Float32Array);
    await session.release();
  }
  assert.ok(worstDifference(outputs[1]!, outputs[0]!) < 1e-5);
});

test('eval: bits, perplexity and accuracy of a model without a begin token are those of the other library', async () => {
  const example = cases.find(({ name }) => name === 'smollm')!;
  const directory = join(scratch, 'eval');
  writeHuggingFaceModel(directory, example);
  const { tokens, logits } = example;
  const runtime = new ModelRuntime(await openModelFolder(directory), 'cpu', 1);
  assert.equal(runtime.folder.config.bos_token_id, null);
  const model = {
    hasBeginToken: false,
    encode: () => ({ ids: tokens, byteLengths: new Uint32Array() }),
    score: (ids: Int32Array) => scoreTokens(runtime, ids),
  };
  const text = 'x'.repeat(3 * tokens.length);
  const result = await evaluateText(model, 'f', text, tokens.length + 1);
  await runtime.release();
  const vocabSize = logits.length / tokens.length;
  let [bits, nHits] = [0, 0];
  for (let i = 1; i < tokens.length; i++) {
    const row = logits.subarray((i - 1) * vocabSize, i * vocabSize);
    const sum = row.reduce((total, x) => total + Math.exp(x), 0);
    bits += (Math.log(sum) - row[tokens[i]!]!) / Math.LN2;
    if (row.indexOf(Math.max(...row)) === tokens[i]) nHits++;
  }
  const nPredicted = tokens.length - 1;
  assert.deepEqual([result.tokens, result.top1_accuracy], [nPredicted, nHits / nPredicted]);
  assert.ok(
    Math.abs(result.bits_per_byte - bits / text.length) < 1e-4,
    `${result.bits_per_byte}, ${bits / text.length}`,
  );
  assert.ok(Math.abs(Math.log2(result.perplexity) - bits / nPredicted) < 1e-4);
});
