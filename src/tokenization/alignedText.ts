/** A piece of a text as a tokenizer changed it, with the stretch of the text that each of its characters comes from. */

/** Per UTF-16 unit of the changed text; both units of a character have the same values. */
interface Alignment {
  /** In the original text, UTF-16. */
  readonly starts: Uint32Array;
  readonly ends: Uint32Array;
  /** 1 where the character was put in, as the blank before a text. */
  readonly inserted: Uint8Array;
}

/** A character of the changed text: itself, what becomes of those it replaces, as the library counts them. */
export interface Change {
  readonly character: string;
  /** 1: put in behind the last one; 0: in place of one character; -n: in place of one and the n after it. */
  readonly change: number;
}

export class AlignedText {
  /** @param shift where the piece begins in the original text. @param alignment null: the piece is as in the original. */
  constructor(
    readonly text: string,
    readonly shift: number,
    readonly alignment: Alignment | null = null,
  ) {}

  /** Where a stretch that is not empty begins in the original. */
  startOf(start: number): number {
    if (this.alignment) return this.alignment.starts[start]!;
    return this.shift + start - (isLow(this.text, start) ? 1 : 0);
  }

  /** Where a stretch that is not empty and ends before `end` ends in the original. */
  endOf(end: number): number {
    if (this.alignment) return this.alignment.ends[end - 1]!;
    return this.shift + end + (isLow(this.text, end) ? 1 : 0);
  }

  isInserted(start: number, end: number): boolean {
    if (!this.alignment) return false;
    for (let i = start; i < end; i++) if (this.alignment.inserted[i] === 0) return false;
    return end > start;
  }

  slice(start: number, end: number): AlignedText {
    const text = this.text.slice(start, end);
    if (!this.alignment) return new AlignedText(text, this.shift + start);
    const { starts, ends, inserted } = this.alignment;
    const shift = start < end ? starts[start]! : this.shift;
    return new AlignedText(text, shift, {
      starts: starts.subarray(start, end),
      ends: ends.subarray(start, end),
      inserted: inserted.subarray(start, end),
    });
  }

  /** The same alignment under characters of the same lengths. */
  withText(text: string): AlignedText {
    return new AlignedText(text, this.shift, this.alignment);
  }

  /** Rewrites all characters from `skipped` on, which counts characters that are removed before the first one. */
  transform(changes: Iterable<Change>, skipped = 0): AlignedText {
    const builder = new Builder(this);
    let offset = 0;
    for (let i = 0; i < skipped; i++) offset += lengthAt(this.text, offset);
    for (const { character, change } of changes) {
      if (change > 0) builder.push(character, previous(this.text, offset));
      else {
        builder.push(character, offset);
        for (let i = change; i <= 0; i++) offset += lengthAt(this.text, offset);
      }
    }
    return builder.finish();
  }

  /** Writes every character as others, which all come from where it comes from. */
  spell(write: (character: string) => string): AlignedText {
    const parts = Array.from(this.text, write);
    const text = parts.join('');
    const [starts, ends] = [new Uint32Array(text.length), new Uint32Array(text.length)];
    const inserted = new Uint8Array(text.length);
    let [at, from] = [0, 0];
    for (const part of parts) {
      const [start, end] = [this.startOf(from), this.endOf(from + 1)];
      const isInserted = this.alignment?.inserted[from] ?? 0;
      for (let i = 0; i < part.length; i++, at++) {
        starts[at] = start;
        ends[at] = end;
        inserted[at] = isInserted;
      }
      from += lengthAt(this.text, from);
    }
    return new AlignedText(text, this.shift, { starts, ends, inserted });
  }

  /** Replaces stretches, in ascending order, by a content that comes from their last characters. */
  replace(stretches: readonly (readonly [number, number])[], content: string): AlignedText {
    if (stretches.length === 0) return this;
    if (content.length === 1 && stretches.every(([start, end]) => end - start === 1)) {
      let text = '';
      let last = 0;
      for (const [start, end] of stretches) {
        text += this.text.slice(last, start) + content;
        last = end;
      }
      return this.withText(text + this.text.slice(last));
    }
    const builder = new Builder(this);
    let last = 0;
    for (const [start, end] of stretches) {
      builder.copy(last, start);
      for (const character of content) builder.push(character, previous(this.text, end));
      last = end;
    }
    builder.copy(last, this.text.length);
    return builder.finish();
  }

  /** Keeps characters only that pass. */
  filter(keeps: (character: string) => boolean): AlignedText {
    let builder: Builder | null = null;
    let at = 0;
    for (const character of this.text) {
      const end = at + character.length;
      if (keeps(character)) builder?.copy(at, end);
      else if (!builder) {
        builder = new Builder(this);
        builder.copy(0, at);
      }
      at = end;
    }
    return builder?.finish() ?? this;
  }

  /** What is put in before the text covers its first character, as in the library, and counts as inserted. */
  prepend(content: string): AlignedText {
    if (this.text === '') return this;
    const builder = new Builder(this);
    for (const character of content) builder.push(character, 0, true);
    builder.copy(0, this.text.length);
    return builder.finish();
  }
}

class Builder {
  private readonly parts: string[] = [];
  private starts: Uint32Array;
  private ends: Uint32Array;
  private inserted: Uint8Array;
  private length = 0;

  constructor(private readonly from: AlignedText) {
    const capacity = from.text.length + 8;
    this.starts = new Uint32Array(capacity);
    this.ends = new Uint32Array(capacity);
    this.inserted = new Uint8Array(capacity);
  }

  /** @param source unit of the text so far that the character comes from; -1 for its beginning. */
  push(character: string, source: number, isInserted = false): void {
    this.reserve(character.length);
    const { from } = this;
    const start = source < 0 ? from.shift : from.startOf(source);
    const end = source < 0 ? from.shift : from.endOf(source + 1);
    const inserted = isInserted || source < 0 || from.alignment?.inserted[source] === 1 ? 1 : 0;
    for (let i = 0; i < character.length; i++, this.length++) {
      this.starts[this.length] = start;
      this.ends[this.length] = end;
      this.inserted[this.length] = inserted;
    }
    this.parts.push(character);
  }

  copy(start: number, end: number): void {
    this.reserve(end - start);
    const { from } = this;
    for (let i = start; i < end; i++, this.length++) {
      this.starts[this.length] = from.startOf(i);
      this.ends[this.length] = from.endOf(i + 1);
      this.inserted[this.length] = from.alignment?.inserted[i] ?? 0;
    }
    this.parts.push(from.text.slice(start, end));
  }

  finish(): AlignedText {
    const { length } = this;
    return new AlignedText(this.parts.join(''), this.from.shift, {
      starts: this.starts.subarray(0, length),
      ends: this.ends.subarray(0, length),
      inserted: this.inserted.subarray(0, length),
    });
  }

  private reserve(more: number): void {
    if (this.length + more <= this.starts.length) return;
    const capacity = 2 * (this.length + more);
    const grown = <T extends Uint32Array | Uint8Array>(to: T, from: T): T => {
      to.set(from);
      return to;
    };
    this.starts = grown(new Uint32Array(capacity), this.starts);
    this.ends = grown(new Uint32Array(capacity), this.ends);
    this.inserted = grown(new Uint8Array(capacity), this.inserted);
  }
}

/** Whether an offset is in the middle of a character. */
function isLow(text: string, at: number): boolean {
  const unit = text.charCodeAt(at);
  return unit >= 0xdc00 && unit <= 0xdfff;
}

function lengthAt(text: string, at: number): number {
  return text.codePointAt(at)! > 0xffff ? 2 : 1;
}

/** Where the character before an offset begins. */
function previous(text: string, at: number): number {
  return at > 0 && isLow(text, at - 1) ? at - 2 : at - 1;
}
