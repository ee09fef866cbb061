/** A long text read piece by piece, those around a place first. Pure. */

/** A text of which parts can be read; joining all lines of a large document would take too long. */
export interface TextSource {
  /** UTF-16. */
  readonly length: number;
  slice(start: number, end: number): string;
}

/** Pieces begin at the start of a line where one is this near. */
const nearby = 2000;

/**
 * Where pieces of about `pieceLength` units begin and end: the one around `anchor`, then by turns those after and before.
 * They leave no gap, and tear no surrogate pair apart.
 */
export function* piecesAround(source: TextSource, anchor: number, pieceLength = 16_384): Generator<[number, number]> {
  const { length } = source;
  if (length === 0) return;
  let start = borderAt(source, anchor - pieceLength / 2);
  let end = borderAt(source, Math.max(start + nearby + 1, anchor + pieceLength / 2));
  yield [start, end];
  while (start > 0 || end < length) {
    if (end < length) {
      const next = borderAt(source, end + Math.max(pieceLength, nearby + 1));
      yield [end, next];
      end = next;
    }
    if (start > 0) {
      const next = borderAt(source, start - pieceLength);
      yield [next, start];
      start = next;
    }
  }
}

function borderAt(source: TextSource, target: number): number {
  const offset = Math.floor(target);
  if (offset <= 0) return 0;
  if (offset >= source.length) return source.length;
  const before = source.slice(Math.max(0, offset - nearby), offset);
  const lineEnd = before.lastIndexOf('\n');
  if (lineEnd >= 0) return offset - (before.length - lineEnd - 1);
  const isTorn = /[\uD800-\uDBFF]$/.test(before) && /^[\uDC00-\uDFFF]/.test(source.slice(offset, offset + 1));
  return isTorn ? offset - 1 : offset;
}
