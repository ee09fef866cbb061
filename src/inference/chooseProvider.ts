/**
 * Which execution provider runs a model. `auto` tries what the platform offers, trusts none before its result equals
 * the CPU's, and keeps the fastest: GPUs are not always faster at small sizes, and one known kernel is wrong.
 */

import { planLayer } from '../graph/layerPlan';
import type { ProviderSetting } from '../shared/analysis';
import type { ModelFolder } from './modelFolder';
import { ModelRuntime } from './modelRuntime';
import { relativeDifference } from './relativeDifference';
import { bundledProviders, isWasm, type Value } from './session';

export interface ChosenRuntime {
  readonly runtime: ModelRuntime;
  /** One sentence for the log and the status bar's tooltip. */
  readonly note: string;
}

interface Probed {
  readonly output: Float32Array;
  /** Of one layer, warm. */
  readonly durationMs: number;
}

/** Largest accepted difference from the CPU, relative to the largest magnitude; ten times what fp16 weights cost. */
const maxDifference = 1e-3;
const probeTokens = 256;

/** @throws Failure `provider` when the setting names a provider that cannot be used. */
export async function chooseProvider(
  folder: ModelFolder,
  setting: ProviderSetting,
  nThreads: number,
): Promise<ChosenRuntime> {
  const cpu = new ModelRuntime(folder, 'cpu', nThreads);
  const reasons = (await isWasm())
    ? ['in WebAssembly, several times slower than natively: ONNX Runtime has no other build for this machine']
    : [];
  if (setting === 'cpu') return { runtime: cpu, note: ['CPU, as the settings say', ...reasons].join(', ').concat('.') };
  if (setting !== 'auto') {
    const runtime = new ModelRuntime(folder, setting, nThreads);
    await runtime.bareBlock(0, probeInput(folder));
    return { runtime, note: `${setting}, as the settings say.` };
  }
  let reference: Probed | undefined;
  let best: ChosenRuntime & { durationMs: number } = { runtime: cpu, note: '', durationMs: Number.POSITIVE_INFINITY };
  for (const provider of await bundledProviders()) {
    const runtime = new ModelRuntime(folder, provider, nThreads);
    const result = await probe(runtime).catch((error: Error) => error);
    if (result instanceof Error) {
      reasons.push(`${provider} cannot be used (${result.cause ?? result.message})`);
      await runtime.release();
      continue;
    }
    // Only now: where nothing else can be used, nobody waits for a comparison.
    reference ??= await probe(cpu);
    const difference = relativeDifference(result.output, reference.output);
    const timing = `${result.durationMs.toFixed(0)} ms a layer, CPU ${reference.durationMs.toFixed(0)} ms`;
    if (difference <= maxDifference && result.durationMs < Math.min(best.durationMs, reference.durationMs)) {
      await best.runtime.release();
      best = { runtime, note: `${provider}: ${timing}.`, durationMs: result.durationMs };
      continue;
    }
    reasons.push(
      difference <= maxDifference
        ? `${provider} is not faster (${timing})`
        : `${provider} gives other results than the CPU (difference ${difference.toExponential(1)})`,
    );
    await runtime.release();
  }
  return { runtime: best.runtime, note: best.note || `CPU: ${reasons.join('; ')}.` };
}

/** Runs the layer with most to go wrong, one with kernels, and times it warm. */
async function probe(runtime: ModelRuntime): Promise<Probed> {
  const { config } = runtime.folder;
  const layers = Array.from({ length: config.n_layers }, (_, layerIdx) => layerIdx);
  const layerIdx = layers.find(layer => planLayer(config, layer).preSoftmaxKernel) ?? 0;
  const hidden = probeInput(runtime.folder);
  await runtime.bareBlock(layerIdx, hidden);
  const start = performance.now();
  const output = await runtime.bareBlock(layerIdx, hidden);
  return { output: output.data as Float32Array, durationMs: performance.now() - start };
}

/** Smooth numbers of about unit size, the same every time. */
function probeInput({ config }: ModelFolder): Value {
  const nTokens = Math.min(probeTokens, config.max_seqlen);
  const data = Float32Array.from({ length: nTokens * config.dim }, (_, i) => Math.sin(i * 0.7 + (i % 13)));
  return { type: 'float32', data, dims: [1, nTokens, config.dim] };
}
