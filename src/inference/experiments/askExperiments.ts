/** Experiments as they are asked from outside: about a run's tokens, with targets by name, answered in bits. */

import { alignTexts, inverted } from '../../attention/alignTokens';
import type { TokenRange } from '../../shared/address';
import type { ExplainTarget, NamedToken } from '../../shared/attribution';
import type {
  Change,
  EdgeCut,
  KnockOutEffect,
  KnockOuts,
  LogitLens,
  PatchedParts,
  PatchQuestion,
} from '../../shared/interventions';
import { Failure } from '../../shared/tools/failure';
import { toBits } from '../run/predictions';
import type { Run } from '../run/run';
import type { Cut } from '../runtime/knockOut';
import { headsOff, partsPutIn } from './changedRun';
import type { ChangedRun, Experiments } from './experiments';
import { checkHeads } from './headAblation';
import type { Cuts } from './knockOutRuns';

export interface Asked {
  readonly experiments: Experiments;
  readonly nLayers: number;
  readonly nHeads: number;
  readonly vocabSize: number;
  /** A token's text, readable. */
  readonly label: (id: number) => string;
  /** Whether no row can be computed without those after it. */
  readonly rotatesByLength: boolean;
}

/** @throws Failure `bad-target`; RangeError for rows that are not there; as `Experiments.logitLens`. */
export async function askLens(
  { experiments, label, vocabSize }: Asked,
  run: Run,
  { rows, target, k }: { readonly rows: TokenRange; readonly target: ExplainTarget; readonly k: number },
  signal?: AbortSignal,
): Promise<LogitLens> {
  experiments.checkLocal(); // before the targets: a view may have no predictions to take them from
  checkRows(rows, run);
  const targets = targetsOf(run, rows, target, vocabSize);
  const lenses = await experiments.logitLens({ analysisId: run.analysisId, rows, targets, k }, signal);
  const labels: Record<number, string> = {};
  for (const { topIds } of lenses) for (const id of topIds) labels[id] ??= label(id);
  return {
    ...{ rows, targets: targets.map(id => ({ id, text: label(id) })), k: lenses[0]!.topIds.length / targets.length },
    layers: lenses.map(lens => ({
      surprisalBits: lens.logProbabilities.map(value => -toBits(value)),
      ranks: lens.ranks,
      entropyBits: lens.entropy.map(toBits),
      divergenceBits: lens.divergence.map(toBits),
      topIds: lens.topIds,
      topProbabilities: lens.topLogProbabilities.map(Math.exp),
    })),
    labels,
  };
}

/** @throws as `askLens`; RangeError for edges that are not there. */
export async function askKnockOuts(
  { experiments, label, nLayers, nHeads, vocabSize }: Asked,
  run: Run,
  {
    rows,
    target,
    cuts,
  }: { readonly rows: TokenRange; readonly target: ExplainTarget; readonly cuts: readonly EdgeCut[] },
  signal?: AbortSignal,
): Promise<KnockOuts> {
  experiments.checkLocal();
  checkRows(rows, run);
  const targets = targetsOf(run, rows, target, vocabSize);
  const edges = cuts.map(cut => edgesOf(cut, rows.end, nLayers, nHeads));
  const runner = await experiments.knockOuts(run.analysisId, { ...rows, targets }, signal);
  const effects: KnockOutEffect[] = [];
  for (const cut of edges) {
    const { logProbabilities, divergence, topIds, topLogProbabilities } = await runner.without(cut, signal);
    const change = logProbabilities.reduce((sum, value, i) => sum + value - runner.before.logProbabilities[i]!, 0);
    const mean = divergence!.reduce((sum, value) => sum + value, 0) / targets.length;
    const likeliest = Array.from(topIds, (id, i) => ({
      ...{ id, text: label(id), probability: Math.exp(topLogProbabilities[i]!) },
    }));
    effects.push({ changeBits: toBits(change), divergenceBits: toBits(mean), likeliest });
  }
  const surprisalBits = runner.before.logProbabilities.map(value => -toBits(value));
  return { rows, targets: targets.map(id => ({ id, text: label(id) })), surprisalBits, effects };
}

/**
 * @param run of the text that parts are put into.
 * @throws Failure `bad-target`, or `unequal-texts` where tokens do not correspond; as `askLens`.
 */
export async function askPatch(
  { experiments, label, vocabSize, rotatesByLength }: Asked,
  run: Run,
  { row, target, minus, what, from }: PatchQuestion,
  signal?: AbortSignal,
): Promise<PatchedParts> {
  experiments.checkLocal();
  checkRows({ first: row, end: row + 1 }, run);
  const [targetId] = targetsOf(run, { first: row, end: row + 1 }, target, vocabSize);
  if (minus !== undefined) checkTokenId(minus, vocabSize);
  if (minus === targetId) throw badTarget(`The token to subtract is the target itself, ${minus}. Name another one.`);
  if (what === 'pattern' && from === 'mean') {
    throw badTarget('The mean of a pattern over its rows would let tokens see later ones. Replace it by zero.');
  }
  const upTo = (ids: Int32Array, last: number) => (rotatesByLength ? ids : ids.subarray(0, last + 1));
  const ids = upTo(run.ids, row);
  const other = typeof from === 'string' ? null : correspondingTokens(ids, from.ids, row, from.isAligned);
  const source =
    typeof from === 'string'
      ? from
      : { ids: upTo(from.ids, other!.row), row: other!.row, counterparts: other!.counterparts };
  const task = { ids, source, kind: what, row, target: targetId!, minus: minus ?? null };
  const { clean, original, patched, isChanged, together } = await experiments.patch(task, signal);
  const named = (id: number): NamedToken => ({ id, text: label(id) });
  return {
    ...{ target: named(targetId!), minus: minus === undefined ? null : named(minus) },
    ...{ other: clean, original, patched, isChanged, together },
  };
}

/**
 * Runs the model with something changed in a text's run.
 * @param otherIds tokens of the text that parts are taken from.
 * @throws Failure `bad-ablation`, `unequal-texts`, `too-long`; RangeError for tokens, layers or heads that are not there; as
 * `askLens`.
 */
export async function askChange(
  { experiments, nLayers, nHeads }: Asked,
  base: Run,
  change: Exclude<Change, { readonly kind: 'kernels' }>,
  {
    analysisId,
    k,
    otherIds,
  }: { readonly analysisId: number; readonly k: number; readonly otherIds: Int32Array | null },
  signal?: AbortSignal,
): Promise<ChangedRun> {
  const args = { analysisId, baseId: base.analysisId, k };
  switch (change.kind) {
    case 'heads':
      checkHeads(change.heads, nLayers, nHeads);
      return experiments.change(
        args,
        (runtime, streams) => headsOff(runtime, streams, change.heads, change.baseline),
        signal,
      );
    case 'edges': {
      const cuts = new Map<number, Cut[]>();
      for (const cut of change.cuts) {
        for (const [layerIdx, list] of edgesOf(cut, base.nTokens, nLayers, nHeads)) {
          cuts.set(layerIdx, [...(cuts.get(layerIdx) ?? []), ...list]);
        }
      }
      const changes = new Map([...cuts].map(([layerIdx, list]) => [layerIdx, { cuts: list }]));
      return experiments.change(args, async () => changes, signal);
    }
    case 'patch': {
      const { layerIdx, headIdx, tokens } = change;
      within(layerIdx < nLayers && (headIdx ?? 0) < nHeads, `${layerIdx}.${headIdx ?? 0}`);
      const all = { first: 0, end: base.nTokens };
      if (tokens) checkRows(tokens, base);
      const counterparts = partners(base.ids, otherIds!, tokens ?? all);
      return experiments.change(
        args,
        async (runtime, streams) =>
          partsPutIn(runtime, streams, await experiments.streamsOf(otherIds!, signal), counterparts, change),
        signal,
      );
    }
  }
}

/** For each token of a range the corresponding one of another text, -1 for none. @throws Failure `unequal-texts` */
function partners(ids: Int32Array, other: Int32Array, { first, end }: TokenRange): Int32Array {
  const all = inverted(alignTexts(Array.from(other, String), Array.from(ids, String)), ids.length);
  const inside = all.map((token, i) => (i >= first && i < end ? token : -1));
  if (inside.some(token => token >= 0)) return inside;
  throw new Failure(
    'unequal-texts',
    `Cannot patch: none of the tokens ${first} to ${end - 1} has a counterpart in the other text. Choose tokens that both texts have.`,
  );
}

function correspondingTokens(ids: Int32Array, other: Int32Array, row: number, isAligned: boolean) {
  if (!isAligned) {
    if (other.length > row) return { row, counterparts: Int32Array.from(ids, (_, i) => (i < other.length ? i : -1)) };
    throw new Failure(
      'unequal-texts',
      `Cannot patch by position: the other text has ${other.length} tokens, and row ${row} is asked about. Use a text of as many tokens, or align equal tokens.`,
    );
  }
  const counterparts = inverted(alignTexts(Array.from(other, String), Array.from(ids, String)), ids.length);
  const otherRow = counterparts[row]!;
  if (otherRow >= 0) return { row: otherRow, counterparts: counterparts.map(token => (token > otherRow ? -1 : token)) };
  throw new Failure(
    'unequal-texts',
    `Cannot patch: no token of the other text corresponds to token ${row}, whose row is asked about. Choose a place before which both texts have the same token.`,
  );
}

function targetsOf(run: Run, rows: TokenRange, target: ExplainTarget, vocabSize: number): number[] {
  if (typeof target === 'number') checkTokenId(target, vocabSize);
  if (target === 'actual' && rows.end >= run.nTokens) {
    throw badTarget(
      `No token comes after token ${run.nTokens - 1}, the last one of the inspected range. Choose the predicted token or a token id as target.`,
    );
  }
  const { topIds } = run.prediction!;
  const k = topIds.length / run.nTokens;
  return Array.from({ length: rows.end - rows.first }, (_, i) => {
    const row = rows.first + i;
    if (target === 'actual') return run.ids[row + 1]!;
    return target === 'predicted' ? topIds[row * k]! : target;
  });
}

function edgesOf({ keys, queries, layers, heads }: EdgeCut, end: number, nLayers: number, nHeads: number): Cuts {
  const rows = { first: Math.max(queries?.first ?? 0, keys.end), end: Math.min(queries?.end ?? end, end) };
  if (!(keys.first >= 0 && keys.first < keys.end && rows.first < rows.end)) {
    throw new RangeError(
      `no row up to ${end - 1} comes after the keys ${keys.first} to ${keys.end - 1}; choose keys before the row that is asked about.`,
    );
  }
  const cut = (ofLayer: readonly number[] | null): Cut => ({ keys, queries: rows, heads: ofLayer });
  if (heads) {
    const byLayer = new Map<number, number[]>();
    for (const { layerIdx, headIdx } of heads) {
      within(layerIdx < nLayers && headIdx < nHeads, `${layerIdx}.${headIdx}`);
      byLayer.set(layerIdx, [...(byLayer.get(layerIdx) ?? []), headIdx]);
    }
    return new Map([...byLayer].map(([layerIdx, list]) => [layerIdx, [cut(list)]]));
  }
  for (const layerIdx of layers ?? []) within(layerIdx < nLayers, String(layerIdx));
  const all = layers ?? Array.from({ length: nLayers }, (_, layerIdx) => layerIdx);
  return new Map(all.map(layerIdx => [layerIdx, [cut(null)]]));
}

function within(isThere: boolean, name: string): void {
  if (!isThere) throw new RangeError(`the model has no layer or head ${name}.`);
}

function checkRows({ first, end }: TokenRange, { nTokens }: Run): void {
  if (first < end && end <= nTokens) return;
  throw new RangeError(`rows ${first} to ${end - 1} are not among the ${nTokens} of the inspected range.`);
}

export function checkTokenId(id: number, vocabSize: number): void {
  if (id < vocabSize) return;
  throw badTarget(`The token is ${id}, expected an id from 0 to ${vocabSize - 1}, the vocabulary of the model.`);
}

function badTarget(message: string): Failure {
  return new Failure('bad-target', message);
}
