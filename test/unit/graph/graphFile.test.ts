import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromBinary } from '@bufbuild/protobuf';
import { GraphBuilder, type Weight } from '../../../src/graph/graphBuilder';
import { feedWeights, weightFilesOf } from '../../../src/graph/graphFile';
import { ModelProtoSchema } from '../../../src/graph/onnx/onnx_pb';

const stored = (elementType: Weight['elementType'], shape: number[], file: string): Weight => {
  const length = 2 * shape.reduce((product, n) => product * n, 1);
  return { elementType, shape, source: { file, offset: 4096, length } };
};

function graph(): Uint8Array {
  const g = new GraphBuilder('test');
  const x = g.input('x', 'float32', ['T', 3]);
  const products = ['float16', 'bfloat16'].map(type => {
    const matrix = g.weight(type, stored(type as 'float16', [3, 4], `${type}.bin`));
    return g.op('MatMul', [x, matrix]);
  });
  const vector = g.weight('vector', stored('float16', [4], 'vector.bin'));
  g.output('y', g.op('Add', [g.op('Add', products as [string, string]), vector]), 'float32', ['T', 4]);
  return g.build();
}

test('matrices in files become inputs of the type they are fed as; vectors stay', () => {
  const { graph: unweighted, fed } = feedWeights(graph(), type => (type === 'bfloat16' ? 'float32' : 'float16'));
  const place = { shape: [3, 4], offset: 4096, length: 24 };
  assert.deepEqual(fed, [
    { name: 'float16', stored: 'float16', file: 'float16.bin', ...place },
    { name: 'bfloat16', stored: 'bfloat16', file: 'bfloat16.bin', ...place },
  ]);
  assert.deepEqual([...weightFilesOf(unweighted)], ['vector.bin']);
  const inputs = fromBinary(ModelProtoSchema, unweighted).graph!.input;
  assert.deepEqual(
    inputs.map(({ name, type }) => [name, (type!.value.value as { elemType: number }).elemType]),
    [
      ['x', 1],
      ['float16', 10],
      ['bfloat16', 1],
    ],
  );
});

test('what is not fed stays where it is, and a graph without such matrices as well', () => {
  const { graph: unweighted, fed } = feedWeights(graph(), type => (type === 'bfloat16' ? null : 'float32'));
  assert.deepEqual(
    fed.map(({ name }) => name),
    ['float16'],
  );
  assert.deepEqual([...weightFilesOf(unweighted)].sort(), ['bfloat16.bin', 'vector.bin']);
  const built = graph();
  assert.equal(feedWeights(built, () => null).graph, built);
});
