import assert from 'node:assert/strict';
import { test } from 'node:test';
import { planLayer } from '../../../../src/graph/layerPlan';
import { parseModelConfig } from '../../../../src/graph/modelConfig';
import { bandAt, inBands, mostBandCells, mostBandRows } from '../../../../src/inference/runtime/bands';
import { Cancelled, Failure } from '../../../../src/shared/tools/failure';

type Rows = [number, number];

async function cut(start: number, end: number, nRows: number, fits = Number.POSITIVE_INFINITY) {
  const done: Rows[] = [];
  const rows = await inBands({ start, end }, nRows, async (from, to) => {
    if (to - from > fits) throw new Failure('memory', 'full');
    done.push([from, to]);
  });
  return { done, rows };
}

test('bands end at multiples of their size and cover every row once', async () => {
  const rows: [string, Parameters<typeof cut>, Rows[]][] = [
    ['all at once', [0, 5, 16], [[0, 5]]],
    ['from the start', [0, 40, 16], [[0, 16], [16, 32], [32, 40]]],
    ['from the middle', [20, 50, 16], [[20, 32], [32, 48], [48, 50]]],
    ['none', [7, 7, 16], []],
  ]; // biome-ignore format: a table
  for (const [name, args, expected] of rows) assert.deepEqual((await cut(...args)).done, expected, name);
});

test('when memory runs out the rest goes on in smaller bands, nothing is done twice', async () => {
  const { done, rows } = await cut(0, 200, 128, 40);
  assert.equal(rows, 32);
  assert.equal(done[0]![0], 0);
  for (const [i, [from]] of done.entries()) if (i > 0) assert.equal(from, done[i - 1]![1]);
  assert.equal(done.at(-1)![1], 200);
});

test('no memory for the smallest band, and any other failure, end the work', async () => {
  await assert.rejects(cut(0, 100, 64, 8), { code: 'memory' });
  await assert.rejects(
    inBands({ start: 0, end: 100 }, 64, async () => {
      throw new Failure('runtime', 'other');
    }),
    { code: 'runtime' },
  );
});

test('a cancel comes in between bands', async () => {
  const controller = new AbortController();
  const done: number[] = [];
  const work = async (from: number) => {
    done.push(from);
    if (from === 16) setImmediate(() => controller.abort());
  };
  await assert.rejects(inBands({ start: 0, end: 96 }, 16, work, controller.signal), Cancelled);
  assert.ok(done.length < 6, `${done.length} bands`);
});

test('a band is fed the rows that both convolutions reach, from the start of a pooled block on', () => {
  const sizes = { dim: 8, n_layers: 1, n_heads: 1, hidden_dim: 8, vocab_size: 8, max_seqlen: 64 };
  const kernels = {
    query_kernel_size: 6,
    key_kernel_size: 3,
    after_sm_query_kernel_size: 4,
    after_sm_key_kernel_size: 3,
  };
  const planOf = (mta: object) => planLayer(parseModelConfig({ ...sizes, mta: { use_mta: true, ...mta } }, 'c'), 0);
  assert.deepEqual(bandAt(planOf(kernels), 32, 48), { first: 24, start: 32, end: 48 });
  assert.deepEqual(bandAt(planOf(kernels), 32, 48, 16), { first: 16, start: 32, end: 48 });
  assert.deepEqual(bandAt(planOf(kernels), 4, 48), { first: 0, start: 4, end: 48 });
  assert.deepEqual(bandAt(planOf({ query_kernel_size: null }), 32, 48, 16), { first: 32, start: 32, end: 48 });
});

test('on a GPU a band has as many rows as the provider keeps memory for, whatever the number of heads', async () => {
  const cutFor = async (nTokens: number, nHeads: number, start = 0) => {
    const bands: Rows[] = [];
    const work = async (...band: Rows) => void bands.push(band);
    const mostCells = mostBandCells('webgpu', nHeads);
    await inBands({ start, end: nTokens }, mostBandRows('webgpu'), work, undefined, mostCells);
    return bands;
  };
  for (const nHeads of [1, 7, 9, 16, 32]) {
    for (const nTokens of [512, 2048, 4096, 8192, 16_384]) {
      const bands = await cutFor(nTokens, nHeads);
      for (const [from, to] of bands) {
        const fits = 4 * nHeads * (to - from) * to <= 160 * 2 ** 20;
        assert.ok(fits || to - from === 256, `${nHeads} heads, ${nTokens} tokens, [${from}, ${to})`);
        assert.equal(from % 256, 0);
      }
      // From the middle of a band on, the cuts are the same.
      const [from, to] = bands.at(-1)!;
      assert.deepEqual(await cutFor(nTokens, nHeads, from + 1), [[from + 1, to]]);
    }
  }
  assert.deepEqual(await cutFor(2048, 9), [[0, 2048]]);
  assert.deepEqual(await cutFor(2048, 16), [[0, 1536], [1536, 2048]]); // biome-ignore format: a list
  assert.deepEqual(await cutFor(4096, 9), [[0, 2048], [2048, 3328], [3328, 4096]]); // biome-ignore format: a list
  assert.equal((await cutFor(16_384, 9)).length, 40);
  assert.deepEqual([mostBandRows('cpu'), mostBandCells('cpu', 9)], [256, Number.POSITIVE_INFINITY]);
});
