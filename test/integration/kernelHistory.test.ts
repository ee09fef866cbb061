/** Kernels of earlier training steps, as models/export/kernel_history.py stores them, and what is refused. */

import assert from 'node:assert/strict';
import {
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { parseModelConfig } from '../../src/graph/modelConfig';
import { openModelFolder } from '../../src/inference/model/openModelFolder';
import { readKernels } from '../../src/inference/runtime/kernelFeeds';
import { historyFile, readKernelHistory } from '../../src/inference/runtime/kernelHistory';
import type { KernelHistory } from '../../src/shared/kernels';
import { tinyModelDirectory } from '../fixtures/paths';
import { smollmConfig, smollmHistory } from '../fixtures/smollm';

const scratch = mkdtempSync(join(tmpdir(), 'mta-history-'));
after(() => rmSync(scratch, { recursive: true, force: true }));

function folderWith(file: string, name: string): string {
  const directory = join(scratch, name);
  mkdirSync(directory, { recursive: true });
  copyFileSync(file, join(directory, historyFile));
  return directory;
}

test('the twelve snapshots of SmolLM2 with MTA, with the figures of docs/findings.md', async () => {
  const directory = folderWith(smollmHistory, 'smollm');
  const { steps, snapshots } = (await readKernelHistory({ directory, config: smollmConfig }, 18)) as KernelHistory;
  assert.deepEqual(steps, [0, 297, 594, 890, 1187, 1580, 2047, 2514, 2980, 3447, 3914, 4380]);
  const kernelOf = (snapshot: number, head: number) => {
    const { values } = snapshots[snapshot]!.find(({ part }) => part === 'pre_softmax_conv')!;
    return values.subarray(66 * head, 66 * (head + 1));
  };
  assert.ok(
    kernelOf(0, 7).every((weight, i) => weight === (i === 60 ? 1 : 0)),
    'it begins as the identity',
  );
  const rounded = (values: readonly number[]) => values.map(value => Number(value.toFixed(2)));
  assert.deepEqual(rounded([kernelOf(11, 7)[60]!, kernelOf(11, 6)[60]!]), [1.16, 1.41]);
  const diagonal = (head: number) => [1, 2, 3, 4, 5].map(back => kernelOf(11, head)[60 - 12 * back]!);
  assert.deepEqual(rounded(diagonal(7)), [0.26, 0.08, 0.05, 0.04, 0.07]);
  assert.deepEqual(rounded(diagonal(6)), [0.12, 0.05, 0.03, 0.03, 0.03]);
  // Layer 17 mixes heads only.
  const mixing = (await readKernelHistory({ directory, config: smollmConfig }, 17))!.snapshots;
  assert.deepEqual(
    mixing[0]!.map(({ part, values }) => [part, values.length]),
    [
      ['pre_softmax_head_mix', 81],
      ['post_softmax_head_mix', 81],
    ],
  );
});

test('a folder without the file, and a layer without kernels, have none', async () => {
  const { directory } = await openModelFolder(tinyModelDirectory);
  assert.equal(await readKernelHistory({ directory, config: smollmConfig }, 0), null);
  const plain = parseModelConfig({ ...smollmConfig, mta: { use_mta: false } }, 'config.json');
  assert.equal(await readKernelHistory({ directory: folderWith(smollmHistory, 'plain'), config: plain }, 2), null);
});

interface Tensor {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

function write(directory: string, tensors: Readonly<Record<string, Tensor>>): void {
  let offset = 0;
  const header = Object.fromEntries(
    Object.entries(tensors).map(([name, { dtype, shape, bytes }]) => {
      const data_offsets = [offset, offset + bytes.length];
      offset += bytes.length;
      return [name, { dtype, shape, data_offsets }];
    }),
  );
  const json = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  const parts = Object.values(tensors).map(({ bytes }) => bytes);
  writeFileSync(join(directory, historyFile), Buffer.concat([length, json, ...parts]));
}

/** A history of the tiny model whose last snapshot is the model. */
async function tinyHistory(): Promise<Record<string, Tensor>> {
  const whole = readFileSync(join(tinyModelDirectory, 'model.safetensors'));
  const start = 8 + Number(whole.readBigUInt64LE(0));
  const header = JSON.parse(whole.toString('utf8', 8, start)) as Record<string, Tensor & { data_offsets: number[] }>;
  const kernels = Object.entries(header).filter(([name]) => /mta_kernel|head_kernel|wpsm/.test(name));
  const floats = kernels.map(
    ([
      name,
      {
        shape,
        data_offsets: [from = 0, end],
      },
    ]) => {
      const bytes = whole.subarray(start + from, start + end!);
      return [name, { dtype: 'F32', shape: [2, ...shape], bytes: Buffer.concat([Buffer.alloc(bytes.length), bytes]) }];
    },
  );
  return { steps: steps(0n, 70n), ...Object.fromEntries(floats) };
}

const steps = (...numbers: readonly bigint[]): Tensor => ({
  dtype: 'I64',
  shape: [numbers.length],
  bytes: new Uint8Array(BigInt64Array.from(numbers).buffer),
});

test('every kind of kernel ends as the model has it', async () => {
  const directory = join(scratch, 'tiny');
  cpSync(tinyModelDirectory, directory, { recursive: true });
  write(directory, await tinyHistory());
  const folder = await openModelFolder(directory);
  for (let layerIdx = 0; layerIdx < folder.config.n_layers; layerIdx++) {
    const history = (await readKernelHistory(folder, layerIdx))!;
    assert.deepEqual(history.steps, [0, 70]);
    assert.deepEqual(history.snapshots[1], await readKernels(folder, layerIdx));
    assert.ok(history.snapshots[0]!.every(({ values }) => values.every(value => value === 0)));
  }
});

const name = 'layers.0.attention.mta_kernel';
const refused: readonly (readonly [string, (tensors: Record<string, Tensor>) => void, RegExp])[] = [
  ['no steps', tensors => delete tensors['steps'], /steps is missing, expected I64/],
  ['steps of floats', tensors => Object.assign(tensors, { steps: { ...steps(0n, 1n), dtype: 'F64' } }), /steps is F64/],
  ['steps that fall', tensors => Object.assign(tensors, { steps: steps(5n, 4n) }), /steps is I64 of 2, expected whole/],
  ['negative steps', tensors => Object.assign(tensors, { steps: steps(-5n, 4n) }), /expected whole numbers from 0 on/],
  [
    'huge steps',
    tensors => Object.assign(tensors, { steps: steps(0n, 2n ** 62n) }),
    /expected whole numbers from 0 on/,
  ],
  ['no snapshot', tensors => Object.assign(tensors, { steps: steps() }), /steps is I64 of 0/],
  [
    'other numbers',
    tensors => Object.assign(tensors, { steps: steps(0n, 1n, 2n) }),
    /mta_kernel is F32 of 2×\S+, expected/,
  ],
  ['a missing kernel', tensors => delete tensors[name], /layers\.0\.attention\.mta_kernel is missing/],
  [
    'integers',
    tensors => Object.assign(tensors, { [name]: { ...tensors[name]!, dtype: 'I32' } }),
    /layers\.0\.attention\.mta_kernel is I32/,
  ],
];
for (const [what, change, message] of refused) {
  test(`refused: ${what}`, async () => {
    const directory = join(scratch, what.replaceAll(' ', '-'));
    cpSync(tinyModelDirectory, directory, { recursive: true });
    const tensors = await tinyHistory();
    change(tensors);
    write(directory, tensors);
    await assert.rejects(readKernelHistory(await openModelFolder(directory), 0), { code: 'bad-weights', message });
  });
}

test('a link out of the folder is not followed', { skip: process.platform === 'win32' }, async () => {
  const directory = join(scratch, 'linked');
  mkdirSync(directory);
  symlinkSync(smollmHistory, join(directory, historyFile));
  await assert.rejects(readKernelHistory({ directory, config: smollmConfig }, 2), /leads out of the model folder/);
});
