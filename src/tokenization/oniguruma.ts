/**
 * Regular expressions as tokenizer.json has them, which are Oniguruma's with Ruby's syntax, as JavaScript's. What has no
 * exact counterpart is refused.
 */

import { shown } from '../shared/tools/failure';
import { unassigned } from './characterClasses';
import { toLowerCase } from './letterCase';

const space = String.raw`\p{White_Space}`;
const word = String.raw`\p{Alphabetic}\p{M}\p{Nd}\p{Pc}`;
/** Outside of brackets Oniguruma looks characters below 256 up in a table of Latin-1, where ²³¹¼½¾ are parts of words. */
const bareWord = String.raw`${word}\u00b2\u00b3\u00b9\u00bc-\u00be`;
const setOf: Readonly<Record<string, string>> = { s: space, w: word, d: String.raw`\p{Nd}`, h: '0-9A-Fa-f' };
const controls: Readonly<Record<string, number>> = { t: 9, n: 10, v: 11, f: 12, r: 13, a: 7, e: 27 };
const anchors: Readonly<Record<string, string>> = {
  A: String.raw`(?<![\s\S])`,
  z: String.raw`(?![\s\S])`,
  Z: String.raw`(?=\n?(?![\s\S]))`,
  b: `(?:(?<=[${bareWord}])(?![${bareWord}])|(?<![${bareWord}])(?=[${bareWord}]))`,
  B: `(?:(?<=[${bareWord}])(?=[${bareWord}])|(?<![${bareWord}])(?![${bareWord}]))`,
};
/** Letters whose case folding goes beyond ASCII. */
const folded: Readonly<Record<string, string>> = { s: '\u017f', k: '\u212a' };
/** What one character folds to: ß is "ss". */
const foldedPairs = /ss|st|ff|fi|fl|[hwyat]\p{M}|i\u0307|j\u030c|a\u02be/iu;
const generalCategories =
  /^(?:L[ultmo]?|M[nce]?|N[dlo]?|P[cdseifo]?|S[mcko]?|Z[slp]?|C[cfon]?|Letter|Mark|Number|Punctuation|Symbol|Separator|Other|Alphabetic|White_Space)$/;
const scriptName = /^[A-Z][a-z]+(?:_[A-Z][a-z]+)*$/;

/** A pattern with the library's way to go through a text. */
export class Pattern {
  private readonly expression: RegExp;

  /** @throws RangeError naming what is not supported. */
  constructor(source: string, path: string) {
    const { translated } = new Translator(source, path);
    try {
      this.expression = new RegExp(translated, 'gv');
    } catch (error) {
      throw new RangeError(`the regular expression of ${path} cannot be used: ${(error as Error).message}`);
    }
  }

  /** Matches from left to right; an empty one where the last one ended does not count. */
  matches(text: string): [start: number, end: number][] {
    const found: [number, number][] = [];
    const seen = asAssignedThen(text);
    let lastMatch = -1;
    let at = 0;
    while (at <= seen.length) {
      this.expression.lastIndex = at;
      const match = this.expression.exec(seen);
      if (!match) break;
      const start = match.index;
      const end = start + match[0].length;
      if (start === end && end === lastMatch) {
        at += (seen.codePointAt(at) ?? 0) > 0xffff ? 2 : 1;
        continue;
      }
      at = end;
      lastMatch = end;
      found.push([start, end]);
    }
    return found;
  }
}

const newer = new RegExp(`[[${unassigned.ranges()}]--\\p{Cn}]`, 'gv');

/** The text as the library's version of Unicode sees it: characters that came later are unassigned. */
function asAssignedThen(text: string): string {
  // U+0295 was a lowercase letter before Unicode 17, as the one after it still is.
  return text
    .replace(newer, character => (character.length === 1 ? '\u0378' : '\u{1fffe}'))
    .replaceAll('\u0295', '\u0296');
}

/** A recursive descent over the pattern that writes the same in JavaScript. */
class Translator {
  readonly translated: string;
  private at = 0;
  private nGroups = 0;

  constructor(
    private readonly source: string,
    private readonly path: string,
  ) {
    this.translated = this.alternatives({ ignoresCase: false, dotIsAll: false }, false).text;
    if (this.at < source.length) this.refuse(')');
  }

  /** To the end of the group, or of the pattern. */
  private alternatives(flags: Flags, isGroup: boolean): Piece {
    let text = '';
    let isNullable = false;
    let branchIsNullable = true;
    let current = flags;
    let literal = '';
    for (;;) {
      const character = this.peek();
      if (character === '' || character === ')') break;
      if (character === '|') {
        this.at++;
        text += '|';
        literal = '';
        isNullable ||= branchIsNullable;
        branchIsNullable = true;
        continue;
      }
      const inline = /^\(\?([im]*)(?:-([im]+))?\)/.exec(this.source.slice(this.at, this.at + 12));
      if (inline) {
        this.at += inline[0].length;
        current = withFlags(current, inline[1]!, inline[2] ?? '');
        // The rest of the group, its other alternatives too, is inside the option.
        const rest = this.alternatives(current, isGroup);
        return { text: `${text}(?:${rest.text})`, isNullable: isNullable || (branchIsNullable && rest.isNullable) };
      }
      const atom = this.atom(current);
      literal = atom.literal === undefined ? '' : literal + atom.literal;
      if (current.ignoresCase && foldedPairs.test(literal.slice(-2))) {
        this.refuse(literal.slice(-2), 'has other characters as its other case');
      }
      const quantified = this.quantified(atom);
      if (quantified !== atom) literal = '';
      text += quantified.text;
      branchIsNullable &&= quantified.isNullable;
    }
    return { text, isNullable: isNullable || branchIsNullable };
  }

  private quantified(atom: Piece): Piece {
    let piece = atom;
    for (let n = 0; ; n++) {
      const rest = this.source.slice(this.at, this.at + 24);
      const match = /^(?:[*+?][+?]?|\{(?:\d+(?:,\d*)?|,\d+)\}\??)/.exec(rest)?.[0];
      if (match === undefined) return piece;
      if (piece.isNullable && !/^\?/.test(match)) this.refuse(match, 'repeats what may be empty');
      if (piece.isAnchor) this.refuse(match, 'repeats what has no length');
      const isInterval = match[0] === '{';
      if (n > 0 && match !== '+') this.refuse(match, 'follows another quantifier');
      const [, from, , to] = /^\{(\d*)(,?)(\d*)\}/.exec(match)?.map(String) ?? [];
      if (isInterval && match.endsWith('?') && !match.includes(',')) this.refuse(match);
      if (isInterval && to !== '' && Number(from) > Number(to)) this.refuse(match);
      this.at += match.length;
      const inner = n > 0 ? `(?:${piece.text})` : piece.text;
      const isNullable = piece.isNullable || match[0] === '*' || match[0] === '?' || (isInterval && Number(from) === 0);
      if (!isInterval && match.endsWith('+') && match.length === 2) {
        piece = { text: this.atomic(inner + match[0]), isNullable };
      } else {
        piece = { text: inner + match.replace('{,', '{0,'), isNullable };
      }
    }
  }

  /** What matched once is not given back: a lookahead does the same. */
  private atomic(text: string): string {
    const name = `g${this.nGroups++}`;
    return `(?:(?=(?<${name}>${text}))\\k<${name}>)`;
  }

  private atom(flags: Flags): Piece {
    const character = this.next();
    if (character === '(') return this.group(flags);
    if (character === '[') return { text: this.set(flags), isNullable: false };
    if (character === '.') return { text: flags.dotIsAll ? String.raw`[\s\S]` : String.raw`[^\n]`, isNullable: false };
    // Ruby's anchors are of lines, and after a last line end there is no other line.
    if (character === '^')
      return { text: String.raw`(?:(?<![\s\S])|(?<=\n)(?=[\s\S]))`, isNullable: true, isAnchor: true };
    if (character === '$') return { text: String.raw`(?![^\n])`, isNullable: true, isAnchor: true };
    if ('*+?'.includes(character)) this.refuse(character, 'repeats nothing');
    if (character !== '\\') return this.literal(character, flags);
    const kind = this.peek();
    const anchor = anchors[kind];
    if (anchor !== undefined) {
      this.at++;
      return { text: anchor, isNullable: true, isAnchor: true };
    }
    if (kind === 'R') {
      this.at++;
      return { text: this.atomic(String.raw`\r\n|[\n-\r\u0085\u2028\u2029]`), isNullable: false };
    }
    if (kind === 'N' || kind === 'O') {
      this.at++;
      return { text: kind === 'N' ? String.raw`[^\n]` : String.raw`[\s\S]`, isNullable: false };
    }
    if (kind === 'w' || kind === 'W') {
      this.at++;
      return { text: `[${kind === 'W' ? '^' : ''}${bareWord}]`, isNullable: false };
    }
    const set = this.escapedSet(flags);
    return set === null ? this.literal(this.escapedCharacter(), flags) : { text: `[${set}]`, isNullable: false };
  }

  private group(flags: Flags): Piece {
    let inner = flags;
    let open = '(?:';
    let isAtomic = false;
    if (this.peek() === '?') {
      const head = /^\?(?::|=|!|<=|<!|>|#|([im]*)(?:-([im]+))?:)/.exec(this.source.slice(this.at, this.at + 12));
      if (!head) return this.refuse(`(${this.source.slice(this.at, this.at + 3)}`);
      this.at += head[0].length;
      if (head[0] === '?#') {
        const end = this.source.indexOf(')', this.at);
        if (end < 0) this.refuse('(?#');
        this.at = end + 1;
        return { text: '(?:)', isNullable: true, isAnchor: true };
      }
      if (/^\?(?:=|!|<)/.test(head[0])) open = `(${head[0]}`;
      else if (head[0] === '?>') isAtomic = true;
      else inner = withFlags(flags, head[1] ?? '', head[2] ?? '');
    }
    const { text, isNullable } = this.alternatives(inner, true);
    if (this.next() !== ')') this.refuse('(', 'is not closed');
    if (isAtomic) return { text: this.atomic(text), isNullable };
    const isAnchor = open !== '(?:';
    return { text: `${open}${text})`, isNullable: isAnchor || isNullable, isAnchor };
  }

  private literal(character: string, { ignoresCase }: Flags): Piece {
    if (!ignoresCase) return { text: escaped(character), isNullable: false, literal: character };
    return { text: `[${[...this.cases(character)].map(escaped).join('')}]`, isNullable: false, literal: character };
  }

  /** A character in all its cases. */
  private cases(character: string): string {
    const lower = toLowerCase(character);
    if (lower === character.toUpperCase()) return character;
    if (!/^[a-z]$/.test(lower)) this.refuse(character, 'ignores case beyond ASCII');
    return lower + lower.toUpperCase() + (folded[lower] ?? '');
  }

  /** After "[": the whole set in JavaScript's syntax. */
  private set(flags: Flags): string {
    const isNegated = this.peek() === '^';
    if (isNegated) this.at++;
    const operands: string[] = [];
    let members = '';
    let isEmpty = true;
    for (;;) {
      const rest = this.source.slice(this.at, this.at + 2);
      if (rest === '') this.refuse('[', 'is not closed');
      if (rest === '&&') {
        if (isEmpty) this.refuse('&&');
        this.at += 2;
        operands.push(`[${members}]`);
        members = '';
        isEmpty = true;
        continue;
      }
      const character = this.next();
      if (character === ']') {
        if (isEmpty) this.refuse('[]', 'is empty');
        break;
      }
      isEmpty = false;
      if (character === '[') {
        if (this.peek() === ':') this.refuse('[[:');
        members += this.set(flags);
        continue;
      }
      members += this.member(character, flags);
    }
    const text = operands.length === 0 ? members : [...operands, `[${members}]`].join('&&');
    return `[${isNegated ? '^' : ''}${text}]`;
  }

  /** A set, a character or a range of characters. */
  private member(first: string, flags: Flags): string {
    let from = first;
    if (first === '\\') {
      const set = this.escapedSet(flags);
      if (set !== null) {
        if (/^-[^\]]/.test(this.source.slice(this.at, this.at + 2))) this.refuse('-', 'follows a set');
        return set.startsWith('^') ? `[${set}]` : set;
      }
      from = this.escapedCharacter();
    }
    const isRange = this.peek() === '-' && !['', ']'].includes(this.source[this.at + 1] ?? '');
    if (!isRange) {
      return flags.ignoresCase ? Array.from(this.cases(from), escaped).join('') : escaped(from);
    }
    this.at++;
    let to = this.next();
    if (to === '[' || (to === '&' && this.peek() === '&')) this.refuse('-', 'precedes a set');
    if (to === '\\') {
      if (this.escapedSet(flags) !== null) this.refuse('-', 'precedes a set');
      to = this.escapedCharacter();
    }
    if (from.codePointAt(0)! > to.codePointAt(0)!) this.refuse(`${from}-${to}`, 'is in the wrong order');
    if (!flags.ignoresCase) return `${escaped(from)}-${escaped(to)}`;
    if (/^[a-z]$/.test(from) && /^[a-z]$/.test(to)) {
      const others = [...'sk'].filter(one => from <= one && one <= to).map(one => folded[one]!);
      return `${from}-${to}${from.toUpperCase()}-${to.toUpperCase()}${others.join('')}`;
    }
    if (/^\d\d$/.test(from + to)) return `${from}-${to}`;
    return this.refuse(`${from}-${to}`, 'ignores case');
  }

  /** After a backslash: what stands inside [] in JavaScript, or null where one character follows. */
  private escapedSet({ ignoresCase }: Flags): string | null {
    const kind = this.peek();
    const set = setOf[kind.toLowerCase()];
    if (set !== undefined) {
      this.at++;
      return kind === kind.toLowerCase() ? set : `^${set}`;
    }
    if (kind !== 'p' && kind !== 'P') return null;
    const match = /^[pP]\{(\^?)([A-Za-z_]+)\}/.exec(this.source.slice(this.at, this.at + 64));
    if (!match) return this.refuse(`\\${kind}`);
    const [whole, caret, name] = match;
    const property = generalCategories.test(name!) ? name! : scriptName.test(name!) ? `Script=${name}` : '';
    try {
      new RegExp(`\\p{${property}}`, 'v');
    } catch {
      this.refuse(`\\${whole}`);
    }
    // Case does not matter to the classes of letters that Oniguruma knows, which are not closed under it.
    if (ignoresCase && !/^(?:[LMNPSZC]|[MNPSZC].|Letter|Mark|Number|Punctuation|Symbol|Separator)$/.test(name!)) {
      this.refuse(`\\${whole}`, 'ignores case');
    }
    this.at += whole.length;
    const isNegated = (kind === 'P') !== (caret === '^');
    return `${isNegated ? '^' : ''}\\p{${property}}`;
  }

  /** After a backslash. */
  private escapedCharacter(): string {
    const rest = this.source.slice(this.at, this.at + 12);
    const hex = /^(?:x\{([0-9A-Fa-f]{1,6})\}|x([0-7][0-9A-Fa-f])|u([0-9A-Fa-f]{4}))/.exec(rest);
    if (hex) {
      this.at += hex[0].length;
      const code = Number.parseInt(hex[1] ?? hex[2] ?? hex[3]!, 16);
      if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) this.refuse(`\\${hex[0]}`);
      return String.fromCodePoint(code);
    }
    const character = this.next();
    const control = controls[character];
    if (control !== undefined) return String.fromCharCode(control);
    if (character === '' || /[0-9A-Za-z]/.test(character)) this.refuse(`\\${character}`);
    return character;
  }

  private peek(): string {
    const code = this.source.codePointAt(this.at);
    return code === undefined ? '' : String.fromCodePoint(code);
  }

  private next(): string {
    const character = this.peek();
    this.at += character.length;
    return character;
  }

  private refuse(what: string, why = 'is not supported'): never {
    throw new RangeError(`${shown(what)} in the regular expression of ${this.path} ${why}`);
  }
}

interface Flags {
  readonly ignoresCase: boolean;
  readonly dotIsAll: boolean;
}

interface Piece {
  readonly text: string;
  /** May match nothing. */
  readonly isNullable: boolean;
  /** Matches nothing but a place. */
  readonly isAnchor?: boolean;
  /** The character it stands for. */
  readonly literal?: string;
}

function withFlags(flags: Flags, on: string, off: string): Flags {
  const value = (flag: string, now: boolean) => (now || on.includes(flag)) && !off.includes(flag);
  return { ignoresCase: value('i', flags.ignoresCase), dotIsAll: value('m', flags.dotIsAll) };
}

/** Valid inside and outside of []. */
function escaped(character: string): string {
  return /^[A-Za-z0-9]$/.test(character) ? character : `\\u{${character.codePointAt(0)!.toString(16)}}`;
}
