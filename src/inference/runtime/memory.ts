/**
 * Estimates the memory of an analysis before it runs, and the largest bands of rows that keep it within a budget.
 * The bench compares the estimate with what is measured.
 */

import { totalmem } from 'node:os';
import { type LayerPlan, planLayer, reachAbove, streamedStages } from '../../graph/layerPlan';
import { blockSizeFor } from '../../graph/reductions';
import { Failure } from '../../shared/tools/failure';
import { type ModelFolder, mappedFromBytes } from '../model/folder';
import { minBandRows } from './bands';

/** What is to be run. */
export interface RunSize {
  readonly nTokens: number;
  readonly topK: number;
  /** Runs held at the same time: this one, and one before it that it takes rows over from. */
  readonly nRuns: number;
}

const mb = 1e6;
/** Node, ONNX Runtime's library, tokenizer and the process's own code, before any session; measured. */
const processBytes = 175 * mb;

/** Half of what this machine, or the container around the process, may use. */
export function defaultBudgetBytes(): number {
  const limit = process.constrainedMemory?.() ?? 0; // absent or 0 without a container; without a limit, huge
  return Math.min(totalmem(), limit > 0 ? limit : Number.POSITIVE_INFINITY) / 2;
}

/** Peak memory of the inference process in bytes, when layers are computed `nRows` rows at a time. */
export function estimatePeakBytes(
  folder: Pick<ModelFolder, 'config' | 'summary' | 'sizeBytes'>,
  size: RunSize,
  nRows: number,
): number {
  const { config, summary, sizeBytes } = folder;
  const { nTokens, topK, nRuns } = size;
  const blockSize = blockSizeFor(nTokens);
  const plans = Array.from({ length: config.n_layers }, (_, layerIdx) => planLayer(config, layerIdx));
  const areAsStored = sizeBytes > mappedFromBytes || summary.weightsKeptAs === 'packed';
  const weights = areAsStored ? sizeBytes : 4 * summary.nParameters;
  const perToken =
    4 * config.dim * (config.n_layers + 1) +
    8 * config.n_layers * (config.n_kv_heads * config.head_dim + config.n_heads * Math.min(topK, nTokens));
  const pooled = plans.reduce((sum, plan) => sum + streamedStages(plan).length, 0);
  const kept = nTokens * perToken + 5 * pooled * config.n_heads * Math.ceil(nTokens / blockSize) ** 2;
  const band = Math.max(...plans.map(plan => bandBytes(plan, config.hidden_dim, nTokens, nRows, blockSize)));
  return processBytes + weights + nRuns * kept + band;
}

/** What a layer holds while it computes its last band, which has most keys. */
function bandBytes(plan: LayerPlan, hiddenDim: number, nTokens: number, nRows: number, blockSize: number): number {
  const { nHeads, headDim, dim } = plan;
  const nAbove = Math.ceil(reachAbove(plan) / blockSize) * blockSize;
  const rows = Math.min(nTokens, nRows + nAbove);
  const map = 4 * nHeads * rows * nTokens;
  const nMaps = plan.preSoftmaxKernel || plan.postSoftmaxKernel ? mapsWithKernels : mapsWithout;
  const keys = 4 * 4 * nHeads * headDim * nTokens;
  const stream = 4 * rows * (6 * dim + 3 * hiddenDim);
  return nMaps * map + keys + stream;
}

/** Matrices of all heads that ONNX Runtime holds at a time, in layers with and without key-query kernels; measured. */
const mapsWithKernels = 12;
const mapsWithout = 7;

/**
 * Rows of a band: `mostRows` where they fit, half of it as often as need be otherwise.
 * @throws Failure `memory` with the numbers when not even the smallest band fits.
 */
export function chooseBandRows(
  folder: Pick<ModelFolder, 'config' | 'summary' | 'sizeBytes'>,
  size: RunSize,
  budgetBytes: number,
  mostRows: number,
): number {
  for (let nRows = mostRows; nRows >= minBandRows; nRows /= 2) {
    if (estimatePeakBytes(folder, size, nRows) <= budgetBytes) return nRows;
  }
  const least = estimatePeakBytes(folder, size, minBandRows);
  throw new Failure(
    'memory',
    `Cannot inspect ${size.nTokens} tokens with model "${folder.summary.name}": that takes about ` +
      `${Math.ceil(least / mb)} MB, even ${minBandRows} rows at a time, and the memory budget is ` +
      `${Math.floor(budgetBytes / mb)} MB. Raise the setting mtaInspector.inference.memoryBudgetMb, lower ` +
      'mtaInspector.range.maxTokens, or pick a smaller model.',
    ['openSettings', 'selectModel'],
  );
}
