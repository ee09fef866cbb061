/** Runs with changed kernels, departing from a finished run: layers before the first changed one are not run again. */

import { finiteMean, singleAblations } from '../../attention/ablationEffects';
import { type Ablation, type AblationEffect, ablatedLayers, ablatedWeights, partLabels } from '../../shared/ablation';
import type { LayerResult } from '../../shared/analysis';
import type { KernelWeights } from '../../shared/kernels';
import { Failure } from '../../shared/tools/failure';
import type { AblateArgs } from '../protocol';
import { nPredictions, targetsOf, toBits } from '../run/predictions';
import { inputOf, newRun, type Run } from '../run/run';
import { walkLayers } from '../run/walkLayers';
import type { LayerRuntime } from '../runtime/layerRuntime';
import { emptyPrediction, type Prediction, writePrediction } from '../runtime/prediction';
import type { Value } from '../runtime/session';
import { rowsOf } from '../runtime/values';

type Kernels = ReadonlyMap<number, readonly KernelWeights[]>;

export interface AblatedRun {
  readonly run: Run;
  /** Of the layers whose maps may differ. */
  readonly layers: readonly LayerResult[];
  /** With the divergence from the run it departs from. */
  readonly prediction: Prediction;
}

/** @throws Cancelled between layers once `signal` fires; Failure `bad-kernel`. */
export async function ablateRun(
  runtime: LayerRuntime,
  base: Run,
  ablation: Ablation,
  { analysisId, topK }: Pick<AblateArgs, 'analysisId' | 'topK'>,
  signal?: AbortSignal,
): Promise<AblatedRun> {
  const kernels = await ablatedKernels(runtime, ablation);
  const layers: LayerResult[] = [];
  const { ids } = base;
  const run = newRun(analysisId, ids, kernels);
  const isWholeModel = ablation.scope === 'model';
  const { nLayers } = runtime.folder.summary;
  const first = Math.min(...kernels.keys(), nLayers);
  run.layers.push(...base.layers.slice(0, first));
  /** What the changed layers add to the stream directly, where later layers do not read it. */
  let last = base.output!;
  await walkLayers(runtime, {
    ...{ hidden: inputOf(base, first), firstLayer: first },
    ...{ kernels, signal },
    runLayer: async (layerIdx, input, options) => {
      const next = inputOf(base, layerIdx + 1);
      if (!isWholeModel && !kernels.has(layerIdx)) {
        run.layers.push(base.layers[layerIdx]!);
        return next;
      }
      const start = performance.now();
      const result = await runtime.block(layerIdx, input, { topK, blockSize: base.blockSize, ...options });
      const { topKeys, overviews } = result;
      layers.push({ layerIdx, topKeys, overviews, durationMs: performance.now() - start });
      run.layers.push(result);
      last = isWholeModel ? result.hidden : addDifference(...(await fetchAll(runtime, [last, result.hidden, next])));
      return isWholeModel ? result.hidden : next;
    },
  });
  run.output = last;
  const prediction = await predictAgainst(runtime, base, last, nPredictions);
  return { run, layers, prediction };
}

/** Shortest time between two reports, in milliseconds. */
const reportMs = 250;

/**
 * Tries every single ablation, whole model, and reports effects as they come.
 * @param pause awaited before every layer: lets requests in, and resolves when no foreground run is waiting.
 * @throws as `ablateRun`.
 */
export async function rankAblations(
  runtime: LayerRuntime,
  base: Run,
  withHeads: boolean,
  report: (effects: readonly AblationEffect[], done: number, total: number) => void,
  pause: () => Promise<void>,
  signal?: AbortSignal,
): Promise<AblationEffect[]> {
  const { layers, nHeads } = runtime.folder.summary;
  const edits = singleAblations(layers, nHeads, withHeads);
  const targets = targetsOf(base.ids);
  const trained = (await runtime.predict(base.output!, targets, 1)).logProbabilities;
  const effects: AblationEffect[] = [];
  let reported = 0;
  let lastReport = 0;
  for (const edit of edits) {
    const kernels = await ablatedKernels(runtime, { scope: 'model', edits: [edit] });
    const first = edit.layerIdx!;
    const hidden = await walkLayers(runtime, {
      ...{ hidden: inputOf(base, first), firstLayer: first },
      ...{ kernels, pause, signal },
    });
    const { divergence, logProbabilities } = await predictAgainst(runtime, base, hidden, 1);
    // Nothing follows the last token.
    const change = logProbabilities.subarray(0, -1).map((value, i) => toBits(trained[i]! - value));
    effects.push({ edit, meanKlBits: toBits(finiteMean(divergence!)), meanSurprisalChangeBits: finiteMean(change) });
    const isLast = effects.length === edits.length;
    if (isLast || performance.now() - lastReport >= reportMs) {
      report(effects.slice(reported), effects.length, edits.length);
      reported = effects.length;
      lastReport = performance.now();
    }
  }
  return effects;
}

/** Kernels of the layers that an ablation changes. @throws Failure `bad-kernel` where trained weights are not finite. */
async function ablatedKernels(runtime: LayerRuntime, ablation: Ablation): Promise<Kernels> {
  const { folder } = runtime;
  const changed = new Map<number, readonly KernelWeights[]>();
  for (const layerIdx of ablatedLayers(ablation, folder.summary.layers)) {
    const trained = await runtime.trainedKernels(layerIdx);
    changed.set(
      layerIdx,
      trained.map(kernel => ablatedWeights(kernel, layerIdx, ablation)),
    );
  }
  for (const { layerIdx } of folder.summary.layers) await checkFinite(runtime, layerIdx);
  return changed;
}

async function checkFinite(runtime: LayerRuntime, layerIdx: number): Promise<void> {
  for (const { part, rows, columns, values } of await runtime.trainedKernels(layerIdx)) {
    const wrong = values.findIndex(value => !Number.isFinite(value));
    if (wrong < 0) continue;
    throw new Failure(
      'bad-kernel',
      `Cannot ablate model "${runtime.folder.summary.name}": a weight of its ${partLabels[part]} in layer ${layerIdx}, ` +
        `head ${Math.floor(wrong / (rows * columns))} is ${values[wrong]}, so its predictions cannot be compared. Pick another model.`,
      ['selectModel'],
    );
  }
}

/** Log-probabilities larger than this are computed again each time, some positions at a time. */
const maxKeptBytes = 128 * 1024 * 1024;

/** What a stream predicts, with its divergence from a run on the same tokens. */
export async function predictAgainst(
  runtime: LayerRuntime,
  base: Run,
  hidden: Value,
  k: number,
  maxBytes = maxKeptBytes,
): Promise<Prediction> {
  const { vocabSize } = runtime.folder.summary;
  const { nTokens } = base;
  const targets = targetsOf(base.ids);
  const nAtOnce = Math.max(1, Math.floor(maxBytes / 4 / vocabSize));
  if (nTokens <= nAtOnce) {
    base.logProbabilities ??= await runtime.logProbabilities(base.output!);
    return runtime.predict(hidden, targets, k, base.logProbabilities);
  }
  const whole = emptyPrediction(nTokens, Math.min(k, vocabSize), true);
  const [trained, changed] = await fetchAll(runtime, [base.output!, hidden]);
  for (let first = 0; first < nTokens; first += nAtOnce) {
    const end = Math.min(first + nAtOnce, nTokens);
    const before = await runtime.logProbabilities(rowsOf(trained, first, end));
    const part = await runtime.predict(rowsOf(changed, first, end), targets.slice(first, end), k, before);
    writePrediction(whole, part, first, end);
  }
  return whole;
}

function fetchAll<T extends readonly Value[]>(runtime: LayerRuntime, values: readonly [...T]): Promise<[...T]> {
  return Promise.all(values.map(value => runtime.fetch(value))) as Promise<[...T]>;
}

/** a + b - c, element by element. */
function addDifference(a: Value, b: Value, c: Value): Value {
  const [x, y] = [b.data as Float32Array, c.data as Float32Array];
  return {
    ...a,
    type: 'float32',
    dims: a.dims,
    data: (a.data as Float32Array).map((value, i) => value + (x[i]! - y[i]!)),
  };
}
