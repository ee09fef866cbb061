/** Unicode normalisation that some tokenizers begin with, with the way back to the text as it was. */

export type NormalForm = 'NFC' | 'NFD' | 'NFKC' | 'NFKD';

export interface NormalizedText {
  readonly text: string;
  /** Byte of the original that a byte of the normalised text stands at; inside what changed, the end of that. */
  readonly originalByte: (byte: number) => number;
}

/** A stretch that changed: its bytes in the normalised text, and where it ends in the original. */
interface Change {
  readonly start: number;
  readonly end: number;
  readonly originalEnd: number;
}

/** @returns null where the distinguishable stretches do not add up to the whole. */
export function normalizeText(text: string, form: NormalForm | null): NormalizedText | null {
  const whole = form === null ? text : text.normalize(form);
  if (whole === text || form === null) return { text, originalByte: byte => byte };
  const changes: Change[] = [];
  let joined = '';
  let [byte, original] = [0, 0];
  // No form composes across the characters a reader sees.
  for (const { segment } of new Intl.Segmenter().segment(text)) {
    const normalized = segment.normalize(form);
    joined += normalized;
    const [end, originalEnd] = [byte + Buffer.byteLength(normalized), original + Buffer.byteLength(segment)];
    if (normalized !== segment) changes.push({ start: byte, end, originalEnd });
    [byte, original] = [end, originalEnd];
  }
  if (joined !== whole) return null;
  return { text: whole, originalByte: lookup(changes) };
}

/** For bytes requested in ascending order, like borders of tokens. */
function lookup(changes: readonly Change[]): (byte: number) => number {
  let next = 0;
  return byte => {
    while (next > 0 && changes[next - 1]!.start >= byte) next--;
    while (next < changes.length && changes[next]!.start < byte) next++;
    const last = changes[next - 1];
    if (!last) return byte;
    return byte <= last.end ? last.originalEnd : last.originalEnd + (byte - last.end);
  };
}
