/**
 * The byte-level alphabet of GPT-2's tokenizer: every byte is written as one printable character. Printable Latin-1
 * bytes stand for themselves, the other 68 for U+0100 and up, in order.
 */

const byteOfCharacter = new Map<string, number>();
{
  const isPrintable = (byte: number) =>
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || (byte >= 0xae && byte <= 0xff);
  let next = 0x100;
  for (let byte = 0; byte < 256; byte++) {
    byteOfCharacter.set(String.fromCharCode(isPrintable(byte) ? byte : next++), byte);
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
