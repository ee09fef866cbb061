import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type LensParts,
  largestOther,
  lensDifference,
  lensOf,
  meanLens,
  meanTaps,
  tapDifferences,
  tapRect,
  tapsOf,
} from '../../../src/attention/lens';
import type { Patch } from '../../../src/shared/attentionMap';
import type { KernelWeights } from '../../../src/shared/kernels';
import { Random } from '../../random';

function conv(rows: number, columns: number, identityColumn: number, values: ArrayLike<number>): KernelWeights {
  return { part: 'pre_softmax_conv', rows, columns, identityColumn, values: Float32Array.from(values) };
}

function mix(columns: number, values: ArrayLike<number>): KernelWeights {
  return { part: 'pre_softmax_head_mix', rows: 1, columns, identityColumn: null, values: Float32Array.from(values) };
}

/** The part of maps [head, query, key] that the taps of a cell touch, as the engine gives it. */
function patchOf(maps: Float32Array, nHeads: number, nTokens: number, rect: ReturnType<typeof tapRect>): Patch {
  const values: number[] = [];
  for (let head = 0; head < nHeads; head++) {
    for (let i = rect.queryStart; i < rect.queryStart + rect.nQueries; i++) {
      for (let j = rect.keyStart; j < rect.keyStart + rect.nKeys; j++)
        values.push(maps[(head * nTokens + i) * nTokens + j]!);
    }
  }
  return { ...rect, nHeads, values: Float32Array.from(values) };
}

// The worked example of the convolution: raw scores with masked cells 0, kernel [previous query, current query].
const scores = Float32Array.of(1, 0, 0, 0, 2, 1, 0, 0, 0, 3, 1, 0, 1, 0, 2, 1);
const example = { conv: conv(2, 3, 1, [2, 0, 1, 0, 1, -1]), mix: null, source: 'scores' } as const;
const expected = [[1], [1, 3], [-2, 6, 3], [4, -1, 7, 3]];

test('taps sum to the convolution, at the edges and beside the diagonal too', () => {
  for (const [i, row] of expected.entries()) {
    for (const [j, value] of row.entries()) {
      const patch = patchOf(scores, 1, 4, tapRect(example.conv, i, j, 4));
      const lens = lensOf(example, patch, 0, i, j);
      assert.equal(lens.total, value, `cell (${i}, ${j})`);
      assert.equal(lens.own, scores[i * 4 + j]);
    }
  }
});

test('taps beside the map and after their query are kept apart from zeros', () => {
  const places = (i: number, j: number) =>
    tapsOf(example.conv, patchOf(scores, 1, 4, tapRect(example.conv, i, j, 4)), 0, i, j).map(({ place }) => place);
  assert.deepEqual(places(0, 0), ['outside', 'outside', 'outside', 'outside', 'value', 'future']);
  assert.deepEqual(places(2, 0), ['outside', 'value', 'value', 'outside', 'value', 'value']);
  assert.deepEqual(places(3, 3), ['value', 'future', 'outside', 'value', 'value', 'outside']);
  const taps = tapsOf(example.conv, patchOf(scores, 1, 4, tapRect(example.conv, 2, 0, 4)), 0, 2, 0);
  assert.deepEqual(
    taps.filter(({ isOwn }) => isOwn).map(({ queryIdx, keyIdx, weight, value }) => [queryIdx, keyIdx, weight, value]),
    [[2, 0, 1, 0]],
  );
});

/** conv and mixing over whole maps, the plain way. */
function plain(
  parts: LensParts,
  maps: Float32Array,
  nHeads: number,
  nTokens: number,
  head: number,
  i: number,
  j: number,
) {
  const convolved = (source: number) => {
    const { rows, columns, identityColumn, values } = parts.conv ?? conv(1, 1, 0, new Array(nHeads).fill(1));
    let sum = 0;
    for (let a = 0; a < rows; a++) {
      for (let b = 0; b < columns; b++) {
        const [q, k] = [i - rows + 1 + a, j - identityColumn! + b];
        if (q < 0 || k < 0 || k >= nTokens) continue;
        sum += values[(source * rows + a) * columns + b]! * maps[(source * nTokens + q) * nTokens + k]!;
      }
    }
    return sum;
  };
  if (!parts.mix) return convolved(head);
  const { columns, values } = parts.mix;
  const first = head - (head % columns);
  let sum = 0;
  for (let s = 0; s < columns; s++) sum += values[head * columns + s]! * convolved(first + s);
  return sum;
}

test('random layers: sources sum to the mixed value, whatever parts the layer has', () => {
  const random = new Random(77);
  for (let round = 0; round < 300; round++) {
    const nHeads = random.pick([1, 2, 4, 6]);
    const group = random.pick([1, 2].filter(size => nHeads % size === 0).concat(nHeads));
    const nTokens = 1 + random.below(20);
    const [rows, columns] = [1 + random.below(6), 1 + random.below(11)];
    const parts: LensParts = {
      source: 'scores',
      conv:
        random.next() < 0.8 ? conv(rows, columns, random.below(columns), random.floats(nHeads * rows * columns)) : null,
      mix: random.next() < 0.7 ? mix(group, random.floats(nHeads * group)) : null,
    };
    const maps = random
      .floats(nHeads * nTokens * nTokens)
      .map((value, at) => (at % nTokens > Math.floor(at / nTokens) % nTokens ? 0 : value));
    const head = random.below(nHeads);
    const i = random.below(nTokens);
    const j = random.below(i + 1);
    const patch = patchOf(maps, nHeads, nTokens, tapRect(parts.conv, i, j, nTokens));
    const lens = lensOf(parts, patch, head, i, j);
    const want = plain(parts, maps, nHeads, nTokens, head, i, j);
    assert.ok(Math.abs(lens.total - want) < 1e-5 * Math.max(1, Math.abs(want)), `${lens.total}, expected ${want}`);
    for (const { headIdx, mixWeight, subtotal, own } of lens.sources) {
      const taps = tapsOf(parts.conv, patch, headIdx, i, j, mixWeight);
      const sum = taps.reduce((total, { term }) => total + term, 0);
      assert.ok(Math.abs(sum - subtotal) < 1e-5);
      assert.ok(Math.abs(taps.find(({ isOwn }) => isOwn)!.term - own) < 1e-6);
    }
  }
});

test('against a reference key, terms sum to the difference of the two cells', () => {
  const lensAt = (j: number) => lensOf(example, patchOf(scores, 1, 4, tapRect(example.conv, 3, j, 4)), 0, 3, j);
  const tapsAt = (j: number) => tapsOf(example.conv, patchOf(scores, 1, 4, tapRect(example.conv, 3, j, 4)), 0, 3, j);
  const sumOf = (taps: readonly { term: number }[]) => taps.reduce((total, { term }) => total + term, 0);
  assert.equal(lensDifference(lensAt(2), lensAt(0)).total, 7 - 4);
  assert.equal(sumOf(tapDifferences(tapsAt(2), tapsAt(0))), 7 - 4);
  const keys = [0, 1, 2, 3];
  const mean = (4 - 1 + 7 + 3) / 4;
  assert.equal(lensDifference(lensAt(2), meanLens(keys.map(lensAt))).total, 7 - mean);
  assert.equal(sumOf(tapDifferences(tapsAt(2), meanTaps(keys.map(tapsAt)))), 7 - mean);
});

const rows: [number[], number, number | null][] = [
  [[1, 5, 3], 1, 2],
  [[1, 5, 3], 0, 1],
  [[-1, -5], 0, 1],
  [[2], 0, null],
  [[Number.NaN, 1], 1, null],
  [[Number.NaN, 1, 2], 1, 2],
];
for (const [row, key, want] of rows) {
  test(`the largest key other than ${key} in [${row}] is ${want}`, () =>
    assert.equal(largestOther(Float32Array.from(row), key), want));
}

test('a weight that is not a number makes the total none, and its own term only', () => {
  const broken = { conv: conv(2, 3, 1, [Number.NaN, 0, 1, 0, 1, -1]), mix: null, source: 'scores' } as const;
  const patch = patchOf(scores, 1, 4, tapRect(broken.conv, 2, 1, 4));
  assert.ok(Number.isNaN(lensOf(broken, patch, 0, 2, 1).total));
  const taps = tapsOf(broken.conv, patch, 0, 2, 1);
  assert.deepEqual(
    taps.map(({ term }) => Number.isNaN(term)),
    [true, false, false, false, false, false],
  );
});
