/** A model of the size people bring: one billion parameters in bf16, with random weights, opened and run on the CPU. */

import type { ChildProcess } from 'node:child_process';
import { closeSync, copyFileSync, mkdtempSync, openSync, rmSync, statfsSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseHuggingFaceConfig } from '../graph/huggingFaceConfig';
import { placeOf } from '../graph/huggingFaceWeights';
import { expectedWeights } from '../graph/modelGraphs';
import { openModelFolder } from '../inference/model/openModelFolder';
import { type InferenceEvents, type InferenceRequests, protocolVersion } from '../inference/protocol';
import { usualBandRows } from '../inference/runtime/bands';
import { estimatePeakBytes } from '../inference/runtime/memory';
import { forkInference } from '../inference/startProcess';
import { Failure } from '../shared/tools/failure';
import { type None, Rpc } from '../shared/tools/rpc';

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
    copyFileSync(tokenizerFile, join(directory, 'tokenizer.json'));
    writeFileSync(join(directory, 'config.json'), JSON.stringify(config));
    const weightMb = writeRandomWeights(join(directory, 'model.safetensors')) / 1e6;
    const size = { nTokens: largeModelTokens, topK: 16, nRuns: 1 };
    const estimatedMb = estimatePeakBytes(await openModelFolder(directory), size, usualBandRows) / 1e6;
    return { weightMb, estimatedMb, ...(await openAndRun(directory, peakMb)) };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Small bf16 numbers of either sign, the same block again and again. @returns bytes of the weights. */
function writeRandomWeights(path: string): number {
  const header: Record<string, unknown> = {};
  let offset = 0;
  const parsed = parseHuggingFaceConfig(config, 'config.json', null);
  const weights = expectedWeights(parsed);
  for (const [key, shape] of weights) {
    const length = 2 * shape.reduce((product, n) => product * n, 1);
    header[placeOf('llama', 'model.', key, parsed).name] = {
      dtype: 'BF16',
      shape,
      data_offsets: [offset, offset + length],
    };
    offset += length;
  }
  const block = new Uint16Array(1 << 22);
  let state = 1;
  for (let i = 0; i < block.length; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    block[i] = (state & 0x8000) | (0x3c00 + ((state >>> 16) & 0xff)); // 0.0078 to 0.031
  }
  const bytes = new Uint8Array(block.buffer);
  const json = new TextEncoder().encode(JSON.stringify(header));
  const file = openSync(path, 'w');
  try {
    writeSync(file, new Uint8Array(BigUint64Array.of(BigInt(json.length)).buffer));
    writeSync(file, json);
    for (let left = offset; left > 0; left -= bytes.length) writeSync(file, bytes, 0, Math.min(left, bytes.length));
  } finally {
    closeSync(file);
  }
  return offset;
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
