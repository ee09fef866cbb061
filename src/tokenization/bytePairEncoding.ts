/** Byte pair encoding: characters are merged in pairs, those learned first before others. */

import { LRUCache } from 'lru-cache';
import { shown } from '../shared/tools/failure';
import { NumberTable } from './numberTable';
import type { Part } from './part';
import { type Model, Tokens, type Vocabulary } from './tokens';

/** More than any id; a pair of ids is one number below 2^48. */
const idLimit = 2 ** 24;
/** Ranks times this, plus a place: below 2^53 for a million merges and texts of gigabytes. */
const placeLimit = 2 ** 31;
/** Words that are kept with their tokens. */
const cacheSize = 20_000;
const longestCached = 128;

export class BytePairEncoding implements Model {
  private readonly unknown: string | null;
  private readonly prefix: string;
  private readonly suffix: string;
  private readonly fusesUnknown: boolean;
  private readonly ignoresMerges: boolean;
  /** Ids of <0x00> to <0xFF>, undefined where the vocabulary has none; null where they do not stand for bytes. */
  private readonly byteTokens: readonly (number | undefined)[] | null;
  /** By pair of ids: its rank. */
  private readonly ranks: NumberTable;
  /** By rank: the id of the merged pair. */
  private readonly merged: number[] = [];
  private readonly cache = new LRUCache<string, Tokens>({ max: cacheSize });

  constructor(
    part: Part,
    private readonly vocabulary: Vocabulary,
  ) {
    if (part.has('dropout') && part.any('dropout') !== 0) {
      part.refuse('dropout', part.any('dropout'), '0 or null: with it the same text has other tokens each time');
    }
    part.any('dropout');
    this.unknown = part.textOrNull('unk_token');
    this.prefix = part.textOrNull('continuing_subword_prefix') ?? '';
    this.suffix = part.textOrNull('end_of_word_suffix') ?? '';
    this.fusesUnknown = part.flag('fuse_unk', false);
    this.ignoresMerges = part.flag('ignore_merges', false);
    this.byteTokens = part.flag('byte_fallback', false)
      ? Array.from({ length: 256 }, (_, byte) => vocabulary.get(byteToken(byte)))
      : null;
    const merges = part.any('merges');
    if (!Array.isArray(merges)) part.refuse('merges', merges, 'a list');
    this.ranks = new NumberTable((merges as unknown[]).length);
    for (const [i, merge] of (merges as unknown[]).entries()) {
      if (typeof merge === 'string' && merge.startsWith('#version')) continue;
      this.addMerge(part, i, typeof merge === 'string' ? merge.split(' ') : merge);
    }
  }

  tokenize(piece: string): Tokens {
    if (piece.length > longestCached) return this.compute(piece);
    let tokens = this.cache.get(piece);
    if (!tokens) {
      tokens = this.compute(piece);
      this.cache.set(piece, tokens);
    }
    return tokens;
  }

  private addMerge(part: Part, index: number, merge: unknown): void {
    const isPair = Array.isArray(merge) && merge.length === 2 && merge.every(one => typeof one === 'string');
    if (!isPair) part.refuse(`merges[${index}]`, merge, 'two tokens');
    const [left, right] = merge as [string, string];
    const both = left + (this.prefix === '' ? right : right.slice(this.prefix.length));
    const ids = [left, right, both].map(token => {
      const id = this.vocabulary.get(token);
      if (id === undefined) throw new RangeError(`${part.path}.merges[${index}] needs the token ${shown(token)}`);
      return id;
    });
    this.ranks.set(ids[0]! * idLimit + ids[1]!, this.merged.length);
    this.merged.push(ids[2]!);
  }

  private compute(piece: string): Tokens {
    const whole = this.ignoresMerges ? this.vocabulary.get(piece) : undefined;
    if (whole !== undefined) {
      const tokens = new Tokens();
      tokens.push(whole, 0, piece.length);
      return tokens;
    }
    return this.merge(this.characters(piece));
  }

  /** What the vocabulary has for each character; characters that it lacks without a token for the unknown are dropped. */
  private characters(piece: string): Tokens {
    const tokens = new Tokens();
    const unknownId = this.unknown === null ? undefined : this.vocabulary.get(this.unknown);
    let unknown: { start: number; end: number } | null = null;
    const flush = () => {
      if (unknown) tokens.push(unknownId!, unknown.start, unknown.end);
      unknown = null;
    };
    for (let start = 0, end = 0; start < piece.length; start = end) {
      end = start + (piece.codePointAt(start)! > 0xffff ? 2 : 1);
      let token = piece.slice(start, end);
      if (start > 0) token = this.prefix + token;
      if (end === piece.length) token += this.suffix;
      const id = this.vocabulary.get(token);
      if (id !== undefined) {
        flush();
        tokens.push(id, start, end);
        continue;
      }
      const bytes = this.bytesOf(token);
      if (bytes) {
        // As the library does, which leaves an unknown character before them for later.
        for (const byte of bytes) tokens.push(byte, start, end);
        continue;
      }
      if (this.unknown === null) continue;
      if (unknownId === undefined) {
        throw new RangeError(`its unknown token ${shown(this.unknown)} is not in the vocabulary`);
      }
      if (unknown && this.fusesUnknown) (unknown as { end: number }).end = end;
      else {
        flush();
        unknown = { start, end };
      }
    }
    flush();
    return tokens;
  }

  private bytesOf(token: string): number[] | null {
    if (!this.byteTokens) return null;
    const ids: number[] = [];
    for (const byte of Buffer.from(token)) {
      const id = this.byteTokens[byte];
      if (id === undefined) return null;
      ids.push(id);
    }
    return ids;
  }

  private rankOf(left: number, right: number): number {
    return this.ranks.get(left * idLimit + right);
  }

  private merge(tokens: Tokens): Tokens {
    return tokens.ids.length > 24 ? this.mergeMany(tokens) : this.mergeFew(tokens);
  }

  /** The pair of the lowest rank first, of equal ones the leftmost. */
  private mergeFew(tokens: Tokens): Tokens {
    const { ids, starts, ends } = tokens;
    for (;;) {
      let best = -1;
      let bestRank = Number.POSITIVE_INFINITY;
      for (let i = 0; i + 1 < ids.length; i++) {
        const rank = this.rankOf(ids[i]!, ids[i + 1]!);
        if (rank >= 0 && rank < bestRank) [best, bestRank] = [i, rank];
      }
      if (best < 0) return tokens;
      ids.splice(best, 2, this.merged[bestRank]!);
      starts.splice(best + 1, 1);
      ends.splice(best, 1);
    }
  }

  /** The same with a queue, for texts that are one word. */
  private mergeMany({ ids, starts, ends }: Tokens): Tokens {
    const n = ids.length;
    const [previous, next] = [new Int32Array(n), new Int32Array(n)];
    const queue = new Queue();
    const offer = (left: number, right: number) => {
      const rank = this.rankOf(ids[left]!, ids[right]!);
      if (rank >= 0) queue.push(rank * placeLimit + left);
    };
    for (let i = 0; i < n; i++) {
      previous[i] = i - 1;
      next[i] = i + 1 < n ? i + 1 : -1;
      if (i + 1 < n) offer(i, i + 1);
    }
    const isGone = new Uint8Array(n);
    for (let key = queue.pop(); key >= 0; key = queue.pop()) {
      const left = key % placeLimit;
      const right = next[left]!;
      if (isGone[left] === 1 || right < 0) continue;
      const id = this.merged[Math.floor(key / placeLimit)]!;
      const rank = this.rankOf(ids[left]!, ids[right]!);
      // The pair was another when it was put into the queue.
      if (rank < 0 || this.merged[rank] !== id) continue;
      ids[left] = id;
      ends[left] = ends[right]!;
      isGone[right] = 1;
      next[left] = next[right]!;
      if (next[left]! >= 0) previous[next[left]!] = left;
      if (previous[left]! >= 0) offer(previous[left]!, left);
      if (next[left]! >= 0) offer(left, next[left]!);
    }
    const tokens = new Tokens();
    for (let i = 0; i < n; i++) if (isGone[i] === 0) tokens.push(ids[i]!, starts[i]!, ends[i]!);
    return tokens;
  }
}

export function byteToken(byte: number): string {
  return `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`;
}

/** Numbers of 0 and more, the smallest first. */
class Queue {
  private readonly heap: number[] = [];

  push(key: number): void {
    const { heap } = this;
    let at = heap.length;
    heap.push(key);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (heap[parent]! <= key) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = key;
  }

  /** @returns -1 where there is none. */
  pop(): number {
    const { heap } = this;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined) return -1;
    const { length } = heap;
    if (length === 0) return first;
    let at = 0;
    for (let child = 1; child < length; child = 2 * at + 1) {
      if (child + 1 < length && heap[child + 1]! < heap[child]!) child++;
      if (heap[child]! >= last) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
    return first;
  }
}
