import assert from 'node:assert/strict';
import { test } from 'node:test';
import { benchLines, growth } from '../../../src/cli/benchLines';

test('growth is the power of the window’s length between the ends measured', () => {
  const times = new Map([512, 1024, 2048, 8192].map(nTokens => [nTokens, 3 * nTokens ** 1.7]));
  const exponent = growth(times, 1024)!;
  assert.ok(Math.abs(exponent.value - 1.7) < 1e-9);
  assert.equal(exponent.range, 'T=1024 to 8192');
  assert.equal(growth(new Map([[512, 1]]), 512), null);
  assert.equal(growth(times, 8192), null);
});

test('a line tells the value, what it is compared with, and the ratio', () => {
  const printed: string[] = [];
  const { lines, add } = benchLines(line => printed.push(line));
  add('analysis', 12, 'ms', 24, 'peer');
  assert.deepEqual(lines, [
    { name: 'analysis', value: 12, unit: 'ms', reference: 24, referenceName: 'peer', ratio: 0.5 },
  ]);
  assert.deepEqual(printed, ['analysis: 12.0 ms against 24.0 ms (peer), ratio 0.50']);
});
