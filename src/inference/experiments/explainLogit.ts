/** Direct attribution of one logit of a finished run; see graph/attribution for what it means. */

import { setImmediate as nextTurn } from 'node:timers/promises';
import { type PatternRows, rowsReached, splitCell } from '../../attention/splitCell';
import { planLayer } from '../../graph/layerPlan';
import type { CellAddress, CellSplit, ExplainTarget, FrozenPart, LogitAttribution } from '../../shared/attribution';
import type { KernelWeights } from '../../shared/kernels';
import { Cancelled, Failure } from '../../shared/tools/failure';
import type { ModelFolder } from '../model/folder';
import { inputOf, type Run } from '../run/run';
import { type Attribution, fetchRows } from '../runtime/attribution';
import type { LayerRuntime } from '../runtime/layerRuntime';
import type { Value } from '../runtime/session';
import { rowsOf } from '../runtime/values';

export interface ExplainRequest {
  readonly row: number;
  readonly target: ExplainTarget;
  /** Id of a token whose logit is subtracted. */
  readonly minus?: number | undefined;
  /** Cells to split further, see `CellSplit`. */
  readonly cells?: readonly CellAddress[] | undefined;
}

/**
 * @param run with its last layer done.
 * @throws Failure `bad-target` for a target that is not there; Cancelled between layers once `signal` fires.
 */
export async function explainLogit(
  runtime: LayerRuntime,
  attribution: Attribution,
  run: Run,
  { row, target, minus, cells: asked = [] }: ExplainRequest,
  label: (id: number) => string,
  signal?: AbortSignal,
): Promise<LogitAttribution> {
  const { config, summary } = runtime.folder;
  const { n_layers: nLayers, n_heads: nHeads } = config;
  if (!(row < run.nTokens)) throw new RangeError(`row ${row} is not one of ${run.nTokens}`);
  for (const cell of asked) checkCell(cell, nLayers, nHeads, row);
  const last = rowsOf(await runtime.fetch(inputOf(run, nLayers)), row, row + 1);
  const logits = (await runtime.fetch(await runtime.logits(last))).data as Float32Array;
  const targetId = targetOf(run, logits, row, target, summary.name);
  if (minus !== undefined) checkMinus(minus, targetId, logits.length, label);
  const reference = minus === undefined ? mean(logits) : logits[minus]!;
  const added = await attribution.unembedding(targetId);
  const subtracted = await (minus === undefined ? attribution.meanUnembedding() : attribution.unembedding(minus));
  const final = await attribution.finalDirection(last, difference(added.row, subtracted.row));
  const { direction } = final;

  const rowOf = async (stream: Value) => rowsOf(await runtime.fetch(stream), row, row + 1).data as Float32Array;
  const nKeys = row + 1;
  const heads = new Float64Array(nLayers * nHeads);
  const mlps = new Float64Array(nLayers);
  const tokens = new Float64Array(nKeys);
  const cells = new Float32Array(nLayers * nHeads * nKeys);
  const splits = new Map<CellAddress, CellSplit>();
  let stream = await rowOf(inputOf(run, 0));
  const embedding = dot(stream, direction);
  const logit = logits[targetId]! - reference;
  let other = final.bias + config.logit_scale * (added.bias - subtracted.bias);
  for (let layerIdx = 0; layerIdx < nLayers; layerIdx++) {
    await nextTurn();
    if (signal?.aborted) throw new Cancelled();
    const rows = await fetchRows(runtime, run.layers[layerIdx]!.rows);
    const kernels = run.kernels.get(layerIdx) ?? (await runtime.trainedKernels(layerIdx));
    const split = await attribution.splitRow(layerIdx, rows, row, direction, kernels);
    cells.set(split.cells, layerIdx * nHeads * nKeys);
    const ofLayer = asked.filter(cell => cell.layerIdx === layerIdx);
    if (ofLayer.length > 0) {
      const pattern = await patternRows(runtime, layerIdx, run, row, kernels);
      for (const cell of ofLayer) {
        const factor = split.factors[cell.headIdx * nKeys + cell.keyIdx]!;
        splits.set(cell, splitCell(cell, row, factor, kernels, pattern));
      }
    }
    for (const [i, value] of split.cells.entries()) {
      heads[layerIdx * nHeads + Math.floor(i / nKeys)]! += value;
      tokens[i % nKeys]! += value;
    }
    other += split.bias;
    const next = await rowOf(inputOf(run, layerIdx + 1));
    // What the layer adds besides attention is the MLP, whatever that computes.
    mlps[layerIdx] = dot(next, direction) - dot(stream, direction) - dot(split.added, direction);
    stream = next;
  }
  const remainder = logit - (embedding + sum(heads) + sum(mlps) + other);
  return {
    ...{ row, target: { id: targetId, text: label(targetId) } },
    minus: minus === undefined ? null : { id: minus, text: label(minus) },
    ...{ isCentered: true, logit, embedding, heads, mlps, other, remainder, tokens, cells },
    ...{ cap: config.logit_cap, frozen: frozenParts(runtime.folder) },
    ...(asked.length > 0 ? { splits: asked.map(cell => splits.get(cell)!) } : {}),
  };
}

/** Rows of the softmax's output that the last stage's row is made of, in all heads. */
async function patternRows(
  runtime: LayerRuntime,
  layerIdx: number,
  run: Run,
  row: number,
  kernels: readonly KernelWeights[],
): Promise<PatternRows> {
  const firstQuery = Math.max(0, row - rowsReached(kernels));
  const heads = Array.from({ length: runtime.folder.config.n_heads }, (_, headIdx) => headIdx);
  const changed = run.kernels.get(layerIdx);
  const options = { stages: ['pattern'], heads, queries: [firstQuery, row + 1] } as const;
  const [values] = await runtime.stageRows(layerIdx, run.layers[layerIdx]!.rows, {
    ...options,
    ...(changed ? { kernels: changed } : {}),
  });
  return { firstQuery, nKeys: row + 1, values: values! };
}

function checkCell({ layerIdx, headIdx, keyIdx }: CellAddress, nLayers: number, nHeads: number, row: number): void {
  if (layerIdx < nLayers && headIdx < nHeads && keyIdx <= row) return;
  throw new Failure(
    'bad-target',
    `Cannot split cell ${layerIdx}.${headIdx}:${keyIdx}: expected LAYER.HEAD:TOKEN with layers 0 to ${nLayers - 1}, heads 0 to ${nHeads - 1} and tokens 0 to ${row}, which the row can see.`,
  );
}

function frozenParts({ config }: ModelFolder): FrozenPart[] {
  const plans = Array.from({ length: config.n_layers }, (_, layerIdx) => planLayer(config, layerIdx));
  const parts: FrozenPart[] = [];
  if (plans.some(plan => plan.normPosition !== 'before')) parts.push('norm after attention');
  if (plans.some(plan => plan.hasGroupNorm || plan.isDifferential)) parts.push('per-head norm');
  if (plans.some(plan => plan.gate)) parts.push('gate');
  return parts;
}

function targetOf(run: Run, logits: Float32Array, row: number, target: ExplainTarget, model: string): number {
  if (target === 'predicted') return logits.reduce((best, value, id) => (value > logits[best]! ? id : best), 0);
  if (target === 'actual') {
    const next = run.ids[row + 1];
    if (next !== undefined) return next;
    throw new Failure(
      'bad-target',
      `No token comes after token ${row}, the last one of the inspected range. Choose the predicted token or a token id as target.`,
    );
  }
  if (target < logits.length) return target;
  throw new Failure(
    'bad-target',
    `The target is token ${target}, expected an id from 0 to ${logits.length - 1}, the vocabulary of "${model}".`,
  );
}

function checkMinus(minus: number, targetId: number, vocabSize: number, label: (id: number) => string): void {
  if (minus >= vocabSize) {
    throw new Failure(
      'bad-target',
      `The token to subtract is ${minus}, expected an id from 0 to ${vocabSize - 1}, the model’s vocabulary.`,
    );
  }
  if (minus !== targetId) return;
  throw new Failure(
    'bad-target',
    `The token to subtract is the target itself, ${targetId} (${JSON.stringify(label(targetId))}). Name another one.`,
  );
}

function difference(a: ArrayLike<number>, b: ArrayLike<number>): Float32Array {
  return Float32Array.from(a, (value, i) => value - b[i]!);
}

function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let total = 0;
  for (let i = 0; i < a.length; i++) total += a[i]! * b[i]!;
  return total;
}

function sum(values: Float64Array): number {
  return values.reduce((total, value) => total + value, 0);
}

function mean(values: Float32Array): number {
  return values.reduce((total, value) => total + value, 0) / values.length;
}
