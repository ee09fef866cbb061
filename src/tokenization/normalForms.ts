/**
 * Unicode's normal forms with alignments, in the version of Unicode that the library has (UAX #15). A character newer
 * than that stays as it is.
 */

import type { AlignedText, Change } from './alignedText';
import { decomposable, marks } from './characterClasses';

export const normalForms = ['NFC', 'NFD', 'NFKC', 'NFKD'] as const;
export type NormalForm = (typeof normalForms)[number];

interface Character extends Change {
  readonly combiningClass: number;
}

/** One mark of each combining class, in ascending order, to tell the class of another by how both are ordered. */
const ladder = Array.from(
  '\u0334\u{16ff0}\u093c\u3099\u094d\u05b0\u05b1\u05b2\u05b3\u05b4\u05b5\u05b6\u05b7\u05b8\u05b9\u05bb\u05bc\u05bd\u05bf\u05c1\u05c2\ufb1e\u064b\u064c\u064d\u0618\u0619\u061a\u0651\u0652\u0670\u0711\u0c55\u0c56\u0e38\u0e48\u0eb8\u0ec8\u0f71\u0f72\u0f74\u0321\u1dce\u031b\u1dfa\u0316\u059a\u302e\u{1d16d}\u05ae\u0300\u0315\u035c\u035d\u0345',
);
const classes = new Map<string, number>();

export function normalize(text: AlignedText, form: NormalForm): AlignedText {
  if (text.text.normalize(form) === text.text) return text;
  const isComposed = form === 'NFC' || form === 'NFKC';
  const decomposed = decompose(text.text, isComposed ? (form === 'NFC' ? 'NFD' : 'NFKD') : form);
  return text.transform(isComposed ? compose(decomposed) : decomposed);
}

function decompose(text: string, form: 'NFD' | 'NFKD'): Character[] {
  const characters: Character[] = [];
  let pending: Character[] = [];
  const flush = () => {
    if (pending.length > 1) pending.sort((a, b) => a.combiningClass - b.combiningClass);
    for (const one of pending) characters.push(one);
    pending = [];
  };
  for (const character of text) {
    const isKnown = character >= '\u0080' && decomposable.has(character.codePointAt(0)!);
    let change = 0;
    for (const part of isKnown ? character.normalize(form) : character) {
      const combiningClass = combiningClassOf(part);
      if (combiningClass === 0) flush();
      (combiningClass === 0 ? characters : pending).push({ character: part, change, combiningClass });
      change = 1;
    }
  }
  flush();
  return characters;
}

function compose(characters: readonly Character[]): Change[] {
  const result: Character[] = [];
  /** Index in `result` of the character that marks may join; -1 without one. */
  let starter = -1;
  let lastClass = -1;
  for (const one of characters) {
    const { combiningClass } = one;
    const isBlocked = lastClass >= combiningClass;
    const whole = starter >= 0 && !isBlocked ? composed(result[starter]!.character, one.character) : null;
    if (whole !== null) {
      const { change } = result[starter]!;
      result[starter] = { character: whole, change: change + one.change - 1, combiningClass: 0 };
      continue;
    }
    result.push(one);
    if (combiningClass === 0) {
      starter = result.length - 1;
      lastClass = -1;
    } else if (starter >= 0) lastClass = combiningClass;
  }
  return result;
}

function composed(first: string, second: string): string | null {
  if (second < '\u0080') return null;
  const pair = first + second;
  const whole = pair.normalize('NFC');
  if (whole === pair || whole.length > 2) return null;
  const codePoint = whole.codePointAt(0)!;
  const isOne = whole.length === (codePoint > 0xffff ? 2 : 1);
  return isOne && decomposable.has(codePoint) ? whole : null;
}

/** Order among marks: 0 for what is not one, else greater for a greater combining class. */
function combiningClassOf(character: string): number {
  if (character < '\u0300') return 0;
  const known = classes.get(character);
  if (known !== undefined) return known;
  let found = 0;
  if (marks.has(character.codePointAt(0)!)) {
    const isAfter = (other: string) => (character + other).normalize('NFD') !== character + other;
    const isBefore = (other: string) => (other + character).normalize('NFD') !== other + character;
    // Twice its place, and one less between two of the ladder.
    const at = ladder.findIndex(other => !isAfter(other));
    const place = at < 0 ? ladder.length : at;
    if (isAfter(ladder[0]!) || isBefore(ladder.at(-1)!)) {
      found = 2 * place + (place < ladder.length && isBefore(ladder[place]!) ? 1 : 2);
    }
  }
  classes.set(character, found);
  return found;
}
