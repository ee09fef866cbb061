import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rotaryTables, rotationMatrix } from '../../../src/graph/rotary';
import { Random } from '../../random';

/** x * cos + (x R) * sin at one position. */
function rotate(x: Float32Array, position: number, style: 'interleaved' | 'half'): Float64Array {
  const d = x.length;
  const { cos, sin } = rotaryTables(position + 1, d, { style, dim: d, theta: 10_000, scaling: null });
  const matrix = rotationMatrix(d, style);
  return Float64Array.from(x, (value, j) => {
    const turned = x.reduce((sum, other, i) => sum + other * matrix[i * d + j]!, 0);
    return value * cos[position * d + j]! + turned * sin[position * d + j]!;
  });
}

for (const style of ['interleaved', 'half'] as const) {
  test(`${style}: dot products depend on the distance only, lengths stay`, () => {
    const random = new Random(7);
    const [q, k] = [random.floats(8), random.floats(8)];
    const dot = (a: Float64Array, b: Float64Array) => a.reduce((sum, x, i) => sum + x * b[i]!, 0);
    const near = dot(rotate(q, 9, style), rotate(k, 4, style));
    const far = dot(rotate(q, 105, style), rotate(k, 100, style));
    assert.ok(Math.abs(near - far) < 1e-5);
    assert.ok(Math.abs(Math.hypot(...rotate(q, 50, style)) - Math.hypot(...q)) < 1e-6);
    assert.deepEqual([...rotate(q, 0, style)], [...q]);
  });
}

test('the conventions differ by an exchange of components', () => {
  const x = Float32Array.from([1, 2, 3, 4]);
  const interleaved = rotate(x, 3, 'interleaved');
  const half = rotate(Float32Array.from([1, 3, 2, 4]), 3, 'half');
  for (const [i, j] of [
    [0, 0],
    [1, 2],
    [2, 1],
    [3, 3],
  ] as const)
    assert.ok(Math.abs(interleaved[i]! - half[j]!) < 1e-6);
});
