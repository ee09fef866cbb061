/** What models make of a piece of text. */

/** Tokens of a piece, with the stretch of the piece's UTF-16 units that each stands for. */
export class Tokens {
  readonly ids: number[] = [];
  readonly starts: number[] = [];
  readonly ends: number[] = [];

  push(id: number, start: number, end: number): void {
    this.ids.push(id);
    this.starts.push(start);
    this.ends.push(end);
  }
}

export interface Model {
  /** @throws UnknownText where the vocabulary lacks it and has no token for that. */
  tokenize(piece: string): Tokens;
}

/** A text that the vocabulary cannot spell, and no token for what is unknown. */
export class UnknownText extends Error {
  constructor(readonly text: string) {
    super(text);
  }
}

export type Vocabulary = ReadonlyMap<string, number>;
