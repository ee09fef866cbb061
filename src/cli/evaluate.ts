/** `mta-inspect eval`: bits per byte, perplexity and top-1 accuracy of a model on text files. */

import type { Engine } from '../inference/engine';
import { Failure } from '../shared/tools/failure';
import { windowSize } from './document';
import { oneLine } from './terminal';

/** Figures of one file or all; documented in schemas/eval.schema.json. */
export interface Evaluation {
  readonly file: string;
  /** UTF-8 bytes of the whole text. */
  readonly bytes: number;
  /** Tokens that were predicted, each once: all but a first one that nothing predicts. */
  readonly tokens: number;
  readonly bits_per_byte: number;
  /** 2 to the mean surprisal in bits per token. */
  readonly perplexity: number;
  readonly top1_accuracy: number;
  /** Tokens that went through the model: overlaps and begin tokens count each time. */
  readonly tokens_computed: number;
  /** Of the computed tokens. */
  readonly tokens_per_second: number;
}

/** How the figures were made. */
export interface EvaluationMethod {
  readonly has_begin_token: boolean;
  /** Tokens of the longest window, a begin token included. */
  readonly max_tokens: number;
  /** Tokens by which windows move on, and by which they overlap. */
  readonly step: number;
  readonly overlap: number;
  readonly bytes: 'UTF-8 bytes of the whole text';
}

interface Sums {
  bytes: number;
  tokens: number;
  bits: number;
  hits: number;
  computed: number;
  seconds: number;
}

const nothing: Readonly<Sums> = { bytes: 0, tokens: 0, bits: 0, hits: 0, computed: 0, seconds: 0 };

/** Tokens of a window. @throws Failure `bad-usage` where windows would have no room to predict anything. */
export function windowTokens(engine: Engine, maxTokens: number | undefined): number {
  const size = windowSize(engine, maxTokens);
  const least = engine.hasBeginToken ? 2 : 3;
  if (size >= least) return size;
  throw new Failure(
    'bad-usage',
    `--max-tokens is ${size}, expected at least ${least} for the model "${engine.model.name}".`,
  );
}

/** Windows overlap by half, so that all but the first tokens have at least half a context before them. */
export function evaluationMethod(engine: Engine, maxTokens: number): EvaluationMethod {
  const { room, step } = windowPlan(maxTokens);
  return {
    has_begin_token: engine.hasBeginToken,
    max_tokens: maxTokens,
    ...{ step, overlap: room - step, bytes: 'UTF-8 bytes of the whole text' },
  };
}

/** The begin token, or room for it, and tokens of the file. */
function windowPlan(maxTokens: number): { readonly room: number; readonly step: number } {
  const room = maxTokens - 1;
  return { room, step: Math.max(1, Math.floor(room / 2)) };
}

/** @throws Failure `empty` for a text of which nothing is predicted. */
export async function evaluateText(
  engine: Pick<Engine, 'encode' | 'score' | 'hasBeginToken'>,
  file: string,
  text: string,
  maxTokens: number,
): Promise<Evaluation> {
  const sums: Sums = { ...nothing, bytes: Buffer.byteLength(text) };
  const { ids } = engine.encode(text);
  if (ids.length < (engine.hasBeginToken ? 1 : 2)) {
    throw new Failure(
      'empty',
      `Cannot evaluate ${file}: it is ${ids.length} token long, and without a begin token nothing predicts the first one.`,
    );
  }
  const { room, step } = windowPlan(maxTokens);
  for (let scored = 0; scored < ids.length; ) {
    const first = Math.max(0, scored - (room - step));
    const window = ids.subarray(first, Math.min(ids.length, first + room));
    const start = performance.now();
    const { bits, isTop1 } = await engine.score(window);
    sums.seconds += (performance.now() - start) / 1000;
    sums.computed += window.length + (engine.hasBeginToken ? 1 : 0);
    for (let i = scored - first; i < window.length; i++) {
      if (first + i === 0 && !engine.hasBeginToken) continue; // nothing predicts it
      sums.bits += bits[i]!;
      sums.hits += isTop1[i]!;
      sums.tokens++;
    }
    scored = first + window.length;
  }
  return toEvaluation(file, sums);
}

/** Sums over files: long files weigh more, as their bytes do. */
export function totalEvaluation(files: readonly Evaluation[]): Evaluation {
  const sums: Sums = { ...nothing };
  for (const file of files) {
    sums.bytes += file.bytes;
    sums.tokens += file.tokens;
    sums.bits += file.bits_per_byte * file.bytes;
    sums.hits += file.top1_accuracy * file.tokens;
    sums.computed += file.tokens_computed;
    sums.seconds += file.tokens_computed / file.tokens_per_second;
  }
  return toEvaluation('total', sums);
}

export function formatEvaluation(e: Evaluation): string {
  return (
    `${oneLine(e.file)}: ${e.bits_per_byte.toFixed(4)} bits per byte, perplexity ${e.perplexity.toFixed(2)} per token of this ` +
    `model, top-1 ${(100 * e.top1_accuracy).toFixed(2)} %, ${e.tokens} tokens predicted, ` +
    `${e.tokens_per_second.toFixed(0)} tokens/s computed`
  );
}

function toEvaluation(file: string, { bytes, tokens, bits, hits, computed, seconds }: Sums): Evaluation {
  return {
    file,
    bytes,
    tokens,
    bits_per_byte: bits / bytes,
    perplexity: 2 ** (bits / tokens),
    top1_accuracy: hits / tokens,
    tokens_computed: computed,
    tokens_per_second: computed / seconds,
  };
}
