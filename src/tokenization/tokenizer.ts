/** Text to token ids and back, with the length of every token, which the tokenizer library does not tell. */

import { Tokenizer as BaseTokenizer } from '@huggingface/tokenizers';
import { Failure } from '../shared/failure';
import { alignTokens } from './alignment';
import { bytesOfByteLevelToken } from './byteLevel';
import { normalizeText } from './normalization';
import { type Spelling, spellingOf, type TokenizerJson, withWrittenPattern } from './tokenizerJson';

export interface Encoded {
  readonly ids: Int32Array;
  /** UTF-8 bytes of the text each token covers; they add up to the text's. */
  readonly byteLengths: Uint32Array;
}

export class Tokenizer {
  private readonly base: BaseTokenizer;
  private readonly spelling: Spelling;
  private readonly bytesById = new Map<number, Uint8Array>();
  private readonly addedIds: ReadonlySet<number>;

  /** @throws Failure if `json` is no tokenizer.json this library can load, or has no vocabulary. */
  constructor(json: unknown, modelName: string) {
    const fail = (why: string) =>
      new Failure(
        'bad-tokenizer',
        `Cannot load model "${modelName}": tokenizer.json cannot be used (${why}). ` +
          'Install the model again or pick another one.',
        ['selectModel', 'showLog'],
      );
    const { vocab } = (json as TokenizerJson | null)?.model ?? {};
    if (typeof vocab !== 'object' || vocab === null || Object.keys(vocab).length === 0)
      throw fail('it has no vocabulary');
    try {
      this.base = new BaseTokenizer(withWrittenPattern(json as TokenizerJson), {});
      this.addedIds = new Set(this.base.get_added_tokens_decoder().keys());
      this.spelling = spellingOf(json as TokenizerJson);
    } catch (error) {
      throw fail((error as Error).message);
    }
  }

  /** The largest id a text can be encoded to. */
  get maxId(): number {
    let max = -1;
    for (const id of this.base.get_vocab(true).values()) max = Math.max(max, id);
    return max;
  }

  /**
   * Encodes without special tokens. Lone surrogates are read as U+FFFD, which is one UTF-16 unit too.
   * @throws Failure if the tokens do not spell the text: offsets would be wrong.
   */
  encode(text: string): Encoded {
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

  /** The bytes a token stands for, with a blank where its text has "▁" for one. */
  bytesOf(id: number): Uint8Array {
    let bytes = this.bytesById.get(id);
    if (!bytes) {
      bytes = this.spell(this.base.id_to_token(id) ?? '', id);
      this.bytesById.set(id, bytes);
    }
    return bytes;
  }

  private spell(token: string, id: number): Uint8Array {
    const { isByteLevel, hasByteTokens, marksBlanks } = this.spelling;
    if (this.addedIds.has(id)) return new TextEncoder().encode(token);
    if (isByteLevel) return bytesOfByteLevelToken(token);
    const byte = hasByteTokens ? /^<0x([0-9A-F]{2})>$/.exec(token)?.[1] : undefined;
    if (byte) return Uint8Array.of(Number.parseInt(byte, 16));
    return new TextEncoder().encode(marksBlanks ? token.replaceAll('▁', ' ') : token);
  }

  /** Readable form: the token's text, or its bytes as <0xNN> where they are no whole characters. */
  label(id: number): string {
    const bytes = this.bytesOf(id);
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch {
      return Array.from(bytes, byte => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`).join('');
    }
  }
}

/** String.prototype.toWellFormed, which Node has but the ES2023 library of TypeScript does not declare. */
function toWellFormed(text: string): string {
  return (text as string & { toWellFormed(): string }).toWellFormed();
}
