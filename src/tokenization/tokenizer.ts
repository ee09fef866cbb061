/**
 * Text to token ids and back, by the pipeline of tokenizer.json as the `tokenizers` library runs it: added tokens,
 * normalizer, pre-tokenizer, model. `truncation` and `padding` have no effect, as in `transformers`.
 */

import { Failure, shown } from '../shared/tools/failure';
import { AddedTokens } from './addedTokens';
import type { AlignedText } from './alignedText';
import { bytesOfByteLevelToken } from './byteLevel';
import { graphemes } from './graphemes';
import { toModel } from './models';
import type { NormalForm } from './normalForms';
import { toNormalizer } from './normalizers';
import { Part } from './part';
import { type PreTokenizer, toPreTokenizer } from './preTokenizers';
import { type Spelling, spellingOf, type TokenizerJson } from './tokenizerJson';
import { type Model, type Tokens, UnknownText } from './tokens';
import { type Trim, toTrim } from './trimOffsets';

export interface Encoded {
  readonly ids: Int32Array;
  /**
   * UTF-8 bytes of the text each token covers; they add up to the text's. What no token stands for counts with the token
   * before it, a character of several tokens with the first, and what was put in covers nothing.
   */
  readonly byteLengths: Uint32Array;
}

export interface Located extends Encoded {
  /** Where each token begins and ends by the library, which may overlap or leave gaps; UTF-16. */
  readonly starts: Uint32Array;
  readonly ends: Uint32Array;
}

/** Runs work and throws Failure once it takes longer than `maxMs`; `what` says what could not be done then. */
export type TimeLimit = <T>(maxMs: number, what: string, work: () => T) => T;

/** As many as a config.json may name. */
const maxTokens = 1 << 22;
/** On top of one millisecond per token to load and per character to encode: both take a twentieth of that. */
const minMs = 500;

/** The parts of a tokenizer.json. */
interface Pipeline {
  readonly added: AddedTokens;
  readonly preTokenize: PreTokenizer | null;
  readonly model: Model;
  readonly trim: Trim | null;
  /** By id. */
  readonly tokens: ReadonlyMap<number, string>;
  readonly spelling: Spelling;
}

export class Tokenizer {
  /** The largest id a text can be encoded to. */
  readonly maxId: number;
  private readonly pipeline: Pipeline;
  private readonly bytesById = new Map<number, Uint8Array>();

  /**
   * @param json a parsed tokenizer.json, or an object of that form.
   * @param withinTime ends work after a time; without it, regular expressions of the file may take for ever.
   * @throws Failure if a part of `json`, or an option of it, is not supported, or it has no vocabulary.
   */
  constructor(
    json: unknown,
    private readonly modelName: string,
    private readonly withinTime: TimeLimit = (_maxMs, _what, work) => work(),
  ) {
    this.pipeline = this.guarded(minMs + nTokensOf(json), () => toPipeline(json as TokenizerJson | null));
    let maxId = -1;
    for (const id of this.pipeline.tokens.keys()) maxId = Math.max(maxId, id);
    this.maxId = maxId;
  }

  /**
   * Encodes without special tokens. Lone surrogates are read as U+FFFD, which is one UTF-16 unit too.
   * @throws Failure if the vocabulary lacks a character and has no token for that.
   */
  encode(text: string): Encoded {
    return this.locate(text);
  }

  /** The same with the library's own offsets. */
  locate(text: string): Located {
    return this.guarded(minMs + text.length, () => this.encodeNow(text));
  }

  /** The bytes a token stands for, with a blank where its text has "▁" for one. */
  bytesOf(id: number): Uint8Array {
    let bytes = this.bytesById.get(id);
    if (!bytes) {
      bytes = this.spell(this.pipeline.tokens.get(id) ?? '', id);
      this.bytesById.set(id, bytes);
    }
    return bytes;
  }

  /** Readable form: the token's text, or its bytes as <0xNN> where they are not whole characters. */
  label(id: number): string {
    const bytes = this.bytesOf(id);
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch {
      return Array.from(bytes, byte => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`).join('');
    }
  }

  private encodeNow(text: string): Located {
    const { added, preTokenize, model, trim, tokens, spelling } = this.pipeline;
    const wellFormed = toWellFormed(text);
    const collected = new Collector();
    const written: string[] = [];
    for (const { text: piece, id } of added.split(wellFormed)) {
      if (id !== null) {
        collected.push(piece, id);
        written.push(piece.text);
        continue;
      }
      for (const word of preTokenize?.([piece]) ?? [piece]) {
        const found = model.tokenize(word.text);
        collected.pushAll(word, found);
        if (trim) for (const token of found.ids) written.push(tokens.get(token) ?? '');
      }
    }
    const encoded = collected.finish(wellFormed, spelling.form);
    trim?.(written, wellFormed, encoded.starts, encoded.ends);
    return encoded;
  }

  private spell(token: string, id: number): Uint8Array {
    const { added, spelling } = this.pipeline;
    const { isByteLevel, hasByteTokens, mark } = spelling;
    if (added.contents.has(id)) return encoder.encode(token);
    if (isByteLevel) {
      try {
        return bytesOfByteLevelToken(token);
      } catch {
        // The library's decoder has such a token stand for itself.
        return encoder.encode(token);
      }
    }
    const byte = hasByteTokens ? /^<0x([0-9A-F]{2})>$/.exec(token)?.[1] : undefined;
    if (byte) return Uint8Array.of(Number.parseInt(byte, 16));
    return encoder.encode(mark === null ? token : token.replaceAll(mark, ' '));
  }

  /** What a tokenizer.json that cannot be used leads to, said of the model. */
  private guarded<T>(maxMs: number, use: () => T): T {
    try {
      return this.withinTime(maxMs, `Cannot use the tokenizer of model "${this.modelName}"`, use);
    } catch (error) {
      if (error instanceof Failure) throw error;
      if (error instanceof UnknownText) {
        throw new Failure(
          'tokenizer-mismatch',
          `Cannot tokenize the text: the vocabulary of model "${this.modelName}" lacks ${shown(error.text)} and names no ` +
            'token for what is unknown. Remove it from the text or pick another model.',
          ['selectModel'],
        );
      }
      throw new Failure(
        'bad-tokenizer',
        `Cannot load model "${this.modelName}": tokenizer.json cannot be used ` +
          `(${String((error as Error)?.message).slice(0, 200)}). Correct its tokenizer.json or pick another model.`,
        ['selectModel', 'showLog'],
      );
    }
  }
}

const encoder = new TextEncoder();

function toPipeline(json: TokenizerJson | null): Pipeline {
  const { vocabulary, size } = readVocabulary(json);
  const { added_tokens, normalizer, pre_tokenizer, post_processor, model } = json as TokenizerJson;
  const optional = <T>(name: string, part: unknown, read: (part: Part) => T): T | null =>
    part === null || part === undefined ? null : read(new Part(name, part));
  const normalize = optional('normalizer', normalizer, toNormalizer);
  const added = new AddedTokens(added_tokens, vocabulary, size, normalize);
  const tokens = new Map<number, string>();
  for (const [token, id] of vocabulary) tokens.set(id, token);
  for (const [id, content] of added.contents) tokens.set(id, content);
  return {
    added,
    preTokenize: optional('pre_tokenizer', pre_tokenizer, toPreTokenizer),
    model: toModel(new Part('model', model), vocabulary),
    trim: optional('post_processor', post_processor, toTrim),
    tokens,
    spelling: spellingOf(json as TokenizerJson),
  };
}

/** Tokens with their places, in the library's way and laid side by side. */
class Collector {
  private readonly ids: number[] = [];
  private readonly starts: number[] = [];
  private readonly ends: number[] = [];
  /** Where each token's share of the text ends, UTF-16. */
  private readonly borders: number[] = [];
  private border = 0;
  /** The last token that covers something. */
  private lastFilled = -1;

  push(piece: AlignedText, id: number): void {
    this.add(id, piece.startOf(0), piece.endOf(piece.text.length), false);
  }

  pushAll(piece: AlignedText, { ids, starts, ends }: Tokens): void {
    for (let i = 0; i < ids.length; i++) {
      const [start, end] = [starts[i]!, ends[i]!];
      this.add(ids[i]!, piece.startOf(start), piece.endOf(end), piece.isInserted(start, end));
    }
  }

  finish(text: string, form: NormalForm | null): Located {
    if (this.lastFilled >= 0) this.extend(text.length);
    if (form !== null && text.normalize(form) !== text) this.keepWhole(text, form);
    const byteLengths = new Uint32Array(this.ids.length);
    let start = 0;
    for (const [i, border] of this.borders.entries()) {
      byteLengths[i] = border > start ? Buffer.byteLength(text.slice(start, border)) : 0;
      start = border;
    }
    const [ids, starts, ends] = [Int32Array.from(this.ids), Uint32Array.from(this.starts), Uint32Array.from(this.ends)];
    return { ids, byteLengths, starts, ends };
  }

  /** What a normal form changed, a character as a reader sees it, goes to the first of its tokens. */
  private keepWhole(text: string, form: NormalForm): void {
    let token = 0;
    let end = 0;
    for (const segment of graphemes(text)) {
      const index = end;
      end += segment.length;
      while (token < this.borders.length && this.borders[token]! <= index) token++;
      if (segment.normalize(form) === segment) continue;
      for (; token < this.borders.length && this.borders[token]! < end; token++) this.borders[token] = end;
    }
  }

  private add(id: number, start: number, end: number, isInserted: boolean): void {
    if (!isInserted && start > this.border && this.lastFilled >= 0) this.extend(start);
    this.ids.push(id);
    this.starts.push(start);
    this.ends.push(end);
    if (!isInserted && end > this.border) {
      this.border = end;
      this.lastFilled = this.ids.length - 1;
    }
    this.borders.push(this.border);
  }

  /** Gives the last token that covers something what follows it, to a border. */
  private extend(border: number): void {
    this.border = border;
    for (let i = this.lastFilled; i < this.borders.length; i++) this.borders[i] = border;
  }
}

/** @throws RangeError naming the token */
function readVocabulary(json: TokenizerJson | null): { vocabulary: Map<string, number>; size: number } {
  const check = (token: string, id: unknown): number => {
    if (!Number.isInteger(id) || Number(id) < 0 || Number(id) >= maxTokens) {
      throw new RangeError(
        `the id of token ${shown(token)} is ${shown(id)}, expected a whole number below ${maxTokens}`,
      );
    }
    return id as number;
  };
  const { vocab } = json?.model ?? {};
  if (typeof vocab !== 'object' || vocab === null || Object.keys(vocab).length === 0) {
    throw new RangeError('it has no vocabulary');
  }
  const vocabulary = new Map<string, number>();
  if (Array.isArray(vocab)) {
    checkScores(vocab);
    for (const [id, [token]] of vocab.entries()) vocabulary.set(token, id);
  } else for (const [token, id] of Object.entries(vocab)) vocabulary.set(token, check(token, id));
  const added = json?.added_tokens;
  if (Array.isArray(added)) {
    for (const token of added) {
      if (typeof token?.content !== 'string') throw new RangeError(`an added token is ${shown(token?.content)}`);
      check(token.content, token.id);
    }
  }
  return { vocabulary, size: Array.isArray(vocab) ? vocab.length : vocabulary.size };
}

/** A list holds tokens with their scores. */
function checkScores(vocab: readonly unknown[]): void {
  for (const [id, entry] of vocab.entries()) {
    const [token, score] = Array.isArray(entry) && entry.length === 2 ? entry : [];
    if (typeof token !== 'string' || typeof score !== 'number') {
      throw new RangeError(`token ${id} of its vocabulary is ${shown(entry)}, expected a text and a score`);
    }
  }
}

function nTokensOf(json: unknown): number {
  const { vocab } = (json as TokenizerJson | null)?.model ?? {};
  return typeof vocab === 'object' && vocab !== null ? Object.keys(vocab).length : 0;
}

/** String.prototype.toWellFormed, which Node has but the ES2023 library of TypeScript does not declare. */
function toWellFormed(text: string): string {
  return (text as string & { toWellFormed(): string }).toWellFormed();
}
