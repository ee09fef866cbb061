/** `mta-inspect eval`: bits per byte, perplexity and top-1 accuracy of a model on text files. */

import type { Engine } from '../inference/engine';

export interface Evaluation {
  readonly file: string;
  readonly bytes: number;
  /** Tokens that were predicted: all of the file's. */
  readonly tokens: number;
  readonly bits_per_byte: number;
  /** 2 to the mean surprisal in bits per token. */
  readonly perplexity: number;
  readonly top1_accuracy: number;
  readonly tokens_per_second: number;
}

interface Sums {
  bytes: number;
  tokens: number;
  bits: number;
  hits: number;
  seconds: number;
}

/**
 * Every token is predicted once. Windows overlap by half, so that all but the file's first tokens have at least half a
 * context before them.
 */
export async function evaluateText(engine: Engine, file: string, text: string, maxTokens: number): Promise<Evaluation> {
  const sums: Sums = { bytes: Buffer.byteLength(text), tokens: 0, bits: 0, hits: 0, seconds: 0 };
  const { ids } = engine.encode(text);
  const room = maxTokens - 1;
  const step = Math.max(1, Math.floor(room / 2));
  for (let scored = 0; scored < ids.length; ) {
    const first = Math.max(0, scored - (room - step));
    const window = ids.subarray(first, Math.min(ids.length, first + room));
    const start = performance.now();
    const { bits, isTop1 } = await engine.score(window);
    sums.seconds += (performance.now() - start) / 1000;
    for (let i = scored - first; i < window.length; i++) {
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
  const sums: Sums = { bytes: 0, tokens: 0, bits: 0, hits: 0, seconds: 0 };
  for (const file of files) {
    sums.bytes += file.bytes;
    sums.tokens += file.tokens;
    sums.bits += file.bits_per_byte * file.bytes;
    sums.hits += file.top1_accuracy * file.tokens;
    sums.seconds += file.tokens / file.tokens_per_second;
  }
  return toEvaluation('total', sums);
}

export function formatEvaluation(e: Evaluation): string {
  return (
    `${e.file}: ${e.bits_per_byte.toFixed(4)} bits per byte, perplexity ${e.perplexity.toFixed(2)}, ` +
    `top-1 ${(100 * e.top1_accuracy).toFixed(2)} %, ${e.tokens} tokens, ${e.tokens_per_second.toFixed(0)} tokens/s`
  );
}

function toEvaluation(file: string, { bytes, tokens, bits, hits, seconds }: Sums): Evaluation {
  return {
    file,
    bytes,
    tokens,
    bits_per_byte: bits / bytes,
    perplexity: 2 ** (bits / tokens),
    top1_accuracy: hits / tokens,
    tokens_per_second: tokens / seconds,
  };
}
