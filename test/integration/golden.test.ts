/** Every golden vector through the graphs the product uses, on the CPU, in both weight types. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runGoldenCase } from '../../src/cli/golden';
import { listGoldenCases, readGoldenCase } from '../../src/cli/goldenCase';
import { goldenDirectory } from '../fixtures/paths';

const outside = new Set(['liger']);

for (const { dtype, nRows } of [
  { dtype: 'fp32', nRows: undefined },
  { dtype: 'fp32', nRows: 7 },
  { dtype: 'fp16', nRows: undefined },
] as const) {
  for (const name of listGoldenCases(goldenDirectory)) {
    const golden = readGoldenCase(goldenDirectory, name);
    if (outside.has(golden.kind)) continue; // another implementation's layer; `golden` prints them as not run
    test(`${name}, ${dtype}${nRows ? ` in bands of ${nRows} rows` : ''}`, async () => {
      const result = await runGoldenCase(golden, { provider: 'cpu', dtype, nRows });
      assert.equal(result.status, 'passed', `${result.note}; worst ${result.worst} in ${result.worstTensor}`);
    });
  }
}

test('a golden case that does not match is noticed', async () => {
  const golden = readGoldenCase(goldenDirectory, 'attn_delta_taps');
  const kernel = golden.tensors.get('mta_kernel')!.data as Float32Array;
  kernel.reverse(); // flipped kernels: the mistake the case was made for
  const result = await runGoldenCase(golden, { provider: 'cpu', dtype: 'fp32' });
  assert.equal(result.status, 'failed');
  assert.ok(result.worst > 0.1);
});
