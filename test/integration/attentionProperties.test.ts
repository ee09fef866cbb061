/** Properties of the attention graphs that hold for any weights: seeded random models, every part on. */

import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { kernelShapes } from '../../src/graph/attentionGraph';
import { planLayer, stagesOf } from '../../src/graph/layerPlan';
import { type ModelConfig, parseModelConfig } from '../../src/graph/modelConfig';
import { expectedWeights, tracedAttentionGraph } from '../../src/graph/modelGraphs';
import { Session, type Value, type Values } from '../../src/inference/runtime/session';
import { runTraced } from '../../src/inference/runtime/tracedBands';
import { Random } from '../random';

const dim = 24;
const nHeads = 3;

function config(mta: object): ModelConfig {
  const sizes = { dim, n_layers: 1, n_heads: nHeads, hidden_dim: 8, vocab_size: 8, max_seqlen: 64 };
  return parseModelConfig({ ...sizes, mta: { use_mta: true, ...mta } }, 'config.json');
}

const everything = config({
  query_kernel_size: 4,
  key_kernel_size: 7,
  after_sm_query_kernel_size: 3,
  after_sm_key_kernel_size: 5,
  pre_sm_linear_head: true,
  head_kernel_size: nHeads,
  group_norm: true,
  add_gating: true,
});

interface Options {
  kernels?: Values;
  docLengths?: number[];
  batch?: number;
  /** Rows of a band. */
  nRows?: number;
}

/** A layer with random weights and, unless `kernels` gives them, random kernels with large taps. */
class Layer {
  private constructor(
    private readonly model: ModelConfig,
    private readonly session: Session,
    readonly kernels: Record<string, Value>,
  ) {}

  static async create(model: ModelConfig, seed = 1): Promise<Layer> {
    const random = new Random(seed);
    const shapes = expectedWeights(model);
    const graph = tracedAttentionGraph(model, 0, key => {
      const shape = shapes.get(key)!;
      const count = shape.reduce((product, n) => product * n, 1);
      return { elementType: 'float32', shape, source: { bytes: new Uint8Array(random.floats(count, 0.5).buffer) } };
    });
    const kernels: Record<string, Value> = {};
    for (const [name, dims] of Object.entries(kernelShapes(planLayer(model, 0)))) {
      const count = dims.reduce((product, n) => product * n, 1);
      kernels[name] = { type: 'float32', data: random.floats(count), dims };
    }
    return new Layer(model, await Session.create(graph, { provider: 'cpu' }), kernels);
  }

  run(x: Float32Array, options: Options = {}): Promise<Values> {
    const { batch = 1, docLengths, nRows } = options;
    return runTraced(this.session, {
      ...{ config: this.model, plan: planLayer(this.model, 0), docLengths, nRows },
      hidden: { type: 'float32', data: x, dims: [batch, x.length / dim / batch, dim] },
      kernels: { ...this.kernels, ...options.kernels },
    });
  }
}

let layer: Layer;
before(async () => {
  layer = await Layer.create(everything);
});

/** Largest difference of two maps' rows before `nRows`, or of [1, T, D] outputs. */
function difference(a: Value, b: Value, nRows: number): number {
  const rowsOf = ({ dims }: Value) => dims.at(-2)!;
  const columns = Math.min(a.dims.at(-1)!, b.dims.at(-1)!);
  const nBlocks = a.data.length / rowsOf(a) / a.dims.at(-1)!;
  let largest = 0;
  for (let block = 0; block < nBlocks; block++) {
    for (let row = 0; row < nRows; row++) {
      for (let column = 0; column < columns; column++) {
        const cell = (value: Value) => Number(value.data[(block * rowsOf(value) + row) * value.dims.at(-1)! + column]);
        largest = Math.max(largest, Math.abs(cell(a) - cell(b)));
      }
    }
  }
  return largest;
}

const stages = stagesOf(planLayer(everything, 0));

test('causal: changing a token changes nothing before it, at any stage', async () => {
  const random = new Random(3);
  for (const changed of [1, 5, 13, 19]) {
    const x = random.floats(20 * dim);
    const other = x.slice();
    other.set(random.floats(dim, 5), changed * dim);
    const [a, b] = [await layer.run(x), await layer.run(other)];
    for (const name of [...stages, 'y'])
      assert.ok(difference(a[name]!, b[name]!, changed) < 1e-5, `${name}, ${changed}`);
    assert.ok(difference(a['y']!, b['y']!, 20) > 1e-3);
  }
});

test('a prefix alone gives the first rows, for lengths shorter than the kernel too', async () => {
  const x = new Random(4).floats(17 * dim);
  const whole = await layer.run(x);
  for (const nTokens of [1, 2, 3, 9]) {
    const prefix = await layer.run(x.slice(0, nTokens * dim));
    for (const name of [...stages, 'y']) assert.ok(difference(prefix[name]!, whole[name]!, nTokens) < 1e-5, name);
  }
});

test('rows of the pattern sum to 1, masked cells are 0 at every stage, later stages may be anything', async () => {
  const nTokens = 12;
  const values = await layer.run(new Random(5).floats(nTokens * dim));
  for (let row = 0; row < nHeads * nTokens; row++) {
    const cells = values['pattern']!.data.slice(row * nTokens, (row + 1) * nTokens) as Float32Array;
    assert.ok(Math.abs(cells.reduce((sum, x) => sum + x, 0) - 1) < 1e-5);
    for (const stage of stages) {
      const masked = values[stage]!.data.slice(
        row * nTokens + (row % nTokens) + 1,
        (row + 1) * nTokens,
      ) as Float32Array;
      assert.ok(
        masked.every(x => x === 0),
        stage,
      );
    }
  }
  assert.ok(values['mixed_pattern']!.data.some((x: number | bigint) => x < 0));
});

test('identity kernels change nothing: every stage equals its plain one', async () => {
  const identities: Record<string, Value> = {};
  for (const [name, { dims }] of Object.entries(layer.kernels)) {
    const data = new Float32Array(dims.reduce((product, n) => product * n, 1));
    const [rows, columns] = [dims.at(-2)!, dims.at(-1)!];
    const isConv = name.startsWith('mta_kernel');
    for (let i = 0; i < data.length; i++) {
      const [row, column] = [Math.floor(i / columns) % rows, i % columns];
      data[i] = (isConv ? row === rows - 1 && column === (columns - 1) / 2 : row === column) ? 1 : 0;
    }
    identities[name] = { type: 'float32', data, dims };
  }
  const values = await layer.run(new Random(6).floats(15 * dim), { kernels: identities });
  assert.ok(difference(values['scores']!, values['mixed_scores']!, 15) < 1e-6);
  assert.ok(difference(values['pattern']!, values['mixed_pattern']!, 15) < 1e-6);
});

test('the convolution is linear in its kernel, and a 1x1 kernel scales', async () => {
  const x = new Random(8).floats(10 * dim);
  const random = new Random(9);
  const { dims } = layer.kernels['mta_kernel']!;
  const kernel = (data: Float32Array) => ({ kernels: { mta_kernel: { type: 'float32' as const, data, dims } } });
  const [a, b] = [random.floats(nHeads * 28), random.floats(nHeads * 28)];
  const sum = (await layer.run(x, kernel(a.map((value, i) => value + 2 * b[i]!))))['convolved_scores']!;
  const parts = [
    (await layer.run(x, kernel(a)))['convolved_scores']!,
    (await layer.run(x, kernel(b)))['convolved_scores']!,
  ];
  const combined = (parts[0]!.data as Float32Array).map((value, i) => value + 2 * Number(parts[1]!.data[i]));
  assert.ok(difference(sum, { ...sum, data: combined }, 10) < 1e-4);

  const scaling = await Layer.create(config({}), 10);
  scaling.kernels['mta_kernel'] = { type: 'float32', data: new Float32Array(nHeads).fill(-3), dims: [nHeads, 1, 1, 1] };
  const values = await scaling.run(x);
  const scaled = (values['scores']!.data as Float32Array).map(value => -3 * value);
  assert.ok(difference(values['convolved_scores']!, { ...values['scores']!, data: scaled }, 10) < 1e-5);
});

test('packed documents: without cut the convolution leaks, cut into a batch they do not', async () => {
  const random = new Random(12);
  const [first, second] = [random.floats(7 * dim), random.floats(9 * dim)];
  const alone = (await layer.run(second))['y']!;
  const pack = (head: Float32Array) => Float32Array.from([...head, ...second]);
  const packed = async (head: Float32Array) => {
    const y = (await layer.run(pack(head), { docLengths: [7, 9] }))['y']!;
    return { ...y, data: (y.data as Float32Array).slice(7 * dim), dims: [1, 9, dim] };
  };
  const leak = difference(await packed(first), await packed(random.floats(7 * dim)), 9);
  assert.ok(leak > 1e-3, 'the published code leaks; so do we, where it is asked for');
  // One batch entry each, the shorter one padded at its end, where causality makes padding harmless.
  const cut = new Float32Array(2 * 9 * dim);
  cut.set(first);
  cut.set(second, 9 * dim);
  const y = (await layer.run(cut, { batch: 2 }))['y']!;
  const secondAgain = { ...y, data: (y.data as Float32Array).slice(9 * dim), dims: [1, 9, dim] };
  assert.ok(difference(secondAgain, alone, 9) < 1e-5);
});

const kernels = { query_kernel_size: 4, after_sm_query_kernel_size: 3 };
const variants: Record<string, ModelConfig> = {
  everything,
  'keys padded left': config({ ...kernels, key_kernel_size: 4, after_sm_key_kernel_size: 6, pad_key: 'left' }),
  'keys padded right': config({ ...kernels, key_kernel_size: 4, after_sm_key_kernel_size: 6, pad_key: 'right' }),
  'only before the softmax, full gate': config({
    ...{ query_kernel_size: 5, key_kernel_size: 3, pre_sm_linear_head: true },
    ...{ post_sm_linear_head: true, add_gating: true, gate_1d: false },
  }),
  'only after the softmax': config({
    ...{ query_kernel_size: null, after_sm_query_kernel_size: 6, after_sm_key_kernel_size: 5 },
    ...{ layer_norm_rescale: true },
  }),
  'shared keys, no kernels': { ...config({ query_kernel_size: null, group_norm: true }), n_kv_heads: 1 },
};

for (const [name, model] of Object.entries(variants)) {
  test(`bands of rows give what the whole matrix gives: ${name}`, async () => {
    const random = new Random(13);
    const banded = await Layer.create(model, 14);
    const shown = [...stagesOf(planLayer(model, 0)), 'y', 'norm_out', 'q', 'k', 'v', 'keys', 'values'];
    for (const nTokens of [1, 2, 9, 30]) {
      const x = random.floats(nTokens * dim);
      for (const docLengths of nTokens > 2 ? [undefined, [2, nTokens - 2]] : [undefined]) {
        const options = docLengths ? { docLengths } : {};
        const whole = await banded.run(x, options);
        for (const nRows of [1, 2, 5, 8, 29]) {
          const glued = await banded.run(x, { ...options, nRows });
          for (const value of shown) {
            assert.deepEqual(glued[value]!.dims, whole[value]!.dims, value);
            const [got, want] = [glued[value]!.data, whole[value]!.data];
            let worst = 0;
            for (let i = 0; i < want.length; i++) worst = Math.max(worst, Math.abs(Number(got[i]) - Number(want[i])));
            assert.ok(worst < 2e-5, `${value}, ${nTokens} tokens in bands of ${nRows}: ${worst}`);
          }
        }
      }
    }
  });
}
