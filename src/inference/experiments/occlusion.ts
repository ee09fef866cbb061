/**
 * What occluding a part of the text does to the model's predictions: the causes that relevance only claims to show.
 *
 * The model runs once more per occluded part, on the window up to the last target token: nothing later can matter.
 */

import { klNats, logSoftmaxRows } from '../../attention/distributions';
import type { TokenRange } from '../../shared/address';
import type { OcclusionBaseline, OcclusionEffect, OcclusionMode } from '../../shared/relevance';
import type { Tokenizer } from '../../tokenization/tokenizer';
import type { Run } from '../run/run';
import { walkLayers } from '../run/walkLayers';
import type { WithRuntime } from '../runtime/lastingRuntime';
import { rowsOf } from '../runtime/values';

/** Natural log-probabilities of the next token after some positions, shape [nPositions, vocab]. */
interface Distributions {
  readonly logProbabilities: Float32Array;
  readonly vocab: number;
}

export interface Occlusion {
  /** The window's tokens. */
  readonly ids: Int32Array;
  /** Of layers that run with other weights than the trained ones. */
  readonly kernels: Run['kernels'];
  readonly target: TokenRange;
  readonly mode: OcclusionMode;
  readonly neutralId: number;
  readonly label: (id: number) => string;
  /** Checked between layers; throws when the run is no longer the current one. */
  readonly check: () => void;
}

/** Runs the model on everything first; each call of `effectOf` then runs it without one part. */
export class OcclusionRunner {
  private constructor(
    private readonly withRuntime: WithRuntime,
    private readonly occlusion: Occlusion,
    private readonly before: Distributions,
    readonly baseline: OcclusionBaseline,
  ) {}

  static async open(withRuntime: WithRuntime, occlusion: Occlusion, signal?: AbortSignal): Promise<OcclusionRunner> {
    const { ids, target, mode, label, neutralId } = occlusion;
    const before = await predictAt(withRuntime, occlusion, ids.subarray(0, target.end), target, signal);
    const baseline = {
      surprisalBits: meanSurprisal(before, ids, target),
      ...likeliest(before, label),
      neutralLabel: mode === 'replace' ? label(neutralId) : null,
    };
    return new OcclusionRunner(withRuntime, occlusion, before, baseline);
  }

  /** @param span lies before the target. @throws Cancelled between layers; RangeError for a span that does not. */
  async effectOf(span: TokenRange, signal?: AbortSignal): Promise<OcclusionEffect> {
    const { ids, target, mode, neutralId, label } = this.occlusion;
    if (!(span.first >= 0 && span.first < span.end && span.end <= target.first)) {
      throw new RangeError(`tokens ${span.first} to ${span.end} do not lie before the target at ${target.first}`);
    }
    const changed = occlude(ids.subarray(0, target.end), span, mode, neutralId);
    const shift = target.end - changed.length;
    const place = { first: target.first - shift, end: target.end - shift };
    const after = await predictAt(this.withRuntime, this.occlusion, changed, place, signal);
    return {
      surprisalBits: meanSurprisal(after, changed, place) - this.baseline.surprisalBits,
      divergenceBits: meanDivergence(this.before, after, target.end - target.first),
      ...likeliest(after, label),
    };
  }
}

/** The token that stands for an occluded one: a blank where that is one token, else a line's end. */
export function neutralToken(tokenizer: Tokenizer): number {
  const [id] = [' ', '\n'].map(text => tokenizer.encode(text).ids).find(ids => ids.length === 1) ?? [0];
  return id!;
}

/** The tokens with a span replaced or left out. Pure. */
function occlude(ids: Int32Array, { first, end }: TokenRange, mode: OcclusionMode, neutralId: number): Int32Array {
  if (mode === 'remove') return Int32Array.from([...ids.subarray(0, first), ...ids.subarray(end)]);
  return Int32Array.from(ids).fill(neutralId, first, end);
}

/**
 * Distributions after position first - 1 (where there is one) and after each target token; the former tells the first
 * target token's surprisal.
 */
async function predictAt(
  withRuntime: WithRuntime,
  { check, kernels }: Occlusion,
  ids: Int32Array,
  target: TokenRange,
  signal?: AbortSignal,
): Promise<Distributions> {
  // All of it again on another runtime where one fails: what a GPU computed is lost with it.
  return withRuntime(async runtime => {
    const vocab = runtime.folder.config.vocab_size;
    const hidden = await walkLayers(runtime, {
      ...{ hidden: await runtime.embed(ids), kernels, signal },
      runLayer: (...layer) => {
        check();
        return runtime.bareBlock(...layer);
      },
    });
    const rows = rowsOf(await runtime.fetch(hidden), Math.max(0, target.first - 1), target.end);
    const logits = await runtime.logits(rows);
    return { logProbabilities: logSoftmaxRows(logits.data as Float32Array, vocab), vocab };
  });
}

/** Mean surprisal of the target tokens in bits; token 0, which nothing predicts, does not count. NaN if it is alone. */
function meanSurprisal(
  { logProbabilities, vocab }: Distributions,
  ids: Int32Array,
  { first, end }: TokenRange,
): number {
  let bits = 0;
  const from = Math.max(1, first);
  for (let token = from; token < end; token++) {
    bits -= logProbabilities[(token - from) * vocab + ids[token]!]! / Math.LN2;
  }
  return bits / (end - from);
}

/** Mean over the distributions after the n target tokens, the last n, of KL(before || after), in bits. */
function meanDivergence(before: Distributions, after: Distributions, n: number): number {
  const size = n * before.vocab;
  return klNats(before.logProbabilities.subarray(-size), after.logProbabilities.subarray(-size)) / Math.LN2 / n;
}

function likeliest({ logProbabilities, vocab }: Distributions, label: (id: number) => string) {
  const last = logProbabilities.subarray(logProbabilities.length - vocab);
  let best = 0;
  for (let id = 1; id < vocab; id++) if (last[id]! > last[best]!) best = id;
  return { topLabel: label(best), topProbability: Math.exp(last[best]!) };
}
