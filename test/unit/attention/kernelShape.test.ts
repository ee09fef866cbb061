import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type KernelName, kernelFeatures, type MixName, mixFeatures } from '../../../src/attention/kernelShape';
import { Random } from '../../random';

const shape = { rows: 6, columns: 11, identityColumn: 5 };

/** A kernel with these taps: [queries back, key shift, weight]; what is not named is 0. */
function kernel(...taps: [number, number, number][]): Float32Array {
  const values = new Float32Array(shape.rows * shape.columns);
  for (const [back, shift, weight] of taps) values[(5 - back) * 11 + 5 + shift] = weight;
  return values;
}

const made: [KernelName, Float32Array][] = [
  ['near-identity', kernel([0, 0, 1])],
  ['near-identity', kernel([0, 0, 1.4], [0, 1, -0.1], [3, -2, 0.2])],
  ['edge', kernel([0, 0, 0.7], [0, -1, -0.8])],
  ['edge', kernel([0, 0, 1], [0, -1, -0.5], [0, 1, -0.5])],
  ['diagonal', kernel([0, 0, 0.6], [1, -1, 0.6], [2, -2, 0.5], [3, -3, 0.4])],
  ['diagonal', kernel([0, 0, 0.25], [0, -1, 0.6], [1, -2, 0.35], [2, -3, 0.2])],
  ['priming', kernel([0, 0, 0.9], [1, 0, 0.4], [2, 0, 0.3], [3, 0, 0.3], [1, 3, 0.1])],
  ['shift', kernel([0, 0, 0.2], [0, -1, 0.8])],
  ['shift', kernel([2, 3, -1])],
  ['spread', new Float32Array(66).fill(0.1)],
  ['zero', new Float32Array(66)],
  ['not a number', kernel([0, 0, 1], [2, 2, Number.NaN])],
];
for (const [name, values] of made) {
  test(`a kernel made to be ${name} is named so`, () => assert.equal(kernelFeatures(values, shape).name, name));
}

test('noise is mixed', () => {
  const random = new Random(3);
  for (let i = 0; i < 50; i++) assert.equal(kernelFeatures(random.floats(66), shape).name, 'mixed');
});

test('the numbers behind a name', () => {
  const { own, identityDistance, strongest, edge, ownShare } = kernelFeatures(kernel([0, 0, 0.5], [1, -2, -1]), shape);
  assert.deepEqual([own, strongest], [0.5, { queriesBack: 1, keyShift: -2, weight: -1 }]);
  assert.ok(Math.abs(identityDistance - Math.sqrt(1.25)) < 1e-6);
  assert.equal(edge, 0);
  assert.ok(Math.abs(ownShare - 0.2) < 1e-6);
});

test('kernels of any size and padding, down to one weight', () => {
  const one = kernelFeatures(Float32Array.of(3), { rows: 1, columns: 1, identityColumn: 0 });
  assert.equal(one.name, 'near-identity');
  assert.equal(one.identityDistance, 2);
  assert.equal(kernelFeatures(Float32Array.of(-1), { rows: 1, columns: 1, identityColumn: 0 }).name, 'mixed');
  assert.equal(kernelFeatures(Float32Array.of(0, 1), { rows: 1, columns: 2, identityColumn: 1 }).name, 'near-identity');
  assert.equal(kernelFeatures(Float32Array.of(0, 1), { rows: 1, columns: 2, identityColumn: 0 }).name, 'shift');
});

const mixes: [MixName, number[], number[]][] = [
  ['near-identity', [1, 0, 0, 1], [0, 1]],
  ['near-identity', [0.1, 1.2, -0.1], [1]],
  ['blend', [0.5, 0.4, 0.3], [0]],
  ['contrast', [0.5, -0.4, 0.2], [0]],
  ['contrast', [-1, 0], [0]],
  ['zero', [0, 0], [1]],
  ['not a number', [1, Number.NaN], [0]],
];
for (const [name, weights, own] of mixes) {
  test(`mixing by [${weights}] is ${name}`, () =>
    assert.equal(mixFeatures(Float32Array.from(weights), own).name, name));
}
