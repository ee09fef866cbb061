/**
 * Buffers that are used again: those of layers are alike, and the engine would keep dozens of them before it collects any.
 * The collector may still take them.
 */
export class SpareBuffers {
  private readonly byLength = new Map<number, WeakRef<Uint8Array<ArrayBuffer>>[]>();

  add(bytes: Uint8Array<ArrayBuffer>): void {
    this.byLength.set(bytes.length, [...(this.byLength.get(bytes.length) ?? []), new WeakRef(bytes)]);
  }

  /** @returns bytes with any content. */
  take(length: number): Uint8Array<ArrayBuffer> {
    const spares = this.byLength.get(length) ?? [];
    for (let spare = spares.pop(); spare; spare = spares.pop()) {
      const bytes = spare.deref();
      if (bytes) return bytes;
    }
    return new Uint8Array(length);
  }
}
