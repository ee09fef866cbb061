import assert from 'node:assert/strict';
import { test } from 'node:test';
import { strongestWords } from '../../../src/attention/strongestWords';

const labels = ['', ' byte', 'Width', '(', ' a', '_b'];
const find = (weights: number[], k = 3, isCandidate = (_: number) => true) =>
  strongestWords(Float32Array.from(weights), labels, k, isCandidate).map(({ tokens, weight }) => [
    ...[tokens.first, tokens.end],
    Math.round(weight * 1e6) / 1e6,
  ]);

test('a word has the weights of all its tokens; the strongest words come first, signs stay', () => {
  assert.deepEqual(find([0, 0.2, 0.15, 0.3, -0.4, 0]), [
    [4, 6, -0.4],
    [1, 3, 0.35],
    [3, 4, 0.3],
  ]);
  assert.deepEqual(find([0, 0.2, 0.15, 0.3, -0.4, 0], 1), [[4, 6, -0.4]]);
  assert.deepEqual(find([0, 1, 0, 0.01, 0, 0]), [[1, 3, 1]], 'what is weak is left out');
  assert.deepEqual(find([0, Number.NaN, 0.5, 0, 0, 0]), [[1, 3, 0.5]]);
  assert.deepEqual(
    find([0, 0, 0, 0, 1, 1], 3, token => token < 5),
    [[4, 6, 1]],
  );
  assert.deepEqual(find([0, 0, 0, 0, 0, 0]), []);
});
