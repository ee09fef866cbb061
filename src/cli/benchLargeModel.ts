/** A model of the size people bring: one billion parameters in bf16, with random weights, opened and run on the CPU. */

import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openModelFolder } from '../inference/model/openModelFolder';
import { type InferenceEvents, type InferenceRequests, protocolVersion } from '../inference/protocol';
import { usualBandRows } from '../inference/runtime/bands';
import { estimatePeakBytes } from '../inference/runtime/memory';
import { forkInference } from '../inference/startProcess';
import { Failure } from '../shared/tools/failure';
import { type None, Rpc } from '../shared/tools/rpc';
import { writeRandomModel } from './randomModel';

export interface LargeModelRun {
  readonly weightMb: number;
  /** From the request to load until the first layer's maps are there, and until the predictions are. */
  readonly firstMapMs: number;
  readonly totalMs: number;
  /** Peak resident memory of the process, mapped weights included; NaN where the system keeps no /proc. */
  readonly peakMb: number;
  readonly estimatedMb: number;
}

/** The sizes of Llama 3.2 1B. */
const config = {
  model_type: 'llama',
  hidden_size: 2048,
  num_hidden_layers: 16,
  num_attention_heads: 32,
  num_key_value_heads: 8,
  head_dim: 64,
  intermediate_size: 8192,
  vocab_size: 128_256,
  max_position_embeddings: 8192,
  rms_norm_eps: 1e-5,
  rope_theta: 500_000,
  tie_word_embeddings: true,
};
export const largeModelTokens = 64;

/** @param tokenizerFile any tokenizer.json. @returns null where the temporary folder has no room for the model. */
export async function runLargeModel(
  tokenizerFile: string,
  peakMb: (child: ChildProcess) => number,
): Promise<LargeModelRun | null> {
  const { bavail, bsize } = statfsSync(tmpdir());
  if (bavail * bsize < 4e9) return null;
  const directory = mkdtempSync(join(tmpdir(), 'mta-large-'));
  try {
    const weightMb = writeRandomModel(directory, config, 'BF16', tokenizerFile) / 1e6;
    const size = { nTokens: largeModelTokens, topK: 16, nRuns: 1 };
    const estimatedMb = estimatePeakBytes(await openModelFolder(directory), size, usualBandRows) / 1e6;
    return { weightMb, estimatedMb, ...(await openAndRun(directory, peakMb)) };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function openAndRun(directory: string, peakMb: (child: ChildProcess) => number) {
  const child = forkInference(join(__dirname, 'inference.cjs'), 'inherit');
  try {
    const client: Rpc<InferenceRequests, None, InferenceEvents, None> = new Rpc(
      { send: m => child.send(m as object), onMessage: f => child.on('message', f) },
      {},
    );
    child.on('exit', () => client.close(new Failure('process', 'The inference process ended during the benchmark.')));
    const text = 'The model looks back at the words before it. '.repeat(40);
    const start = performance.now();
    let firstMapMs = 0;
    client.on('layer', () => {
      firstMapMs ||= performance.now() - start;
    });
    await client.request('load', { protocolVersion, modelDirectory: directory, provider: 'cpu', nThreads: 0 });
    const place = { text, textStart: 0, documentLength: text.length, anchor: text.length };
    const size = { maxTokens: largeModelTokens, topK: 16 };
    await client.request('analyze', { analysisId: 1, ...place, ...size });
    return { firstMapMs, totalMs: performance.now() - start, peakMb: peakMb(child) };
  } finally {
    child.kill();
  }
}
