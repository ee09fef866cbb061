/** Pre-tokenizers of tokenizer.json: where a text is cut before the vocabulary is looked at. */

import type { AlignedText } from './alignedText';
import { byteLevelText } from './byteLevel';
import { punctuation } from './characterClasses';
import { toPattern } from './normalizers';
import { Pattern } from './oniguruma';
import type { Part } from './part';

export type PreTokenizer = (pieces: AlignedText[]) => AlignedText[];

const behaviors = ['Removed', 'Isolated', 'MergedWithPrevious', 'MergedWithNext', 'Contiguous'] as const;
type Behavior = (typeof behaviors)[number];

const types = [
  'Sequence',
  'ByteLevel',
  'Metaspace',
  'Split',
  'Digits',
  'Punctuation',
  'Whitespace',
  'WhitespaceSplit',
  'BertPreTokenizer',
  'CharDelimiterSplit',
];
const gpt2Split = String.raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`;

/** Stretches that match, in ascending order. */
type Find = (text: string) => (readonly [number, number])[];

/** @throws RangeError naming what is not supported. */
export function toPreTokenizer(part: Part): PreTokenizer {
  const preTokenizer = read(part);
  part.finish();
  return preTokenizer;
}

function read(part: Part): PreTokenizer {
  switch (part.type) {
    case 'Sequence': {
      const steps = part.parts('pretokenizers').map(toPreTokenizer);
      return pieces => steps.reduce((now, step) => step(now), pieces);
    }
    case 'ByteLevel':
      return byteLevel(part);
    case 'Metaspace':
      return metaspace(part);
    case 'Split': {
      const behavior = part.oneOf('behavior', behaviors);
      return cut(toPattern(part), behavior, part.flag('invert'));
    }
    case 'Digits':
      return cut(regex(/\p{N}/gu), part.flag('individual_digits') ? 'Isolated' : 'Contiguous');
    case 'Punctuation':
      return cut(findPunctuation, part.oneOf('behavior', behaviors, 'Isolated'));
    case 'Whitespace': {
      // As the library's own pattern, whose regular expressions take Join_Control for parts of words too.
      const pattern = new Pattern(String.raw`[\w\u200c\u200d]+|[^\w\u200c\u200d\s]+`, part.path);
      return cut(text => pattern.matches(text), 'Removed', true);
    }
    case 'WhitespaceSplit':
      return cut(findSpace, 'Removed');
    case 'BertPreTokenizer': {
      const [words, marks] = [cut(findSpace, 'Removed'), cut(findPunctuation, 'Isolated')];
      return pieces => marks(words(pieces));
    }
    case 'CharDelimiterSplit': {
      const delimiter = part.character('delimiter');
      return cut(findCharacter(delimiter), 'Removed');
    }
    default:
      return part.refuseType(types);
  }
}

function byteLevel(part: Part): PreTokenizer {
  const addsBlank = part.flag('add_prefix_space');
  const pattern = part.flag('use_regex', true) ? new Pattern(gpt2Split, part.path) : null;
  // Offsets are trimmed by the post-processor of that name only.
  part.flag('trim_offsets', true);
  const split = pattern && cut(text => pattern.matches(text), 'Isolated');
  return pieces => {
    const begun = addsBlank ? pieces.map(piece => (piece.text.startsWith(' ') ? piece : piece.prepend(' '))) : pieces;
    return (split?.(begun) ?? begun).map(byteLevelText);
  };
}

function metaspace(part: Part): PreTokenizer {
  const replacement = part.character('replacement');
  const addsBlank = part.flag('add_prefix_space', true);
  const scheme = part.oneOf('prepend_scheme', ['first', 'never', 'always'], 'always');
  if (!addsBlank && scheme !== 'never') {
    part.refuse('prepend_scheme', scheme, '"never", because add_prefix_space is false');
  }
  const split = part.has('split') && !part.flag('split') ? null : cut(findCharacter(replacement), 'MergedWithNext');
  part.any('split');
  // An old name for what follows from `replacement`.
  part.any('str_rep');
  const findBlank = findCharacter(' ');
  return pieces => {
    const marked = pieces.map(piece => {
      const written = piece.replace(findBlank(piece.text), replacement);
      const isWanted = scheme === 'always' || (scheme === 'first' && piece.shift === 0);
      return isWanted && !written.text.startsWith(replacement) ? written.prepend(replacement) : written;
    });
    return split?.(marked) ?? marked;
  };
}

/** Cuts every piece where something is found, or with `isInverted` where it is not. */
function cut(find: Find, behavior: Behavior, isInverted = false): PreTokenizer {
  return pieces => {
    const result: AlignedText[] = [];
    for (const piece of pieces) {
      for (const [start, end] of stretches(find(piece.text), piece.text.length, behavior, isInverted)) {
        if (start < end) result.push(piece.slice(start, end));
      }
    }
    return result;
  };
}

function stretches(
  matches: readonly (readonly [number, number])[],
  length: number,
  behavior: Behavior,
  isInverted: boolean,
): [number, number][] {
  const all: { start: number; end: number; isMatch: boolean }[] = [];
  let last = 0;
  for (const [start, end] of matches) {
    if (start > last) all.push({ start: last, end: start, isMatch: isInverted });
    all.push({ start, end, isMatch: !isInverted });
    last = end;
  }
  if (last < length) all.push({ start: last, end: length, isMatch: isInverted });
  switch (behavior) {
    case 'Isolated':
      return all.map(({ start, end }) => [start, end]);
    case 'Removed':
      return all.filter(({ isMatch }) => !isMatch).map(({ start, end }) => [start, end]);
    default:
      return merged(all, behavior);
  }
}

function merged(
  all: readonly { start: number; end: number; isMatch: boolean }[],
  behavior: 'MergedWithPrevious' | 'MergedWithNext' | 'Contiguous',
): [number, number][] {
  const result: [number, number][] = [];
  const isNext = behavior === 'MergedWithNext';
  let previous: boolean | null = behavior === 'Contiguous' ? null : false;
  for (const { start, end, isMatch } of isNext ? all.toReversed() : all) {
    const last = result.at(-1);
    const joins = behavior === 'Contiguous' ? isMatch === previous : isMatch && !previous;
    if (!joins || !last) result.push([start, end]);
    else if (isNext) last[0] = start;
    else last[1] = end;
    previous = isMatch;
  }
  return isNext ? result.reverse() : result;
}

function regex(expression: RegExp): Find {
  return text => Array.from(text.matchAll(expression), match => [match.index, match.index + match[0].length] as const);
}

const findSpace = regex(/\p{White_Space}/gu);

function findCharacter(character: string): Find {
  return text => {
    const found: [number, number][] = [];
    for (let at = text.indexOf(character); at >= 0; at = text.indexOf(character, at + character.length)) {
      found.push([at, at + character.length]);
    }
    return found;
  };
}

function findPunctuation(text: string): [number, number][] {
  const found: [number, number][] = [];
  let at = 0;
  for (const character of text) {
    const end = at + character.length;
    if (punctuation.has(character.codePointAt(0)!)) found.push([at, end]);
    at = end;
  }
  return found;
}
