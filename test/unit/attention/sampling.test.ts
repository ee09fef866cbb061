/** Choosing the next token: greedy, temperature, top-p, and the generator that draws. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { likeliestToken, mulberry32, sampleToken } from '../../../src/attention/sampling';

const logits = Float32Array.from([0.1, 0.6, 0.2, 0.1].map(Math.log));

test('temperature 0 takes the likeliest token, of equal ones the first', () => {
  assert.equal(sampleToken(logits, { temperature: 0, topP: 1 }, 0.99), 1);
  assert.equal(likeliestToken(Float32Array.of(1, 3, 3, 2)), 1);
});

test('a draw walks along the probabilities in falling order, of equal ones the smaller id first', () => {
  const all = { temperature: 1, topP: 1 };
  const drawn = [0, 0.59, 0.61, 0.79, 0.81, 0.89, 0.91, 0.9999].map(random => sampleToken(logits, all, random));
  assert.deepEqual(drawn, [1, 1, 2, 2, 0, 0, 3, 3]);
});

test('top-p leaves the likeliest tokens that reach it together, at least one', () => {
  const from = (topP: number) =>
    new Set([0, 0.3, 0.6, 0.75, 0.9, 0.999].map(r => sampleToken(logits, { temperature: 1, topP }, r)));
  assert.deepEqual(from(0.01), new Set([1]));
  assert.deepEqual(from(0.7), new Set([1, 2]));
  assert.deepEqual(from(0.85), new Set([1, 2, 0]));
});

test('a low temperature sharpens, a high one flattens, by logits divided by it', () => {
  const share = (temperature: number) => {
    const random = mulberry32(7);
    let count = 0;
    for (let i = 0; i < 4000; i++) if (sampleToken(logits, { temperature, topP: 1 }, random()) === 1) count++;
    return count / 4000;
  };
  const expected = (t: number) => 0.6 ** (1 / t) / [0.1, 0.6, 0.2, 0.1].reduce((sum, p) => sum + p ** (1 / t), 0);
  for (const temperature of [0.5, 1, 3]) assert.ok(Math.abs(share(temperature) - expected(temperature)) < 0.03);
});

test('logits of any size neither overflow nor vanish', () => {
  const large = Float32Array.of(-1e30, 900, 899, -900);
  assert.ok([1, 2].includes(sampleToken(large, { temperature: 0.7, topP: 1 }, 0.9)));
  assert.equal(sampleToken(large, { temperature: 1e-6, topP: 1 }, 0.999), 1);
});

test('mulberry32 gives its known numbers', () => {
  const random = mulberry32(1);
  const numbers = [random(), random(), random()];
  assert.deepEqual(
    numbers.map(x => x.toFixed(8)),
    ['0.62707394', '0.00273572', '0.52744704'],
  );
  assert.ok(numbers.every(x => x >= 0 && x < 1));
});
