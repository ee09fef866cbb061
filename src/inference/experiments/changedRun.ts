/**
 * A text's run with something changed: heads off, edges cut, or parts of another text's run put in. Later layers run on what
 * is left, and every layer keeps what its maps are computed from.
 */

import { planLayer } from '../../graph/layerPlan';
import type { HeadRef } from '../../shared/address';
import type { HeadBaseline } from '../../shared/headAblation';
import type { PatchChange } from '../../shared/interventions';
import { Cancelled, Failure } from '../../shared/tools/failure';
import { emptyRows, type LayerRows } from '../runtime/bands';
import type { Cut } from '../runtime/knockOut';
import type { ModelRuntime } from '../runtime/modelRuntime';
import type { Value } from '../runtime/session';
import { atItsMean } from '../runtime/values';
import { alignedValues } from './patchRuns';
import { type Streams, streamBefore } from './streams';

/** Cells of one layer's maps, which run in one piece where a part is replaced: 512 MB. */
const maxCells = 2 ** 27;

/** What is changed in one layer. */
export interface LayerChange {
  readonly cuts?: readonly Cut[];
  /** The stream before the layer. */
  readonly stream?: Value;
  /** Places of a part that take other values: heads, or 0 for the feed-forward part. */
  readonly patch?: {
    readonly part: 'head' | 'mlp';
    readonly places: readonly number[];
    /** Null for zeros. */
    readonly values: Value | null;
  };
}

export type LayerChanges = ReadonlyMap<number, LayerChange>;

/** @returns the streams with the changes. @throws Failure `too-long`; Cancelled between layers once `signal` fires. */
export async function runChanged(
  runtime: ModelRuntime,
  streams: Streams,
  changes: LayerChanges,
  signal?: AbortSignal,
): Promise<Streams> {
  const { config } = runtime.folder;
  const { ids } = streams;
  const all = { first: 0, end: ids.length };
  const first = Math.min(...changes.keys(), config.n_layers);
  if ([...changes.values()].some(({ patch }) => patch)) checkFits(config.n_heads, ids.length);
  const layers: LayerRows[] = streams.layers.slice(0, first);
  let hidden = streamBefore(streams, first);
  for (let layerIdx = first; layerIdx < config.n_layers; layerIdx++) {
    if (signal?.aborted) throw new Cancelled();
    const { cuts, patch, stream } = changes.get(layerIdx) ?? {};
    const rows = emptyRows(planLayer(config, layerIdx), stream ?? hidden);
    layers.push(rows);
    if (patch) {
      const { part, places, values } = patch;
      hidden = await runtime.patchedBlock(layerIdx, rows.hidden, { part, places: [places], values });
      await runtime.keepRows(layerIdx, rows, all, signal);
    } else {
      hidden = await runtime.layerRows(layerIdx, rows, all, { cuts, signal });
    }
  }
  return { ids, layers, output: hidden };
}

/** Heads that say nothing, or the same everywhere: their mean over the text as the model computes it. */
export async function headsOff(
  runtime: ModelRuntime,
  streams: Streams,
  heads: readonly HeadRef[],
  baseline: HeadBaseline,
): Promise<LayerChanges> {
  const changes = new Map<number, LayerChange>();
  for (const layerIdx of new Set(heads.map(head => head.layerIdx))) {
    const places = heads.filter(head => head.layerIdx === layerIdx).map(({ headIdx }) => headIdx);
    const own = () => runtime.blockPart(layerIdx, streamBefore(streams, layerIdx), 'head');
    const values = baseline === 'mean' ? atItsMean(await own(), 1) : null;
    changes.set(layerIdx, { patch: { part: 'head', places, values } });
  }
  return changes;
}

/**
 * Parts of another text's run at the tokens that correspond.
 * @param counterparts for each token the corresponding one of the other text, -1 for none.
 */
export async function partsPutIn(
  runtime: ModelRuntime,
  streams: Streams,
  other: Streams,
  counterparts: Int32Array,
  { what, layerIdx, headIdx }: PatchChange,
): Promise<LayerChanges> {
  const [own, from] = [streamBefore(streams, layerIdx), streamBefore(other, layerIdx)];
  if (what === 'residual') {
    return new Map([[layerIdx, { stream: alignedValues(what, own, from, counterparts) }]]);
  }
  const there = await runtime.blockPart(layerIdx, own, what);
  const values = alignedValues(what, there, await runtime.blockPart(layerIdx, from, what), counterparts);
  const all = what === 'head' ? Array.from({ length: runtime.folder.config.n_heads }, (_, i) => i) : [0];
  const places = what === 'head' && headIdx !== null ? [headIdx] : all;
  return new Map([[layerIdx, { patch: { part: what, places, values } }]]);
}

function checkFits(nHeads: number, nTokens: number): void {
  if (nHeads * nTokens ** 2 <= maxCells) return;
  throw new Failure(
    'too-long',
    `Cannot replace parts of a layer over ${nTokens} tokens: the maps of a layer would take ${Math.round((nHeads * nTokens ** 2 * 4) / 1e6)} MB. Inspect at most ${Math.floor(Math.sqrt(maxCells / nHeads))} tokens (mtaInspector.range.maxTokens).`,
    ['openSettings'],
  );
}
