/** SentencePiece's compiled normalization: a double-array trie from texts to what replaces them. */

import type { AlignedText, Change } from './alignedText';
import { graphemes } from './graphemes';

export class CharsMap {
  private readonly trie: Uint32Array;
  private readonly replacements: Uint8Array;
  private readonly decoder = new TextDecoder();

  /** @param bytes size of the trie in bytes, the trie, and the replacements with a zero behind each. */
  constructor(bytes: Uint8Array, path: string) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const size = bytes.length < 4 ? -1 : view.getUint32(0, true);
    if (size < 4 || size % 4 !== 0 || 4 + size > bytes.length) {
      throw new RangeError(`${path} has ${bytes.length} bytes, which hold no trie`);
    }
    this.trie = Uint32Array.from({ length: size / 4 }, (_, i) => view.getUint32(4 + 4 * i, true));
    this.replacements = bytes.subarray(4 + size);
  }

  normalize(text: AlignedText): AlignedText {
    const changes: Change[] = [];
    let isChanged = false;
    const replace = (part: string): boolean => {
      const replacement = this.replacementOf(part);
      if (replacement === null) return false;
      isChanged = true;
      pushReplacement(changes, part, replacement);
      return true;
    };
    for (const grapheme of graphemes(text.text)) {
      if (Buffer.byteLength(grapheme) < 6 && replace(grapheme)) continue;
      for (const character of grapheme) {
        if (!replace(character)) changes.push({ character, change: 0 });
      }
    }
    return isChanged ? text.transform(changes) : text;
  }

  /** What replaces the shortest beginning that the trie has; the library has it stand for all of the part. */
  private replacementOf(part: string): string | null {
    const { trie } = this;
    let position = offsetOf(trie[0]!);
    for (const byte of Buffer.from(part)) {
      if (byte === 0) break;
      position ^= byte;
      const unit = trie[position];
      if (unit === undefined || (unit & 0x800000ff) >>> 0 !== byte) return null;
      position ^= offsetOf(unit);
      if (((unit >>> 8) & 1) === 1) {
        const start = (trie[position] ?? 0) & 0x7fffffff;
        const end = this.replacements.indexOf(0, start);
        return this.decoder.decode(this.replacements.subarray(start, end < 0 ? this.replacements.length : end));
      }
    }
    return null;
  }
}

function offsetOf(unit: number): number {
  return (unit >>> 10) << ((unit & 0x200) >>> 6);
}

/** Characters too many are put in last; those too few leave with the last one. */
function pushReplacement(changes: Change[], part: string, replacement: string): void {
  const characters = [...replacement];
  const excess = characters.length - [...part].length;
  for (const character of characters) changes.push({ character, change: 0 });
  if (excess > 0) {
    for (let i = Math.max(0, changes.length - excess); i < changes.length; i++) {
      changes[i] = { character: changes[i]!.character, change: 1 };
    }
  } else if (excess < 0 && changes.length > 0) {
    const last = changes.at(-1)!;
    changes[changes.length - 1] = { character: last.character, change: last.change + excess };
  }
}
