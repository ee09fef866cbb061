/** Tokens and places as a reader knows them: characters in place of bytes, whole words, "line 33 `byteWidth`". Pure. */

import type { TokenRange } from './address';
import { visibleToken } from './labels';
import { t } from './tools/l10n';

/** What stands for the second and later bytes of a character, whose first byte shows the character. */
export const continuationMark = '·';

/** The tokens of a run, as far as names of places need them. */
export interface NamedTokens {
  /** Text of each token, or its bytes as <0xNN>. */
  readonly labels: readonly string[];
  /** UTF-16, length nTokens + 1. */
  readonly offsets: Uint32Array;
}

/**
 * Labels in which the bytes of one character are shown as that character, at its first token, and as "·" at the others.
 * Bytes that do not form a character here stay as they are, and so does a text that only looks like bytes.
 */
export function readableLabels({ labels, offsets }: NamedTokens): readonly string[] {
  const isInBytes = (i: number) =>
    bytesOnly.test(labels[i] ?? '') && offsets[i + 1]! - offsets[i]! !== labels[i]!.length;
  if (!labels.some((_, i) => isInBytes(i))) return labels;
  const readable = [...labels];
  for (let first = 0; first < labels.length; first++) {
    if (!isInBytes(first)) continue;
    let end = first + 1;
    while (end < labels.length && isInBytes(end)) end++;
    const texts = decodePieces(labels.slice(first, end).map(bytesOf));
    for (const [i, text] of texts.entries()) if (text !== null) readable[first + i] = text;
    first = end - 1;
  }
  return readable;
}

/**
 * The tokens of the word that a token belongs to: letters, digits, marks, "_" and "$" of any script. A token that holds
 * no part of a word stands alone, and so does one of a script that is written without spaces.
 */
export function wordAt(labels: readonly string[], tokenIdx: number): TokenRange {
  let [first, end] = [tokenIdx, tokenIdx + 1];
  while (first > 0 && isJoined(labels, first)) first--;
  while (end < labels.length && isJoined(labels, end)) end++;
  return { first, end };
}

/** The line in which each token starts, from 1. @param firstLine of the range that the tokens cover. */
export function linesOfLabels(labels: readonly string[], firstLine: number): Int32Array {
  let line = firstLine;
  let endsInReturn = false;
  return Int32Array.from(labels, label => {
    // A line end may be cut into its two characters; the second belongs to the line of the first.
    const isRest = endsInReturn && label.startsWith('\n');
    const start = isRest ? line - 1 : line;
    line += (label.match(/\r\n|\r|\n/g)?.length ?? 0) - (isRest ? 1 : 0);
    if (label !== '') endsInReturn = label.endsWith('\r');
    return start;
  });
}

/** The text of some tokens on one line, without blanks around it. @param labels as `readableLabels` returns them. */
export function textOfTokens(labels: readonly string[], { first, end }: TokenRange): string {
  const texts = labels.slice(first, end);
  const text = texts.length === 1 ? texts[0]! : texts.filter(label => label !== continuationMark).join('');
  return visibleToken(text.trim() || text);
}

/** "line 33 `byteWidth`". @param line from 1; null for what is not in the document, such as the begin token. */
export function placeName(line: number | null, text: string): string {
  return line === null ? t('before the text') : t('line {0} `{1}`', line, text);
}

const bytesOnly = /^(?:<0x[0-9A-F]{2}>)+$/;

function bytesOf(label: string): number[] {
  return Array.from(label.matchAll(/<0x([0-9A-F]{2})>/g), ([, byte]) => Number.parseInt(byte!, 16));
}

/** Text of each piece of a run of bytes; null where a piece holds bytes that belong to no character of the run. */
function decodePieces(pieces: readonly (readonly number[])[]): (string | null)[] {
  const bytes = pieces.flatMap((piece, i) => piece.map(byte => ({ byte, piece: i })));
  const texts = pieces.map(() => '');
  const isBroken = pieces.map(() => false);
  for (let i = 0; i < bytes.length; ) {
    const { byte, piece } = bytes[i]!;
    const length = byte < 0x80 ? 1 : byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 0;
    const character =
      length === 0
        ? null
        : decodeCharacter(
            bytes.slice(i, i + length).map(entry => entry.byte),
            length,
          );
    if (character === null) {
      isBroken[piece] = true;
      i++;
      continue;
    }
    texts[piece] += character;
    i += length;
  }
  return texts.map((text, i) => (isBroken[i] ? null : text || continuationMark));
}

function decodeCharacter(bytes: readonly number[], length: number): string | null {
  const encoded = bytes.map(byte => `%${byte.toString(16).padStart(2, '0')}`).join('');
  try {
    return bytes.length === length ? decodeURIComponent(encoded) : null;
  } catch {
    return null; // not UTF-8
  }
}

/** Whether a token goes on the word of the one before it. */
function isJoined(labels: readonly string[], idx: number): boolean {
  const [before, after] = [labels[idx - 1]!, labels[idx]!];
  if (after === continuationMark) return before !== '';
  const left = before === continuationMark ? startOfCharacter(labels, idx - 1) : before;
  return endsInWord.test(left) && startsInWord.test(after) && !(endsUnspaced.test(left) || startsUnspaced.test(after));
}

function startOfCharacter(labels: readonly string[], idx: number): string {
  let start = idx;
  while (start > 0 && labels[start] === continuationMark) start--;
  return labels[start]!;
}

const endsInWord = /[\p{L}\p{N}\p{M}_$]$/u;
const startsInWord = /^[\p{L}\p{N}\p{M}_$]/u;
const unspaced =
  '[\\p{Script=Han}\\p{Script=Hiragana}\\p{Script=Katakana}\\p{Script=Thai}\\p{Script=Lao}\\p{Script=Khmer}\\p{Script=Myanmar}]';
const endsUnspaced = new RegExp(`${unspaced}$`, 'u');
const startsUnspaced = new RegExp(`^${unspaced}`, 'u');
