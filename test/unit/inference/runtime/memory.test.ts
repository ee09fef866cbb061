import assert from 'node:assert/strict';
import { test } from 'node:test';
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
