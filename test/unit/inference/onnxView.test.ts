import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keysOfQuery, keysOfRow } from '../../../src/attention/topKeys';
import { predictFromLogits } from '../../../src/inference/runtime/logits';
import { pooledOf, topKeysOf } from '../../../src/inference/runtime/onnxView/reduceMaps';
import { Random } from '../../random';

test('strongest keys and pooled cells of whole maps are those of every row', () => {
  const random = new Random(11);
  for (const [n, k, blockSize] of [
    [1, 4, 1],
    [7, 3, 2],
    [20, 16, 4],
  ] as const) {
    const nHeads = 3;
    const map = Float32Array.from({ length: nHeads * n * n }, (_, i) =>
      i % n > Math.floor(i / n) % n ? 0 : random.below(50),
    );
    const top = topKeysOf(map, nHeads, n, k);
    const pooled = pooledOf(map, nHeads, n, blockSize);
    for (let head = 0; head < nHeads; head++) {
      for (let query = 0; query < n; query++) {
        const row = map.subarray((head * n + query) * n, (head * n + query + 1) * n);
        assert.deepEqual(keysOfQuery(top, n, head, query), keysOfRow(row, query, k));
        for (let key = 0; key <= query; key++) {
          const [I, J] = [Math.floor(query / blockSize), Math.floor(key / blockSize)];
          assert.ok(pooled.cells[(head * pooled.size + I) * pooled.size + J]! >= row[key]!);
        }
      }
    }
    assert.ok([...pooled.cells].every(cell => cell === 0 || map.includes(cell)));
  }
});

test('logits: probabilities of targets and of the likeliest, divergence from other ones', () => {
  const logits = Float32Array.of(0, Math.log(3), Number.NEGATIVE_INFINITY, 1000, 1000, 1000);
  const { logProbabilities, topIds, topLogProbabilities, divergence } = predictFromLogits(
    logits,
    [0, 2],
    2,
    logits.map(() => -Math.log(3)),
  );
  const close = (got: number, expected: number) => assert.ok(Math.abs(got - expected) < 1e-5, `${got}, ${expected}`);
  close(logProbabilities[0]!, Math.log(1 / 4));
  close(logProbabilities[1]!, Math.log(1 / 3));
  assert.deepEqual([...topIds], [1, 0, 0, 1]);
  close(topLogProbabilities[0]!, Math.log(3 / 4));
  assert.equal(divergence![0], Number.POSITIVE_INFINITY);
  close(divergence![1]!, 0);
});
