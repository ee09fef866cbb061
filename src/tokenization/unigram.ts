/** Unigram: the tokens whose scores add up to the most, by Viterbi's algorithm (Kudo 2018, arXiv:1804.10959). */

import { byteToken } from './bytePairEncoding';
import type { Part } from './part';
import { PrefixTree } from './prefixTree';
import { type Model, Tokens, UnknownText, type Vocabulary } from './tokens';

/** What an unknown character costs beyond the least likely token, as in SentencePiece. */
const unknownPenalty = 10;

export class Unigram implements Model {
  private readonly scores: Float64Array;
  private readonly tree: PrefixTree;
  private readonly unknownId: number;
  private readonly unknownScore: number;
  private readonly byteTokens: readonly (number | undefined)[] | null;

  constructor(
    part: Part,
    private readonly vocabulary: Vocabulary,
  ) {
    const entries = part.any('vocab') as [string, number][];
    if (!Array.isArray(entries)) part.refuse('vocab', entries, 'a list of tokens with scores');
    this.scores = Float64Array.from(entries, ([, score]) => asLibraryReads(score));
    this.unknownScore = this.scores.reduce((least, score) => Math.min(least, score), Infinity) - unknownPenalty;
    this.unknownId = part.has('unk_id') ? part.count('unk_id') : -1;
    part.any('unk_id');
    if (this.unknownId >= entries.length) part.refuse('unk_id', this.unknownId, `less than ${entries.length}`);
    const length = entries.reduce((sum, [token]) => sum + token.length, 0);
    this.tree = new PrefixTree(vocabulary, length / 2);
    this.byteTokens = part.flag('byte_fallback', false)
      ? Array.from({ length: 256 }, (_, byte) => vocabulary.get(byteToken(byte)))
      : null;
  }

  tokenize(piece: string): Tokens {
    const tokens = new Tokens();
    for (const [start, end] of this.bestPath(piece)) {
      const text = piece.slice(start, end);
      const id = this.vocabulary.get(text);
      if (id !== undefined) {
        tokens.push(id, start, end);
        continue;
      }
      const bytes = this.byteTokens && Array.from(Buffer.from(text), byte => this.byteTokens![byte]);
      if (bytes?.every(byte => byte !== undefined)) for (const byte of bytes) tokens.push(byte!, start, end);
      else if (this.unknownId < 0) throw new UnknownText(text);
      else tokens.push(this.unknownId, start, end);
    }
    return tokens;
  }

  /** Borders of tokens from left to right; neighbours that are unknown are one. */
  private bestPath(piece: string): [start: number, end: number][] {
    const n = piece.length;
    const best = new Float64Array(n + 1);
    const from = new Int32Array(n + 1).fill(-1);
    const ids = new Int32Array(n + 1);
    const offer = (start: number, end: number, id: number, score: number) => {
      const sum = score + best[start]!;
      if (from[end]! >= 0 && sum <= best[end]!) return;
      best[end] = sum;
      from[end] = start;
      ids[end] = id;
    };
    for (let start = 0, next = 0; start < n; start = next) {
      next = start + (piece.codePointAt(start)! > 0xffff ? 2 : 1);
      let isCovered = false;
      this.tree.visit(piece, start, (end, id) => {
        offer(start, end, id, this.scores[id]!);
        isCovered ||= end === next;
      });
      if (isCovered) continue;
      if (this.unknownId < 0) throw new UnknownText(piece.slice(start, next));
      offer(start, next, this.unknownId, this.unknownScore);
    }
    const path: [number, number][] = [];
    let isUnknown = false;
    for (let end = n; end > 0; end = from[end]!) {
      const isNow = ids[end] === this.unknownId;
      if (isNow && isUnknown) path.at(-1)![0] = from[end]!;
      else path.push([from[end]!, end]);
      isUnknown = isNow;
    }
    return path.reverse();
  }
}

/**
 * The library's JSON reader divides the digits by a power of ten, which can miss the nearest number by its last bit, and
 * which decides between paths of equal scores.
 */
function asLibraryReads(score: number): number {
  const match = /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]\d+))?$/.exec(String(score));
  if (!match) return score;
  const [, sign, whole, fraction = '', power = '0'] = match;
  const digits = Number(whole! + fraction);
  const exponent = Number(power) - fraction.length;
  const size = exponent < 0 ? digits / 10 ** -exponent : digits * 10 ** exponent;
  return sign === '-' ? -size : size;
}
