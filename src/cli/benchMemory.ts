/** What a model adds to the memory of the inference process, and whether it grows from run to run. */

import { type ChildProcess, fork } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { ModelFolder } from '../inference/model/folder';
import { type InferenceEvents, type InferenceRequests, protocolVersion } from '../inference/protocol';
import { Failure } from '../shared/tools/failure';
import { type None, Rpc } from '../shared/tools/rpc';
import type { AddLine } from './benchLines';

type Client = Rpc<InferenceRequests, None, InferenceEvents, None>;

/** So short that maps and kept rows take next to nothing beside the weights. */
const nTokens = 48;
const nRuns = 50;

/**
 * Memory of runs of a short text, above that of a process that ran a small model: Node, the runtime's library and the code
 * are there already.
 * @param smallModel of a few megabytes.
 */
export async function benchMemory(folder: ModelFolder, smallModel: string, add: AddLine): Promise<void> {
  const idle = await measure(smallModel, 1);
  const model = await measure(folder.summary.directory, nRuns);
  const { directory, weightType } = folder.summary;
  if (weightType) {
    const what = `peak memory above an idle process, ${weightType} weights, T=${nTokens}`;
    add(what, model.peakMb - idle.peakMb, 'MB', (1.5 * statSync(directory).size) / 1e6, 'limit: 1.5 x the file');
  }
  add(`memory after ${nRuns} runs, T=${nTokens}`, model.lastMb, 'MB', model.thirdMb, 'after the third');
}

async function measure(modelDirectory: string, runs: number) {
  const child = fork(join(__dirname, 'inference.cjs'), { serialization: 'advanced' });
  try {
    const client: Client = new Rpc({ send: m => child.send(m as object), onMessage: f => child.on('message', f) }, {});
    child.on('exit', () => client.close(new Failure('process', 'The inference process ended during the benchmark.')));
    await client.request('load', { protocolVersion, modelDirectory, provider: 'cpu', nThreads: 0 });
    let thirdMb = Number.NaN;
    for (let i = 1; i <= runs; i++) {
      const text = `${i} ${'The model looks back at the words before it. '.repeat(20)}`;
      const place = { textStart: 0, documentLength: text.length, anchor: 0 };
      await client.request('analyze', { analysisId: i, maxTokens: nTokens, topK: 16, text, ...place });
      if (i === 3) thirdMb = memoryMb(child, 'VmRSS');
    }
    return { peakMb: memoryMb(child, 'VmHWM'), thirdMb, lastMb: memoryMb(child, 'VmRSS') };
  } finally {
    child.kill();
  }
}

/** From the kernel's books; NaN where there are none to read. */
export function memoryMb(child: ChildProcess, entry: 'VmHWM' | 'VmRSS'): number {
  try {
    const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
    return Number(new RegExp(`${entry}:\\s+(\\d+) kB`).exec(status)?.[1]) / 1000;
  } catch {
    return Number.NaN;
  }
}
