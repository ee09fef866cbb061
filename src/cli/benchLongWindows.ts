/** Long windows: peak memory against the limits and against what was estimated, and how time grows with the length. */

import type { ChildProcess } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openModelFolder } from '../inference/model/openModelFolder';
import { type InferenceEvents, type InferenceRequests, protocolVersion } from '../inference/protocol';
import { usualBandRows } from '../inference/runtime/bands';
import { estimatePeakBytes } from '../inference/runtime/memory';
import { forkInference } from '../inference/startProcess';
import { Failure } from '../shared/tools/failure';
import { type None, Rpc } from '../shared/tools/rpc';

export interface LongWindow {
  readonly nTokens: number;
  readonly totalMs: number;
  /** NaN where the system keeps no /proc. */
  readonly peakMb: number;
  readonly estimatedMb: number;
}

const topK = 16;

/** One cold analysis each, in a process of its own. The longest is longer than the model's context. */
export async function runLongWindows(
  directory: string,
  lengths: readonly number[],
  text: string,
  peakMb: (child: ChildProcess) => number,
): Promise<LongWindow[]> {
  const scratch = mkdtempSync(join(tmpdir(), 'mta-long-'));
  try {
    const longer = join(scratch, 'longer');
    cpSync(directory, longer, { recursive: true });
    const config = JSON.parse(readFileSync(join(longer, 'config.json'), 'utf8'));
    // What such a model says is worth nothing; its shape, memory and time are those of one trained for it.
    writeFileSync(join(longer, 'config.json'), JSON.stringify({ ...config, max_seqlen: Math.max(...lengths) }));
    const folder = await openModelFolder(longer);
    const runs: LongWindow[] = [];
    for (const nTokens of lengths) {
      const measured = await runOne(longer, nTokens, text, peakMb);
      const estimate = estimatePeakBytes(folder, { nTokens, topK, nRuns: 1 }, usualBandRows);
      runs.push({ nTokens, ...measured, estimatedMb: estimate / 1e6 });
    }
    return runs;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

async function runOne(
  modelDirectory: string,
  nTokens: number,
  text: string,
  peakMb: (child: ChildProcess) => number,
): Promise<Pick<LongWindow, 'totalMs' | 'peakMb'>> {
  const child = forkInference(join(__dirname, 'inference.cjs'), 'inherit');
  try {
    const client: Rpc<InferenceRequests, None, InferenceEvents, None> = new Rpc(
      { send: message => child.send(message as object), onMessage: listener => child.on('message', listener) },
      {},
    );
    child.on('exit', () => client.close(new Failure('process', 'The inference process ended during the benchmark.')));
    await client.request('load', { protocolVersion, modelDirectory, provider: 'cpu', nThreads: 0 });
    const start = performance.now();
    const place = { text, textStart: 0, documentLength: text.length, anchor: 0 };
    await client.request('analyze', { analysisId: 1, ...place, maxTokens: nTokens, topK });
    return { totalMs: performance.now() - start, peakMb: peakMb(child) };
  } finally {
    child.kill();
  }
}
