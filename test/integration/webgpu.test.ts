/**
 * The GPU path, proved correct without a GPU: WebGPU through Vulkan on SwiftShader, which comes with Chromium.
 * In its own process, because the Vulkan driver is chosen by the environment at start.
 */

import assert from 'node:assert/strict';
import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { faultyInNhwc, operatorChecks } from '../../src/cli/operatorChecks';
import { huggingFaceFamilies } from '../../src/graph/huggingFaceConfig';
import { maxDifference } from '../../src/inference/runtime/fastestProvider';
import type { GpuLayout } from '../../src/inference/runtime/session';
import type { Difference } from '../fixtures/compareRuntimes';
import { huggingFaceCases } from '../fixtures/huggingFace';
import {
  bundledModelDirectory,
  goldenDirectory,
  int8ModelDirectory,
  root,
  tinyModelDirectory,
} from '../fixtures/paths';
import { cliProgram } from '../fixtures/programs';

const drivers = ['/usr/lib/chromium/vk_swiftshader_icd.json', process.env['VK_DRIVER_FILES'] ?? ''];

function runWithDriver(script: string, args: readonly string[], status = 0): SpawnSyncReturns<string> {
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
  assert.equal(run.status, status, run.stdout + run.stderr);
  return run;
}

/** Between them every operator, mask and shape; in software the other cases would take minutes and tell nothing new. */
const cases = [
  'attn_full_h10',
  'attn_gqa_batch',
  'attn_docs',
  'attn_pad_left',
  'attn_large_logits',
  'attn_wposm_gate_full',
];

test('WebGPU passes attention cases and a whole model', { timeout: 600_000 }, () => {
  const chosen = [...cases, 'lm_tiny_full'];
  const only = chosen.flatMap(name => ['--only', name]);
  const run = runWithDriver(cliProgram, ['golden', goldenDirectory, '--provider', 'webgpu', ...only]);
  assert.match(run.stdout, new RegExp(`^${chosen.length} passed, 0 failed$`, 'm'));
});

test('every operator alone is right, those of the wide form too', { timeout: 600_000 }, () => {
  const differences = operatorDifferences('NCHW');
  assert.deepEqual(Object.keys(differences), Object.keys(operatorChecks));
  assert.deepEqual(wrongOf(differences), []);
});

test('what stays in the memory of the GPU is what the CPU has', { timeout: 600_000 }, () => {
  const run = runWithDriver(join(root, 'test', 'fixtures', 'gpuRuntimeDifferences.ts'), [tinyModelDirectory, '90']);
  const found = Object.entries(JSON.parse(run.stdout) as Record<string, Difference>);
  assert.equal(found.length, 4);
  for (const [way, { difference, of }] of found) assert.ok(difference < 1e-5, `${way}: ${of} differs by ${difference}`);
});

test('matrices of 8 bits are multiplied as on the CPU', { timeout: 600_000 }, () => {
  const run = runWithDriver(join(root, 'test', 'fixtures', 'gpuRuntimeDifferences.ts'), [int8ModelDirectory, '60']);
  const found = Object.entries(JSON.parse(run.stdout) as Record<string, Difference>);
  assert.equal(found.length, 4);
  for (const [way, { difference, of }] of found) assert.ok(difference < 1e-5, `${way}: ${of} differs by ${difference}`);
});

/** One of each family, with its switches on. */
const families = [
  ...['llama-3', 'mistral-window', 'ministral', 'qwen2', 'qwen3', 'qwen3-moe', 'qwen2-moe', 'olmo', 'olmo2', 'olmo3'],
  ...['gpt2', 'pythia', 'gptj', 'opt', 'falcon-40b', 'gemma', 'gemma2', 'gemma3', 'phi3', 'smollm3', 'granite'],
  // Weights as fp16 and as bf16: the driver in software computes with neither, so they are uploaded as fp32.
  ...['stablelm', 'stablelm-parallel', 'starcoder2', 'mixtral', 'gpt-oss', 'llama4', 'diffllama', 'forgetting'],
];

test('logits, maps and stages of every family are the library’s on WebGPU', { timeout: 600_000 }, () => {
  const types = huggingFaceCases().filter(({ name }) => families.includes(name));
  const covered = new Set(types.map(({ config }) => config['model_type']));
  assert.deepEqual([...covered].sort(), [...huggingFaceFamilies].sort());
  const run = runWithDriver(join(root, 'test', 'fixtures', 'gpuFamilies.ts'), families);
  const found = Object.entries(JSON.parse(run.stdout) as Record<string, number | string>);
  assert.equal(found.length, families.length);
  for (const [name, worst] of found) assert.ok(Number(worst) < 1e-4, `${name}: ${worst}`);
});

test('no node is left to the CPU', { timeout: 600_000 }, () => {
  const { stdout, stderr } = runWithDriver(join(root, 'test', 'fixtures', 'gpuPlacement.ts'), [tinyModelDirectory]);
  const log = stdout + stderr;
  const onGpu = log.match(/All nodes placed on \[WebGpuExecutionProvider\]/g)?.length;
  const onCpu = log.split('placed on [CPUExecutionProvider]')[1]?.slice(0, 600);
  assert.equal(`${onGpu} graphs`, /\d+ graphs/.exec(log)?.[0], onCpu);
});

test('auto gives a driver in software up after a few tokens, and says so', { timeout: 600_000 }, () => {
  const run = runWithDriver(join(root, 'test', 'fixtures', 'chosenProvider.ts'), [bundledModelDirectory]);
  const { provider, note } = JSON.parse(run.stdout) as { readonly provider: string; readonly note: string };
  assert.equal(provider, 'cpu');
  assert.match(note, /^CPU: webgpu is far slower \(\d+ ms a layer, CPU \d+ ms, at 16 tokens\)\.$/);
});

test('with channels last, the provider fails in one operator, and the self-check would see it', {
  timeout: 600_000,
}, () => {
  const differences = operatorDifferences('NHWC');
  assert.deepEqual(wrongOf(differences), [faultyInNhwc], 'is the fault mended in ONNX Runtime?');
  assert.ok(differences[faultyInNhwc]! > 100 * maxDifference);
});

function operatorDifferences(layout: GpuLayout): Record<string, number> {
  const run = runWithDriver(join(root, 'test', 'fixtures', 'operatorDifferences.ts'), ['webgpu', '24', layout]);
  return JSON.parse(run.stdout) as Record<string, number>;
}

const wrongOf = (differences: Record<string, number>) =>
  Object.keys(differences).filter(name => !(differences[name]! < 1e-5));
