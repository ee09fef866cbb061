import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addRolloutRows, residualFlow } from '../../../src/attention/rollout';
import type { Direction } from '../../../src/shared/relevance';
import { bandsOf } from '../../bands';
import { Random } from '../../random';

const nTokens = 12;
const random = new Random(11);
const randomMap = () =>
  Float32Array.from({ length: nTokens * nTokens }, (_, i) =>
    i % nTokens <= Math.floor(i / nTokens) ? random.next() * 2 - 1 : 0,
  );
/** Layers of heads. */
const layers = Array.from({ length: 3 }, () => [randomMap(), randomMap()]);

/** One layer, five rows at a time. */
function rolloutStep(weights: Float64Array, maps: readonly Float32Array[], direction: Direction): Float64Array {
  const out = maps.length ? residualFlow(weights) : weights;
  const heads = maps.map(map => bandsOf(map, 5));
  for (const i of heads[0]?.keys() ?? [])
    addRolloutRows(
      out,
      weights,
      heads.map(bands => bands[i]!),
      direction,
    );
  return out;
}

/** The paper's form: R_l = (W_l / 2 + I / 2) R_(l-1), whole matrices. */
function rolloutMatrix(): number[][] {
  let product = identity();
  for (const maps of layers) {
    const step = identity().map((row, q) => {
      const magnitudes = row.map((_, k) => maps.reduce((sum, map) => sum + Math.abs(map[q * nTokens + k]!), 0));
      const mass = magnitudes.reduce((sum, x) => sum + x, 0);
      return row.map((own, k) => own / 2 + magnitudes[k]! / mass / 2);
    });
    product = step.map(row => row.map((_, k) => row.reduce((sum, x, i) => sum + x * product[i]![k]!, 0)));
  }
  return product;
}

function identity(): number[][] {
  return Array.from({ length: nTokens }, (_, q) => Array.from({ length: nTokens }, (_, k) => Number(q === k)));
}

test('a vector through the layers is a row, or a column, of the product of matrices', () => {
  const matrix = rolloutMatrix();
  for (let token = 0; token < nTokens; token++) {
    let row = new Float64Array(nTokens);
    row[token] = 1;
    let column = row.slice();
    for (const maps of layers.toReversed()) row = rolloutStep(row, maps, 'attends') as typeof row;
    for (const maps of layers) column = rolloutStep(column, maps, 'attendedBy') as typeof column;
    for (let other = 0; other < nTokens; other++) {
      assert.ok(Math.abs(row[other]! - matrix[token]![other]!) < 1e-12, `row ${token}, ${other}`);
      assert.ok(Math.abs(column[other]! - matrix[other]![token]!) < 1e-12, `column ${token}, ${other}`);
    }
    assert.ok(Math.abs(row.reduce((sum, x) => sum + x, 0) - 1) < 1e-12, 'the mass stays');
    assert.ok(
      row.every((x, key) => x >= 0 && (key <= token || x === 0)),
      'nothing flows from later tokens',
    );
  }
});

test('rows of zeros and layers without heads let everything pass', () => {
  const weights = Float64Array.of(0.25, 0.75);
  for (const direction of ['attends', 'attendedBy'] as const) {
    assert.deepEqual([...rolloutStep(weights, [], direction)], [0.25, 0.75]);
    assert.deepEqual([...rolloutStep(weights, [new Float32Array(4)], direction)], [0.25, 0.75]);
  }
});

test('the sign of a cell does not matter, its magnitude does', () => {
  const weights = Float64Array.of(0, 1);
  const step = (...row: number[]) => [...rolloutStep(weights, [Float32Array.of(1, 0, ...row)], 'attends')];
  assert.deepEqual(step(-0.5, 0.5), step(0.5, 0.5));
  assert.deepEqual(step(-3, 1), [0.375, 0.625]);
});
