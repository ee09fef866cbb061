/** Texts with numbers, to find those that a text has at a place. */

import { NumberTable } from './numberTable';

export class PrefixTree {
  private readonly children: NumberTable;
  /** By node: the number of the text that ends there, or -1. */
  private readonly values: number[] = [-1];

  /** A later text replaces an equal one. */
  constructor(texts: Iterable<readonly [text: string, value: number]>, expectedSize = 16) {
    this.children = new NumberTable(expectedSize);
    for (const [text, value] of texts) {
      let node = 0;
      for (let i = 0; i < text.length; i++) {
        const key = node * 0x10000 + text.charCodeAt(i);
        let next = this.children.get(key);
        if (next < 0) {
          next = this.values.length;
          this.values.push(-1);
          this.children.set(key, next);
        }
        node = next;
      }
      this.values[node] = value;
    }
  }

  /** Calls `visit` for every text that begins at a place, the shortest first. */
  visit(text: string, start: number, visit: (end: number, value: number) => void): void {
    let node = 0;
    for (let at = start; at < text.length; ) {
      node = this.children.get(node * 0x10000 + text.charCodeAt(at++));
      if (node < 0) return;
      const value = this.values[node]!;
      if (value >= 0) visit(at, value);
    }
  }
}
