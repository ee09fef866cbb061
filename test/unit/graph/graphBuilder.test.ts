import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromBinary } from '@bufbuild/protobuf';
import { GraphBuilder } from '../../../src/graph/graphBuilder';
import { ModelProtoSchema, TensorProto_DataLocation } from '../../../src/graph/onnx/onnx_pb';

test('keeps only what the outputs need', () => {
  const g = new GraphBuilder('test');
  const x = g.input('x', 'float32', ['T']);
  g.input('unused', 'float32', ['T']);
  g.op('Mul', [x, g.scalar(3)]);
  g.output('y', g.op('Add', [x, g.scalar(2)]), 'float32', ['T']);
  const { graph } = fromBinary(ModelProtoSchema, g.build());
  assert.deepEqual(
    graph?.input.map(input => input.name),
    ['x'],
  );
  assert.deepEqual(
    graph?.node.map(node => node.opType),
    ['Add', 'Identity'],
  );
  assert.equal(graph?.initializer.length, 1);
});

test('weights point into the file, halves are cast', () => {
  const g = new GraphBuilder('test');
  const source = { file: 'model.safetensors', offset: 128, length: 8 };
  g.output('y', g.weight('w', { elementType: 'float16', shape: [4], source }), 'float32', [4]);
  const { graph } = fromBinary(ModelProtoSchema, g.build());
  const [tensor] = graph!.initializer;
  assert.equal(tensor?.dataLocation, TensorProto_DataLocation.EXTERNAL);
  const entries = Object.fromEntries(tensor!.externalData.map(({ key, value }) => [key, value]));
  assert.deepEqual(entries, { location: 'model.safetensors', offset: '128', length: '8' });
  assert.deepEqual(
    graph?.node.map(node => node.opType),
    ['Cast', 'Identity'],
  );
});

test('a large matrix is used in stretches of rows, each a part of the same bytes', () => {
  const g = new GraphBuilder('test');
  const source = { file: 'model.safetensors', offset: 1000, length: 5 * 3 * 2 };
  const parts = g.weightParts('w', { elementType: 'bfloat16', shape: [5, 3], source }, 2 * 3 * 4);
  g.output('y', g.op('Concat', parts, { axis: 0 }), 'float32', [5, 3]);
  const { graph } = fromBinary(ModelProtoSchema, g.build());
  const places = graph!.initializer.map(({ dims, externalData }) => [
    Number(dims[0]),
    ...externalData.slice(1).map(({ value }) => Number(value)),
  ]);
  assert.deepEqual(places, [
    [2, 1000, 12],
    [2, 1012, 12],
    [1, 1024, 6],
  ]);
  const whole = new GraphBuilder('test').weightParts('w', { elementType: 'bfloat16', shape: [5, 3], source }, 1000);
  assert.equal(whole.length, 1);
});
