/** Which execution provider runs a model, and why. */

import { planLayer } from '../../graph/layerPlan';
import type { LocalProvider, ProviderSetting } from '../../shared/analysis';
import type { ModelFolder } from '../model/folder';
import { type Candidate, fastestProvider, fullProbe, type Probed } from './fastestProvider';
import { openRuntime } from './gpuRuntime';
import type { ModelRuntime } from './modelRuntime';
import { bundledProviders, isWasm, type Value } from './session';
import { probeValue } from './values';

export interface ChosenRuntime {
  readonly runtime: ModelRuntime;
  /** One sentence for the log and the status bar's tooltip. */
  readonly note: string;
}

/** @throws Failure `provider` when the setting names a provider that cannot be used. */
export async function chooseProvider(
  folder: ModelFolder,
  setting: ProviderSetting,
  nThreads: number,
): Promise<ChosenRuntime> {
  const cpu = openRuntime(folder, 'cpu', nThreads);
  const reasons = (await isWasm())
    ? ['in WebAssembly, several times slower than natively: ONNX Runtime has no other build for this machine']
    : [];
  if (setting === 'cpu') return { runtime: cpu, note: ['CPU, as the settings say', ...reasons].join(', ').concat('.') };
  if (setting !== 'auto') {
    const runtime = openRuntime(folder, setting, nThreads);
    await runtime.fetch(await runtime.bareBlock(0, probeInput(folder, fullProbe)));
    return { runtime, note: `${setting}, as the settings say.` };
  }
  const open = (provider: LocalProvider) => candidate(openRuntime(folder, provider, nThreads));
  const { chosen, note } = await fastestProvider(candidate(cpu), await bundledProviders(), open, reasons);
  return { runtime: chosen.runtime, note };
}

function candidate(runtime: ModelRuntime): Candidate & { readonly runtime: ModelRuntime } {
  return { runtime, probe: nTokens => probe(runtime, nTokens), release: () => runtime.release() };
}

/** Runs the layer with most to go wrong, one with kernels, and times it warm. */
async function probe(runtime: ModelRuntime, nTokens: number): Promise<Probed> {
  const { config } = runtime.folder;
  const layers = Array.from({ length: config.n_layers }, (_, layerIdx) => layerIdx);
  const layerIdx = layers.find(layer => planLayer(config, layer).preSoftmaxKernel) ?? 0;
  const hidden = probeInput(runtime.folder, nTokens);
  const once = async () => runtime.fetch(await runtime.bareBlock(layerIdx, hidden));
  await once();
  const start = performance.now();
  const output = await once();
  return { output: output.data as Float32Array, durationMs: performance.now() - start };
}

function probeInput({ config }: ModelFolder, nTokens: number): Value {
  return probeValue([1, Math.min(nTokens, config.max_seqlen), config.dim]);
}
