/** What eval counts, on a model whose surprisals are known. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { evaluateText, totalEvaluation } from '../../../src/cli/evaluate';

/** One token a byte; the surprisal of a token is its id, and that of a first one without a begin token nothing. */
function engine(hasBeginToken: boolean) {
  const windows: number[][] = [];
  return {
    windows,
    hasBeginToken,
    encode: (text: string) => ({ ids: Int32Array.from(Buffer.from(text)), byteLengths: new Uint32Array() }),
    score: async (ids: Int32Array) => {
      windows.push([...ids]);
      const bits = Float64Array.from(ids, (id, i) => (i === 0 && !hasBeginToken ? Number.NaN : id));
      return { bits, isTop1: Uint8Array.from(ids, id => id % 2) };
    },
  };
}
const text = String.fromCharCode(1, 2, 3, 4, 5, 6, 7, 8, 9, 10);

test('with a begin token every token counts once, and each pass counts as computed', async () => {
  const model = engine(true);
  const result = await evaluateText(model, 'f', text, 5);
  assert.deepEqual(model.windows, [
    [1, 2, 3, 4],
    [3, 4, 5, 6],
    [5, 6, 7, 8],
    [7, 8, 9, 10],
  ]);
  assert.deepEqual([result.tokens, result.bytes, result.bits_per_byte, result.top1_accuracy], [10, 10, 5.5, 0.5]);
  assert.equal(result.tokens_computed, 4 * 5);
  assert.equal(result.perplexity, 2 ** 5.5);
});

test('without one, the first token counts in no figure', async () => {
  const result = await evaluateText(engine(false), 'f', text, 5);
  assert.deepEqual([result.tokens, result.bytes, result.bits_per_byte], [9, 10, 5.4]);
  assert.equal(result.perplexity, 2 ** 6);
  assert.equal(result.top1_accuracy, 4 / 9);
  assert.equal(result.tokens_computed, 4 * 4);
  const total = totalEvaluation([result, result]);
  assert.ok(Math.abs(total.perplexity - 2 ** 6) < 1e-9 && total.tokens === 18 && total.tokens_computed === 32);
});

test('a text of which nothing is predicted is refused', async () => {
  await assert.rejects(evaluateText(engine(false), 'f', 'a', 5), /f: it is 1 token long, and without a begin token/);
  assert.equal((await evaluateText(engine(true), 'f', 'a', 5)).tokens, 1);
});

test('a surprisal that is not a number is not passed over', async () => {
  const broken = {
    ...engine(true),
    score: async () => ({ bits: Float64Array.of(1, Number.NaN), isTop1: new Uint8Array(2) }),
  };
  assert.ok(Number.isNaN((await evaluateText(broken, 'f', 'ab', 5)).perplexity));
});
