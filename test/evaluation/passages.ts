/**
 * Questions in real texts: a word that stood once before, on an earlier line, and comes again. Pure.
 */

import type { Random } from '../random';
import type { Draft } from './templates';

/** A file that passages are taken from. */
export interface SourceText {
  readonly kind: 'code' | 'prose';
  readonly name: string;
  readonly text: string;
}

/** Characters of a passage up to its question, at least and at most. */
const reach = [400, 800] as const;

/** Nonblank lines between the two places, at least. */
const apart = 2;

/**
 * A passage that ends a line or two behind a word which stands in it once before; null where the file has none that fits.
 * Asked about is the word's first character, or one inside it: then its beginning says which earlier word is meant.
 */
export function passageOf(source: SourceText, random: Random): Draft | null {
  const { kind, name, text } = source;
  const lines = text.split('\n').map(line => `${line.trimEnd()}\n`);
  const start = random.below(lines.length);
  const least = reach[0] + random.below(reach[1] - reach[0]);
  let end = start;
  let size = 0;
  while (end < lines.length && size < least) size += lines[end++]!.length;
  const tail = lines.slice(end, end + 2).join('');
  if (size < least || size > reach[1] || tail.length > 400 || !/\S/.test(tail)) return null;
  const passage = lines.slice(start, end).join('');
  const last = lines[end - 1]!;
  const pattern = kind === 'code' ? /[A-Za-z_][A-Za-z0-9_]{5,}/g : /\b[A-Z]?[a-z]{5,}\b/g;
  const words = [...last.matchAll(pattern)].flatMap(({ 0: word, index }) => {
    const at = passage.length - last.length + index;
    const before = passage.slice(0, at).toLowerCase();
    const found = before.indexOf(word.toLowerCase());
    const isOnce = found >= 0 && found === before.lastIndexOf(word.toLowerCase());
    if (!isOnce || !passage.startsWith(word, found) || isInWord(before, found, word.length)) return [];
    const statedLine = passage.slice(0, found).split('\n').length - 1;
    const between = passage
      .slice(0, at)
      .split('\n')
      .slice(statedLine + 1, -1);
    return between.filter(line => /\S/.test(line)).length >= apart ? [{ word, at, statedLine }] : [];
  });
  if (words.length === 0) return null;
  const { word, at, statedLine } = random.pick(words);
  const inside = random.below(2) * (2 + random.below(Math.min(4, word.length - 3)));
  return { kind, source: name, text: passage + tail, at: at + inside, statedLine };
}

function isInWord(text: string, start: number, length: number): boolean {
  const isLetter = (character: string | undefined) => character !== undefined && /[a-z0-9_]/.test(character);
  return isLetter(text[start - 1]) || isLetter(text[start + length]);
}

/** Prose with a line for each sentence, as a paragraph is one line in its file. */
export function sentencePerLine(text: string): string {
  return text.replace(/([a-z][.!?]["”’]?) +(?=["“‘A-Z])/g, '$1\n');
}

/** Prose in lines of at most `width` characters. */
export function wrapped(text: string, width: number): string {
  return text
    .split('\n')
    .map(line => {
      let column = 0;
      return line
        .split(' ')
        .map(word => {
          const breaks = column > 0 && column + 1 + word.length > width;
          column = breaks || column === 0 ? word.length : column + 1 + word.length;
          return `${breaks ? '\n' : column === word.length ? '' : ' '}${word}`;
        })
        .join('');
    })
    .join('\n');
}
