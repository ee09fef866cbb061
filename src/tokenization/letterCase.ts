/** Lower case as Unicode 17 has it. Pure. */

/** Capitals that the Node of older VS Codes, which has Unicode 16, does not know as such. */
const newCapitals = /[\ua7ce\ua7d2\ua7d4\u{16ea0}-\u{16eb8}]/gu;

export function toLowerCase(text: string): string {
  return text
    .replace(newCapitals, capital => {
      const code = capital.codePointAt(0)!;
      return String.fromCodePoint(code + (code > 0xffff ? 0x1b : 1));
    })
    .toLowerCase();
}
