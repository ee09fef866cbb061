/**
 * The graphs of a model on a GPU. They compute what `modelGraphs` does, in a form that keeps a GPU busy: the residual
 * stream, keys and values never leave its memory, masks are made there, and its results come out as two vectors. No
 * operator is left to the CPU in between, so that nothing waits for it.
 *
 * Inputs of a layer besides kernels, for the band [first, end) of rows:
 *   hidden [1, T, D]; rotary_cos, rotary_sin [T, d]; positions [T], 0, 1, 2, ...: all of the window or more
 *   first, end int64 [1]; n_above int64 [1]: how many rows come first only for the convolutions' sake
 *   past_keys, past_values [1, first, n_kv, d]; past_hidden [1, first + n_above, D]: of the rows before
 */

import { isSigned } from '../shared/operators';
import type { GraphBuilder, WeightSource } from './graphBuilder';
import { keptKeyDim, type LayerPlan } from './layerPlan';
import type { ModelConfig } from './modelConfig';
import { type BlockFeeds, type BlockTaps, openBlock } from './modelGraphs';
import { divergence, logProbabilityOf, openHead } from './outputHead';
import { addPooling, addScales, largest } from './reductions';

/**
 * One block on a band of rows -> `hidden_out` [1, end, D], `keys` and `values` [1, end, n_kv, d]: with those of the rows
 * before. With taps it has two more outputs; it takes the inputs `top_k` and `top_blocks` (see `addLargest`) for them.
 *   `integers` int32: indices of the strongest keys [1, H, R, k], -1 for a key after the query
 *   `numbers` fp32: their weights
 * A band goes on with its pooled rows, [1, H, I, J] per stage of `taps.overviews`, in `numbers`. A layer computed at once
 * can be quantised: `integers` goes on with bytes, four a number (input `padding`, int64 [2]: 0 and how many are missing
 * to that), which are the steps [stage, H, I, I] of the overviews, `numbers` with scales and sums [stage, H] each; a sum
 * is NaN where any value is. `cells` [1, stage * H, I, I] is what they were quantised from.
 */
export function gpuBlockGraph(
  config: ModelConfig,
  layerIdx: number,
  weights: WeightSource,
  { overviews, blockSize, topKeys }: BlockTaps,
  isWhole = false,
): Uint8Array {
  const { g, plan, values, output } = openBlock(config, layerIdx, weights, gpuFeeds);
  const kept = (size: number) => ['B', 'K', plan.nKvHeads, size];
  const pastHidden = g.input('past_hidden', 'float32', ['B', 'P', config.dim]);
  g.output('hidden_out', g.op('Concat', [pastHidden, output], { axis: 1 }), 'float32', ['B', 'N', config.dim]);
  g.output('keys', values.allKeys, 'float32', kept(keptKeyDim(plan)));
  g.output('values', values.allValues, 'float32', kept(plan.headDim));
  if (topKeys) {
    const starts = g.op('Mul', ['positions', g.scalar(largestBlock)]);
    const keys = bandRows(g, 'positions', 0, g.ints([0]));
    const last = g.op('Slice', [keys, g.ints([-1]), g.ints([Number.MAX_SAFE_INTEGER]), g.ints([0])]);
    const magnitude = g.op('Abs', [values.attention]);
    const { indices, values: topWeights } = addLargest(g, values.attention, magnitude, starts, last);
    const isBefore = g.op('LessOrEqual', [indices, queryPositions(g)]);
    const integers = [g.cast(g.op('Where', [isBefore, indices, g.scalar(-1)]), 'int32')];
    const numbers = [topWeights];
    const pooled = overviews.map(stage => addPooling(g, values.stages[stage]!, blockSize, isSigned(stage)));
    if (isWhole) {
      const cells = pooled.length === 1 ? pooled[0]! : g.op('Concat', pooled, { axis: 1 });
      const { steps, scales, sums } = quantized(g, cells);
      integers.push(steps);
      numbers.push(scales, sums);
      g.output('cells', cells, 'float32', ['B', overviews.length * plan.nHeads, 'I', 'I']);
    } else {
      numbers.push(...pooled);
    }
    g.output('integers', flat(g, integers), 'int32', ['M']);
    g.output('numbers', flat(g, numbers), 'float32', ['N']);
  }
  return g.build();
}

/**
 * As `quantize` (inference/runtime/overviews.ts) does it: in steps of 1/127 of each map's largest magnitude.
 * @param cells [1, H, I, I]
 * @returns steps as bytes, four an int32 in the order of memory; scales and sums [1, H, 1, 1].
 */
function quantized(g: GraphBuilder, cells: string) {
  const { scales, divisor } = addScales(g, cells);
  const factor = g.op('Div', [g.scalar(127), divisor]);
  const steps = g.op('Floor', [g.op('Add', [g.op('Mul', [cells, factor]), g.scalar(0.5)])]);
  const isPositive = g.op('GreaterOrEqual', [steps, g.scalar(0)]);
  const bytes = g.op('Where', [isPositive, steps, g.op('Add', [steps, g.scalar(256)])]);
  const vector = g.op('Pad', [g.op('Reshape', [bytes, g.ints([-1])]), g.input('padding', 'int64', [2])]);
  // Sums are of fp32, whatever is summed: exact for two bytes, not for four.
  const pairs = g.op('Mul', [g.op('Reshape', [vector, g.ints([-1, 2])]), g.floats([1, 256], [2])]);
  const words = g.op('ReduceSum', [pairs, g.ints([-1])], { keepdims: 0 });
  const half = (start: number) => {
    const every2nd = [g.ints([start]), g.ints([Number.MAX_SAFE_INTEGER]), g.ints([0]), g.ints([2])];
    return g.cast(g.op('Slice', [words, ...every2nd]), 'int32');
  };
  const packed = g.op('Add', [half(0), g.op('Mul', [half(1), g.integers([2 ** 16], [1])])]);
  return { steps: packed, scales, sums: g.op('ReduceSum', [cells, g.ints([2, 3])], { keepdims: 1 }) };
}

/** See the top of this file. */
export function gpuFeeds(g: GraphBuilder, plan: LayerPlan, hidden: string): BlockFeeds {
  for (const bound of ['first', 'end']) g.input(bound, 'int64', [1]);
  const table = (name: string) => bandRows(g, g.input(name, 'float32', ['T', plan.headDim]), 0);
  const positions = g.input('positions', 'float32', ['T']);
  const key = g.op('Unsqueeze', [bandRows(g, positions, 0, g.ints([0])), g.ints([0, 1, 2])]);
  const back = g.op('Sub', [queryPositions(g), key]); // tokens that the query looks back
  const half = plan.slidingWindow === null ? null : g.scalar((plan.slidingWindow - 1) / 2);
  const allowed =
    half === null
      ? g.op('GreaterOrEqual', [back, g.scalar(0)])
      : g.op('LessOrEqual', [g.op('Abs', [g.op('Sub', [back, half])]), half]);
  // Half a token more, so that rounding cannot make the first of a chunk the last of the one before.
  const chunkOf = (position: string) =>
    g.op('Floor', [g.op('Div', [g.op('Add', [position, g.scalar(0.5)]), g.scalar(plan.attentionChunk!)])]);
  const isInChunk = plan.attentionChunk === null ? null : g.op('Equal', [chunkOf(queryPositions(g)), chunkOf(key)]);
  const past = (size: number) => ['B', 'P', plan.nKvHeads, size];
  return {
    rows: bandRows(g, hidden, 1),
    cos: table('rotary_cos'),
    sin: table('rotary_sin'),
    allowed: isInChunk === null ? allowed : g.op('And', [allowed, isInChunk]),
    pastKeys: g.input('past_keys', 'float32', past(keptKeyDim(plan))),
    pastValues: g.input('past_values', 'float32', past(plan.headDim)),
    nAbove: g.input('n_above', 'int64', [1]),
    isDense: true,
  };
}

/** The band's rows of an input. @param from the first of them, int64 [1]; the band's own by default. */
function bandRows(g: GraphBuilder, value: string, axis: number, from = 'first'): string {
  return g.op('Slice', [value, from, 'end', g.ints([axis])]);
}

/** [1, 1, R, 1] */
function queryPositions(g: GraphBuilder): string {
  return g.op('Unsqueeze', [bandRows(g, 'positions', 0), g.ints([0, 1, 3])]);
}

/** Cells among which only the largest is looked for at first. */
export const largestBlock = 16;

/**
 * The `top_k` cells of largest magnitude in each row. The k largest of a row lie in the k blocks whose own largest are
 * the largest: only in those (input `top_blocks`: k, or all blocks where there are fewer) are cells compared. Sorting
 * whole rows, as a GPU's `TopK` does, takes ten times as long.
 * @param x [B, H, R, K]
 * @param magnitude what its cells are compared by, of the same shape.
 * @param starts fp32 [at least K / 16]: 0, 16, 32, ...
 * @param last K - 1, fp32.
 * @returns both [B, H, R, k]; the indices as fp32, which holds whole numbers up to 2^24: GPUs have no 64-bit ones.
 */
function addLargest(
  g: GraphBuilder,
  x: string,
  magnitude: string,
  starts: string,
  last: string,
): { readonly indices: string; readonly values: string } {
  const best = g.op('MaxPool', [magnitude], {
    kernel_shape: [1, largestBlock],
    strides: [1, largestBlock],
    ceil_mode: 1,
  });
  const blocks = largest(g, best, g.input('top_blocks', 'int64', [1])).indices;
  const inBlock = g.floats(
    Array.from({ length: largestBlock }, (_, i) => i),
    [largestBlock],
  );
  const places = g.op('Add', [g.op('Unsqueeze', [g.op('Gather', [starts, blocks]), g.ints([-1])]), inBlock]);
  const flatPlaces = g.op('Reshape', [places, g.ints([0, 0, 0, -1])]);
  const isInside = g.op('LessOrEqual', [flatPlaces, last]);
  const at = g.cast(g.op('Where', [isInside, flatPlaces, last]), 'int32');
  const gather = (from: string, indices: string) => g.op('GatherElements', [from, indices], { axis: -1 });
  const candidates = gather(x, at);
  const compared = g.op('Where', [isInside, gather(magnitude, at), g.scalar(lowest)]);
  const top = largest(g, compared, g.input('top_k', 'int64', [1])).indices;
  return { indices: gather(flatPlaces, top), values: gather(candidates, top) };
}

/** Lower than any log-probability, and finite: operators may take infinities for missing values. */
const lowest = -3.4e38;

/**
 * `hidden` [1, T, D] and `targets` (int64 [1, T, 1]) -> `prediction` [1, T, 1 + 2k (+ 1)]: the target's log-probability, indices
 * and log-probabilities of the most likely next tokens, and the divergence where it `compares`; see `predictionGraph`.
 */
export function gpuPredictionGraph(config: ModelConfig, weights: WeightSource, compares: boolean): Uint8Array {
  const { g, logits } = openHead(config, weights);
  const targets = g.input('targets', 'int64', ['B', 'T', 1]);
  const logProbabilities = logSoftmax(g, logits);
  const starts = g.floats(
    Array.from({ length: Math.ceil(config.vocab_size / largestBlock) }, (_, i) => i * largestBlock),
    [Math.ceil(config.vocab_size / largestBlock)],
  );
  const asMap = g.op('Unsqueeze', [logProbabilities, g.ints([1])]);
  const { indices, values } = addLargest(g, asMap, asMap, starts, g.scalar(config.vocab_size - 1));
  const perToken = (value: string) => g.op('Squeeze', [value, g.ints([1])]);
  const columns = [logProbabilityOf(g, logProbabilities, targets), perToken(indices), perToken(values)];
  if (compares) {
    const before = g.input('before', 'float32', ['B', 'T', config.vocab_size]);
    columns.push(g.op('Unsqueeze', [divergence(g, before, logProbabilities), g.ints([-1])]));
  }
  g.output('prediction', g.op('Concat', columns, { axis: -1 }), 'float32', ['B', 'T', 'N']);
  return g.build();
}

/** x - log of the sum over the last axis of exp(x): WebGPU has no LogSoftmax. */
function logSoftmax(g: GraphBuilder, x: string): string {
  const shifted = g.op('Sub', [x, g.op('ReduceMax', [x, g.ints([-1])], { keepdims: 1 })]);
  const sum = g.op('ReduceSum', [g.op('Exp', [shifted]), g.ints([-1])], { keepdims: 1 });
  return g.op('Sub', [shifted, g.op('Log', [sum])]);
}

function flat(g: GraphBuilder, values: readonly string[]): string {
  const vectors = values.map(value => g.op('Reshape', [value, g.ints([-1])]));
  return g.op('Concat', vectors, { axis: 0 });
}
