/**
 * The GPU path, proved correct without a GPU: WebGPU through Vulkan on SwiftShader, which comes with Chromium.
 * In its own process, because the Vulkan driver is chosen by the environment at start.
 */

import assert from 'node:assert/strict';
import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { cliEntry, goldenDirectory, root } from '../fixtures/paths';

const drivers = ['/usr/lib/chromium/vk_swiftshader_icd.json', process.env['VK_DRIVER_FILES'] ?? ''];

test('WebGPU passes the attention cases and a whole model', { timeout: 300_000 }, () => {
  const driver = drivers.find(path => existsSync(path));
  assert.ok(
    driver,
    'no Vulkan driver: install Chromium (Debian: apt-get install chromium libvulkan1) or set VK_DRIVER_FILES',
  );
  for (const only of ['attn_', 'lm_tiny_full']) {
    const args = ['--import', 'tsx', cliEntry, 'golden', goldenDirectory, '--provider', 'webgpu', '--only', only];
    const run: SpawnSyncReturns<string> = spawnSync(process.execPath, args, {
      cwd: root,
      env: { ...process.env, VK_DRIVER_FILES: driver },
      encoding: 'utf8',
    });
    assert.equal(run.status, 0, run.stdout + run.stderr);
    assert.match(run.stdout, only === 'attn_' ? /^20 passed, 0 failed$/m : /^1 passed, 0 failed$/m);
  }
});
