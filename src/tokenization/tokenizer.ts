/** Text to token ids and back, with the length of every token, which the tokenizer library does not return. */

import { Tokenizer as BaseTokenizer } from '@huggingface/tokenizers';
import { Failure, shown } from '../shared/tools/failure';
import { alignTokens } from './alignment';
import { bytesOfByteLevelToken } from './byteLevel';
import { normalizeText } from './normalization';
import { type Spelling, spellingOf, type TokenizerJson, withWrittenPattern } from './tokenizerJson';

export interface Encoded {
  readonly ids: Int32Array;
  /** UTF-8 bytes of the text each token covers; they add up to the text's. */
  readonly byteLengths: Uint32Array;
}

/** Runs work and throws Failure once it takes longer than `maxMs`; `what` says what could not be done then. */
export type TimeLimit = <T>(maxMs: number, what: string, work: () => T) => T;

/** As many as a config.json may name. */
const maxTokens = 1 << 22;
/** On top of one millisecond per token to load and per character to encode: both take a twentieth of that. */
const minMs = 500;

export class Tokenizer {
  /** The largest id a text can be encoded to. */
  readonly maxId: number;
  private readonly base: BaseTokenizer;
  private readonly spelling: Spelling;
  private readonly bytesById = new Map<number, Uint8Array>();
  private readonly addedIds: ReadonlySet<number>;

  /**
   * @param withinTime ends work after a time; without it, regular expressions of the file may take for ever.
   * @throws Failure if `json` is not a tokenizer.json this library can load, or has no vocabulary.
   */
  constructor(
    json: unknown,
    private readonly modelName: string,
    private readonly withinTime: TimeLimit = (_maxMs, _what, work) => work(),
  ) {
    const { base, addedIds, maxId, spelling } = this.guarded(minMs + nTokensOf(json), () => {
      checkVocabulary(json as TokenizerJson | null);
      const read = new BaseTokenizer(withWrittenPattern(json as TokenizerJson), {});
      const added = new Set(read.get_added_tokens_decoder().keys());
      let maxId = -1;
      for (const id of read.get_vocab(true).values()) maxId = Math.max(maxId, id);
      return { base: read, addedIds: added, maxId, spelling: spellingOf(json as TokenizerJson) };
    });
    this.maxId = maxId;
    this.base = base;
    this.addedIds = addedIds;
    this.spelling = spelling;
  }

  /**
   * Encodes without special tokens. Lone surrogates are read as U+FFFD, which is one UTF-16 unit too.
   * @throws Failure if the tokens do not spell the text: offsets would be wrong.
   */
  encode(text: string): Encoded {
    return this.guarded(minMs + text.length, () => this.encodeNow(text));
  }

  /** The bytes a token stands for, with a blank where its text has "▁" for one. */
  bytesOf(id: number): Uint8Array {
    let bytes = this.bytesById.get(id);
    if (!bytes) {
      bytes = this.spell(this.base.id_to_token(id) ?? '', id);
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

  private encodeNow(text: string): Encoded {
    const wellFormed = toWellFormed(text);
    const ids = Int32Array.from(
      wellFormed === '' ? [] : this.base.encode(wellFormed, { add_special_tokens: false }).ids,
    );
    const normalized = normalizeText(wellFormed, this.spelling.form);
    const bytes = new TextEncoder().encode(normalized?.text ?? wellFormed);
    const pieces = Array.from(ids, id => this.bytesOf(id));
    const { byteLengths, nSpelled } = alignTokens(
      bytes,
      pieces,
      token => this.addedIds.has(ids[token]!),
      this.spelling,
    );
    if (!normalized || !byteLengths) {
      throw new Failure(
        'tokenizer-mismatch',
        `Cannot place tokens in the text: the tokenizer spells ${nSpelled} of ${bytes.length} bytes. ` +
          'It changes text or lacks characters; pick another model.',
        ['selectModel'],
      );
    }
    let [border, original] = [0, 0];
    for (const [token, length] of byteLengths.entries()) {
      border += length;
      const end = normalized.originalByte(border);
      byteLengths[token] = end - original;
      original = end;
    }
    return { ids, byteLengths };
  }

  private spell(token: string, id: number): Uint8Array {
    const { isByteLevel, hasByteTokens, marksBlanks } = this.spelling;
    if (this.addedIds.has(id)) return new TextEncoder().encode(token);
    if (isByteLevel) return bytesOfByteLevelToken(token);
    const byte = hasByteTokens ? /^<0x([0-9A-F]{2})>$/.exec(token)?.[1] : undefined;
    if (byte) return Uint8Array.of(Number.parseInt(byte, 16));
    return new TextEncoder().encode(marksBlanks ? token.replaceAll('▁', ' ') : token);
  }

  /** What the library throws at a tokenizer.json it cannot use is not a bug of ours. */
  private guarded<T>(maxMs: number, use: () => T): T {
    try {
      return this.withinTime(maxMs, `Cannot use the tokenizer of model "${this.modelName}"`, use);
    } catch (error) {
      if (error instanceof Failure) throw error;
      throw new Failure(
        'bad-tokenizer',
        `Cannot load model "${this.modelName}": tokenizer.json cannot be used ` +
          `(${String((error as Error)?.message).slice(0, 200)}). Correct its tokenizer.json or pick another model.`,
        ['selectModel', 'showLog'],
      );
    }
  }
}

/** The library makes a list as long as the largest id. @throws RangeError naming the token */
function checkVocabulary(json: TokenizerJson | null): void {
  const check = (token: string, id: unknown) => {
    if (!Number.isInteger(id) || Number(id) < 0 || Number(id) >= maxTokens) {
      throw new RangeError(
        `the id of token ${shown(token)} is ${shown(id)}, expected a whole number below ${maxTokens}`,
      );
    }
  };
  const { vocab } = json?.model ?? {};
  if (typeof vocab !== 'object' || vocab === null || Object.keys(vocab).length === 0) {
    throw new RangeError('it has no vocabulary');
  }
  if (Array.isArray(vocab)) checkScores(vocab);
  else for (const [token, id] of Object.entries(vocab)) check(token, id);
  const added: unknown = (json as { readonly added_tokens?: unknown } | null)?.added_tokens;
  if (!Array.isArray(added)) return;
  for (const token of added) {
    if (typeof token?.content !== 'string') throw new RangeError(`an added token is ${shown(token?.content)}`);
    check(token.content, token.id);
  }
}

/** A list holds tokens with their scores; other models' readers would take what else it holds for ids. */
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
