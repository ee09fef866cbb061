import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Largest } from '../../../../src/inference/runtime/largest';
import { Random } from '../../../random';

test('one after another, the k largest stand as sorting would put them, and nothing beside them changes', () => {
  const random = new Random(1);
  for (let run = 0; run < 2000; run++) {
    const k = 1 + random.below(6);
    // Few different values, so that many are equal.
    const values = Array.from({ length: random.below(12) }, () => random.below(6));
    const ids = new Int32Array(k + 2).fill(-7);
    const largest = new Float32Array(k + 2).fill(99);
    const top = new Largest(ids.subarray(1, 1 + k), largest.subarray(1, 1 + k));
    for (const [id, value] of values.entries()) top.add(id, value);

    const sorted = [...values.entries()].sort(([i, a], [j, b]) => b - a || i - j).slice(0, k);
    const rest = (fill: number) => Array<number>(k - sorted.length + 1).fill(fill);
    assert.deepEqual([...ids], [-7, ...sorted.map(([id]) => id), ...rest(-7)]);
    assert.deepEqual([...largest], [99, ...sorted.map(([, value]) => value), ...rest(99)]);
  }
});
