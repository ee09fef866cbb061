import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromBinary } from '@bufbuild/protobuf';
import { GraphBuilder, type Weight } from '../../../src/graph/graphBuilder';
import { ModelProtoSchema } from '../../../src/graph/onnx/onnx_pb';
import { addForm, feedForms, inputOf, weightForms } from '../../../src/graph/weightForms';

function stored(elementType: Weight['elementType'], shape: readonly number[], rest: Partial<Weight> = {}): Weight {
  const length = 2 * shape.reduce((product, n) => product * n, 1);
  return { elementType, shape, source: { file: 'w', offset: 4096, length }, ...rest };
}

const graphOf = (built: Uint8Array) => fromBinary(ModelProtoSchema, built).graph!;

/** A product with a matrix, one with columns 2 and 3 of a fused one, a bias, and a table whose rows are gathered. */
function graph(): Uint8Array {
  const g = new GraphBuilder('test');
  const x = g.input('x', 'float32', ['T', 3]);
  const matrix = g.weight('matrix', stored('bfloat16', [4, 3]));
  const steps = [{ slice: { axis: 1, start: 2, end: 4 } }, { transpose: [1, 0] }];
  const part = g.weight('part', stored('float16', [2, 3], { stored: { name: 'fused', shape: [3, 6], steps } }));
  const bias = g.weight('bias', stored('float16', [4]));
  const rows = g.rows('table', stored('float32', [9, 4]), g.input('ids', 'int64', ['T']));
  g.output('y', g.op('Add', [g.op('Add', [g.product(x, matrix), bias]), rows]), 'float32', ['T', 4]);
  g.output('z', g.product(x, part), 'float32', ['T', 2]);
  return g.build();
}

test('matrices are found in the form in which they are used; vectors stay', () => {
  const forms = weightForms(graph());
  const place = { file: 'w', offset: 4096 };
  const transposed = { opType: 'Transpose', perm: [1, 0], constants: [] };
  const columns = { opType: 'Slice', perm: [], constants: [[2], [4], [1], [1]] };
  assert.deepEqual(
    forms.map(({ name: _, ...form }) => form),
    [
      { stored: 'float32', shape: [9, 4], ...place, length: 72, steps: [] },
      { stored: 'bfloat16', shape: [4, 3], ...place, length: 24, steps: [transposed] },
      { stored: 'float16', shape: [3, 6], ...place, length: 12, steps: [columns, transposed, transposed] },
    ],
  );
});

test('a fed graph takes forms as inputs, widens halves, and has nothing of what made them', () => {
  const [table, matrix, part] = weightForms(graph());
  const fed = feedForms(
    graph(),
    new Map([
      [matrix!.name, { type: 'float16', dims: [3, 4] }],
      [table!.name, { type: 'float32', dims: [9, 4] }],
      [part!.name, { type: 'float16', dims: [3, 2] }],
    ]),
  );
  const { node, input, initializer } = graphOf(fed);
  const names = input.map(({ name }) => name);
  assert.deepEqual(names, ['x', 'ids', inputOf(matrix!.name, 'float16'), 'table', inputOf(part!.name, 'float16')]);
  assert.deepEqual(
    initializer.filter(({ name }) => !name.startsWith('c')).map(({ name }) => name),
    ['bias'],
  );
  const count = (opType: string) => node.filter(each => each.opType === opType).length;
  assert.deepEqual(['Transpose', 'Slice', 'MatMul', 'Cast'].map(count), [0, 0, 2, 3], 'two matrices and the bias');
  assert.deepEqual(weightForms(fed), []);
});

test('what makes a form of a stored matrix is the graph’s own nodes', () => {
  const part = weightForms(graph())[2]!;
  const g = new GraphBuilder('form');
  g.output('form', addForm(g, g.input('stored', 'float16', [3, 6]), part.steps), 'float16', [3, 2]);
  const { node } = graphOf(g.build());
  assert.deepEqual(
    node.map(({ opType }) => opType),
    ['Slice', 'Transpose', 'Transpose', 'Identity'],
  );
});

test('a product with a matrix too large to be widened at once is made in parts of its columns', () => {
  const g = new GraphBuilder('test');
  const x = g.input('x', 'float32', ['T', 2]);
  g.output('y', g.product(x, g.weight('w', stored('float16', [200, 2]))), 'float32', ['T', 200]);
  const built = g.build();
  const [form] = weightForms(built);
  const opTypes = (type: 'float16' | 'float32', maxBytes: number) =>
    graphOf(feedForms(built, new Map([[form!.name, { type, dims: [2, 200] }]]), maxBytes)).node.map(
      ({ opType }) => opType,
    );
  const part = ['Slice', 'Cast'];
  assert.deepEqual(opTypes('float16', 600), [...part, ...part, 'MatMul', 'MatMul', 'Concat', 'Identity']);
  assert.deepEqual(opTypes('float16', 1600), ['Cast', 'MatMul', 'Identity']);
  assert.deepEqual(opTypes('float32', 600), ['MatMul', 'Identity']);
});
