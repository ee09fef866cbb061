/** Normalizers of tokenizer.json: what is done to a text before it is cut. */

import type { AlignedText, Change } from './alignedText';
import { byteLevelText } from './byteLevel';
import { controls, marks, nonspacingMarks } from './characterClasses';
import { CharsMap } from './charsMap';
import { toLowerCase } from './letterCase';
import { normalForms, normalize } from './normalForms';
import { Pattern } from './oniguruma';
import type { Part } from './part';

export type Normalizer = (text: AlignedText) => AlignedText;

const types = [
  ...normalForms,
  ...['Sequence', 'Lowercase', 'Strip', 'StripAccents', 'Replace', 'Prepend', 'Precompiled', 'BertNormalizer', 'Nmt'],
  'ByteLevel',
];
const isSpace = (character: string) => /^\p{White_Space}$/u.test(character);

/** @throws RangeError naming what is not supported. */
export function toNormalizer(part: Part): Normalizer {
  const normalizer = read(part);
  part.finish();
  return normalizer;
}

function read(part: Part): Normalizer {
  const { type } = part;
  const form = normalForms.find(name => name === type);
  if (form) return text => normalize(text, form);
  switch (type) {
    case 'Sequence': {
      const steps = part.parts('normalizers').map(toNormalizer);
      return text => steps.reduce((now, step) => step(now), text);
    }
    case 'Lowercase':
      return lowercase;
    case 'Strip':
      return strip(part.flag('strip_left'), part.flag('strip_right'));
    case 'StripAccents':
      return text => text.filter(character => character < '\u0300' || !marks.has(character.codePointAt(0)!));
    case 'Replace': {
      const pattern = toPattern(part);
      const content = part.text('content');
      return text => text.replace(pattern(text.text), content);
    }
    case 'Prepend': {
      const content = part.text('prepend');
      return text => text.prepend(content);
    }
    case 'Precompiled': {
      const path = `${part.path}.precompiled_charsmap`;
      const map = part.has('precompiled_charsmap')
        ? new CharsMap(Buffer.from(part.text('precompiled_charsmap'), 'base64'), path)
        : null;
      part.any('precompiled_charsmap');
      return text => map?.normalize(text) ?? text;
    }
    case 'BertNormalizer':
      return bert(part);
    case 'Nmt':
      return nmt;
    case 'ByteLevel':
      return byteLevelText;
    default:
      return part.refuseType(types);
  }
}

/** Where a `pattern` matches, which is a text or a regular expression. */
export function toPattern(part: Part): (text: string) => (readonly [number, number])[] {
  const pattern = part.part('pattern');
  const isRegex = pattern.has('Regex');
  const source = pattern.text(isRegex ? 'Regex' : 'String');
  pattern.finish();
  // The library compiles both; an empty text matches between all characters.
  if (isRegex || source === '') {
    const compiled = new Pattern(source, `${part.path}.pattern`);
    return text => compiled.matches(text);
  }
  return text => {
    const found: [number, number][] = [];
    for (let at = text.indexOf(source); at >= 0; at = text.indexOf(source, at + source.length)) {
      found.push([at, at + source.length]);
    }
    return found;
  };
}

function lowercase(text: AlignedText): AlignedText {
  const lower = toLowerCase(text.text);
  if (lower === text.text) return text;
  // Each character by itself: the library knows no final sigma.
  const changes: Change[] = [];
  for (const character of text.text) pushAll(changes, toLowerCase(character));
  const whole = changes.map(({ character }) => character).join('');
  if (changes.every(({ change }) => change === 0) && whole.length === text.text.length) return text.withText(whole);
  return text.transform(changes);
}

function pushAll(changes: Change[], characters: string): void {
  let change = 0;
  for (const character of characters) {
    changes.push({ character, change });
    change = 1;
  }
}

function strip(isLeft: boolean, isRight: boolean): Normalizer {
  return text => {
    const start = isLeft ? /^\p{White_Space}*/u.exec(text.text)![0].length : 0;
    let end = text.text.length;
    while (isRight && end > start && isSpace(text.text[end - 1]!)) end--;
    return start === 0 && end === text.text.length ? text : text.slice(start, end);
  };
}

const chinese =
  /^[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u{20000}-\u{2a6df}\u{2a700}-\u{2b81f}\u{2b920}-\u{2ceaf}\u{2f800}-\u{2fa1f}]$/u;

function bert(part: Part): Normalizer {
  const cleans = part.flag('clean_text');
  const separatesChinese = part.flag('handle_chinese_chars');
  const isLower = part.flag('lowercase');
  const stripsAccents = part.has('strip_accents') ? part.flag('strip_accents') : isLower;
  part.any('strip_accents');
  return original => {
    let text = original;
    if (cleans) {
      text = text.filter(character => !controls.has(character.codePointAt(0)!));
      text = text.withText(text.text.replace(/\p{White_Space}/gu, ' '));
    }
    if (separatesChinese) {
      const changes: Change[] = [];
      for (const character of text.text) {
        if (!chinese.test(character)) changes.push({ character, change: 0 });
        else changes.push({ character: ' ', change: 0 }, { character, change: 1 }, { character: ' ', change: 1 });
      }
      text = text.transform(changes);
    }
    if (stripsAccents) {
      text = normalize(text, 'NFD').filter(character => !nonspacingMarks.has(character.codePointAt(0)!));
    }
    return isLower ? lowercase(text) : text;
  };
}

function nmt(original: AlignedText): AlignedText {
  const text = original.filter(character => {
    const code = character.codePointAt(0)!;
    const isControl = (code >= 1 && code <= 8) || code === 0x0b || (code >= 0x0e && code <= 0x1f);
    return !isControl && code !== 0x7f && code !== 0x8f && code !== 0x9f;
  });
  return text.withText(text.text.replace(/[\t\n\f\r\u1680\u200b-\u200f\u2028\u2029\u2581\ufeff\ufffd]/g, ' '));
}
