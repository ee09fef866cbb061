import assert from 'node:assert/strict';
import { test } from 'node:test';
import { blockSizeFor } from '../../../../src/graph/reductions';
import { openModelFolder } from '../../../../src/inference/model/openModelFolder';
import { chooseBandRows, estimatePeakBytes } from '../../../../src/inference/runtime/memory';
import { tinyModelDirectory } from '../../../fixtures/paths';

const size = (nTokens: number, nRuns = 1) => ({ nTokens, topK: 16, nRuns });

test('more tokens, more rows and more runs take more memory', async () => {
  const folder = await openModelFolder(tinyModelDirectory);
  const bytes = estimatePeakBytes(folder, size(1024), 128);
  assert.ok(estimatePeakBytes(folder, size(2048), 128) > bytes);
  assert.ok(estimatePeakBytes(folder, size(1024), 256) > bytes);
  assert.ok(estimatePeakBytes(folder, size(1024, 2), 128) > bytes);
});

test('the estimate is what was measured: the process, the weights, 12 matrices of a layer with kernels, kept rows', async () => {
  const folder = await openModelFolder(tinyModelDirectory);
  const { config, summary } = folder;
  const at = (nTokens: number, nRows: number, nRuns = 1) => estimatePeakBytes(folder, size(nTokens, nRuns), nRows);
  const perRow = 4 * (12 * config.n_heads * 4096 + 6 * config.dim + 3 * config.hidden_dim);
  assert.equal(at(4096, 256) - at(4096, 128), 128 * perRow);
  const perToken =
    4 * config.dim * (config.n_layers + 1) +
    8 * config.n_layers * (config.n_kv_heads * config.head_dim + config.n_heads * 16);
  // The last stage of every layer, and scores before and after the convolution of two, as 5 bytes per pooled cell.
  const pooled = 7 * 5 * config.n_heads * (4096 / blockSizeFor(4096)) ** 2;
  assert.equal(at(4096, 128, 2) - at(4096, 128), 4096 * perToken + pooled);
  const others = at(1, 16) - 175e6 - 4 * summary.nParameters;
  assert.ok(others > 0 && others < 1e6, 'of a short text: the process and the weights, once');
});

test('the largest bands that the budget allows; none at all is said with numbers', async () => {
  const folder = await openModelFolder(tinyModelDirectory);
  const at = (nRows: number) => estimatePeakBytes(folder, size(4096), nRows);
  const choose = (budgetBytes: number) => chooseBandRows(folder, size(4096), budgetBytes, 256);
  assert.equal(choose(at(256) * 2), 256);
  assert.equal(choose(at(256) - 1), 128);
  assert.equal(choose(at(16)), 16);
  assert.equal(chooseBandRows(folder, size(4096), at(1024) * 2, 1024), 1024);
  assert.throws(() => choose(100e6), {
    code: 'memory',
    message: /4096 tokens .* takes about \d+ MB, even 16 rows .* budget is 100 MB\. Raise .*memoryBudgetMb/,
  });
});
