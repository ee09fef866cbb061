/** Rotary frequencies, with expected values worked out from the definitions (arXiv 2309.00071 and transformers' names). */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dependsOnLength, type RopeScaling, rotaryFrequencies } from '../../../src/graph/ropeScaling';
import { pairOf, rotaryTables, rotationMatrix } from '../../../src/graph/rotary';

/** Two pairs of a head of 4 with theta 100: 1 and 1/10. */
const plain = [1, 0.1];
const original_max_position_embeddings = 64;
const llama3 = {
  rope_type: 'llama3',
  factor: 8,
  original_max_position_embeddings,
  low_freq_factor: 1,
  high_freq_factor: 4,
} as const;
const yarn: RopeScaling = {
  ...{ rope_type: 'yarn', factor: 4, original_max_position_embeddings, beta_fast: 32, beta_slow: 1 },
  ...{ attention_factor: null, truncate: true },
};

// Pair 1 has the wavelength 62.83, between 64 / 4 and 64 / 1: smooth = (64 / 62.83 - 1) / 3.
const smooth = (64 / (20 * Math.PI) - 1) / 3;
// Yarn, theta 100, d 4: pair of r rotations = 4 ln(64 / (2 pi r)) / (2 ln 100): -0.497 for 32, 1.008 for 1.
// Truncated: from 0 to 2, so pair 1 is half interpolated. Otherwise from 0 to 1.0079.
const last = (4 * Math.log(64 / (2 * Math.PI))) / (2 * Math.log(100));

const cases: [
  what: string,
  scaling: RopeScaling | null,
  nPositions: number,
  frequencies: number[],
  amplitude: number,
][] = [
  ['none', null, 1000, plain, 1],
  ['linear', { rope_type: 'linear', factor: 4 }, 1000, [0.25, 0.025], 1],
  [
    'dynamic within the first context',
    { rope_type: 'dynamic', factor: 3, original_max_position_embeddings },
    64,
    plain,
    1,
  ],
  ['dynamic, a shorter window', { rope_type: 'dynamic', factor: 3, original_max_position_embeddings }, 8, plain, 1],
  // Twice the context: theta * (3 * 2 - 2)^(4 / 2) = 1600.
  [
    'dynamic at twice the context',
    { rope_type: 'dynamic', factor: 3, original_max_position_embeddings },
    128,
    [1, 1 / 40],
    1,
  ],
  ['llama3, a pair between the wavelengths', llama3, 64, [1, ((1 - smooth) * 0.1) / 8 + smooth * 0.1], 1],
  ['llama3, a pair that is long', { ...llama3, original_max_position_embeddings: 32 }, 64, [1, 0.1 / 8], 1],
  ['llama3, pairs that are short', { ...llama3, original_max_position_embeddings: 1024 }, 64, plain, 1],
  ['yarn', yarn, 64, [1, 0.5 * 0.1 + 0.5 * 0.025], 0.1 * Math.log(4) + 1],
  [
    'yarn, bounds not rounded',
    { ...yarn, truncate: false },
    64,
    [1, 0.1 - (0.1 - 0.025) / last],
    0.1 * Math.log(4) + 1,
  ],
  ['yarn with a given factor', { ...yarn, attention_factor: 0.7 }, 64, [1, 0.0625], 0.7],
  ['yarn without stretching', { ...yarn, factor: 1 }, 64, plain, 1],
  ['yarn that shrinks', { ...yarn, factor: 0.5 }, 64, [1, 0.5 * 0.1 + 0.5 * 0.2], 1],
  // From pair 0 to at most pair d - 1 = 3: a third of the way at pair 1.
  [
    'yarn, a ramp up to the last component',
    { ...yarn, original_max_position_embeddings: 1e6, beta_fast: 1e6 },
    64,
    [1, 0.1 - 0.075 / 3],
    0.1 * Math.log(4) + 1,
  ],
  // Both bounds are the pair of 64 / (2 pi r) = 1, pair 0: all but that is interpolated.
  [
    'yarn, a ramp of no length',
    { ...yarn, beta_fast: 64 / (2 * Math.PI), beta_slow: 64 / (2 * Math.PI) },
    64,
    [1, 0.025],
    0.1 * Math.log(4) + 1,
  ],
];
for (const [what, scaling, nPositions, frequencies, amplitude] of cases) {
  test(`frequencies: ${what}`, () => {
    const result = rotaryFrequencies(4, 100, scaling, nPositions);
    assert.equal(result.frequencies.length, 2);
    for (const [m, expected] of frequencies.entries()) {
      assert.ok(
        Math.abs(result.frequencies[m]! - expected) < 1e-6,
        `pair ${m}: ${result.frequencies[m]}, expected ${expected}`,
      );
    }
    assert.ok(Math.abs(result.amplitude - amplitude) < 1e-9, `amplitude ${result.amplitude}`);
  });
}

test('only dynamic scaling depends on the length', () => {
  const scalings = [null, ...cases.map(([, scaling]) => scaling)];
  for (const scaling of scalings) assert.equal(dependsOnLength(scaling), scaling?.rope_type === 'dynamic');
});

test('pairs of components', () => {
  const pairs = (style: 'interleaved' | 'half') => [0, 1, 2, 3, 4, 5].map(i => pairOf(i, 6, style));
  assert.deepEqual(pairs('interleaved'), [0, 0, 1, 1, 2, 2]);
  assert.deepEqual(pairs('half'), [0, 1, 2, 0, 1, 2]);
});

test('tables hold cos and sin of position times frequency, times the amplitude', () => {
  for (const scaling of [null, { ...yarn, attention_factor: 2 }]) {
    const { cos, sin } = rotaryTables(3, 4, { style: 'half', dim: 4, theta: 100, scaling });
    const [first, second] = scaling ? [1, 0.0625] : plain;
    const amplitude = scaling ? 2 : 1;
    assert.deepEqual([cos.length, sin.length], [12, 12]);
    for (let t = 0; t < 3; t++) {
      for (const [i, frequency] of [first!, second!, first!, second!].entries()) {
        assert.ok(Math.abs(cos[4 * t + i]! - amplitude * Math.cos(t * frequency)) < 1e-6);
        assert.ok(Math.abs(sin[4 * t + i]! - amplitude * Math.sin(t * frequency)) < 1e-6);
      }
    }
  }
});

test('the matrix turns each pair (first, second) into (-second, first)', () => {
  const rows = (style: 'interleaved' | 'half') => [...rotationMatrix(4, style)].map(x => x + 0);
  // x R, with x as a row: component j of the product is the sum over i of x[i] R[i, j].
  assert.deepEqual(rows('interleaved'), [0, 1, 0, 0, -1, 0, 0, 0, 0, 0, 0, 1, 0, 0, -1, 0]);
  assert.deepEqual(rows('half'), [0, 0, 1, 0, 0, 0, 0, 1, -1, 0, 0, 0, 0, -1, 0, 0]);
});
