/** Added tokens: found in the text before anything else is done to it. */

import { shown } from '../shared/tools/failure';
import { AlignedText } from './alignedText';
import type { Normalizer } from './normalizers';
import { Part } from './part';
import { PrefixTree } from './prefixTree';
import type { Vocabulary } from './tokens';

interface AddedToken {
  readonly id: number;
  readonly content: string;
  readonly isSingleWord: boolean;
  readonly takesLeft: boolean;
  readonly takesRight: boolean;
  readonly isNormalized: boolean;
}

/** A piece of the text, and which added token it is, if any. */
export interface Found {
  readonly text: AlignedText;
  readonly id: number | null;
}

const wordCharacter = String.raw`[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]`;
const beginsWithWord = new RegExp(`^${wordCharacter}`, 'u');
const endsWithWord = new RegExp(`${wordCharacter}$`, 'u');
const isSpace = /\p{White_Space}/u;

export class AddedTokens {
  /** By id. */
  readonly contents = new Map<number, string>();
  private readonly asWritten: Matcher;
  private readonly normalized: Matcher;

  /**
   * @param json `added_tokens` of tokenizer.json. Ids are the vocabulary's; those that it lacks follow its own in the
   * order of the file, whatever ids that names, as in the library.
   */
  constructor(
    json: unknown,
    vocabulary: Vocabulary,
    vocabularySize: number,
    private readonly normalizer: Normalizer | null,
  ) {
    const tokens = readAll(json, vocabulary, vocabularySize);
    for (const { id, content } of tokens) this.contents.set(id, content);
    const asNormalized = (content: string) => normalizer?.(new AlignedText(content, 0)).text ?? content;
    this.asWritten = new Matcher(tokens.filter(token => !token.isNormalized).map(token => [token.content, token]));
    this.normalized = new Matcher(
      tokens.filter(token => token.isNormalized).map(token => [asNormalized(token.content), token]),
    );
  }

  /** The text cut at added tokens, all else normalized. */
  split(text: string): Found[] {
    const found: Found[] = [];
    for (const outer of this.asWritten.split(new AlignedText(text, 0))) {
      if (outer.id !== null) found.push(outer);
      else found.push(...this.normalized.split(this.normalizer?.(outer.text) ?? outer.text));
    }
    return found;
  }
}

function readAll(json: unknown, vocabulary: Vocabulary, vocabularySize: number): AddedToken[] {
  if (json === undefined || json === null) return [];
  if (!Array.isArray(json)) throw new RangeError(`added_tokens is ${shown(json)}, expected a list`);
  const ids = new Map<string, number>();
  const tokens = new Map<string, AddedToken>();
  let nextId = vocabularySize;
  for (const [i, entry] of json.entries()) {
    const part = new Part(`added_tokens[${i}]`, entry);
    part.any('id');
    const content = part.text('content');
    const token = {
      content,
      isSingleWord: part.flag('single_word'),
      takesLeft: part.flag('lstrip'),
      takesRight: part.flag('rstrip'),
      isNormalized: part.flag('normalized'),
    };
    part.flag('special');
    part.finish();
    if (content === '') continue;
    const id = vocabulary.get(content) ?? ids.get(content) ?? nextId;
    if (id >= nextId) nextId = id + 1;
    ids.set(content, id);
    tokens.set(content, { ...token, id });
  }
  return [...tokens.values()];
}

/** Finds the leftmost added token, of several at a place the longest. */
class Matcher {
  private readonly tokens: readonly AddedToken[];
  private readonly tree: PrefixTree;
  private readonly first: RegExp | null;

  constructor(entries: readonly (readonly [content: string, token: AddedToken])[]) {
    const used = entries.filter(([content]) => content !== '');
    this.tokens = used.map(([, token]) => token);
    this.tree = new PrefixTree(used.map(([content], i) => [content, i] as const));
    const units = [...new Set(used.map(([content]) => content.charCodeAt(0)))];
    const hex = units.map(unit => `\\u${unit.toString(16).padStart(4, '0')}`);
    this.first = units.length > 0 ? new RegExp(`[${hex.join('')}]`, 'g') : null;
  }

  split(whole: AlignedText): Found[] {
    const { text } = whole;
    if (text === '') return [];
    const found: Found[] = [];
    let done = 0;
    for (const [matchStart, matchEnd, token] of this.matches(text)) {
      let [start, end] = [matchStart, matchEnd];
      const isInWord =
        endsWithWord.test(text.slice(Math.max(0, start - 2), start)) || beginsWithWord.test(text.slice(end, end + 2));
      if (token.isSingleWord && isInWord) continue;
      if (token.takesLeft) {
        start = Math.max(start, done);
        while (start > done && isSpace.test(text[start - 1]!)) start--;
      }
      if (token.takesRight) while (end < text.length && isSpace.test(text[end]!)) end++;
      if (done < start) found.push({ text: whole.slice(done, start), id: null });
      found.push({ text: whole.slice(start, end), id: token.id });
      done = end;
    }
    if (done < text.length) found.push({ text: whole.slice(done, text.length), id: null });
    return found;
  }

  private *matches(text: string): Iterable<[start: number, end: number, token: AddedToken]> {
    const { first } = this;
    if (!first) return;
    for (let at = 0; ; ) {
      first.lastIndex = at;
      const start = first.exec(text)?.index;
      if (start === undefined) return;
      let [end, value] = [-1, -1];
      this.tree.visit(text, start, (stop, token) => {
        [end, value] = [stop, token];
      });
      if (end >= 0) yield [start, end, this.tokens[value]!];
      at = end >= 0 ? end : start + 1;
    }
  }
}
