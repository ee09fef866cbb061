/**
 * The GPU path, proved correct without a GPU: WebGPU through Vulkan on SwiftShader, which comes with Chromium.
 * In its own process, because the Vulkan driver is chosen by the environment at start.
 */

import assert from 'node:assert/strict';
import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { operatorChecks } from '../../src/cli/operatorChecks';
import { cliEntry, goldenDirectory, root } from '../fixtures/paths';

const drivers = ['/usr/lib/chromium/vk_swiftshader_icd.json', process.env['VK_DRIVER_FILES'] ?? ''];

function runWithDriver(script: string, args: readonly string[]): SpawnSyncReturns<string> {
  const driver = drivers.find(path => existsSync(path));
  assert.ok(
    driver,
    'no Vulkan driver: install Chromium (Debian: apt-get install chromium libvulkan1) or set VK_DRIVER_FILES',
  );
  const run = spawnSync(process.execPath, ['--import', 'tsx', script, ...args], {
    cwd: root,
    env: { ...process.env, VK_DRIVER_FILES: driver },
    encoding: 'utf8',
  });
  assert.equal(run.status, 0, run.stdout + run.stderr);
  return run;
}

test('WebGPU passes the attention cases and a whole model', { timeout: 300_000 }, () => {
  for (const only of ['attn_', 'lm_tiny_full']) {
    const run = runWithDriver(cliEntry, ['golden', goldenDirectory, '--provider', 'webgpu', '--only', only]);
    assert.match(run.stdout, only === 'attn_' ? /^20 passed, 0 failed$/m : /^1 passed, 0 failed$/m);
  }
});

test('every operator alone is right, those of the wide form too', { timeout: 120_000 }, () => {
  const run = runWithDriver(join(root, 'test', 'fixtures', 'operatorDifferences.ts'), ['webgpu', '24']);
  const differences = JSON.parse(run.stdout) as Record<string, number>;
  assert.deepEqual(Object.keys(differences), Object.keys(operatorChecks));
  const wrong = Object.entries(differences).filter(([, difference]) => !(difference < 1e-5));
  assert.deepEqual(wrong, []);
});
