/** Text to token ids and back, with the length of every token, which the tokenizer library does not tell. */

import { Tokenizer as BaseTokenizer } from '@huggingface/tokenizers';
import { Failure } from '../shared/failure';
import { bytesOfByteLevelToken } from './byteLevel';

export interface Encoded {
  readonly ids: Int32Array;
  /** UTF-8 bytes of the text each token covers; they add up to the text's. */
  readonly byteLengths: Uint32Array;
}

interface TokenizerJson {
  readonly model?: { readonly type?: string };
  readonly pre_tokenizer?: unknown;
  readonly decoder?: unknown;
}

export class Tokenizer {
  private readonly base: BaseTokenizer;
  private readonly isByteLevel: boolean;
  private readonly bytesById = new Map<number, Uint8Array>();
  private readonly addedIds: ReadonlySet<number>;

  /** @throws Failure if `json` is no tokenizer.json this library can load. */
  constructor(json: unknown, modelName: string) {
    try {
      this.base = new BaseTokenizer(json as object, {});
    } catch (error) {
      throw new Failure(
        'bad-tokenizer',
        `Cannot load model "${modelName}": tokenizer.json cannot be used (${(error as Error).message}). ` +
          'Install the model again or pick another one.',
        ['selectModel', 'showLog'],
      );
    }
    this.addedIds = new Set(this.base.get_added_tokens_decoder().keys());
    const { decoder, pre_tokenizer: preTokenizer } = json as TokenizerJson;
    this.isByteLevel = JSON.stringify([decoder, preTokenizer]).includes('"ByteLevel"');
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
    const byteLengths = Uint32Array.from(ids, id => this.bytesOf(id).length);
    const expected = Buffer.byteLength(wellFormed);
    const spelled = byteLengths.reduce((sum, length) => sum + length, 0);
    if (spelled !== expected) {
      throw new Failure(
        'tokenizer-mismatch',
        `Cannot place tokens in the text: the tokenizer spells ${spelled} of ${expected} bytes. ` +
          'It normalises text or lacks characters; pick another model.',
        ['selectModel'],
      );
    }
    return { ids, byteLengths };
  }

  /** The bytes a token stands for. */
  bytesOf(id: number): Uint8Array {
    let bytes = this.bytesById.get(id);
    if (!bytes) {
      const token = this.base.id_to_token(id) ?? '';
      bytes =
        this.isByteLevel && !this.addedIds.has(id) ? bytesOfByteLevelToken(token) : new TextEncoder().encode(token);
      this.bytesById.set(id, bytes);
    }
    return bytes;
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
