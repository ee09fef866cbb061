/** WordPiece: the longest token of the vocabulary first, from left to right (Schuster and Nakajima 2012). */

import { type Model, Tokens, UnknownText, type Vocabulary } from './tokens';

export class WordPiece implements Model {
  private readonly longest: number;

  constructor(
    private readonly vocabulary: Vocabulary,
    private readonly unknown: string,
    private readonly prefix: string,
    private readonly maxCharacters: number,
  ) {
    this.longest = 0;
    for (const token of vocabulary.keys()) this.longest = Math.max(this.longest, token.length);
  }

  tokenize(piece: string): Tokens {
    const tokens = new Tokens();
    const isWhole = [...piece].length <= this.maxCharacters && this.cut(piece, tokens);
    if (isWhole) return tokens;
    const id = this.vocabulary.get(this.unknown);
    if (id === undefined) throw new UnknownText(piece);
    const whole = new Tokens();
    whole.push(id, 0, piece.length);
    return whole;
  }

  private cut(piece: string, tokens: Tokens): boolean {
    for (let start = 0; start < piece.length; ) {
      let end = Math.min(piece.length, start + this.longest);
      let id: number | undefined;
      for (; end > start; end--) {
        const text = piece.slice(start, end);
        id = this.vocabulary.get(start > 0 ? this.prefix + text : text);
        if (id !== undefined) break;
      }
      if (id === undefined) return false;
      tokens.push(id, start, end);
      start = end;
    }
    return true;
  }
}
