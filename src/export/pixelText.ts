/** Writes text into pixels, where no canvas is at hand: a plain 5×7 face, enough for a caption. Pure. */

/**
 * A character, then its seven rows from the top: each a digit to base 32 whose five bits are the columns, the left one
 * highest.
 */
const face = `
A ehhvhhh B uhhuhhu C ehggghe D uhhhhhu E vgguggv F vgguggg G ehgnhhf H hhhvhhh I e44444e J 72222ic K hikokih
L ggggggv M hrllhhh N hhpljhh O ehhhhhe P uhhuggg Q ehhhlid R uhhukih S fgge11u T v444444 U hhhhhhe V hhhhha4
W hhhllla X hha4ahh Y hhha444 Z v1248gv
a 00e1fhf b ggmphhu c 00egghe d 11djhhf e 00ehvge f 698s888 g 0fhhf1e h ggmphhh i 40c444e j 20622ic k ggikoki
l c44444e m 00qllhh n 00mphhh o 00ehhhe p 00uhugg q 00djf11 r 00mpggg s 00fge1u t 88s8896 u 00hhhjd v 00hhha4
w 00hhlla x 00ha4ah y 00hhf1e z 00v248v
0 ehjlphe 1 4c4444e 2 eh1248v 3 v2421he 4 26aiv22 5 vgu11he 6 68guhhe 7 v124888 8 ehhehhe 9 ehhf12c
! 4444404 " aaa0000 # aavavaa $ 4fke5u4 % op248j3 & cik8lid ' 4480000 ( 2488842 ) 8422248 * 04lel40 + 044v440
, 0000c48 - 000e000 . 00000cc / 01248g0 : 0cc0cc0 ; 0cc0c48 < 248g842 = 00v0v00 > 8421248 ? eh12404 @ eh1dlle
[ e88888e \\ 0g84210 ] e22222e ^ 4ah0000 _ 000000v \` 8420000 { 2448442 | 4444444 } 8442448 ~ 008l200
· 000cc00 – 000v000 − 000v000 … 000000l ± 44v440v`;
const glyphs = new Map(Array.from(face.matchAll(/(\S) ([0-9a-v]{7})/gu), ([, character, rows]) => [character!, rows!]));

/** Cells of a glyph with the space after it, and of a line with the space below it. */
const [advance, lineHeight] = [6, 11];

export interface PixelText {
  readonly lines: readonly string[];
  /** Pixels per cell of a glyph. */
  readonly scale: number;
}

/** Breaks texts into lines that fit a width in pixels: between words, and inside of what is longer than a line. */
export function breakLines(texts: readonly string[], width: number, scale: number): PixelText {
  const perLine = Math.max(8, Math.floor(width / (advance * scale)));
  const lines: string[] = [];
  for (const text of texts) {
    let line = '';
    for (const word of drawable(text).split(' ')) {
      if (line !== '' && line.length + 1 + word.length > perLine) {
        lines.push(line);
        line = '';
      }
      line = line === '' ? word : `${line} ${word}`;
      for (; line.length > perLine; line = line.slice(perLine)) lines.push(line.slice(0, perLine));
    }
    lines.push(line);
  }
  return { lines, scale };
}

export function heightOf({ lines, scale }: PixelText): number {
  return lines.length * lineHeight * scale;
}

/** @param pixels shape [height, width, 3]; the text begins at (left, top) and is cut off at the right edge. */
export function drawText(
  pixels: Uint8Array,
  width: number,
  { lines, scale }: PixelText,
  left: number,
  top: number,
): void {
  for (const [i, line] of lines.entries()) {
    for (const [j, character] of [...line].entries()) {
      const rows = glyphs.get(character);
      for (let cell = 0; rows && cell < 35 * scale * scale; cell++) {
        const [x, y] = [cell % (5 * scale), Math.floor(cell / (5 * scale))];
        const bits = Number.parseInt(rows[Math.floor(y / scale)]!, 32);
        const column = left + j * advance * scale + x;
        if (!((bits >> (4 - Math.floor(x / scale))) & 1) || column >= width) continue;
        const at = ((top + i * lineHeight * scale + y) * width + column) * 3;
        pixels.fill(ink, at, at + 3);
      }
    }
  }
}

const ink = 31;

/** Accents are left out, and what the face has not is a question mark. */
function drawable(text: string): string {
  return Array.from(text.normalize('NFD').replace(/\p{M}/gu, ''), character =>
    character === ' ' || glyphs.has(character) ? character : '?',
  ).join('');
}
