/** Characters as a reader sees them. */

const segmenter = new Intl.Segmenter();

/** UTF-16 units that are segmented at once: the time of the segmenter grows with the square of the text's length. */
const usualStretch = 512;

const isHigh = (unit: number) => unit >= 0xd800 && unit < 0xdc00;

export function* graphemes(text: string): Generator<string> {
  if (/^[\x20-\x7e]*$/.test(text)) {
    yield* text;
    return;
  }
  let start = 0;
  let length = usualStretch;
  while (start < text.length) {
    const isLast = start + length >= text.length;
    // Half of a pair would look like a border.
    if (isHigh(text.charCodeAt(start + length - 1))) length++;
    let whole = 0;
    let pending = '';
    for (const { segment } of segmenter.segment(text.slice(start, start + length))) {
      if (pending !== '') yield pending;
      whole += pending.length;
      pending = segment;
    }
    // The last one of a stretch may go on behind it, and where it begins the next stretch does.
    if (isLast) {
      yield pending;
      return;
    }
    start += whole;
    length = whole === 0 ? 2 * length : usualStretch;
  }
}
