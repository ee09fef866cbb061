/** Places tokens in the text they were made of, byte by byte, so that a token is never said to cover what it does not. */

/** What a tokenizer does to blanks that its tokens show. */
export interface BlankRules {
  /** A blank is put before the text and after each special token: always, or unless there is one. */
  readonly inserts: 'always' | 'unlessBlank' | 'never';
  /** Tokens write "▁" for a blank, and for itself. */
  readonly marksBlanks: boolean;
}

const blank = 0x20;
const mark = [0xe2, 0x96, 0x81];

/**
 * Bytes of the text that each token covers; they add up to the text's. A blank that was put in covers nothing.
 * @param pieces what each token spells, with " " for "▁".
 * @param isAdded whether a token is one of those found before all others; they may take blanks beside them.
 * @returns null where the tokens do not spell the text, and how many bytes they spell.
 */
export function alignTokens(
  text: Uint8Array,
  pieces: readonly Uint8Array[],
  isAdded: (token: number) => boolean,
  { inserts, marksBlanks }: BlankRules,
): { readonly byteLengths: Uint32Array | null; readonly nSpelled: number } {
  const byteLengths = new Uint32Array(pieces.length);
  const isMarkAt = (at: number) => marksBlanks && mark.every((byte, i) => text[at + i] === byte);
  let position = 0;

  /** Where the text goes on after the piece, or -1. */
  const match = (piece: Uint8Array, from: number, isFirst: boolean): number => {
    let at = from;
    for (const [i, byte] of piece.entries()) {
      const isInserted = isFirst && i === 0 && byte === blank && inserts !== 'never';
      if (isInserted && (inserts === 'always' || (text[at] !== blank && !isMarkAt(at)))) continue;
      if (text[at] === byte) at++;
      else if (byte === blank && isMarkAt(at)) at += mark.length;
      else return -1;
    }
    return at;
  };

  for (const [token, piece] of pieces.entries()) {
    const isFirst = !isAdded(token) && (token === 0 || isAdded(token - 1));
    let end = match(piece, position, isFirst);
    if (end < 0 && (isAdded(token) || (token > 0 && isAdded(token - 1)))) {
      let from = position;
      while (end < 0 && isSpace(text[from])) end = match(piece, ++from, isFirst);
    }
    if (end < 0) return { byteLengths: null, nSpelled: position };
    byteLengths[token] = end - position;
    position = end;
  }
  const isWhole = position === text.length;
  return { byteLengths: isWhole ? byteLengths : null, nSpelled: position };
}

function isSpace(byte: number | undefined): boolean {
  return byte === blank || (byte !== undefined && byte >= 0x09 && byte <= 0x0d);
}
