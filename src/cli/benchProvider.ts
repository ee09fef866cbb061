/**
 * `mta-inspect bench --provider P`: whole analyses with maps on an execution provider against the CPU of the same
 * machine, by window length and rows of a band, in less than four minutes. Windows longer than the model's context are
 * timed too: its numbers mean nothing there, its work is the same.
 */

import { planLayer } from '../graph/layerPlan';
import { blockSizeFor } from '../graph/reductions';
import { openModelFolder } from '../inference/model/openModelFolder';
import { usualBandRows } from '../inference/runtime/bands';
import { openRuntime } from '../inference/runtime/gpuRuntime';
import type { ModelRuntime } from '../inference/runtime/modelRuntime';
import { relativeDifference } from '../inference/runtime/relativeDifference';
import { probeValue } from '../inference/runtime/values';
import type { LocalProvider } from '../shared/analysis';
import { type AddLine, growth } from './benchLines';
import { checkOperator, operatorChecks } from './operatorChecks';

const lengths = [512, 1024, 2048, 4096, 8192];
/** Rows of a band, most promising first. The CPU's were measured already. */
const bandRows: Readonly<Partial<Record<LocalProvider, readonly number[]>>> = { cpu: [usualBandRows] };
const gpuBandRows = [2048, 1024, 512];
const budgetMs = 90_000;
/** Longer windows and more repetitions are left out once a run has taken so long. */
const patienceMs = 3000;
const checkTokens = 512;

export async function benchProvider(
  directory: string,
  provider: LocalProvider,
  add: AddLine,
  print: (line: string) => void,
): Promise<void> {
  const folder = await openModelFolder(directory);
  const open = (what: LocalProvider, rows: number) => openRuntime(folder, what, 0, rows);
  await addDifferences(open(provider, usualBandRows), open('cpu', usualBandRows), provider, add);
  for (const name of Object.keys(operatorChecks)) {
    const difference = await checkOperator(name, { provider }, checkTokens);
    add(`difference of ${provider} from the CPU, ${name}`, difference * 1e6, 'millionths', 1000, 'limit');
  }
  const measure = async (what: LocalProvider) => {
    const best = new Map<number, number>();
    const end = performance.now() + budgetMs;
    for (const rows of bandRows[what] ?? gpuBandRows) {
      const runtime = open(what, rows);
      try {
        for (const nTokens of lengths) {
          if (performance.now() > end) break;
          const ms = await analysisMs(runtime, nTokens);
          print(`${what}, bands of ${rows} rows, T=${nTokens}: ${ms.toFixed(0)} ms`);
          best.set(nTokens, Math.min(ms, best.get(nTokens) ?? Number.POSITIVE_INFINITY));
          if (ms > patienceMs * 4) break;
        }
      } catch (error) {
        print(`${what}, bands of ${rows} rows: ${(error as Error).message}`);
      }
      await runtime.release();
    }
    return best;
  };
  const times = await measure(provider);
  const cpuTimes = await measure('cpu');
  for (const [nTokens, ms] of times) {
    const cpuMs = cpuTimes.get(nTokens);
    if (cpuMs !== undefined) add(`whole analysis on ${provider}, T=${nTokens}`, ms, 'ms', cpuMs, 'CPU of this machine');
  }
  for (const [what, measured] of [[provider, times] as const, ['cpu', cpuTimes] as const]) {
    const exponent = growth(measured, 2048);
    if (exponent)
      add(`growth of the whole analysis on ${what}, ${exponent.range}`, exponent.value, 'exponent', 2.2, 'limit');
  }
}

/** One layer of each kind, as the self-check of `auto` compares them. */
async function addDifferences(runtime: ModelRuntime, cpu: ModelRuntime, provider: LocalProvider, add: AddLine) {
  const { config } = runtime.folder;
  const hidden = probeValue([1, checkTokens, config.dim]);
  const all = Array.from({ length: config.n_layers }, (_, layerIdx) => layerIdx);
  const convolves = (layerIdx: number) => planLayer(config, layerIdx).preSoftmaxKernel !== null;
  const kinds = { plain: all.find(layer => !convolves(layer)), convolving: all.find(convolves) };
  try {
    for (const [kind, layerIdx] of Object.entries(kinds)) {
      if (layerIdx === undefined) continue;
      const got = await runtime.fetch(await runtime.bareBlock(layerIdx, hidden));
      const expected = await cpu.bareBlock(layerIdx, hidden);
      const difference = relativeDifference(got.data as Float32Array, expected.data as Float32Array);
      add(`difference of ${provider} from the CPU, ${kind} layer`, difference * 1e6, 'millionths', 1000, 'limit');
    }
  } finally {
    await Promise.all([runtime.release(), cpu.release()]);
  }
}

/** Median of warm runs: embedding, every block with its maps, prediction. */
async function analysisMs(runtime: ModelRuntime, nTokens: number): Promise<number> {
  const { config } = runtime.folder;
  const ids = Int32Array.from({ length: nTokens }, (_, i) => (i * 7919) % config.vocab_size);
  const options = { topK: 16, blockSize: blockSizeFor(nTokens) };
  const once = async () => {
    const start = performance.now();
    let hidden = await runtime.embed(ids);
    for (let layerIdx = 0; layerIdx < config.n_layers; layerIdx++) {
      hidden = (await runtime.block(layerIdx, hidden, options)).hidden;
    }
    await runtime.predict(hidden, Array.from(ids), 10);
    return performance.now() - start;
  };
  const first = await once();
  if (first > patienceMs * 2) return first;
  const times: number[] = [];
  const end = performance.now() + patienceMs / 2;
  do times.push(await once());
  while (times.length < 5 && performance.now() < end);
  return times.sort((a, b) => a - b)[Math.floor(times.length / 2)]!;
}
