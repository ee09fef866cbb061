/** One part of a tokenizer.json and its options: what is not known is refused by name, never passed over. */

import { shown } from '../shared/tools/failure';

export class Part {
  private readonly fields: Readonly<Record<string, unknown>>;
  private readonly read = new Set(['type']);

  /** @param path where the part stands in tokenizer.json, for messages. */
  constructor(
    readonly path: string,
    json: unknown,
  ) {
    if (typeof json !== 'object' || json === null || Array.isArray(json)) {
      throw new RangeError(`${path} is ${shown(json)}, expected an object`);
    }
    this.fields = json as Readonly<Record<string, unknown>>;
  }

  get type(): string {
    return this.text('type');
  }

  has(name: string): boolean {
    return this.fields[name] !== undefined && this.fields[name] !== null;
  }

  any(name: string): unknown {
    this.read.add(name);
    return this.fields[name];
  }

  /** Without `fallback` the option must be there, as in the library. */
  flag(name: string, fallback?: boolean): boolean {
    return this.value(name, 'boolean', 'true or false', fallback) as boolean;
  }

  text(name: string, fallback?: string): string {
    return this.value(name, 'string', 'a text', fallback) as string;
  }

  textOrNull(name: string): string | null {
    return this.any(name) === null || !this.has(name) ? null : this.text(name);
  }

  character(name: string): string {
    const text = this.text(name);
    if (text === '' || [...text].length !== 1) this.refuse(name, text, 'one character');
    return text;
  }

  count(name: string, fallback?: number): number {
    const value = this.value(name, 'number', 'a whole number', fallback) as number;
    if (!Number.isSafeInteger(value) || value < 0) this.refuse(name, value, 'a whole number');
    return value;
  }

  oneOf<T extends string>(name: string, choices: readonly T[], fallback?: T): T {
    const value = this.text(name, fallback);
    const choice = choices.find(one => one === value);
    return choice ?? this.refuse(name, value, choices.map(shown).join(', '));
  }

  parts(name: string): Part[] {
    const value = this.any(name);
    if (!Array.isArray(value)) return this.refuse(name, value, 'a list');
    return value.map((part, i) => new Part(`${this.path}.${name}[${i}]`, part));
  }

  part(name: string): Part {
    return new Part(`${this.path}.${name}`, this.any(name));
  }

  /** To be called when all options are read. @param ignored options without effect on ids and offsets. */
  finish(...ignored: string[]): void {
    for (const name of Object.keys(this.fields)) {
      if (this.read.has(name) || ignored.includes(name)) continue;
      throw new RangeError(`the option "${name}" of ${this.path} is not supported`);
    }
  }

  refuse(name: string, found: unknown, expected: string): never {
    throw new RangeError(`${this.path}.${name} is ${shown(found)}, expected ${expected}`);
  }

  refuseType(supported: readonly string[]): never {
    throw new RangeError(`${this.path} ${shown(this.type)} is not supported, only ${supported.join(', ')}`);
  }

  private value(name: string, type: string, expected: string, fallback: unknown): unknown {
    const found = this.any(name);
    if (typeof found === type) return found;
    return found === undefined && fallback !== undefined ? fallback : this.refuse(name, found, expected);
  }
}
