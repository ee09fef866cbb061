/** What a model predicts after each token, and how well that fits the tokens that follow. */

import type { Predictions } from '../../shared/analysis';
import type { LayerRuntime } from '../runtime/layerRuntime';
import { emptyPrediction, type Prediction, writePrediction } from '../runtime/prediction';
import type { Value } from '../runtime/session';
import { rowsOf } from '../runtime/values';
import { knownPredictions } from './reuse';
import type { Run } from './run';
import { walkLayers } from './walkLayers';

/** Next tokens reported per position. */
export const nPredictions = 5;

/** Log-probabilities of a run that are kept as they come, for lenses and comparisons: as much as a run keeps of its layers. */
const maxKeptBytes = 32 * 1024 * 1024;

/** What a run predicts after each of its tokens. @param hidden the residual stream after its last layer. */
export async function predictRun(runtime: LayerRuntime, run: Run, hidden: Value): Promise<Prediction> {
  const first = knownPredictions(run);
  const targets = targetsOf(run.ids).slice(first);
  const keeps = runtime.provider === 'cpu' && 4 * run.nTokens * runtime.folder.summary.vocabSize <= maxKeptBytes;
  if (first === 0 && keeps && runtime.predictAndKeep) {
    const { prediction, logProbabilities } = await runtime.predictAndKeep(hidden, targets, nPredictions);
    run.logProbabilities = logProbabilities;
    return prediction;
  }
  if (first === 0) return runtime.predict(hidden, targets, nPredictions);
  const stream = rowsOf(await runtime.fetch(hidden), first, run.nTokens);
  const rest = await runtime.predict(stream, targets, nPredictions);
  const whole = emptyPrediction(run.nTokens, rest.topIds.length / targets.length, false);
  writePrediction(whole, run.known.prediction!.prediction, 0, first);
  writePrediction(whole, rest, first, run.nTokens);
  return whole;
}

/** Predictions as they are sent: surprisal in bits, and readable labels of tokens. @param ids of the window, [nTokens]. */
export function toPredictions(
  ids: Int32Array,
  { logProbabilities, topIds, topLogProbabilities }: Prediction,
  label: (id: number) => string,
): Predictions {
  const surprisalBits = new Float32Array(ids.length).fill(Number.NaN);
  for (let i = 1; i < ids.length; i++) surprisalBits[i] = -toBits(logProbabilities[i - 1]!);
  const labels: Record<number, string> = {};
  for (const id of topIds) labels[id] ??= label(id);
  const k = topIds.length / ids.length;
  return { surprisalBits, k, topIds, topProbabilities: topLogProbabilities.map(Math.exp), labels };
}

/**
 * How well the model predicts each token from those before it, without any maps.
 * @param ids a window's tokens without the begin token, which is put before them where the model has one.
 * @returns surprisal in bits and whether the token was the likeliest one, shape [ids.length]. Without a begin token
 * nothing predicts the first one, whose surprisal is NaN.
 */
export async function scoreTokens(
  runtime: LayerRuntime,
  ids: Int32Array,
): Promise<{ bits: Float64Array; isTop1: Uint8Array }> {
  const { config } = runtime.folder;
  const begin = config.bos_token_id === null ? [] : [config.bos_token_id];
  const window = Int32Array.from([...begin, ...ids]);
  const hidden = await walkLayers(runtime, { hidden: await runtime.embed(window) });
  const { logProbabilities, topIds } = await runtime.predict(hidden, targetsOf(window), 1);
  const bits = new Float64Array(ids.length).fill(Number.NaN);
  const isTop1 = new Uint8Array(ids.length);
  for (let i = 1 - begin.length; i < ids.length; i++) {
    const position = i + begin.length - 1;
    bits[i] = -toBits(logProbabilities[position]!);
    isTop1[i] = topIds[position] === ids[i] ? 1 : 0;
  }
  return { bits, isTop1 };
}

/** The token after each position; nothing follows the last one, whose target is not reported. */
export function targetsOf(ids: Int32Array): number[] {
  return [...ids.subarray(1), 0];
}

export function toBits(nats: number): number {
  return nats / Math.LN2;
}
