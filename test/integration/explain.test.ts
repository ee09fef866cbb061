/** Direct attribution of a logit: exact on every family, and equal to what others compute (models/tests/attribution_cases.py). */

import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { explainLogit } from '../../src/inference/experiments/explainLogit';
import { openModelFolder } from '../../src/inference/model/openModelFolder';
import { newRun, type Run } from '../../src/inference/run/run';
import { walkLayers } from '../../src/inference/run/walkLayers';
import { Attribution } from '../../src/inference/runtime/attribution';
import { ModelRuntime } from '../../src/inference/runtime/modelRuntime';
import type { CellAddress, ExplainTarget, LogitAttribution } from '../../src/shared/attribution';
import { huggingFaceCases, writeHuggingFaceModel } from '../fixtures/huggingFace';
import { root, tinyModelDirectory } from '../fixtures/paths';
import { writeRandomModel } from '../fixtures/randomModel';

const scratch = mkdtempSync(join(tmpdir(), 'mta-explain-'));
after(() => rmSync(scratch, { recursive: true, force: true }));

const attributionDirectory = join(root, 'test', 'fixtures', 'attribution');
const golden = (name: string) => JSON.parse(readFileSync(join(attributionDirectory, `${name}.json`), 'utf8'));

interface Question {
  readonly row: number;
  readonly target: ExplainTarget;
  readonly minus?: number | undefined;
  readonly cells?: readonly CellAddress[];
}

interface Opened {
  readonly runtime: ModelRuntime;
  readonly attribution: Attribution;
  readonly run: Run;
  explain(question: Question): Promise<LogitAttribution>;
}

async function withModel(directory: string, ids: Int32Array, work: (opened: Opened) => Promise<void>): Promise<void> {
  const runtime = new ModelRuntime(await openModelFolder(directory), 'cpu', 1);
  const attribution = new Attribution(runtime.folder);
  try {
    const run = newRun(1, ids);
    run.embedded = await runtime.embed(ids);
    run.output = await walkLayers(runtime, {
      hidden: run.embedded,
      runLayer: async (layerIdx, hidden) => {
        run.layers.push(await runtime.block(layerIdx, hidden, { topK: 1, blockSize: 1 }));
        return run.layers.at(-1)!.hidden;
      },
    });
    const explain = (question: Question) => explainLogit(runtime, attribution, run, question, id => `<${id}>`);
    await work({ runtime, attribution, run, explain });
  } finally {
    await attribution.release();
    await runtime.release();
  }
}

const sum = (values: ArrayLike<number>) => Array.from(values).reduce((total, value) => total + value, 0);

/** Relative to the largest magnitude, or to 1 where that is larger. */
function assertClose(got: ArrayLike<number>, expected: ArrayLike<number>, what: string, tolerance = 1e-4): void {
  assert.equal(got.length, expected.length, what);
  const scale = Array.from(expected).reduce((most, value) => Math.max(most, Math.abs(value)), 1);
  for (let i = 0; i < got.length; i++) {
    assert.ok(
      Math.abs(got[i]! - expected[i]!) <= tolerance * scale,
      `${what} ${i}: ${got[i]}, expected ${expected[i]}`,
    );
  }
}

/** Parts and remainder are the logit, the remainder is nothing but rounding, tokens and cells add up to the heads. */
function assertExact(found: LogitAttribution, what: string): void {
  const parts = [found.embedding, ...found.heads, ...found.mlps, found.other];
  const size = parts.reduce((total, value) => total + Math.abs(value), 0);
  assert.ok(Number.isFinite(found.logit) && size > 0, what);
  assert.ok(Math.abs(sum(parts) + found.remainder - found.logit) <= 1e-9 * size, what);
  if (found.cap === null) {
    assert.ok(
      Math.abs(found.remainder) <= 1e-4 * Math.max(1, Math.abs(found.logit)),
      `${what}: remainder ${found.remainder}`,
    );
  }
  assertClose([sum(found.tokens)], [sum(found.heads)], `${what}: tokens`, 1e-5);
  const nKeys = found.row + 1;
  assert.equal(found.tokens.length, nKeys);
  const heads = Array.from(found.heads, (_, i) => sum(found.cells.subarray(i * nKeys, (i + 1) * nKeys)));
  assertClose(heads, found.heads, `${what}: cells`, 1e-5);
}

const ids = (n: number, vocab: number) => Int32Array.from({ length: n }, (_, i) => (i * 7 + 3) % vocab);

for (const example of huggingFaceCases()) {
  test(`${example.name}: parts and remainder are the logit`, async () => {
    const directory = join(scratch, example.name);
    writeHuggingFaceModel(directory, example);
    await withModel(directory, example.tokens, async ({ explain }) => {
      const last = example.tokens.length - 1;
      assertExact(await explain({ row: last, target: 'predicted' }), example.name);
      assertExact(
        await explain({ row: last - 1, target: 'actual', minus: example.tokens[last] === 5 ? 6 : 5 }),
        example.name,
      );
      assertExact(await explain({ row: 0, target: 9 }), example.name);
    });
  });
}

const parts = { head_kernel_size: null, post_sm_linear_head: true, gate_1d: false };
const mtaModels: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  'tiny-model': {},
  'full gate, linear head mixing after the softmax, depth scale': {
    mta: { layer_norm_rescale: true, ...parts },
  },
  'no group norm, scaled block norms': { mta: { group_norm: false, curse_norm: true } },
  'no gate, left padding': { mta: { add_gating: false, pad_key: 'left', init_method: 'diagonal' } },
  'norm after attention, biases, grouped heads': {
    ...{
      norm_position: 'after',
      qkv_bias: true,
      output_bias: true,
      ffn_bias: true,
      n_kv_heads: 2,
      weight_tying: false,
    },
    mta: { curse_norm: true },
  },
};

for (const [name, change] of Object.entries(mtaModels)) {
  test(`MTA, ${name}: parts and remainder are the logit`, async () => {
    const directory = join(scratch, name);
    const config = JSON.parse(readFileSync(join(tinyModelDirectory, 'config.json'), 'utf8'));
    writeRandomModel(directory, { ...change, mta: { ...config.mta, ...(change['mta'] as object | undefined) } });
    await withModel(directory, ids(40, config.vocab_size), async ({ explain }) => {
      assertExact(await explain({ row: 39, target: 'predicted' }), name);
      assertExact(await explain({ row: 20, target: 'actual', minus: 5 }), name);
      assertExact(await explain({ row: 0, target: 9 }), name);
      // Cells at either end, inside, and at the row itself, in every head of every layer.
      const { n_layers: nLayers, n_heads: nHeads } = config;
      for (const row of [2, 39]) {
        const cells: CellAddress[] = [0, 1, row >> 1, row].flatMap(keyIdx =>
          Array.from({ length: nLayers * nHeads }, (_, i) => ({
            layerIdx: Math.floor(i / nHeads),
            headIdx: i % nHeads,
            keyIdx,
          })),
        );
        const found = await explain({ row, target: 9, cells });
        const whole = Array.from(
          cells,
          cell => found.cells[(cell.layerIdx * nHeads + cell.headIdx) * (row + 1) + cell.keyIdx]!,
        );
        const sums = found.splits!.map(({ parts }) => sum(parts.map(part => part.contribution)));
        assertClose(sums, whole, `${name}: parts of a cell`, 2e-5);
        for (const { contribution, parts } of found.splits!) {
          assert.ok(Math.abs(sum(parts.map(part => part.contribution)) - contribution) < 1e-12);
          for (const { queryIdx, keyIdx } of parts) assert.ok(keyIdx >= 0 && keyIdx <= queryIdx && queryIdx <= row);
        }
      }
      await assert.rejects(explain({ row: 2, target: 9, cells: [{ layerIdx: 0, headIdx: 0, keyIdx: 3 }] }), {
        code: 'bad-target',
        message: /Cannot split cell 0\.0:3: expected LAYER\.HEAD:TOKEN .* tokens 0 to 2, which the row can see/,
      });
    });
  });
}

test('parts of a capped logit are those of the logit before the cap, and the remainder is the difference', async () => {
  const example = huggingFaceCases().find(({ config }) => config['final_logit_softcapping'] != null)!;
  const directory = join(scratch, 'capped');
  writeHuggingFaceModel(directory, example);
  await withModel(directory, example.tokens, async ({ explain }) => {
    const row = example.tokens.length - 1;
    const found = await explain({ row, target: 'predicted' });
    const cap = Number(example.config['final_logit_softcapping']);
    assert.equal(found.cap, cap);
    const vocab = example.logits.length / example.tokens.length;
    const before = example.logits.subarray(row * vocab).map(logit => cap * Math.atanh(logit / cap));
    const added = sum([found.embedding, ...found.heads, ...found.mlps, found.other]);
    assertClose([added], [before[found.target.id]! - sum(before) / vocab], 'parts');
    assert.ok(Math.abs(found.remainder) > 1e-3);
  });
});

test('MTA: every source token of every head equals what a few lines of numpy give', async () => {
  const { ids: tokens, questions } = golden('mta');
  await withModel(tinyModelDirectory, Int32Array.from(tokens), async ({ explain }) => {
    for (const expected of questions) {
      const { row, target } = expected;
      const cells = expected.splits.map(({ layer, head, key }: Record<string, number>) => ({
        ...{ layerIdx: layer, headIdx: head, keyIdx: key },
      }));
      const found = await explain({ row, target, minus: expected.minus ?? undefined, cells });
      const what = `row ${expected.row}`;
      assertExact(found, what);
      for (const [i, split] of found.splits!.entries()) {
        const name = (head: number, query: number, key: number) => `${head}/${query}/${key}`;
        const parts = new Map(
          split.parts.map(part => [name(part.headIdx, part.queryIdx, part.keyIdx), part.contribution]),
        );
        const places: [number, number, number, number][] = expected.splits[i].parts;
        const got = places.map(([head, query, key]) => parts.get(name(head, query, key)) ?? Number.NaN);
        assertClose(
          got,
          places.map(([, , , value]) => value),
          `${what}: part of a cell`,
          1e-5,
        );
        assert.ok(split.parts.filter(({ contribution }) => Math.abs(contribution) > 1e-7).length <= places.length);
      }
      assertClose([found.logit, found.embedding], [expected.logit, expected.embedding], `${what}: logit, embedding`);
      assertClose(found.cells, expected.cells.flat(2), `${what}: cell`);
      assertClose(found.heads, expected.heads.flat(), `${what}: head`);
      assertClose(found.mlps, expected.mlps, `${what}: MLP`);
      assertClose(found.tokens, expected.tokens, `${what}: token`);
      assert.deepEqual(found.frozen, ['per-head norm', 'gate']);
    }
  });
});

test('norm-based weights and contributions equal what a few lines of numpy give', async () => {
  const { ids: tokens, questions } = golden('mta');
  await withModel(tinyModelDirectory, Int32Array.from(tokens), async ({ runtime, attribution, run }) => {
    for (const { row, norm, contribution } of questions) {
      for (const [layerIdx, layer] of run.layers.entries()) {
        const kernels = await runtime.trainedKernels(layerIdx);
        const rows = (quantity: 'norm' | 'contribution') =>
          attribution.contributions(layerIdx, layer.rows, quantity, [row, row + 1], kernels);
        assertClose(await rows('norm'), norm[layerIdx].flat(), `norm, layer ${layerIdx}, row ${row}`);
        assertClose(await rows('contribution'), contribution[layerIdx].flat(), `contribution, layer ${layerIdx}`);
      }
    }
  });
});

/** Attention, with what it is made of written out: the vector that each source token of each head adds, [head, key, D]. */
async function vectorsOf({ runtime, attribution, run }: Opened, layerIdx: number, row: number): Promise<Float64Array> {
  const { dim, n_heads: nHeads } = runtime.folder.config;
  const kernels = await runtime.trainedKernels(layerIdx);
  const vectors = new Float64Array(nHeads * (row + 1) * dim);
  for (let axis = 0; axis < dim; axis++) {
    const direction = new Float32Array(dim);
    direction[axis] = 1;
    const { cells } = await attribution.splitRow(layerIdx, run.layers[layerIdx]!.rows, row, direction, kernels);
    for (const [i, value] of cells.entries()) vectors[i * dim + axis] = value;
  }
  return vectors;
}

for (const [name, change] of Object.entries(mtaModels).filter(([, { norm_position }]) => !norm_position)) {
  test(`MTA, ${name}: norms and contributions are those of the vectors that are added`, async () => {
    const directory = join(scratch, `${name}, vectors`);
    const config = JSON.parse(readFileSync(join(tinyModelDirectory, 'config.json'), 'utf8'));
    writeRandomModel(directory, { ...change, mta: { ...config.mta, ...(change['mta'] as object | undefined) } });
    await withModel(directory, ids(24, config.vocab_size), async opened => {
      const { runtime, attribution, run } = opened;
      const { dim, n_heads: nHeads } = runtime.folder.config;
      const queries = [9, 24] as const;
      const nKeys = queries[1];
      const kernels = await runtime.trainedKernels(2);
      const rowsOf = (quantity: 'norm' | 'contribution') =>
        attribution.contributions(2, run.layers[2]!.rows, quantity, queries, kernels);
      const [norms, contributions] = [await rowsOf('norm'), await rowsOf('contribution')];
      for (const row of [9, 15, 23]) {
        const vectors = await vectorsOf(opened, 2, row);
        for (let head = 0; head < nHeads; head++) {
          const at = (head * (queries[1] - queries[0]) + row - queries[0]) * nKeys;
          const vector = (key: number) =>
            vectors.subarray((head * (row + 1) + key) * dim, (head * (row + 1) + key + 1) * dim);
          const output = Float64Array.from({ length: dim }, (_, axis) =>
            sum(Array.from({ length: row + 1 }, (_, key) => vector(key)[axis]!)),
          );
          const product = (a: Float64Array, b: Float64Array) => sum(a.map((value, i) => value * b[i]!));
          const keys = Array.from({ length: nKeys }, (_, key) => key);
          const what = `head ${head}, row ${row}`;
          const lengths = keys.map(key => (key > row ? 0 : Math.sqrt(product(vector(key), vector(key)))));
          const shares = keys.map(key => (key > row ? 0 : product(vector(key), output) / product(output, output)));
          assertClose(norms.subarray(at, at + nKeys), lengths, `norm, ${what}`);
          assertClose(contributions.subarray(at, at + nKeys), shares, `contribution, ${what}`);
          assertClose([sum(contributions.subarray(at, at + nKeys))], [1], `sum, ${what}`);
        }
      }
    });
  });
}

const lensCases = readdirSync(attributionDirectory).filter(file => file.startsWith('lens-'));
test('TransformerLens: there are cases', () => assert.ok(lensCases.length >= 3));

for (const file of lensCases) {
  const { case: name, questions } = golden(file.replace('.json', ''));
  test(`${name}: heads, MLPs and embedding equal those of TransformerLens`, async () => {
    const example = huggingFaceCases().find(candidate => candidate.name === name)!;
    const directory = join(scratch, `lens-${name}`);
    writeHuggingFaceModel(directory, example);
    await withModel(directory, example.tokens, async ({ explain }) => {
      for (const expected of questions) {
        const found = await explain({ ...expected, minus: expected.minus ?? undefined });
        const what = `row ${expected.row}`;
        assertClose([found.logit, found.embedding], [expected.logit, expected.embedding], `${what}: logit, embedding`);
        assertClose(found.heads, expected.heads.flat(), `${what}: head`);
        assertClose(found.mlps, expected.mlps, `${what}: MLP`);
        const biases = expected.logit - expected.embedding - sum(expected.heads.flat()) - sum(expected.mlps);
        assertClose([found.other], [biases], `${what}: other`);
      }
    });
  });
}

test('a difference of two logits is the difference of their parts', async () => {
  const { ids: tokens } = golden('mta');
  await withModel(tinyModelDirectory, Int32Array.from(tokens), async ({ explain }) => {
    const [a, b, both] = await Promise.all([
      explain({ row: 12, target: 40 }),
      explain({ row: 12, target: 41 }),
      explain({ row: 12, target: 40, minus: 41 }),
    ]);
    const minus = (x: ArrayLike<number>, y: ArrayLike<number>) => Array.from(x, (value, i) => value - y[i]!);
    assertClose(both.cells, minus(a.cells, b.cells), 'cell');
    assertClose(both.mlps, minus(a.mlps, b.mlps), 'MLP');
    assertClose([both.logit, both.embedding], [a.logit - b.logit, a.embedding - b.embedding], 'logit, embedding');
    assert.deepEqual([both.target.text, both.minus?.text], ['<40>', '<41>']);
  });
});

test('an ablated run is explained with its own kernels', async () => {
  const { ids: tokens } = golden('mta');
  await withModel(tinyModelDirectory, Int32Array.from(tokens), async ({ runtime, explain, run }) => {
    const trained = await explain({ row: 12, target: 40 });
    const kernels = new Map([
      [0, (await runtime.trainedKernels(0)).map(kernel => ({ ...kernel, values: kernel.values.map(x => x / 2) }))],
    ]);
    const ablated = newRun(2, run.ids, kernels);
    ablated.embedded = run.embedded!;
    ablated.output = await walkLayers(runtime, {
      hidden: run.embedded!,
      kernels,
      runLayer: async (layerIdx, hidden, options) => {
        ablated.layers.push(await runtime.block(layerIdx, hidden, { topK: 1, blockSize: 1, ...options }));
        return ablated.layers.at(-1)!.hidden;
      },
    });
    const attribution = new Attribution(runtime.folder);
    const found = await explainLogit(runtime, attribution, ablated, { row: 12, target: 40 }, String);
    await attribution.release();
    assertExact(found, 'ablated');
    assert.notEqual(found.heads[0], trained.heads[0]);
  });
});

test('targets that are not there are refused in words', async () => {
  await withModel(tinyModelDirectory, Int32Array.from([300, 72, 101]), async ({ explain }) => {
    await assert.rejects(explain({ row: 2, target: 'actual' }), /No token comes after token 2, the last one/);
    await assert.rejects(explain({ row: 1, target: 301 }), /target is token 301, expected an id from 0 to 300/);
    await assert.rejects(explain({ row: 1, target: 3, minus: 999 }), /token to subtract is 999, expected .* 0 to 300/);
    await assert.rejects(explain({ row: 1, target: 3, minus: 3 }), /token to subtract is the target itself, 3/);
    await assert.rejects(explain({ row: 3, target: 3 }), RangeError);
  });
});
