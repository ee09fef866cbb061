/** The text of a document search as it arrives in pieces, tokenized piece by piece. Pure. */

import { lineAt, lineStartsOf } from '../../attention/lines';
import { tokenOffsets } from '../../tokenization/offsets';
import type { Tokenizer } from '../../tokenization/tokenizer';

/** A piece of the document. Pieces may come in any order; together they are one stretch of it. */
export interface TextPiece {
  /** In the document, UTF-16. */
  readonly start: number;
  /** Line that it starts in, from 0. */
  readonly firstLine: number;
  readonly text: string;
}

interface Tokenised extends TextPiece {
  readonly ids: Int32Array;
  /** Borders of its tokens in the document. */
  readonly offsets: Uint32Array;
}

/** All tokens of a text, in order. */
export interface TextTokens {
  readonly ids: Int32Array;
  /** UTF-16 in the document, length nTokens + 1. */
  readonly offsets: Uint32Array;
  /** The line of an offset, from 0. */
  readonly lineOf: (offset: number) => number;
  /** Whether a line has no text but blanks. */
  readonly isBlank: (lineIdx: number) => boolean;
}

export class SearchText {
  private readonly pieces: Tokenised[] = [];
  private count = 0;
  private whole: TextTokens | undefined;

  constructor(private readonly tokenizer: Pick<Tokenizer, 'encode'>) {}

  get nTokens(): number {
    return this.count;
  }

  /** @throws RangeError for a piece outside any document. */
  add(piece: TextPiece): void {
    const { start, firstLine } = piece;
    const isPlace = [start, firstLine].every(n => Number.isInteger(n) && n >= 0 && n + piece.text.length < 2 ** 32);
    if (!isPlace) throw new RangeError(`a piece of text starts at ${start} in line ${firstLine}`);
    const { ids, byteLengths } = this.tokenizer.encode(piece.text);
    const offsets = tokenOffsets(piece.text, byteLengths).map(offset => offset + piece.start);
    this.pieces.push({ ...piece, ids, offsets });
    this.count += ids.length;
    this.whole = undefined;
  }

  /** @throws RangeError if the pieces leave a gap. */
  tokens(): TextTokens {
    this.whole ??= joined(this.pieces.toSorted((a, b) => a.start - b.start));
    return this.whole;
  }
}

function joined(pieces: readonly Tokenised[]): TextTokens {
  const nTokens = pieces.reduce((sum, { ids }) => sum + ids.length, 0);
  const ids = new Int32Array(nTokens);
  const start = pieces[0]?.start ?? 0;
  const offsets = new Uint32Array(nTokens + 1).fill(start);
  let at = 0;
  let end = start;
  for (const piece of pieces) {
    if (piece.start !== end) throw new RangeError(`the text from ${end} to ${piece.start} is missing`);
    ids.set(piece.ids, at);
    offsets.set(piece.offsets, at);
    at += piece.ids.length;
    end = piece.start + piece.text.length;
  }
  const text = pieces.map(piece => piece.text).join('');
  const lineStarts = lineStartsOf(text);
  const firstLine = pieces[0]?.firstLine ?? 0;
  return {
    ...{ ids, offsets, lineOf: offset => firstLine + lineAt(lineStarts, offset - start) },
    isBlank: lineIdx => !/\S/.test(text.slice(lineStarts[lineIdx - firstLine], lineStarts[lineIdx - firstLine + 1])),
  };
}
