/** A set of code points. */
export class CharacterClass {
  /** Borders in ascending order: the class begins at the first, ends before the second, and so on. */
  private readonly borders: Uint32Array;

  /** @param lengths of the stretches outside and inside in turn, in base 36. */
  constructor(lengths: string) {
    let border = 0;
    this.borders = Uint32Array.from(lengths.split(' '), length => {
      border += Number.parseInt(length, 36);
      return border;
    });
  }

  has(codePoint: number): boolean {
    let low = 0;
    let high = this.borders.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.borders[middle]! <= codePoint) low = middle + 1;
      else high = middle;
    }
    return low % 2 === 1;
  }

  /** As they stand inside [] of a regular expression. */
  ranges(): string {
    let text = '';
    const unit = (codePoint: number) => `\\u{${codePoint.toString(16)}}`;
    for (let i = 0; i < this.borders.length; i += 2) {
      text += `${unit(this.borders[i]!)}-${unit(this.borders[i + 1]! - 1)}`;
    }
    return text;
  }
}
