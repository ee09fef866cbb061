/**
 * The byte-level alphabet of GPT-2's tokenizer: every byte is written as one printable character. Printable Latin-1
 * bytes stand for themselves, the other 68 for U+0100 and up, in order.
 */

import type { AlignedText } from './alignedText';

const byteOfCharacter = new Map<string, number>();
const characterOfByte: string[] = [];
{
  const isPrintable = (byte: number) =>
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || (byte >= 0xae && byte <= 0xff);
  let next = 0x100;
  for (let byte = 0; byte < 256; byte++) {
    const character = String.fromCharCode(isPrintable(byte) ? byte : next++);
    characterOfByte.push(character);
    byteOfCharacter.set(character, byte);
  }
}

/** Bytes that a byte-level token stands for. @throws RangeError if a character is not of the alphabet. */
export function bytesOfByteLevelToken(token: string): Uint8Array {
  return Uint8Array.from(token, character => {
    const byte = byteOfCharacter.get(character);
    if (byte === undefined) throw new RangeError(`"${character}" is not a byte of a byte-level vocabulary`);
    return byte;
  });
}

/** The text in the byte-level alphabet; each byte comes from the whole character that it is part of. */
export function byteLevelText(text: AlignedText): AlignedText {
  let ascii = '';
  for (let i = 0; i < text.text.length; i++) {
    const unit = text.text.charCodeAt(i);
    if (unit > 0x7f) return text.spell(bytesAsText);
    ascii += characterOfByte[unit];
  }
  return text.withText(ascii);
}

const encoder = new TextEncoder();
const written = new Map<string, string>();

function bytesAsText(character: string): string {
  let text = written.get(character);
  if (text === undefined) {
    text = Array.from(encoder.encode(character), byte => characterOfByte[byte]).join('');
    written.set(character, text);
  }
  return text;
}
