/** Heads whose output is replaced by zero or by its mean over the text, in any family; later layers run on what is left. */

import { finiteMean } from '../../attention/ablationEffects';
import type { HeadRef } from '../../shared/address';
import type { HeadAblationEffect, HeadBaseline } from '../../shared/headAblation';
import { Failure } from '../../shared/tools/failure';
import { targetsOf, toBits } from '../run/predictions';
import { newRun, type Run } from '../run/run';
import type { ModelRuntime } from '../runtime/modelRuntime';
import type { Prediction } from '../runtime/prediction';
import { predictAgainst } from './ablationRuns';
import { headsOff, runChanged } from './changedRun';
import type { Streams } from './streams';

/** What the model predicts as it is. */
export interface TrainedPredictions {
  readonly run: Run;
  readonly own: Prediction;
}

/** @param analysisId of the run that the streams are of. */
export async function predictTrained(
  runtime: ModelRuntime,
  { ids, output }: Streams,
  analysisId = 0,
): Promise<TrainedPredictions> {
  const run = { ...newRun(analysisId, ids), output };
  return { run, own: await runtime.predict(output, targetsOf(ids), 1) };
}

/**
 * @param trained of the same streams.
 * @throws Failure `bad-ablation` for heads that are not there, `too-long`; Cancelled between layers once `signal` fires.
 */
export async function ablateHeads(
  runtime: ModelRuntime,
  streams: Streams,
  trained: TrainedPredictions,
  heads: readonly HeadRef[],
  baseline: HeadBaseline,
  signal?: AbortSignal,
): Promise<HeadAblationEffect> {
  const { n_layers: nLayers, n_heads: nHeads } = runtime.folder.config;
  checkHeads(heads, nLayers, nHeads);
  const { output } = await runChanged(runtime, streams, await headsOff(runtime, streams, heads, baseline), signal);
  return effectOf(await predictAgainst(runtime, trained.run, output, 1), trained);
}

/** @param prediction with its divergence from the model as it is. */
export function effectOf(
  { divergence, logProbabilities }: Prediction,
  { own }: Pick<TrainedPredictions, 'own'>,
): HeadAblationEffect {
  const klBits = Float32Array.from(divergence!, toBits);
  // Position i predicts token i + 1; nothing follows the last one.
  const changeBits = Float32Array.from(klBits, (_, token) =>
    token === 0 ? Number.NaN : toBits(own.logProbabilities[token - 1]! - logProbabilities[token - 1]!),
  );
  return { klBits, meanKlBits: finiteMean(klBits), changeBits, meanChangeBits: finiteMean(changeBits) };
}

export function checkHeads(heads: readonly HeadRef[], nLayers: number, nHeads: number): void {
  if (heads.length === 0) throw new Failure('bad-ablation', 'No head was named to switch off. Name at least one.');
  const wrong = heads.find(({ layerIdx, headIdx }) => !(layerIdx < nLayers && headIdx < nHeads));
  if (!wrong) return;
  throw new Failure(
    'bad-ablation',
    `Layer ${wrong.layerIdx}, head ${wrong.headIdx} is not in the model, which has layers 0 to ${nLayers - 1} with heads 0 to ${nHeads - 1}.`,
  );
}
