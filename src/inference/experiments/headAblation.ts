/** Heads whose output is replaced by zero or by its mean over the text, in any family; later layers run on what is left. */

import { finiteMean } from '../../attention/ablationEffects';
import { planLayer } from '../../graph/layerPlan';
import type { HeadRef } from '../../shared/address';
import type { HeadAblationEffect, HeadBaseline } from '../../shared/headAblation';
import { Cancelled, Failure } from '../../shared/tools/failure';
import { targetsOf, toBits } from '../run/predictions';
import { emptyRows } from '../runtime/bands';
import type { ModelRuntime } from '../runtime/modelRuntime';
import type { Prediction } from '../runtime/prediction';
import type { Value } from '../runtime/session';
import { atItsMean } from '../runtime/values';
import { type Streams, streamBefore } from './streams';

/** Cells of one layer's maps, which run in one piece here: 512 MB. */
const maxCells = 2 ** 27;

/** What the model predicts as it is. */
export interface TrainedPredictions {
  readonly logProbabilities: Value;
  readonly own: Prediction;
}

export async function predictTrained(runtime: ModelRuntime, { ids, output }: Streams): Promise<TrainedPredictions> {
  const logProbabilities = await runtime.logProbabilities(output);
  return { logProbabilities, own: await runtime.predict(output, targetsOf(ids), 1) };
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
  const { config } = runtime.folder;
  const { n_layers: nLayers, n_heads: nHeads } = config;
  const nTokens = streams.ids.length;
  checkHeads(heads, nLayers, nHeads);
  if (nHeads * nTokens ** 2 > maxCells) {
    throw new Failure(
      'too-long',
      `Cannot switch off heads over ${nTokens} tokens: the maps of a layer would take ${Math.round((nHeads * nTokens ** 2 * 4) / 1e6)} MB. Inspect at most ${Math.floor(Math.sqrt(maxCells / nHeads))} tokens (mtaInspector.maxTokens).`,
      ['openSettings'],
    );
  }
  const first = Math.min(...heads.map(({ layerIdx }) => layerIdx));
  let hidden = streamBefore(streams, first);
  for (let layerIdx = first; layerIdx < nLayers; layerIdx++) {
    if (signal?.aborted) throw new Cancelled();
    const off = heads.filter(head => head.layerIdx === layerIdx).map(({ headIdx }) => headIdx);
    if (off.length === 0) {
      const rows = emptyRows(planLayer(config, layerIdx), hidden);
      hidden = await runtime.layerRows(layerIdx, rows, { first: 0, end: nTokens }, { signal });
      continue;
    }
    const values =
      baseline === 'mean'
        ? atItsMean(await runtime.blockPart(layerIdx, streamBefore(streams, layerIdx), 'head'), 1)
        : null;
    hidden = await runtime.patchedBlock(layerIdx, hidden, { part: 'head', places: [off], values });
  }
  const { logProbabilities, divergence } = await runtime.predict(
    hidden,
    targetsOf(streams.ids),
    1,
    trained.logProbabilities,
  );
  const klBits = Float32Array.from(divergence!, toBits);
  // Position i predicts token i + 1; nothing follows the last one.
  const changeBits = Float32Array.from({ length: nTokens }, (_, token) =>
    token === 0 ? Number.NaN : toBits(trained.own.logProbabilities[token - 1]! - logProbabilities[token - 1]!),
  );
  return { klBits, meanKlBits: finiteMean(klBits), changeBits, meanChangeBits: finiteMean(changeBits) };
}

function checkHeads(heads: readonly HeadRef[], nLayers: number, nHeads: number): void {
  if (heads.length === 0) throw new Failure('bad-ablation', 'No head was named to switch off. Name at least one.');
  const wrong = heads.find(({ layerIdx, headIdx }) => !(layerIdx < nLayers && headIdx < nHeads));
  if (!wrong) return;
  throw new Failure(
    'bad-ablation',
    `Layer ${wrong.layerIdx}, head ${wrong.headIdx} is not in the model, which has layers 0 to ${nLayers - 1} with heads 0 to ${nHeads - 1}.`,
  );
}
