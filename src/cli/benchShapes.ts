/**
 * `mta-inspect bench --shapes`: whole analyses of models of real shapes with random weights, as the editor runs them, and
 * PyTorch's eager form of the same shapes where there is a Python with it.
 */

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statfsSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type InferenceEvents, type InferenceRequests, protocolVersion } from '../inference/protocol';
import { forkInference } from '../inference/startProcess';
import type { LocalProvider } from '../shared/analysis';
import { Failure } from '../shared/tools/failure';
import { type None, Rpc } from '../shared/tools/rpc';
import { type AddLine, growth } from './benchLines';
import { memoryMb } from './benchMemory';
import { type EagerRun, runEager } from './eagerAttentions';
import { type LlamaConfig, writeRandomModel } from './randomModel';

interface Shape {
  readonly dtype: 'BF16' | 'F16';
  readonly config: LlamaConfig;
  readonly weightBytes: number;
  /** Tokens of the texts, ascending. */
  readonly lengths: readonly number[];
}

const usualLengths = [512, 2048, 4096];

const common = { rms_norm_eps: 1e-5, rope_theta: 500_000, max_position_embeddings: 16_384 };
const qwen3 = {
  ...{ ...common, model_type: 'qwen3', vocab_size: 151_936, tie_word_embeddings: true },
  ...{ num_hidden_layers: 28, num_attention_heads: 16, num_key_value_heads: 8, head_dim: 128 },
};

/** Of published models, by name. */
export const shapes: Readonly<Record<string, Shape>> = {
  'SmolLM2-135M': {
    dtype: 'F16',
    config: {
      ...{ ...common, model_type: 'llama', vocab_size: 49_152, tie_word_embeddings: true },
      ...{ hidden_size: 576, intermediate_size: 1536, num_hidden_layers: 30 },
      ...{ num_attention_heads: 9, num_key_value_heads: 3, head_dim: 64 },
    },
    weightBytes: 0.27e9,
    lengths: [...usualLengths, 8192, 16_384],
  },
  'Qwen3-0.6B': {
    dtype: 'BF16',
    config: { ...qwen3, hidden_size: 1024, intermediate_size: 3072 },
    weightBytes: 1.2e9,
    lengths: [...usualLengths, 8192],
  },
  'Qwen3-1.7B': {
    dtype: 'BF16',
    config: { ...qwen3, hidden_size: 2048, intermediate_size: 6144 },
    weightBytes: 3.5e9,
    lengths: usualLengths,
  },
  'Llama-8B': {
    dtype: 'BF16',
    config: {
      ...{ ...common, model_type: 'llama', vocab_size: 128_256, tie_word_embeddings: false },
      ...{ hidden_size: 4096, intermediate_size: 14_336, num_hidden_layers: 32 },
      ...{ num_attention_heads: 32, num_key_value_heads: 8, head_dim: 128 },
    },
    weightBytes: 16.1e9,
    lengths: usualLengths,
  },
};

/** The bundled model: it has no peer in the library. */
const bundled = 'mta-base';
export const shapeNames = [bundled, ...Object.keys(shapes)];

const bundledLengths = [512, 2048];
const nRuns = 3;
/** A longer text is left out once a run has taken so long. */
const patienceMs = 60_000;

/** One shape's runs in a process of its own. */
interface ShapeRuns {
  /** Of the runs one after the other, by length. */
  readonly ms: ReadonlyMap<number, readonly number[]>;
  readonly provider: string;
  readonly firstMapMs: number;
  readonly peakMb: number;
  /** That the process added to the first GPU's; NaN where `nvidia-smi` does not say. */
  readonly gpuMb: number;
}

/** @param directory of the bundled model; its tokenizer is that of all shapes. */
export async function benchShapes(
  directory: string,
  names: readonly string[],
  provider: LocalProvider | undefined,
  add: AddLine,
  print: (line: string) => void,
): Promise<void> {
  for (const name of names) {
    const shape = shapes[name];
    const scratch = mkdtempSync(join(tmpdir(), 'mta-shape-'));
    try {
      const { bavail, bsize } = statfsSync(scratch);
      if (shape && bavail * bsize < 1.1 * shape.weightBytes) {
        print(`${name}: not measured, ${tmpdir()} has no room for ${(shape.weightBytes / 1e9).toFixed(1)} GB`);
        continue;
      }
      const model = shape ? join(scratch, name) : directory;
      const weightBytes = shape
        ? writeRandomModel(model, shape.config, shape.dtype, join(directory, 'tokenizer.json'))
        : statSync(join(directory, 'model.safetensors')).size;
      const lengths = shape?.lengths ?? bundledLengths;
      const runs = await measure(model, provider ?? 'auto', lengths, line => print(`${name}, ${line}`));
      addLines(name, runs, weightBytes / 1e6, shape ? runEager(shape.config, [...runs.ms.keys()]) : null, add);
    } finally {
      rmSync(scratch, { recursive: true, force: true });
    }
  }
}

/** Plain words, in any usual tokenizer more than `nTokens` of them. */
export function textFor(nTokens: number): string {
  const sentence = 'The model looks back at the words before it and finds the one that matters here. ';
  return sentence.repeat(Math.max(400, Math.ceil(nTokens / 10)));
}

/** @throws where a run was shorter than what its time would be reported for. */
export function checkLength(nRun: number, nTokens: number): void {
  if (nRun === nTokens) return;
  throw new Error(
    `Cannot measure ${nTokens} tokens: the run had ${nRun}. The model's context and the text must be at least as long.`,
  );
}

async function measure(
  modelDirectory: string,
  provider: LocalProvider | 'auto',
  tokens: readonly number[],
  print: (line: string) => void,
): Promise<ShapeRuns> {
  const idleMb = gpuMemoryMb();
  const child = forkInference(join(__dirname, 'inference.cjs'), 'inherit');
  try {
    const client: Rpc<InferenceRequests, None, InferenceEvents, None> = new Rpc(
      { send: message => child.send(message as object), onMessage: listener => child.on('message', listener) },
      {},
    );
    child.on('exit', () => client.close(new Failure('process', 'The inference process ended during the benchmark.')));
    const loaded = await client.request('load', { protocolVersion, modelDirectory, provider, nThreads: 0 });
    const ms = new Map<number, readonly number[]>();
    let firstMapMs = Number.NaN;
    let analysisId = 0;
    for (const nTokens of tokens) {
      const times: number[] = [];
      for (let i = 0; i < nRuns; i++) {
        const start = performance.now();
        const stop = client.on('layer', () => {
          if (Number.isNaN(firstMapMs)) firstMapMs = performance.now() - start;
        });
        let nRun = 0;
        const stopTokens = client.on('tokens', ({ tokens: { ids } }) => {
          nRun = ids.length;
        });
        // Another start each time: nothing can be taken over.
        const text = `${analysisId} ${textFor(nTokens)}`;
        const place = { text, textStart: 0, documentLength: text.length, anchor: 0 };
        await client.request('analyze', { analysisId: ++analysisId, ...place, maxTokens: nTokens, topK: 16 });
        times.push(performance.now() - start);
        stop();
        stopTokens();
        checkLength(nRun, nTokens);
      }
      ms.set(nTokens, times);
      print(`T=${nTokens}: ${times.map(time => `${(time / 1000).toFixed(2)} s`).join(', ')}`);
      if (times[0]! > patienceMs) break;
    }
    const gpuMb = gpuMemoryMb() - idleMb;
    return { ms, provider: loaded.provider, firstMapMs, peakMb: memoryMb(child, 'VmHWM'), gpuMb };
  } finally {
    child.kill();
  }
}

function addLines(name: string, runs: ShapeRuns, weightMb: number, eager: EagerRun | null, add: AddLine): void {
  const { ms, provider, firstMapMs, peakMb, gpuMb } = runs;
  const what = `${name} on ${provider}`;
  add(`first map of the first run, ${what}`, firstMapMs, 'ms', 3000, 'limit');
  for (const [nTokens, times] of ms) {
    const last = times.at(-1)!;
    add(`first run, ${what}, T=${nTokens}`, times[0]!, 'ms', last, `run ${times.length}`);
    const eagerMs = eager?.ms.get(nTokens);
    if (eager && eagerMs) add(`run ${times.length}, ${what}, T=${nTokens}`, last, 'ms', eagerMs, eager.what);
  }
  const exponent = growth(new Map(Array.from(ms, ([nTokens, times]) => [nTokens, times.at(-1)!])), 0);
  if (exponent) add(`growth, ${what}, ${exponent.range}`, exponent.value, 'exponent', 2.1, 'limit');
  if (!Number.isNaN(peakMb))
    add(`peak of the process, ${what}`, peakMb, 'MB', weightMb, 'weights as the file has them');
  if (!Number.isNaN(gpuMb)) add(`GPU memory after, ${what}`, gpuMb, 'MB', weightMb, 'weights as the file has them');
}

/** Used of the first GPU of the machine, by whatever runs on it. */
function gpuMemoryMb(): number {
  const query = ['--query-gpu=memory.used', '--format=csv,noheader,nounits', '--id=0'];
  const { status, stdout } = spawnSync('nvidia-smi', query, { encoding: 'utf8' });
  return status === 0 ? Number(stdout) * 1.048_576 : Number.NaN;
}
