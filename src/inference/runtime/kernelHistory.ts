/**
 * Kernels as they were in training, which a model folder may bring: `kernel-history.safetensors`, written by
 * models/export/kernel_history.py, has every kernel by its name in the model with one more axis in front, the snapshot, and
 * `steps`, I64, the training step of each.
 */

import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { kernelShapes } from '../../graph/attentionGraph';
import { planLayer } from '../../graph/layerPlan';
import type { KernelHistory } from '../../shared/kernels';
import { Failure } from '../../shared/tools/failure';
import { decodeFloats } from '../../shared/tools/float16';
import { parseSafetensorsHeader, safetensorsHeaderLength, type TensorEntry } from '../../shared/tools/safetensors';
import type { ModelFolder } from '../model/folder';
import { folderName, inside, readRange } from '../model/folderFiles';
import { assembleKernels } from './kernelFeeds';

export const historyFile = 'kernel-history.safetensors';

const maxSnapshots = 1000;
const maxTensors = 100_000;
const maxHeaderBytes = 16 * 1024 * 1024;

/**
 * A layer's kernels in every snapshot; null where the folder brings none, or the layer has no kernels.
 * @throws Failure naming the tensor, what was found and what was expected.
 */
export async function readKernelHistory(
  { directory, config }: Pick<ModelFolder, 'directory' | 'config'>,
  layerIdx: number,
): Promise<KernelHistory | null> {
  const plan = planLayer(config, layerIdx);
  const shapes = kernelShapes(plan);
  if (Object.keys(shapes).length === 0 || !(await stat(join(directory, historyFile)).catch(() => null))) return null;
  const path = await inside(directory, historyFile);
  const where = `${historyFile} of model "${folderName(directory)}"`;
  const { size } = await stat(path);
  const first = await readRange(path, 0, Math.min(8, size));
  const header = await readRange(path, 8, safetensorsHeaderLength(first, size, where, maxHeaderBytes));
  const tensors = parseSafetensorsHeader(header, size, where, maxTensors);
  const bytesOf = ({ start, end }: TensorEntry) => readRange(path, start, end - start);

  const steps = tensors.get('steps');
  const n = steps?.shape[0] ?? 0;
  if (steps?.dtype !== 'I64' || steps.shape.length !== 1 || n < 1 || n > maxSnapshots) {
    throw unfit(where, 'steps', steps, `I64 with 1 to ${maxSnapshots} numbers`);
  }
  const numbers = Array.from(new BigInt64Array((await bytesOf(steps)).buffer), Number);
  const rises = numbers.every((step, i) => Number.isSafeInteger(step) && step >= 0 && step > (numbers[i - 1] ?? -1));
  if (!rises) throw unfit(where, 'steps', steps, 'whole numbers from 0 on, each larger than the one before');

  const all = new Map<string, Float32Array>();
  for (const [name, shape] of Object.entries(shapes)) {
    const key = `layers.${layerIdx}.attention.${name}`;
    const entry = tensors.get(key);
    const expected = [n, ...shape];
    if (!entry || !['F32', 'F16', 'BF16'].includes(entry.dtype) || entry.shape.join() !== expected.join()) {
      throw unfit(where, key, entry, `F32, F16 or BF16 of ${expected.join('×')}`);
    }
    all.set(name, decodeFloats(entry.dtype, await bytesOf(entry)));
  }
  const snapshot = (i: number) => async (name: string) => {
    const values = all.get(name)!;
    return values.slice((i * values.length) / n, ((i + 1) * values.length) / n);
  };
  const snapshots = await Promise.all(numbers.map((_, i) => assembleKernels(plan, snapshot(i))));
  return { steps: numbers, snapshots };
}

function unfit(where: string, name: string, found: TensorEntry | undefined, expected: string): Failure {
  const what = found ? `${found.dtype} of ${found.shape.join('×') || 'a single number'}` : 'missing';
  return new Failure(
    'bad-weights',
    `Cannot read ${where}: ${name} is ${what}, expected ${expected}. ` +
      'Write the file anew with "python3 -m export.kernel_history" (models/README.md), or delete it.',
    ['showLog'],
  );
}
