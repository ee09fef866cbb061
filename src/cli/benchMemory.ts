/** What a model adds to the memory of the inference process, and whether it grows from run to run. */

import type { ChildProcess } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { isPacked } from '../inference/client';
import type { ModelFolder } from '../inference/model/folder';
import { type InferenceEvents, type InferenceRequests, protocolVersion } from '../inference/protocol';
import { forkInference } from '../inference/startProcess';
import type { QuantizedWeights } from '../shared/analysis';
import { Failure } from '../shared/tools/failure';
import { type None, Rpc } from '../shared/tools/rpc';
import type { AddLine } from './benchLines';

type Client = Rpc<InferenceRequests, None, InferenceEvents, None>;

/** So short that maps and kept rows take next to nothing beside the weights: 2 MB of a model of 135 M parameters. */
const nTokens = 16;
const usualRuns = 50;
/** Of a GGUF file, whose runs take seconds. */
const ggufRuns = 10;

/**
 * Memory of runs of a short text, above that of a process that ran a small model: Node, the runtime's library and the code
 * are there already. Of a GGUF file also the time that weights cost which stay packed.
 * @param smallModel of a few megabytes.
 */
export async function benchMemory(folder: ModelFolder, smallModel: string, add: AddLine): Promise<void> {
  const { directory, weightType } = folder.summary;
  const nRuns = weightType ? ggufRuns : usualRuns;
  const idle = await measure(smallModel, { runs: 1, nTokens });
  const model = await measure(directory, { runs: nRuns, nTokens });
  if (weightType) {
    const what = `peak memory above an idle process, ${weightType} weights, T=${nTokens}`;
    add(what, model.peakMb - idle.peakMb, 'MB', (1.5 * statSync(directory).size) / 1e6, 'limit: 1.5 x the file');
    const long = { runs: 2, nTokens: 512 };
    const packed = await measure(directory, { ...long, quantizedWeights: 'packed' });
    const plain = await measure(directory, { ...long, quantizedWeights: 'float32' });
    add(`processor time of a run, ${weightType} weights packed, T=512`, packed.lastS, 's', plain.lastS, 'as fp32');
    add(`peak of the process, ${weightType} weights packed, T=512`, packed.peakMb, 'MB', plain.peakMb, 'as fp32');
  }
  add(`memory after ${nRuns} runs, T=${nTokens}`, model.lastMb, 'MB', model.thirdMb, 'after the third');
}

interface Measured {
  readonly runs: number;
  readonly nTokens: number;
  readonly quantizedWeights?: QuantizedWeights;
}

async function measure(modelDirectory: string, { runs, nTokens, quantizedWeights = 'packed' }: Measured) {
  const packed = isPacked({ modelDirectory, quantizedWeights });
  const child = forkInference(join(__dirname, 'inference.cjs'), 'inherit', packed);
  try {
    const client: Client = new Rpc({ send: m => child.send(m as object), onMessage: f => child.on('message', f) }, {});
    child.on('exit', () => client.close(new Failure('process', 'The inference process ended during the benchmark.')));
    const model = { modelDirectory, quantizedWeights };
    await client.request('load', { protocolVersion, ...model, provider: 'cpu', nThreads: 0 });
    let thirdMb = Number.NaN;
    let lastS = Number.NaN;
    for (let i = 1; i <= runs; i++) {
      const text = `${i} ${'The model looks back at the words before it. '.repeat(nTokens)}`;
      const place = { textStart: 0, documentLength: text.length, anchor: 0 };
      const startS = processorS(child);
      await client.request('analyze', { analysisId: i, maxTokens: nTokens, topK: 16, text, ...place });
      lastS = processorS(child) - startS;
      if (i === 3) thirdMb = memoryMb(child, 'VmRSS');
    }
    return { peakMb: memoryMb(child, 'VmHWM'), thirdMb, lastMb: memoryMb(child, 'VmRSS'), lastS };
  } finally {
    child.kill();
  }
}

/** Of all its threads, which the kernel counts in hundredths; NaN where there is nothing to read. */
function processorS(child: ChildProcess): number {
  try {
    const fields = readFileSync(`/proc/${child.pid}/stat`, 'utf8')
      .replace(/^.*\) /, '')
      .split(' ');
    return (Number(fields[11]) + Number(fields[12])) / 100;
  } catch {
    return Number.NaN;
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
