/** What a span's gain is, on a model whose prediction of the selection depends on one token being in the text. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type SearchRequest, searchRanges } from '../../../../src/inference/experiments/searchRanges';
import type { BlockRowsOptions, LayerRuntime } from '../../../../src/inference/runtime/layerRuntime';
import type { Value } from '../../../../src/inference/runtime/session';
import type { SearchedRange } from '../../../../src/shared/documentSearch';

const [begin, filler, fact, lead, selected] = [0, 1, 2, 3, 4];
const nPerLine = 5;

/** 0.5 nats for every token after a fact, 4 otherwise; repeating the probe itself costs nothing. */
function fakeRuntime(runs: number[][], asked: (readonly [number, number])[]): LayerRuntime {
  const bits = (ids: readonly number[], token: number) => {
    if (ids.indexOf(selected) < token && ids[token] === selected) return 0;
    return ids.slice(0, token).includes(fact) ? 0.5 : 4;
  };
  let ids: number[] = [];
  const hidden: Value = { type: 'float32', data: new Float32Array(0), dims: [1, 0, 0] };
  const runtime = {
    folder: { config: { bos_token_id: begin }, summary: { nLayers: 1, layers: [{ stages: ['scores', 'pattern'] }] } },
    embed: async (tokens: Int32Array) => {
      ids = [...tokens];
      runs.push(ids);
      return hidden;
    },
    bareBlock: async () => hidden,
    blockRows: async (_: number, __: Value, { queries: [first, end] }: BlockRowsOptions) => {
      asked.push([first - ids.length, end - ids.length]);
      return { hidden, rows: new Float32Array((end - first) * ids.length).fill(1 / ids.length) };
    },
    fetch: async () => hidden,
    predict: async (_: Value, targets: readonly number[]) => {
      const from = ids.length - targets.length;
      return { logProbabilities: Float32Array.from(targets, (__, i) => -Math.LN2 * bits(ids, from + i + 1)) };
    },
  };
  return runtime as unknown as LayerRuntime;
}

async function search(ids: readonly number[], change: Partial<SearchRequest> = {}, probeStart = 10_000) {
  const runs: number[][] = [];
  const asked: (readonly [number, number])[] = [];
  const windows: SearchedRange[] = [];
  const text = {
    ids: Int32Array.from(ids),
    offsets: Uint32Array.from({ length: ids.length + 1 }, (_, i) => i),
    lineOf: (offset: number) => Math.floor(offset / nPerLine),
    isBlank: () => false,
  };
  const probe = {
    ...{ ids: Int32Array.of(lead, selected), start: probeStart, end: probeStart + 2 },
    selection: { first: 1, end: 2 },
  };
  const request: SearchRequest = {
    ...{ probe: { text: '', start: 0, selectionStart: 0 }, stage: 'pattern', maxTokens: 43 },
    ...{ method: 'mean', heads: [{ layerIdx: 0, headIdx: 0 }], ...change },
  };
  const baselineBits = await searchRanges(
    use => use(fakeRuntime(runs, asked)),
    text,
    request,
    probe,
    window => windows.push({ ...window, gainBits: rounded(window.gainBits) }),
    async () => {},
  );
  return { runs, asked, windows, baselineBits: rounded(baselineBits) };
}

/** Log-probabilities are 32-bit floats. */
const rounded = (value: number) => Math.round(value * 1e6) / 1e6;

const filled = (nTokens: number, change: Readonly<Record<number, number>>) =>
  Array.from({ length: nTokens }, (_, i) => change[i] ?? filler);

test('the span that holds a fact has its gain, and no other span does', async () => {
  const line = 21;
  const { windows, baselineBits, runs } = await search(filled(300, { [line * nPerLine + 2]: fact }));
  assert.equal(baselineBits, 4);
  const gains = windows.map(({ rows, gainBits }) => ({ holdsFact: rows.lineIdxs.includes(line), gainBits }));
  assert.deepEqual([...new Set(gains.map(({ gainBits, holdsFact }) => `${holdsFact} ${gainBits}`))].sort(), [
    'false 0',
    'true 3.5',
  ]);
  assert.equal(gains.filter(({ holdsFact }) => holdsFact).length, 1);
  // The probe alone, each window, and for every window but the first its earlier tokens alone: at most half a context.
  assert.equal(runs.length, 1 + windows.length + windows.length - 1);
  assert.ok(windows.length > 10);
});

test('a fact that stands before the span already adds nothing when the span repeats it', async () => {
  const { windows } = await search(filled(60, { 2: fact, 40: fact, 45: fact }));
  const gains = windows.toSorted((a, b) => a.rows.lineIdxs[0]! - b.rows.lineIdxs[0]!).map(({ gainBits }) => gainBits);
  assert.equal(gains[0], 3.5);
  assert.ok(gains.slice(1).some(gain => gain === 0));
});

test('the selection in the document: its copy is cut out, so that the lines around it have a gain of their own', async () => {
  const at = 152;
  const ids = filled(300, { [at]: lead, [at + 1]: selected, [at - 7]: fact });
  const { windows, runs } = await search(ids, {}, at);
  const gainOf = (line: number) => windows.find(({ rows }) => rows.lineIdxs.includes(line))!;
  assert.equal(gainOf(29).gainBits, 3.5, 'the fact in the line before the selection');
  for (const { rows, gainBits } of windows) {
    if (!rows.lineIdxs.includes(29)) assert.ok(gainBits === 0, `${gainBits} for lines from ${rows.lineIdxs[0]}`);
  }
  const copies = runs.filter(run => run.filter(id => id === selected).length > 1);
  const holding = windows.filter(({ rows }) => Math.abs(rows.lineIdxs[0]! - 30) < 5);
  assert.ok(copies.length > 0 && copies.length <= holding.length, 'only the runs whose maps are read hold the copy');
  const { rows } = gainOf(30);
  const i = rows.lineIdxs.indexOf(30);
  assert.deepEqual([rows.nTokens[i], rows.nOwn[i]], [nPerLine, 2], 'the copy and the rest of its line do not count');
});

test('a document that is nothing but the selection has no gain', async () => {
  const { windows } = await search([lead, selected], {}, 0);
  assert.deepEqual(
    windows.map(({ gainBits, rows }) => [gainBits, [...rows.nOwn]]),
    [[Number.NaN, [0]]],
  );
});

test('weights are of the selection’s own rows, or of those that predict it', async () => {
  const [reading, predicting] = [await search(filled(60, {})), await search(filled(60, {}), { rows: 'predicting' })];
  assert.ok(reading.asked.every(([first, end]) => first === -1 && end === 0));
  assert.ok(predicting.asked.every(([first, end]) => first === -2 && end === -1));
});
